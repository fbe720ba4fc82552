"""One channel of this server: its newest publications, and how far each subscriber has been sent.

Each entry has a number that is never used again. Almost all subscribers stand at the same place, the end of what was
flushed; they are kept together and need no cursor of their own. One whose transport cannot take more falls behind: it
keeps a cursor, and catches up from the log when its transport has drained. The log holds on to what somebody behind
still needs, up to `max_bytes`; who needs more than that is told of a gap.
"""

from collections import deque
from collections.abc import Iterator

from attrs import define, field

from pulsetw.commands import Gap
from pulsetw.hub.connection import Connection
from pulsetw.interfaces import Wire
from pulsetw.model import Publication

# So much is joined for one send to somebody who catches up, in bytes: one transport's worth.
_CATCH_UP_BYTES = 65536


@define(eq=False)
class _Entry:
    """A publication, encoded at most once for each kind of connection."""

    publication: Publication
    size: int
    _encoded: dict[Wire, bytes] = field(factory=dict, init=False)

    def bytes_for(self, wire: Wire) -> bytes:
        encoded = self._encoded.get(wire)
        if encoded is None:
            encoded = self._encoded[wire] = wire.publication(self.publication)
        return encoded

    def is_for(self, connection: Connection) -> bool:
        exclude = self.publication.exclude
        return not exclude or connection.client != exclude


class Channel:
    """The log of one channel and the cursors of its subscribers."""

    def __init__(self, name: str, max_bytes: int) -> None:
        """An empty channel.

        Args:
            name: the channel's name.
            max_bytes: how much the log keeps for subscribers that are behind.
        """
        self.name = name
        self._max_bytes = max_bytes
        self._entries: deque[_Entry] = deque()
        self._bytes = 0
        self._first = 0
        self._flushed = 0
        self._current: dict[Wire, dict[Connection, None]] = {}
        self._behind: dict[Connection, int] = {}

    def __len__(self) -> int:
        return len(self._behind) + sum(len(group) for group in self._current.values())

    def __iter__(self) -> Iterator[Connection]:
        for group in tuple(self._current.values()):
            yield from tuple(group)
        yield from tuple(self._behind)

    def add(self, connection: Connection) -> int:
        """A subscriber from now on: it gets what is appended after this call.

        Returns:
            The deliveries of the flush that comes before.
        """
        deliveries = self.flush()
        self._current.setdefault(connection.wire, {})[connection] = None
        return deliveries

    def remove(self, connection: Connection) -> None:
        """No subscriber any more; what it was not sent yet it does not get."""
        self._behind.pop(connection, None)
        group = self._current.get(connection.wire)
        if group is not None:
            group.pop(connection, None)
            if not group:
                del self._current[connection.wire]
        self._trim()

    def append(self, publication: Publication, size: int) -> None:
        """Adds a publication; it goes out with the next flush.

        Args:
            publication: what is new.
            size: about how many bytes it takes.
        """
        self._entries.append(_Entry(publication, size))

    def flush(self) -> int:
        """Sends what is new to every subscriber whose transport can take it, one send each.

        Returns:
            The number of deliveries: publications times subscribers.
        """
        new = [self._entries[index] for index in range(self._flushed - self._first, len(self._entries))]
        if not new:
            return 0
        start, self._flushed = self._flushed, self._flushed + len(new)
        self._bytes += sum(entry.size for entry in new)
        excluding = any(entry.publication.exclude for entry in new)
        subscribers = 0
        for wire, group in tuple(self._current.items()):
            joined = b"".join([entry.bytes_for(wire) for entry in new])
            for connection in tuple(group):
                if connection.is_choked:
                    self._fall_behind(connection, start)
                    continue
                subscribers += 1
                if excluding:
                    connection.transport.send(b"".join(e.bytes_for(wire) for e in new if e.is_for(connection)))
                else:
                    connection.transport.send(joined)
        self._trim()
        return subscribers * len(new)

    def catch_up(self, connection: Connection) -> int:
        """Sends to somebody behind what its transport can take; called when the transport has drained.

        Returns:
            The number of deliveries.
        """
        deliveries = 0
        cursor = self._behind.get(connection)
        if cursor is None:
            return 0
        if cursor < self._first:
            connection.tell(Gap(self.name, "slow"))
            cursor = self._first
        while cursor < self._flushed and not connection.is_choked:
            data, count, cursor = self._next_piece(connection, cursor)
            deliveries += count
            connection.transport.send(data)
        if cursor < self._flushed:
            self._behind[connection] = cursor
        else:
            del self._behind[connection]
            connection.behind.discard(self.name)
            self._current.setdefault(connection.wire, {})[connection] = None
        self._trim()
        return deliveries

    def _next_piece(self, connection: Connection, cursor: int) -> tuple[bytes, int, int]:
        """What comes next, how many publications it is, and the cursor after it."""
        pieces: list[bytes] = []
        size = 0
        while cursor < self._flushed and size < _CATCH_UP_BYTES:
            entry = self._entries[cursor - self._first]
            cursor += 1
            if entry.is_for(connection):
                pieces.append(entry.bytes_for(connection.wire))
                size += len(pieces[-1])
        return b"".join(pieces), len(pieces), cursor

    def _fall_behind(self, connection: Connection, cursor: int) -> None:
        del self._current[connection.wire][connection]
        self._behind[connection] = cursor
        connection.behind.add(self.name)

    def _trim(self) -> None:
        """Forgets what nobody needs, and what does not fit."""
        needed = min(self._behind.values(), default=self._flushed)
        while self._first < self._flushed and (self._first < needed or self._bytes > self._max_bytes):
            self._bytes -= self._entries.popleft().size
            self._first += 1
