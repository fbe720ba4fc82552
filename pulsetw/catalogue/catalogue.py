"""All channels of one relay, and the rule of each."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from attrs import evolve

from pulsetw.catalogue.channel import Audience, Channel
from pulsetw.catalogue.names import check_name, check_pattern, is_pattern, matcher
from pulsetw.catalogue.rule import Rule
from pulsetw.errors import ChannelError

T = TypeVar("T")

# A namespace may hold any number of names, and strangers choose them: what is found once is kept, but not without end.
_MAX_FOUND = 10_000


class Catalogue:
    """Finds the declaration and the rule of a channel by its name.

    An exact name goes before a pattern, a longer pattern before a shorter one. A rule without a declaration opens its
    channel or namespace for events of any type.
    """

    def __init__(self, channels: Iterable[Channel], rules: Mapping[str, Rule]) -> None:
        """Puts declarations and rules together.

        Args:
            channels: the declarations, one for each name.
            rules: from channel name or pattern to rule; declared channels without one have the default rule.

        Raises:
            ChannelError: a name is declared twice, or is none that a channel may have.
        """
        declared: dict[str, Channel] = {}
        for channel in channels:
            if channel.name in declared:
                raise ChannelError(channel.name, "is declared twice")
            declared[channel.name] = channel
        for name in rules:
            (check_pattern if is_pattern(name) else check_name)(name)
        opened = {name: Channel(name, others=dict) for name in rules if _best(name, declared) is None}
        self._channels = {**declared, **opened}
        for name, rule in rules.items():
            governed = _best(name, self._channels)
            if rule.history_size and governed is not None and governed.audience is not Audience.ALL:
                raise ChannelError(name, "has an audience and can keep no history: it would be everybody's")
        self._rules = dict(rules)
        self._found: dict[str, tuple[Channel, Rule]] = {}

    @property
    def names(self) -> list[str]:
        """All channels with a fixed name."""
        return [name for name in self._channels if not is_pattern(name)]

    @property
    def patterns(self) -> list[str]:
        """All namespaces."""
        return [name for name in self._channels if is_pattern(name)]

    def channel(self, name: str) -> Channel:
        """The declaration that governs a channel.

        Raises:
            ChannelError: there is none, or no channel may have this name.
        """
        return (self._found.get(name) or self._find(name))[0]

    def rule(self, name: str) -> Rule:
        """The rule that governs a channel.

        Raises:
            ChannelError: the channel is not in the catalogue, or no channel may have this name.
        """
        return (self._found.get(name) or self._find(name))[1]

    def has_history(self, pattern: str) -> bool:
        """Whether a channel that the pattern matches may have a history.

        Patterns against patterns: said of one that may not, it costs a subscription that hears nothing.
        """
        return any(
            rule.history_size for name, rule in self._rules.items() if is_pattern(name) or matcher(pattern)(name)
        )

    def _find(self, name: str) -> tuple[Channel, Rule]:
        check_name(name)
        channel = _best(name, self._channels)
        if channel is None:
            raise ChannelError(name, "is not in the catalogue")
        rule = _best(name, self._rules) or _default_rule(channel)
        if channel.audience is not Audience.ALL and rule.history_size:
            rule = evolve(rule, history_size=0)  # of a pattern; an exact rule is refused at the start
        if len(self._found) >= _MAX_FOUND:
            self._found.clear()
        found = self._found[name] = (channel, rule)
        return found


def _default_rule(channel: Channel) -> Rule:
    return Rule() if channel.audience is Audience.ALL else Rule(subscribe="nobody")


def _best(name: str, table: Mapping[str, T]) -> T | None:
    """The entry of the name itself, else that of the longest pattern that it matches."""
    if name in table:
        return table[name]
    patterns = [pattern for pattern in table if is_pattern(pattern) and matcher(pattern)(name)]
    return table[max(patterns, key=len)] if patterns else None
