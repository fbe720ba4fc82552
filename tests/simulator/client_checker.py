"""What must hold for a client, whatever happens to it, its relay and Redis."""

from collections.abc import Iterable

from attrs import define, field

from pulsetw.model import Notice, Position
from tests.simulator.checker import Violation
from tests.simulator.logs import Logs


@define(eq=False)
class ClientChecker:
    """Follows what one client gets on one channel, over all its connections.

    Attributes:
        logs: what there was to get.
        keeps_ids: whether it keeps a window of ids itself: then none may come twice.
        at: how far it has read; None = it has not begun.
    """

    logs: Logs
    keeps_ids: bool
    at: Position | None = None
    _given: dict[str, tuple[int, int]] = field(factory=dict)  # by id: gaps before, connections before
    _excused: set[str] = field(factory=set)  # ids that a log had not, when that was told
    _told: set[tuple[str, str]] = field(factory=set)  # epochs and ids: in that log they are not missing
    _gaps: int = 0
    _connections: int = 0
    _is_remembered: bool = False

    def appended(self, id: str) -> None:
        """What was lost and told does not excuse an entry that is published anew."""
        self._excused.discard(id)

    def connected(self, *, is_remembered: bool) -> None:
        """It has come to a relay; `is_remembered`: whose rings are so large that it knows all that it has sent."""
        self._connections += 1
        self._is_remembered = is_remembered

    def begun(self, position: Position) -> None:
        """Its very first subscription stands: what was there before is none of its business."""
        self.at = position
        self._pass_over(self.logs.upto(position), position)
        self._excused.update(self.logs.lost(position))

    def recovered(self, position: Position) -> None:
        """It came back, and was told that nothing is missing since its place."""
        if self.at is None or position.offset != self.at.offset:
            raise Violation(f"I2: recovered from {position}, and stood at {self.at}")

    def got(self, id: str, position: Position) -> None:
        """An event: the next one, but for those that it has had already."""
        at = self._stood()
        if position.epoch != at.epoch or position.offset <= at.offset:
            raise Violation(f"I2: {position} after {at}")
        if self.logs.upto(position)[-1] != id:
            raise Violation(f"I1: {id} does not stand at {position}")
        self._has_read_the_same(position)
        self._has_had(self.logs.upto(position)[at.offset : -1], position)
        self._is_no_repeat(id, position)
        self._given[id] = self._gaps, self._connections
        self.at = position

    def told(self, notice: Notice) -> None:
        """A gap, or an answer that is one: it stands for what is between its ends, and for what the log has lost."""
        at, start, end = self._stood(), notice.start, notice.end
        if end is None:
            raise Violation(f"I2: {notice} has no end")
        if start is not None and start.epoch == at.epoch and start.offset > at.offset:
            self._has_had(self.logs.upto(start)[at.offset :], start)
            at = start
        self._gaps += 1
        self._pass_over(self.logs.upto(end)[self.logs.shared(at, end) :], end)
        is_elsewhere = (at.epoch, at.branch) != (end.epoch, end.branch)
        for lost in self.logs.lost(end):
            if notice.is_of_the_log or is_elsewhere or self._stands_between(lost, at, end):
                self._excused.add(lost)
        self.at = end

    def end(self, top: Position, acknowledged: Iterable[str]) -> None:
        """All is well again, and it has read all there is.

        Args:
            top: where the log ends.
            acknowledged: the ids whose publishers count on them.
        """
        at = self._stood()
        if at.epoch != top.epoch or at.offset > top.offset:
            raise Violation(f"I5: it rests at {at}, and the log at {top}")
        self._has_read_the_same(top)
        self._has_had(self.logs.upto(top)[at.offset :], top)
        told = {name for epoch, name in self._told if epoch == top.epoch}
        known = told.union(self._given, self._excused)
        silent = [name for name in acknowledged if name not in known]
        if silent:
            raise Violation(f"I4: lost in silence: {', '.join(silent)}")

    def _pass_over(self, passed: Iterable[str], position: Position) -> None:
        self._told.update((position.epoch, name) for name in passed)

    def _stood(self) -> Position:
        if self.at is None:
            raise Violation("I2: something came before the subscription stood")
        return self.at

    def _has_read_the_same(self, position: Position) -> None:
        at = self._stood()
        if at.branch != position.branch and self.logs.shared(at, position) < at.offset:
            raise Violation(f"I2: {at} is on a dead branch for {position}, and nobody said so")

    def _has_had(self, passed: Iterable[str], position: Position) -> None:
        missing = [name for name in passed if name not in self._given]
        if missing:
            raise Violation(f"I2: {', '.join(missing)} missing before {position}")

    def _is_no_repeat(self, id: str, position: Position) -> None:
        before = self._given.get(id)
        if before is None:
            return
        gaps, connections = before
        # Where Redis has forgotten ids it takes an event twice; a relay that has forgotten, or another, cannot know.
        is_told = gaps < self._gaps or self.logs.upto(position).count(id) > 1
        is_new_here = connections < self._connections or not self._is_remembered
        if self.keeps_ids or not (is_told and is_new_here):
            raise Violation(f"I3: {id} came twice, the second time at {position}")

    def _stands_between(self, id: str, start: Position, end: Position) -> bool:
        places = self.logs.places[id]
        return any(at.epoch == end.epoch and start.offset < at.offset <= end.offset for at in places)
