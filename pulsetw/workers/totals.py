"""The numbers of many workers, as those of one relay."""

from collections.abc import Mapping
from typing import Any

from attrs import define, field

# Not sums: of these the highest tells most.
_HIGHEST = frozenset(
    {"last_publish_time", "last_receive_time", "round_trip_ms", "round_trip_age_s", "reconnect_attempts"}
)
# Of the yes and no, these are true when they are for all; the others when they are for any.
_FOR_ALL = frozenset({"is_healthy", "publisher_ready", "subscriber_ready"})
# Texts that say that all is well: another's tells more.
_ALL_WELL = frozenset({"", "yes"})
# What is, and ends with its process; everything else has been counted since the start.
_PRESENT_PARTS = frozenset({"server", "health"})
_PRESENT = frozenset({"connections", "users", "channels", "subscriptions"})


@define
class Totals:
    """Sums of statistics, part by part.

    Attributes:
        document: the sums so far, with the parts and names of each.
    """

    document: dict[str, Any] = field(factory=dict)

    def add(self, stats: Mapping[str, Any]) -> None:
        """Adds one's numbers; of texts the first stays that says that something is not well."""
        _add(self.document, stats)

    def add_counters(self, stats: Mapping[str, Any]) -> None:
        """Adds what one had counted that has ended: its connections are gone, its deliveries were made."""
        self.add(
            {
                part: {
                    name: 0 if name in _PRESENT else number
                    for name, number in numbers.items()
                    if not isinstance(number, str)
                }
                for part, numbers in stats.items()
                if part not in _PRESENT_PARTS
            }
        )


def _add(to: dict[str, Any], what: Mapping[str, Any]) -> None:
    for name, value in what.items():
        if isinstance(value, Mapping):
            _add(to.setdefault(name, {}), value)
        else:
            to[name] = _together(name, to.get(name), value)


def _together(name: str, one: Any, other: Any) -> Any:
    if one is None or other is None:
        return other if one is None else one
    if isinstance(other, str):
        return other if one in _ALL_WELL else one
    if isinstance(other, bool):
        return one and other if name in _FOR_ALL else one or other
    return max(one, other) if name in _HIGHEST else one + other
