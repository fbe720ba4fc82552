"""What every log was that Redis ever had, also what a failover has taken away again."""

from collections.abc import Iterator, Sequence

from attrs import define, field, frozen

from pulsetw.model import Branch, Entry, Position
from tests.simulator.redis import Keys


@frozen
class Log:
    """One epoch on one branch.

    Attributes:
        ids: all that it ever had, by offset from 1; it grows.
        answered: how many ids had been answered when it began: those that it does not have were lost before.
        parent: the branch before it; "" = none.
        fork: the last offset that it shares with its parent.
    """

    ids: list[str]
    answered: int
    parent: str
    fork: int


@define(eq=False)
class Logs:
    """All logs, and what was answered.

    Attributes:
        answered: the ids that the script has answered, in that order.
        places: where each id was appended, all the places it ever had.
    """

    answered: Sequence[str]
    places: dict[str, list[Position]] = field(factory=dict)
    _logs: dict[tuple[str, str], Log] = field(factory=dict)

    def opened(self, keys: Keys, branch: str) -> None:
        """See `tests.simulator.redis.Redis`."""
        if (keys.epoch, branch) not in self._logs:
            *_, parent, current = (Branch("", 0), *keys.branches)
            self._logs[keys.epoch, branch] = Log(keys.appended, len(self.answered), parent.name, current.fork)

    def appended(self, entry: Entry) -> None:
        """An entry has got its place."""
        self.places.setdefault(entry.id, []).append(entry.position)

    def upto(self, position: Position) -> list[str]:
        """The ids up to a place, as its branch has them."""
        return self._logs[position.epoch, position.branch].ids[: position.offset]

    def lost(self, position: Position) -> set[str]:
        """What had been answered before the log of a place began, and it does not have."""
        log = self._logs[position.epoch, position.branch]
        return set(self.answered[: log.answered]).difference(log.ids)

    def shared(self, one: Position, other: Position) -> int:
        """The last offset up to which both have the same entries behind them."""
        if one.epoch != other.epoch:
            return 0
        limits = dict(self._ancestry(other))
        return next((min(limit, limits[branch]) for branch, limit in self._ancestry(one) if branch in limits), 0)

    def _ancestry(self, position: Position) -> Iterator[tuple[str, int]]:
        """Its branch and those before, each with the last offset that the place has of it."""
        branch, limit = position.branch, position.offset
        while branch:
            yield branch, limit
            log = self._logs[position.epoch, branch]
            branch, limit = log.parent, min(limit, log.fork)
