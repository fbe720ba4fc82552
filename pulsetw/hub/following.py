"""A channel of the hub together with its subscription at the broker."""

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from pulsetw.hub.channel import Channel
from pulsetw.interfaces import IChannels, IFollower


class Following:
    """Follows one channel from `begin` to `end`.

    Attributes:
        channel: its log and its subscribers.
        is_for_all: whether its events go to all subscribers: it has no audience.
        holds: how many need it for now, besides its subscribers.
    """

    def __init__(self, channel: Channel, source: IChannels, follower: IFollower, *, is_for_all: bool) -> None:
        """Not following yet."""
        self.channel = channel
        self.is_for_all = is_for_all
        self.holds = 0
        self._source = source
        self._follower = follower
        self._waiting: list[Deferred[None]] = []
        self._is_decided = False
        self._failure: Failure | None = None

    def begin(self) -> None:
        """The follower gets the channel's publications from now on, some perhaps before this returns."""
        self._source.follow(self.channel.name, self._follower).addBoth(self._followed)

    @property
    def is_idle(self) -> bool:
        """Whether nobody here wants the channel."""
        return not self.holds and not self._waiting and not len(self.channel)

    @property
    def stands(self) -> bool:
        """Whether nothing is missed any more."""
        return self._is_decided and self._failure is None

    def when_standing(self) -> Deferred[None]:
        """Fires when nothing is missed any more. Can be cancelled alone. Fails as `IChannels.follow` does."""
        if self._is_decided:
            return succeed(None) if self._failure is None else fail(self._failure)
        deferred: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(deferred)
        return deferred

    def end(self) -> None:
        """Follows no more."""
        self._source.unfollow(self.channel.name, self._follower)

    def _followed(self, outcome: Failure | None) -> None:
        self._is_decided = True
        self._failure = outcome
        # One at a time: while one of them is told, the others still want the channel.
        while self._waiting:
            deferred = self._waiting.pop(0)
            if outcome is None:
                deferred.callback(None)
            else:
                deferred.errback(outcome)
