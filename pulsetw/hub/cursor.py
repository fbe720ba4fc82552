"""Where a subscriber of a channel stands that is not at the end of its ring."""

from attrs import define, evolve

from pulsetw.hub.ring import Item, Ring
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

    def leave_lost(self, ring: Ring) -> None:
        """Steps over what the ring has no more; from now on the numbers before its first mean others."""
        self.joined = max(self.joined, ring.first)
        if ring.has_lost(self.number, self.position):
            self.owe(Notice("slow", self.position, ring.floor))
            self.position = ring.floor
        self.number = max(self.number, ring.first)


def excludes(item: Item) -> bool:
    """Whether a publication is not for everybody."""
    return item.publication is not None and bool(item.publication.exclude)


def before(item: Item) -> Position | None:
    """The place before a publication."""
    position = item.position
    return None if position is None else evolve(position, offset=position.offset - 1)
