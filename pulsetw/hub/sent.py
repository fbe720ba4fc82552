"""What of a ring its subscribers were not sent, so that an event that comes again goes to those who lack it."""

from collections.abc import Iterable

from pulsetw.hub.connection import Connection

# Stretches of the ring that a subscriber was not sent; of more the oldest are taken together.
_MAX_STRETCHES = 16


class Unsent:
    """For each subscriber the stretches that were passed over; most have none."""

    def __init__(self) -> None:
        self._stretches: dict[Connection, list[tuple[int, int]]] = {}

    def add(self, connection: Connection, start: int, end: int) -> None:
        """Items from `start` to before `end` are not sent to this one."""
        if start < end:
            stretches = self._stretches.setdefault(connection, [])
            stretches.append((start, end))
            if len(stretches) > _MAX_STRETCHES:
                # Rather twice than never.
                stretches[:2] = [(stretches[0][0], stretches[1][1])]

    def remove(self, connection: Connection) -> None:
        """Forgets a subscriber."""
        self._stretches.pop(connection, None)

    def has_had(self, connection: Connection, joined: int, numbers: Iterable[int]) -> bool:
        """Whether one of these items was sent to a subscriber that has come past them, and began at `joined`."""
        stretches = self._stretches.get(connection, ())
        return any(
            joined <= number and not any(start <= number < end for start, end in stretches) for number in numbers
        )
