"""Which names are asked for, and which of them Redis has confirmed: pure bookkeeping."""

from pulsetw.broker.redis.history import is_live
from pulsetw.catalogue.names import is_pattern, matcher


class Subscriptions:
    """The subscriptions of one connection after the other.

    Redis answers each name of each SUBSCRIBE and UNSUBSCRIBE with one acknowledgement, in order, among the messages.
    So what it has confirmed changes exactly where its own list changed, and a message between two acknowledgements
    came by the names that were confirmed then. A message that came by several of them is taken once, by its exact
    name if that is confirmed, else by the first pattern in alphabetical order: always the same copy, and no memory of
    what has been seen.

    All names here are those on Redis, with the prefix.
    """

    def __init__(self) -> None:
        self.wanted: set[str] = set()
        self._unanswered: dict[str, int] = {}
        self._confirmed: set[str] = set()
        self._patterns: list[str] = []

    def forget_connection(self) -> None:
        """The connection is gone, and all that Redis had confirmed with it."""
        self._unanswered.clear()
        self._confirmed.clear()
        self._patterns.clear()

    def sent(self, name: str) -> None:
        """A command that names it, SUBSCRIBE or UNSUBSCRIBE, went out."""
        self._unanswered[name] = self._unanswered.get(name, 0) + 1

    def acknowledged(self, name: str, *, subscribed: bool) -> None:
        """The answer to the oldest unanswered command that names it."""
        left = self._unanswered.get(name, 0) - 1
        if left > 0:
            self._unanswered[name] = left
        else:
            self._unanswered.pop(name, None)
        if subscribed:
            self._confirmed.add(name)
        else:
            self._confirmed.discard(name)
        if is_pattern(name):
            self._patterns = sorted(filter(is_pattern, {*self._patterns, name} & self._confirmed))

    def stands(self, name: str) -> bool:
        """Whether Redis has confirmed it, and no later command about it is under way."""
        return name in self._confirmed and name not in self._unanswered

    def takes(self, by: str, channel: str) -> bool:
        """Whether this copy of a message is the one to deliver.

        Args:
            by: the name or the pattern that Redis sent it for.
            channel: where it was published.
        """
        return by == self._chosen(channel) and self._is_wanted(channel)

    def _chosen(self, channel: str) -> str | None:
        if channel in self._confirmed:
            return channel
        return next((pattern for pattern in self._patterns if _matches(pattern, channel)), None)

    def _is_wanted(self, channel: str) -> bool:
        # Asked of what is wanted, not of the copy's own name: that one may just have been taken back.
        return channel in self.wanted or any(
            pattern in self.wanted and _matches(pattern, channel) for pattern in self._patterns
        )


def _matches(pattern: str, channel: str) -> bool:
    # Redis sends what is pushed of a log for the pattern * too; but that one asked for plain publications only.
    return is_live(pattern) == is_live(channel) and matcher(pattern)(channel) is not None
