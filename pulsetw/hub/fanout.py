"""New items of a channel on their way to those who stood at its end."""

from collections.abc import Sequence

from pulsetw.hub.choice import Choice
from pulsetw.hub.connection import Connection
from pulsetw.hub.ring import Item, Ring
from pulsetw.hub.slices import IsOver
from pulsetw.hub.subscribers import Subscribers
from pulsetw.interfaces import Wire
from pulsetw.model import Position

# So many are sent to before the time is looked at: half a millisecond's worth.
_PIECE = 100


class FanOut:
    """One send of the joined items for each subscriber.

    It may take many reactor turns. Who comes in between does not get these items, as it stands behind them; who is
    reached when its transport is full keeps a cursor before them.

    Attributes:
        start: the number of the first item.
        waiting: who has not been reached, with what it gets: by kind of connection.
    """

    __slots__ = ("_choice", "_is_for_all", "_items", "_left", "_stood", "_subscribers", "start", "waiting")

    def __init__(
        self, ring: Ring, items: Sequence[Item], stood: Position | None, subscribers: Subscribers, choice: Choice
    ) -> None:
        """Nothing is sent yet.

        Args:
            ring: encodes the items.
            items: the newest of the ring, at least one.
            stood: up to this place everything was sent before.
            subscribers: those who are at the end now get the items.
            choice: which of them gets which.
        """
        self.start = items[0].number
        self._items = items
        self._stood = stood
        self._subscribers = subscribers
        self._choice = choice
        self._is_for_all = choice.is_for_all(items)
        self.waiting = [
            (wire, list(group), [ring.encode(item, wire) for item in items])
            for wire, group in subscribers.current.items()
            if group
        ]
        self._left: set[Connection] | None = None

    def leave(self, connection: Connection) -> None:
        """It gets nothing any more, even if it comes back."""
        if self._left is None:
            self._left = set()
        self._left.add(connection)

    def go_on(self, is_over: IsOver) -> int:
        """Sends until it is over; the number of deliveries: items times subscribers."""
        reached = 0
        while self.waiting:
            wire, connections, encoded = self.waiting[-1]
            data = encoded[0] if len(encoded) == 1 else b"".join(encoded)
            while connections:
                piece = connections[-_PIECE:]
                del connections[-_PIECE:]
                if self._left is not None:
                    piece = [connection for connection in piece if connection not in self._left]
                reached += self._send(piece, data) if self._is_for_all else self._send_chosen(piece, wire, encoded)
                if connections and is_over():
                    return reached * len(self._items)
            self.waiting.pop()
        return reached * len(self._items)

    def _send(self, piece: list[Connection], data: bytes) -> int:
        reached = 0
        for connection in piece:
            if connection.is_choked:
                self._subscribers.fall_behind(connection, self.start, self._stood)
                continue
            connection.transport.send(data)
            reached += 1
        return reached

    def _send_chosen(self, piece: list[Connection], wire: Wire, encoded: list[bytes]) -> int:
        """As `_send`, where not all is for everybody."""
        reached = 0
        group = self._subscribers.current.get(wire, {})
        numbered = list(zip(self._items, encoded, strict=True))
        for connection in piece:
            if connection.is_choked:
                self._subscribers.fall_behind(connection, self.start, self._stood)
                continue
            joined = group[connection]
            data = b"".join([each for item, each in numbered if self._choice.is_for(connection, joined, item)])
            if data:
                connection.transport.send(data)
            reached += 1
        return reached
