"""New items of a channel on their way to those who stood at its end."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct
from twisted.logger import Logger

from pulsetw.hub.choice import Choice
from pulsetw.hub.connection import Connection
from pulsetw.hub.counts import Counts
from pulsetw.hub.ring import Item, Ring
from pulsetw.hub.slices import IsOver
from pulsetw.hub.subscribers import Subscribers
from pulsetw.interfaces import Wire
from pulsetw.model import Position, Publication

PIECE = 100
"""So many are sent to before the time is looked at: half a millisecond's worth."""


class Sending:
    """Sends new items to those of one channel who stand at its end; who cannot take them keeps a cursor before them."""

    _log = Logger()

    def __init__(self, subscribers: Subscribers, choice: Choice, counts: Counts, *, compress: bool = False) -> None:
        """Nothing is sent yet.

        Args:
            subscribers: who is where.
            choice: which of them gets which.
            counts: what is delivered is counted there.
            compress: whether publications are compressed for those who can take it.
        """
        self._compress = compress
        self._subscribers = subscribers
        self._choice = choice
        self._counts = counts

    def send(self, connections: Iterable[Connection], batch: "Batch", encoded: list[bytes], data: bytes) -> None:
        """One send for each; `encoded` are the items as these connections take them, `data` all of them joined."""
        is_for_all, count = batch.is_for_all, len(encoded)
        deliveries = 0
        for connection in connections:
            try:
                if connection.is_choked:
                    self._subscribers.fall_behind(connection, batch.start, batch.stood)
                elif is_for_all:
                    connection.transport.send(data)
                    deliveries += count
                else:
                    deliveries += self._send_chosen(connection, batch, encoded)
            except Exception:  # noqa: BLE001 -- the others have to get theirs
                self._failed(connection)
        self._counts.deliveries += deliveries

    def passes(self, new: Sequence[Publication]) -> bool:
        """Sends to a few without the ring, where nobody can ever need it: none is slow, nothing is for some only.

        Args:
            new: without places in a log.

        Returns:
            Whether it has sent.
        """
        subscribers = self._subscribers
        if subscribers.behind or subscribers.count_at_end > PIECE or self._choice.ahead.places:
            return False
        for publication in new:
            if publication.exclude or publication.degraded:
                return False
        for group in subscribers.current.values():
            for connection in group:
                if connection.is_choked:
                    return False
        for wire, group in tuple(subscribers.current.items()):
            encoded = [wire.publication(publication, compress=self._compress) for publication in new]
            data = encoded[0] if len(encoded) == 1 else b"".join(encoded)
            targets = tuple(group)
            for connection in targets:
                try:
                    connection.transport.send(data)
                except Exception:  # noqa: BLE001 -- as above
                    self._failed(connection)
            self._counts.deliveries += len(encoded) * len(targets)
        return True

    def _failed(self, connection: Connection) -> None:
        self._log.failure("Sending to {client} failed", client=connection.client)
        connection.transport.abort()

    def _send_chosen(self, connection: Connection, batch: "Batch", encoded: list[bytes]) -> int:
        """Sends those that are for this one; how many they are."""
        joined = self._subscribers.current[connection.wire][connection]
        pairs = zip(batch.items, encoded, strict=True)
        chosen = [each for item, each in pairs if self._choice.is_for(connection, joined, item)]
        if chosen:
            connection.transport.send(b"".join(chosen))
        return len(chosen)


class Batch(Struct, gc=False):
    """New items that go out together. There may be one for each message.

    Attributes:
        items: the newest of the ring, at least one.
        stood: up to this place everything was sent before.
        is_for_all: whether all of them are for everybody.
    """

    items: Sequence[Item]
    stood: Position | None
    is_for_all: bool

    @property
    def start(self) -> int:
        """The number of the first item."""
        return self.items[0].number


class FanOut:
    """A batch on its way to many: it may take many reactor turns.

    Who comes in between does not get these items, as it stands behind them.
    """

    __slots__ = ("_batch", "_left", "_sending", "_waiting")

    def __init__(
        self, sending: Sending, batch: Batch, ring: Ring, groups: Mapping[Wire, Collection[Connection]]
    ) -> None:
        """Nothing is sent yet.

        Args:
            sending: sends.
            batch: what.
            ring: encodes it.
            groups: who gets it, by kind of connection.
        """
        self._sending = sending
        self._batch = batch
        # For each kind of connection: who has not been reached, and what it gets.
        self._waiting = [
            (list(group), encoded, b"".join(encoded))
            for group, encoded in (
                (group, [ring.encode(item, wire) for item in batch.items]) for wire, group in groups.items() if group
            )
        ]
        self._left: set[Connection] = set()

    @property
    def start(self) -> int:
        """The number of the first item."""
        return self._batch.start

    @property
    def is_done(self) -> bool:
        """Whether everybody was reached."""
        return not self._waiting

    def leave(self, connection: Connection) -> None:
        """It gets nothing any more, even if it comes back."""
        self._left.add(connection)

    def go_on(self, is_over: IsOver) -> None:
        """Sends until it is over, or all have been reached."""
        while self._waiting:
            connections, encoded, data = self._waiting[-1]
            while connections:
                piece = connections[-PIECE:]
                del connections[-PIECE:]
                if self._left:
                    piece = [connection for connection in piece if connection not in self._left]
                self._sending.send(piece, self._batch, encoded, data)
                if connections and is_over():
                    return
            self._waiting.pop()
