"""New items of a channel on their way to those who stood at its end."""

from collections.abc import Sequence

from twisted.logger import Logger

from pulsetw.hub.choice import Choice
from pulsetw.hub.connection import Connection
from pulsetw.hub.counts import Counts
from pulsetw.hub.ring import Item, Ring
from pulsetw.hub.slices import IsOver
from pulsetw.hub.subscribers import Subscribers
from pulsetw.model import Position

# So many are sent to before the time is looked at: half a millisecond's worth.
_PIECE = 100


class FanOut:
    """One send of the joined items for each subscriber.

    It may take many reactor turns. Who comes in between does not get these items, as it stands behind them; who is
    reached when its transport is full keeps a cursor before them.

    Attributes:
        start: the number of the first item.
    """

    __slots__ = ("_choice", "_counts", "_is_for_all", "_items", "_left", "_stood", "_subscribers", "_waiting", "start")

    _log = Logger()

    def __init__(
        self,
        ring: Ring,
        items: Sequence[Item],
        stood: Position | None,
        subscribers: Subscribers,
        choice: Choice,
        counts: Counts,
    ) -> None:
        """Nothing is sent yet.

        Args:
            ring: encodes the items.
            items: the newest of the ring, at least one.
            stood: up to this place everything was sent before.
            subscribers: those who are at the end now get the items.
            choice: which of them gets which.
            counts: what is delivered is counted there.
        """
        self.start = items[0].number
        self._items = items
        self._stood = stood
        self._subscribers = subscribers
        self._choice = choice
        self._counts = counts
        self._is_for_all = choice.is_for_all(items)
        # For each kind of connection: who has not been reached, and what it gets.
        self._waiting = [
            (list(group), [ring.encode(item, wire) for item in items])
            for wire, group in subscribers.current.items()
            if group
        ]
        self._left: set[Connection] | None = None

    @property
    def is_done(self) -> bool:
        """Whether everybody was reached."""
        return not self._waiting

    def leave(self, connection: Connection) -> None:
        """It gets nothing any more, even if it comes back."""
        if self._left is None:
            self._left = set()
        self._left.add(connection)

    def go_on(self, is_over: IsOver) -> None:
        """Sends until it is over, or all have been reached."""
        while self._waiting:
            connections, encoded = self._waiting[-1]
            data = encoded[0] if len(encoded) == 1 else b"".join(encoded)
            while connections:
                piece = connections[-_PIECE:]
                del connections[-_PIECE:]
                if self._left is not None:
                    piece = [connection for connection in piece if connection not in self._left]
                self._send(piece, data, encoded)
                if connections and is_over():
                    return
            self._waiting.pop()

    def _send(self, piece: list[Connection], data: bytes, encoded: list[bytes]) -> None:
        is_for_all, count = self._is_for_all, len(encoded)
        deliveries = 0
        for connection in piece:
            if connection.is_choked:
                self._subscribers.fall_behind(connection, self.start, self._stood)
                continue
            try:
                if is_for_all:
                    connection.transport.send(data)
                    deliveries += count
                else:
                    deliveries += self._send_chosen(connection, encoded)
            except Exception:  # noqa: BLE001 -- the others have to get theirs
                self._log.failure("Sending to {client} failed", client=connection.client)
                connection.transport.abort()
        self._counts.deliveries += deliveries

    def _send_chosen(self, connection: Connection, encoded: list[bytes]) -> int:
        """Sends those that are for this one; how many they are."""
        joined = self._subscribers.current[connection.wire][connection]
        pairs = zip(self._items, encoded, strict=True)
        chosen = [each for item, each in pairs if self._choice.is_for(connection, joined, item)]
        if chosen:
            connection.transport.send(b"".join(chosen))
        return len(chosen)
