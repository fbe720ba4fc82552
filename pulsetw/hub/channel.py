"""One channel of this server: its newest publications, and how far each subscriber has been sent.

Each entry has a number that is never used again. Almost all subscribers stand at the same place, the end of what was
flushed; they are kept together and need no cursor of their own. One whose transport cannot take more falls behind: it
keeps a cursor, and catches up from the log when its transport has drained. The log holds on to what somebody behind
still needs, up to `max_bytes`; who needs more than that is told of a gap.
"""

from collections import deque
from collections.abc import Iterator

from attrs import frozen

from pulsetw.commands import Gap
from pulsetw.hub.connection import Connection
from pulsetw.interfaces import Wire
from pulsetw.model import Publication

# So much is joined for one send to somebody who catches up, in bytes: one transport's worth.
_CATCH_UP_BYTES = 65536


# What an entry takes besides its bytes.
_ENTRY_BYTES = 400


@frozen(eq=False)
class _Entry:
    """A publication, encoded once for each kind of connection that the channel has."""

    encoded: dict[Wire, bytes]
    exclude: str

    @property
    def size(self) -> int:
        return sum(map(len, self.encoded.values())) + _ENTRY_BYTES

    def is_for(self, connection: Connection) -> bool:
        return not self.exclude or connection.client != self.exclude


class Channel:
    """The log of one channel and the cursors of its subscribers."""

    def __init__(self, name: str, max_bytes: int) -> None:
        """An empty channel.

        Args:
            name: the channel's name.
            max_bytes: how much memory the log takes for subscribers that are behind.
        """
        self.name = name
        self._max_bytes = max_bytes
        self._new: list[Publication] = []
        self._entries: deque[_Entry] = deque()
        self._bytes = 0
        self._first = 0
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

    @property
    def _end(self) -> int:
        """The number that the next entry gets."""
        return self._first + len(self._entries)

    def append(self, publication: Publication) -> None:
        """Adds a publication; it goes out with the next flush."""
        self._new.append(publication)

    def flush(self) -> int:
        """Sends what is new to every subscriber whose transport can take it, one send each.

        Returns:
            The number of deliveries: publications times subscribers.
        """
        if not self._new:
            return 0
        wires = {*self._current, *(connection.wire for connection in self._behind)}
        new = [_Entry({w: w.publication(each) for w in wires}, each.exclude) for each in self._new]
        self._new = []
        start = self._end
        self._entries.extend(new)
        self._bytes += sum(entry.size for entry in new)
        excluding = any(entry.exclude for entry in new)
        subscribers = 0
        for wire, group in tuple(self._current.items()):
            joined = b"".join([entry.encoded[wire] for entry in new])
            for connection in tuple(group):
                if connection.is_choked:
                    self._fall_behind(connection, start)
                    continue
                subscribers += 1
                if excluding:
                    connection.transport.send(b"".join(e.encoded[wire] for e in new if e.is_for(connection)))
                else:
                    connection.transport.send(joined)
        self._trim()
        return subscribers * len(new)

    def catch_up(self, connection: Connection) -> tuple[int, int]:
        """Sends to somebody behind what its transport can take; called when the transport has drained.

        Returns:
            The number of deliveries, and of gaps.
        """
        deliveries, gaps = 0, 0
        cursor = self._behind.get(connection)
        if cursor is None:
            return 0, 0
        if cursor < self._first:
            connection.tell(Gap(self.name, "slow"))
            cursor, gaps = self._first, 1
        while cursor < self._end and not connection.is_choked:
            data, count, cursor = self._next_piece(connection, cursor)
            deliveries += count
            connection.transport.send(data)
        if cursor < self._end:
            self._behind[connection] = cursor
        else:
            del self._behind[connection]
            connection.behind.discard(self.name)
            self._current.setdefault(connection.wire, {})[connection] = None
        self._trim()
        return deliveries, gaps

    def skip_behind(self) -> None:
        """Those behind are about to be told of a gap: what comes before it they need not get any more."""
        for connection in self._behind:
            self._behind[connection] = self._end
        self._trim()

    def _next_piece(self, connection: Connection, cursor: int) -> tuple[bytes, int, int]:
        """What comes next, how many publications it is, and the cursor after it."""
        pieces: list[bytes] = []
        size = 0
        while cursor < self._end and size < _CATCH_UP_BYTES:
            entry = self._entries[cursor - self._first]
            cursor += 1
            if entry.is_for(connection):
                pieces.append(entry.encoded[connection.wire])
                size += len(pieces[-1])
        return b"".join(pieces), len(pieces), cursor

    def _fall_behind(self, connection: Connection, cursor: int) -> None:
        del self._current[connection.wire][connection]
        self._behind[connection] = cursor
        connection.behind.add(self.name)

    def _trim(self) -> None:
        """Forgets what nobody needs, and what does not fit."""
        needed = min(self._behind.values(), default=self._end)
        while self._entries and (self._first < needed or self._bytes > self._max_bytes):
            self._bytes -= self._entries.popleft().size
            self._first += 1
