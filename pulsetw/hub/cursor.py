"""Where a subscriber of a channel stands that is not at the end of its ring."""

from attrs import define, evolve

from pulsetw.hub.ring import Item
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

    def leave_lost(self, first: int, floor: Position) -> None:
        """Steps over what the ring, which begins at `first`, has no more; from now on the numbers before mean others.

        Args:
            first: the ring's first number.
            floor: the place before it.
        """
        self.joined = max(self.joined, first)
        if self.number < first:
            self.number = first
            if not has_read(self.position, floor):
                self.owe(Notice("slow", self.position, floor))
                self.position = floor


def excludes(item: Item) -> bool:
    """Whether a publication is not for everybody."""
    return item.publication is not None and bool(item.publication.exclude)


def before(item: Item) -> Position | None:
    """The place before a publication."""
    position = item.position
    return None if position is None else evolve(position, offset=position.offset - 1)


def has_read(stood: Position | None, place: Position | None) -> bool:
    """Whether somebody who stands there lacks nothing up to a place."""
    if stood is None or place is None:
        return False
    return stood.epoch == place.epoch and place.offset <= stood.offset
