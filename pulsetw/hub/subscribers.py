"""The subscribers of one channel: those who stand at the end of what was flushed, and those who are behind."""

from collections.abc import Iterator

from pulsetw.hub.connection import Connection
from pulsetw.hub.cursor import Cursor
from pulsetw.hub.ring import Ring
from pulsetw.interfaces import Wire
from pulsetw.model import Position


class Subscribers:
    """Who is where.

    Attributes:
        current: by kind of connection, those at the end, with the item at which each began.
        behind: the others, with their cursors.
        count_at_end: how many are at the end.
    """

    def __init__(self, channel: str) -> None:
        """Nobody yet; `channel` is the channel's name."""
        self.current: dict[Wire, dict[Connection, int]] = {}
        self.behind: dict[Connection, Cursor] = {}
        self.count_at_end = 0
        self._channel = channel

    def __len__(self) -> int:
        return len(self.behind) + self.count_at_end

    def __bool__(self) -> bool:
        return bool(self.behind) or self.count_at_end > 0

    def __iter__(self) -> Iterator[Connection]:
        yield from self.at_end()
        yield from tuple(self.behind)

    def at_end(self) -> list[Connection]:
        """Those who are not behind."""
        return [connection for group in self.current.values() for connection in group]

    def add(self, connection: Connection, joined: int) -> None:
        """It stands at the end, and began at the item `joined`."""
        group = self.current.setdefault(connection.wire, {})
        self.count_at_end += connection not in group
        group[connection] = joined

    def add_behind(self, connection: Connection, cursor: Cursor) -> None:
        """It is behind from the start."""
        self.behind[connection] = cursor
        connection.behind[self._channel] = None

    def remove(self, connection: Connection) -> None:
        """It is no subscriber any more."""
        self.behind.pop(connection, None)
        group = self.current.get(connection.wire)
        if group is not None:
            self.count_at_end -= group.pop(connection, None) is not None
            if not group:
                del self.current[connection.wire]

    def fall_behind(self, connection: Connection, number: int, stood: Position | None) -> None:
        """It stays at an item, up to whose place it was sent everything, while the end moves on."""
        joined = self.current[connection.wire].pop(connection)
        self.count_at_end -= 1
        self.add_behind(connection, Cursor(number, joined, stood))

    def choked_fall_behind(self, number: int, stood: Position | None) -> None:
        """Those who cannot be told now have a cursor from now on."""
        for connection in self.at_end():
            if connection.is_choked:
                self.fall_behind(connection, number, stood)

    def catch_up(self, connection: Connection) -> None:
        """It is at the end again."""
        self.add(connection, self.behind.pop(connection).joined)
        connection.behind.pop(self._channel, None)

    def leave_lost(self, ring: Ring) -> list[Cursor]:
        """Numbers below the ring's first mean others from now on: nobody stands there, or counts on having had those.

        Returns:
            Those behind who may have back what the ring had forgotten.
        """
        returning: list[Cursor] = []
        for cursor in self.behind.values():
            if ring.can_give_back(cursor.number, cursor.position):
                returning.append(cursor)
            else:
                cursor.leave_lost(ring)
        for group in self.current.values():
            group.update({connection: max(joined, ring.first) for connection, joined in group.items()})
        return returning
