"""Which items are for which subscriber."""

from collections.abc import Iterable

from pulsetw.hub.ahead import Ahead
from pulsetw.hub.connection import Connection
from pulsetw.hub.ring import Item
from pulsetw.hub.sent import Unsent


class Choice:
    """Most items are for all: but for who is excluded, and for who has had the event already.

    Attributes:
        unsent: what subscribers were not sent of what stands before them.
        ahead: those who have read on another server what is still to come here.
    """

    def __init__(self) -> None:
        self.unsent = Unsent()
        self.ahead = Ahead()

    def remove(self, connection: Connection) -> None:
        """Forgets a subscriber."""
        self.unsent.remove(connection)
        self.ahead.remove(connection)

    def is_for_all(self, items: Iterable[Item]) -> bool:
        """Whether all of them are for everybody."""
        if self.ahead.places:
            return False
        for item in items:  # noqa: SIM110 -- `all` costs more than the loop, and most often there is one
            if item.firsts or (item.publication is not None and item.publication.exclude):
                return False
        return True

    def is_for(self, connection: Connection, joined: int, item: Item) -> bool:
        """Whether an item is a publication for this subscriber, which began at the item `joined`."""
        publication = item.publication
        if publication is None or (publication.exclude and publication.exclude == connection.client):
            return False
        position = publication.position
        if self.ahead.places and position is not None and self.ahead.has_had(connection, position):
            return False
        return not self.unsent.has_had(connection, joined, item.firsts)
