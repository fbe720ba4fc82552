"""What must hold, whatever happens; the numbers are those of the architecture's invariants."""

from attrs import define, field

from pulsetw.model import Entry, Notice, Position
from pulsetw.policy.recovery import Ask, Cut, Deliver, Effect, Past, Placed, Tell


class Violation(Exception):
    """An invariant does not hold."""


@define(eq=False)
class Checker:
    """Follows one consumer's effects.

    Attributes:
        acknowledged: the ids whose publishers count on them.
        answered: the ids that the script has answered, in that order. That is before their acknowledgement only with
            ``durable``: a key may be evicted while a publisher waits for the replica, and be told before it has it.
        given: ids that the consumer's subscribers have.
        excused: ids that a log had not, when that was told.
        told: epochs and ids of entries that a notice, or the past, stands for: in that log they are not missing.
        at: the last place that the subscribers know.
    """

    acknowledged: list[str] = field(factory=list)
    answered: list[str] = field(factory=list)
    given: set[str] = field(factory=set)
    excused: set[str] = field(factory=set)
    told: set[tuple[str, str]] = field(factory=set)
    at: Position | None = None
    _places: dict[Position, str] = field(factory=dict)
    _has_begun: bool = False

    def appended(self, entry: Entry) -> None:
        """I1: a place names one entry for ever. What was told does not excuse an entry that is published anew."""
        self.excused.discard(entry.id)
        if self._places.setdefault(entry.position, entry.id) != entry.id:
            raise Violation(f"I1: {entry.position} names two entries")

    def effect(self, effect: Effect, appended: list[str], answered: int) -> None:
        """One effect.

        Args:
            effect: what the consumer wants.
            appended: the ids of the log's epoch at the moment of the answer that it follows from.
            answered: how many ids were, at that moment: a notice excuses no later ones.
        """
        match effect:
            case Deliver(entry, again):
                self._deliver(entry, again)
            case Past(entries):
                self.given.update(entry.id for entry in entries)
                self.at = entries[-1].position
            case Tell(notice) | Cut(notice):
                self._notice(notice, appended, answered)
            case Placed(lineage, top):
                if self._has_begun and (self.at is None or self.at.offset != top or self.at.epoch != lineage.epoch):
                    raise Violation(f"I2: placed at {top}, and the subscribers at {self.at}")
                if not self._has_begun:
                    self._has_begun = True
                    self._excuse(appended, answered)
                    self._tell(lineage.epoch, appended[:top])
                self.at = lineage.at(top)
            case Ask():
                pass

    def end(self) -> None:
        """I4: what was acknowledged has come, or was told."""
        epoch = self.at.epoch if self.at else ""
        known = self.given | self.excused | {name for at, name in self.told if at == epoch}
        silent = [name for name in self.acknowledged if name not in known]
        if silent:
            raise Violation(f"I4: lost in silence: {', '.join(silent)}")

    def _deliver(self, entry: Entry, again: bool) -> None:
        at, place = self.at, entry.position
        if at is None or place.epoch != at.epoch or place.offset != at.offset + 1:
            raise Violation(f"I2: {place} after {at}")
        if again and entry.id not in self.given:
            raise Violation(f"I4: {entry.id} is said to have come before, and has not")
        if not again and entry.id in self.given:
            raise Violation(f"I3: {entry.id} came twice")
        self.given.add(entry.id)
        self.at = place

    def _notice(self, notice: Notice, appended: list[str], answered: int) -> None:
        start, end = notice.start, notice.end
        if start is None or end is None or (self.at is not None and start.offset != self.at.offset):
            raise Violation(f"I2: {notice} at {self.at}")
        if notice.reason == "trimmed":
            if end.offset <= start.offset:
                raise Violation(f"I2: {notice} goes back")
            self._tell(end.epoch, appended[start.offset : end.offset])
        else:
            self._excuse(appended, answered)
        if notice.reason in ("epoch", "branch"):
            self._tell(end.epoch, appended[: end.offset])
        self.at = end

    def _tell(self, epoch: str, names: list[str]) -> None:
        self.told.update((epoch, name) for name in names)

    def _excuse(self, appended: list[str], answered: int) -> None:
        """What this log does not have, and somebody was told that it has."""
        there = set(appended)
        self.excused.update(name for name in self.answered[:answered] if name not in there)
