"""Where a subscriber of a channel stands that is not at the end of its ring."""

from attrs import define, evolve

from pulsetw.hub.ring import Ring
from pulsetw.model import Notice, Position


@define(eq=False)
class Cursor:
    """Where a subscriber stands that is not at the end.

    Attributes:
        number: the item that comes next.
        joined: the item at which its subscription began.
        position: how far it was sent; None = not known.
        is_slow: whether its transport could not take more; else it is new, and waits for what there was before.
        untold: what it is to be told before anything else; None = nothing.
    """

    number: int
    joined: int
    position: Position | None
    is_slow: bool = True
    untold: Notice | None = None

    def owe(self, notice: Notice) -> None:
        """One more notice to be told; several become one, from where the first begins to where the last ends."""
        start = notice.start if self.untold is None else self.untold.start
        self.untold = evolve(notice, start=start)

    def return_to(self, ring: Ring) -> None:
        """Goes on where it has read to, in a ring that took back what it had forgotten."""
        position, floor = self.position, ring.floor
        if position is None or floor is None or position.offset < floor.offset:
            # It was given back less than this one lacks.
            self.number, self.joined = ring.first - 1, ring.first
        else:
            self.number = self.joined = ring.after(position.offset, position)

    def leave_lost(self, ring: Ring) -> None:
        """Steps over what the ring has no more; from now on the numbers before its first mean others."""
        self.joined = max(self.joined, ring.first)
        if ring.has_lost(self.number, self.position):
            self.owe(Notice("slow", self.position, ring.floor))
            self.position = ring.floor
        self.number = max(self.number, ring.first)
