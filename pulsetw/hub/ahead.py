"""Subscribers that have read on another server what is still to come here."""

from collections.abc import Container

from pulsetw.hub.connection import Connection
from pulsetw.model import Lineage, Position


class Ahead:
    """How far each of them has read.

    Attributes:
        places: by subscriber; most channels have none.
    """

    def __init__(self) -> None:
        self.places: dict[Connection, Position] = {}

    def add(self, connection: Connection, position: Position) -> None:
        """It has read up to here."""
        self.places[connection] = position

    def remove(self, connection: Connection) -> None:
        """Forgets a subscriber."""
        self.places.pop(connection, None)

    def clear(self) -> None:
        """What they have read is of a log that is no more."""
        self.places.clear()

    def has_had(self, connection: Connection, position: Position) -> bool:
        """Whether it got what stands there from another server."""
        place = self.places.get(connection)
        return place is not None and position.offset <= place.offset

    def reached(self, position: Position, behind: Container[Connection]) -> None:
        """The log came so far here, and so did all subscribers but those behind."""
        self.places = {
            each: place for each, place in self.places.items() if each in behind or place.offset > position.offset
        }

    def moved(self, lineage: Lineage) -> list[tuple[Connection, Position]]:
        """The log has other branches now: those whose reading stands on a dead one have read as far as the fork.

        Returns:
            Who they are, and how far they had read.
        """
        dead = [(each, place) for each, place in self.places.items() if lineage.start_of(place) != place.offset]
        for connection, place in dead:
            start = lineage.start_of(place)
            if start is None:
                del self.places[connection]
            else:
                # The log may not have come so far here, either.
                self.places[connection] = lineage.at(start)
        return dead
