"""Sends to those behind what they lack: what the ring has of it, and a notice where it has no more."""

from collections.abc import Callable

from attrs import frozen

from pulsetw.catalogue.rule import Slow
from pulsetw.hub.choice import Choice
from pulsetw.hub.connection import Connection
from pulsetw.hub.counts import Counts
from pulsetw.hub.cursor import Cursor
from pulsetw.hub.ring import Item, Ring
from pulsetw.hub.subscribers import Subscribers
from pulsetw.model import Notice, Position

# So much is joined for one send to somebody who catches up, in bytes: one transport's worth.
_CATCH_UP_BYTES = 65536


@frozen(eq=False)
class CatchingUp:
    """One channel's.

    Attributes:
        ring: what there is.
        subscribers: who is behind.
        choice: what is for whom.
        slow: see `pulsetw.catalogue.Rule`.
        has_history: whether an event may come again at another place.
        tell: tells one subscriber of a gap.
        counts: what is delivered is counted there.
    """

    ring: Ring
    subscribers: Subscribers
    choice: Choice
    slow: Slow
    has_history: bool
    tell: Callable[[Connection, Notice], None]
    counts: Counts

    def serve(self, connection: Connection) -> None:
        """Sends what the transport can take."""
        cursor = self.subscribers.behind.get(connection)
        if cursor is None:
            return
        if cursor.untold is not None:
            self.tell(connection, cursor.untold)
            cursor.untold = None
        self._skip_lost(connection, cursor)
        while cursor.number < self.ring.end and not connection.is_choked:
            notice = self.ring[cursor.number].notice
            if notice is not None:
                cursor.number += 1
                cursor.position = notice.end or cursor.position
                self.tell(connection, notice)
                continue
            pieces = self._next_pieces(connection, cursor)
            self.counts.deliveries += len(pieces)
            if pieces:
                connection.transport.send(b"".join(pieces))
        if cursor.number >= self.ring.end:
            self.subscribers.catch_up(connection)

    def _skip_lost(self, connection: Connection, cursor: Cursor) -> None:
        """Passes over what the ring has no more, and what the rule says; tells of it."""
        ring, target = self.ring, max(cursor.number, self.ring.first)
        end = ring.floor
        is_lost = ring.has_lost(cursor.number, cursor.position)
        if self.slow == "latest" and cursor.is_slow:
            live = [
                item for item in ring.live(target) if item.notice or self.choice.is_for(connection, cursor.joined, item)
            ]
            if len(live) > 1 and live[-1].publication is not None:
                target, end, is_lost = live[-1].number, _before(live[-1]), True
        if is_lost:
            # The gap ends in the current log.
            target = max(target, ring.base)
        if self.has_history:
            self.choice.unsent.add(connection, cursor.number, target)
        start = cursor.position
        cursor.number = target
        if is_lost:
            cursor.position = end
            self.tell(connection, Notice("slow", start, end))

    def _next_pieces(self, connection: Connection, cursor: Cursor) -> list[bytes]:
        """What comes next, up to a notice or one send's worth; the cursor stands after it."""
        pieces: list[bytes] = []
        size = 0
        while cursor.number < self.ring.end and size < _CATCH_UP_BYTES:
            item = self.ring[cursor.number]
            if item.notice is not None:
                break
            cursor.number += 1
            cursor.position = item.position or cursor.position
            if self.choice.is_for(connection, cursor.joined, item):
                pieces.append(self.ring.encode(item, connection.wire))
                size += len(pieces[-1])
        return pieces


def _before(item: Item) -> Position | None:
    """The place before a publication."""
    position = item.position
    return None if position is None else position.before
