"""Where a channel's log stands, as far as this server has it."""

from attrs import define, field

from pulsetw.model import Lineage, Position


@define(eq=False)
class Place:
    """Without a history nothing of it is known.

    Attributes:
        lineage: how the log came to be.
        given: the place of what was given last.
        flushed: the place of the ring's newest.
    """

    lineage: Lineage | None = None
    given: Position | None = None
    flushed: Position | None = None
    _top: int | None = field(default=None, init=False)  # the broker said that the log goes so far

    def placed(self, lineage: Lineage, top: int) -> None:
        """The log stands here, and all that was given is flushed."""
        if lineage != self.lineage:
            self._top = None
        self.lineage = lineage
        self.given = self.flushed = lineage.at(top)

    def moved(self, position: Position | None) -> None:
        """What comes next comes after this place; None = as far as is known."""
        self.given = self.flushed = position or self.given

    def start_of(self, since: Position | None) -> int | None:
        """See `Lineage.start_of`; None, too, where somebody names no place, or there is no log."""
        return None if since is None or self.lineage is None else self.lineage.start_of(since)

    def reaches(self, offset: int) -> None:
        """The log goes so far at the broker."""
        self._top = offset

    @property
    def top(self) -> int | None:
        """How far the log goes, where the broker was asked: what came since counts, too."""
        return None if self._top is None or self.given is None else max(self._top, self.given.offset)

    def is_beyond(self, since: Position) -> bool:
        """Whether it is further on in the current log than this is known to go."""
        start, here = self.start_of(since), 0 if self.given is None else self.given.offset
        return start is not None and start > max(here, self._top or 0)
