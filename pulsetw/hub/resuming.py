"""Where the events of a subscriber begin that comes back, or comes late."""

from attrs import frozen

from pulsetw.hub.place import Place
from pulsetw.hub.ring import Ring
from pulsetw.model import Notice, Position


@frozen
class Beginning:
    """How a subscription begins.

    Attributes:
        number: the item of the ring that comes first.
        position: the place after which events come; None = not known.
        gap: what is missing; None = nothing.
    """

    number: int
    position: Position | None
    gap: Notice | None = None


def resume(ring: Ring, place: Place, since: Position, doubtful: frozenset[str] = frozenset()) -> Beginning:
    """For somebody who has read up to `since`.

    Args:
        ring: what there is.
        place: where the log stands.
        since: where the subscriber stands.
        doubtful: branches with which something may have been lost that this log never had.
    """
    lineage, here, top = place.lineage, place.flushed, place.top
    if lineage is None or ring.floor is None:
        return Beginning(ring.end, here, Notice("epoch" if here else "trimmed", since, here))
    start = lineage.start_of(since)
    if start is None:
        return Beginning(ring.end, here, Notice(lineage.why_unknown(since), since, here))
    if start < ring.floor.offset:
        floor = lineage.at(ring.floor.offset)
        return Beginning(ring.after(floor.offset), floor, Notice("trimmed", since, floor))
    if here is not None and top is not None and start > max(top, here.offset):
        return Beginning(ring.end, here, Notice("diverged", since, here))
    number, begins = ring.after(start, since), lineage.at(start)
    if start < since.offset:
        return Beginning(ring.after(start), begins, Notice("diverged", since, begins))
    if doubtful - ring.told_branches(number):
        return Beginning(ring.after(start), begins, Notice("failover", since, begins))
    return Beginning(number, begins)


def newest(ring: Ring, here: Position | None, count: int) -> Beginning:
    """For somebody who wants the `count` newest publications first."""
    number = ring.newest(count)
    if number == ring.end:
        return Beginning(number - ring.ends_open, here)
    position = ring[number].position
    return Beginning(number, None if position is None else position.before)


def lacks(ring: Ring, place: Place, since: Position | None, newest: int) -> int | None:
    """The offset after which the broker's log is to be read for somebody who comes back.

    Args:
        ring: what there is.
        place: where the log stands.
        since: where the subscriber stands.
        newest: without a place that is known here, so many of the newest are wanted; 0 = none.

    Returns:
        None: the ring has it all, or reading would not help.
    """
    lineage, here = place.lineage, place.given
    if lineage is None or here is None or ring.floor is None or ring.is_mixed or ring.knows_local:
        return None
    if ring.floor.offset <= ring.reach:
        return None
    start = place.start_of(since)
    if start is None:
        start = max(0, here.offset - newest) if newest else here.offset
    return start if start < ring.floor.offset else None
