"""One channel of this server: its newest publications, and how far each subscriber has been sent.

Almost all subscribers stand at the same place, the end of what was flushed; they are kept together and need no cursor
of their own. One whose transport cannot take more falls behind: it keeps a cursor, and catches up from the ring when
its transport has drained; so does one that comes back from a place that it names. The ring of a channel with a history
keeps its newest publications, up to `max_bytes`; any other holds on to what somebody behind still needs, up to the same
bound. Who needs more than that is told of a gap.

An event may come again at another place of the log. Whether it is sent is decided for each subscription: it is not
where the first copy was.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from attrs import evolve

from pulsetw.catalogue.rule import Slow
from pulsetw.commands import Gap
from pulsetw.errors import Disconnect, DisconnectCode
from pulsetw.hub.ahead import Ahead
from pulsetw.hub.branches import Branches
from pulsetw.hub.connection import Connection
from pulsetw.hub.cursor import Cursor, before, excludes
from pulsetw.hub.reloading import at_once
from pulsetw.hub.resuming import Beginning, lacks, newest, resume
from pulsetw.hub.ring import Item, Ring
from pulsetw.hub.sent import Unsent
from pulsetw.hub.subscribers import Subscribers
from pulsetw.hub.telling import tell_all
from pulsetw.model import Lineage, Notice, Position, Publication

# So much is joined for one send to somebody who catches up, in bytes: one transport's worth.
_CATCH_UP_BYTES = 65536


class Channel:
    """The ring of one channel and the cursors of its subscribers."""

    def __init__(
        self,
        name: str,
        max_bytes: int,
        *,
        has_history: bool = False,
        strict: bool = False,
        slow: Slow = "catch_up",
        reload_after_ms: Callable[[Notice], int] = at_once,
    ) -> None:
        """An empty channel.

        Args:
            name: the channel's name.
            max_bytes: how much memory the ring takes.
            has_history: whether the ring is kept with nobody behind.
            strict: whether a failover is told.
            slow: see `pulsetw.catalogue.Rule`.
            reload_after_ms: when a client that is told so should load its state again.
        """
        self.name = name
        self.has_history = has_history
        self._max_bytes = max_bytes
        self._slow = slow
        self._reload_after_ms = reload_after_ms
        self._new: list[Publication] = []
        self._ring = Ring()
        self._lineage: Lineage | None = None
        self._position: Position | None = None  # of what was given last
        self._flushed: Position | None = None  # of what was flushed last
        self._subscribers = Subscribers(name)
        self._unsent = Unsent()
        self._strict = strict
        self._branches = Branches(strict=strict)
        self._ahead = Ahead()
        self._more_bytes = 0

    def __len__(self) -> int:
        return len(self._subscribers)

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._subscribers)

    @property
    def ring_bytes(self) -> int:
        """What the ring takes."""
        return self._ring.bytes

    def add(self, connection: Connection, since: Position | None = None, last: int = 0) -> Beginning:
        """A subscriber from now on: it gets what is appended after this call.

        What it gets of what is there already waits for `catch_up`.

        Args:
            connection: the subscriber.
            since: how far it has read; None = from now on.
            last: without `since`, so many of the newest publications come first.
        """
        self.flush()
        here = self._position
        if since is not None:
            begins = resume(self._ring, self._lineage, here, since, self._branches.doubtful(since))
            if begins.position is not None and here is not None and begins.position.offset > here.offset:
                self._ahead.add(connection, begins.position)
        else:
            begins = newest(self._ring, here, last) if last else Beginning(self._ring.end, here)
        if begins.number == self._ring.end:
            self._subscribers.add(connection, begins.number)
        else:
            cursor = Cursor(begins.number, begins.number, begins.position, is_slow=False)
            self._subscribers.add_behind(connection, cursor)
            for start, end in self._ring.dead(begins.number):
                self._unsent.add(connection, start, end)
        return begins

    def remove(self, connection: Connection) -> None:
        """No subscriber any more; what it was not sent yet it does not get."""
        self._subscribers.remove(connection)
        self._unsent.remove(connection)
        self._ahead.remove(connection)
        self._trim()

    def append(self, publication: Publication) -> None:
        """Adds a publication; it goes out with the next flush."""
        self._new.append(publication)
        self._position = publication.position or self._position

    def flush(self) -> int:
        """Sends what is new to every subscriber whose transport can take it, one send each.

        Returns:
            The number of deliveries: publications times subscribers.
        """
        if not self._new:
            return 0
        start, stood = self._ring.end, self._flushed
        new = [self._ring.add(publication) for publication in self._new]
        self._new = []
        self._flushed = self._position
        for wire in self._subscribers.current:
            for item in new:
                self._ring.encode(item, wire)
        is_for_all = not self._ahead and not any(item.firsts or excludes(item) for item in new)
        subscribers = 0
        for wire, group in tuple(self._subscribers.current.items()):
            joined = b"".join([item.encoded[wire] for item in new])
            for connection in tuple(group):
                if connection.is_choked:
                    self._subscribers.fall_behind(connection, start, stood)
                    continue
                subscribers += 1
                if is_for_all:
                    connection.transport.send(joined)
                else:
                    self._send_chosen(connection, group[connection], new)
        if self._ahead and self._position is not None:
            self._ahead.reached(self._position, self._subscribers.behind)
        self._trim()
        return subscribers * len(new)

    def catch_up(self, connection: Connection) -> tuple[int, int]:
        """Sends to somebody behind what its transport can take; called when the transport has drained.

        Returns:
            The number of deliveries, and of gaps.
        """
        cursor = self._subscribers.behind.get(connection)
        if cursor is None:
            return 0, 0
        deliveries, gaps = 0, 0
        if cursor.untold is not None:
            self._tell(connection, cursor.untold)
            cursor.untold, gaps = None, 1
        gaps += self._skip_lost(connection, cursor)
        while cursor.number < self._ring.end and not connection.is_choked:
            notice = self._ring[cursor.number].notice
            if notice is not None:
                cursor.number += 1
                cursor.position = notice.end or cursor.position
                self._tell(connection, notice)
                gaps += 1
                continue
            data, count = self._next_piece(connection, cursor)
            deliveries += count
            if data:
                connection.transport.send(data)
        if cursor.number >= self._ring.end:
            self._subscribers.catch_up(connection)
            if self._ahead and self._position is not None:
                self._ahead.reached(self._position, self._subscribers.behind)
        self._trim()
        return deliveries, gaps

    def past(self, publications: Sequence[Publication]) -> None:
        """What the log had already; for those who come back or come late."""
        for publication in publications:
            self.append(publication)
        self.flush()

    def placed(self, lineage: Lineage, top: int) -> None:
        """Where the log stands."""
        self._lineage = lineage
        self._position = lineage.at(top)
        self._branches.placed(lineage)
        for connection, place in self._ahead.moved(lineage):
            start = lineage.start_of(place)
            self._owe(connection, Notice("diverged", place, None if start is None else lineage.at(start)))
        if not self._new:
            self._flushed = self._position
        if self._ring.floor is None:
            self._ring.floor = self._position

    def noticed(self, notice: Notice) -> int:
        """Something may be missing: tells everybody, in order with the publications.

        Without a history those behind need not get what stands before it any more; with one they do, and are told
        when they have got there.

        Returns:
            How many were told at once.
        """
        self.flush()
        if self.has_history:
            start, stood = self._ring.end, self._flushed
            self._ring.add_notice(notice)
            self._position = self._flushed = notice.end or self._position
            if notice.is_of_the_log:
                self._ahead.clear()
                self._branches.told()
            self._subscribers.choked_fall_behind(start, stood)
        else:
            self._subscribers.choked_fall_behind(self._ring.end, None)
            for cursor in self._subscribers.behind.values():
                cursor.number = self._ring.end
                cursor.owe(notice)
        told = self._announce(notice)
        self._trim()
        return told

    def cut(self, notice: Notice) -> int:
        """What was given after `notice.end` is on a dead branch: those who were sent of it are told, in order.

        Returns:
            How many were told at once.
        """
        self.flush()
        fork, here = notice.end, self._position
        if fork is None or here is None:
            return 0
        self._subscribers.choked_fall_behind(self._ring.end, here)
        dead = self._ring.cut(fork)
        end = self._ring.end
        if self._strict:
            # Whoever stands before the fork lacks what the old master had acknowledged behind it, as all others do.
            self._ring.add_notice(Notice("failover", fork, fork))
        self._position = self._flushed = fork
        self._ahead.clear()
        self._branches.told()
        for connection, cursor in self._subscribers.behind.items():
            self._unsent.add(connection, max(cursor.number, dead), end)
            if cursor.position is not None and cursor.position.offset > fork.offset:
                cursor.owe(evolve(notice, start=cursor.position))
                cursor.position, cursor.number = fork, self._ring.end
        told = self._announce(evolve(notice, start=here))
        self._trim()
        return told

    def history(self, since: Position | None, limit: int) -> tuple[Publication, ...]:
        """What the ring has: the first `limit` after a place; without one that is known here, the newest."""
        self.flush()
        start = None if since is None or self._lineage is None else self._lineage.start_of(since)
        number = self._ring.newest(limit) if start is None else self._ring.after(start, since)
        kept = [item.publication for item in self._ring.live(number) if item.publication and item.position]
        return tuple(kept[:limit])

    def lacks(self, since: Position | None, newest: int) -> int | None:
        """See `pulsetw.hub.resuming.lacks`."""
        return lacks(self._ring, self._lineage, self._position, since, newest) if self.has_history else None

    def restore(self, publications: Sequence[Publication], start: int, *, is_all: bool) -> None:
        """Takes back what the ring had forgotten.

        Args:
            publications: oldest first, all of the current log after `start`, up to the ring's floor or beyond.
            start: the offset before them.
            is_all: older ones are not to be had.
        """
        ring, lineage, floor = self._ring, self._lineage, self._ring.floor
        if lineage is None or floor is None or ring.is_mixed:
            return
        if start < floor.offset:
            # Numbers below the first are used once more from here on: nobody may stand there, or count on them.
            for cursor in self._subscribers.behind.values():
                cursor.leave_lost(ring)
            self._subscribers.begin_at_least(ring.first)
            ring.restore(publications, lineage.at(start))
        if is_all:
            ring.reach = min(start, floor.offset)

    def allow(self, more_bytes: int) -> None:
        """The ring may take so much more, from now on."""
        self._more_bytes = more_bytes
        if not more_bytes:
            self._ring.reach = 0
            self._trim()

    @property
    def place(self) -> tuple[Lineage | None, Position | None, int]:
        """The log's lineage, the place after which the ring has it, and how often it was cut or began anew."""
        return self._lineage, self._ring.floor, self._ring.turns

    @property
    def position(self) -> Position | None:
        """Where the channel's log ends; None = not known, or it has none."""
        return self._position

    def forget(self) -> None:
        """Gives the ring's memory back: those behind get a gap, those who come back find nothing."""
        self._ring.trim(self._ring.end, 0)

    def _send_chosen(self, connection: Connection, joined: int, items: Iterable[Item]) -> None:
        """Sends those that are for this one."""
        data = b"".join([item.encoded[connection.wire] for item in items if self._is_for(connection, joined, item)])
        if data:
            connection.transport.send(data)

    def _is_for(self, connection: Connection, joined: int, item: Item) -> bool:
        publication = item.publication
        if publication is None or (publication.exclude and publication.exclude == connection.client):
            return False
        position = publication.position
        if self._ahead and position is not None and self._ahead.has_had(connection, position):
            return False
        return not self._unsent.has_had(connection, joined, item.firsts)

    def _skip_lost(self, connection: Connection, cursor: Cursor) -> int:
        """Passes over what the ring has no more, and what the rule says; tells of it; the number of gaps."""
        ring, target = self._ring, max(cursor.number, self._ring.first)
        end = ring.floor
        is_lost = ring.has_lost(cursor.number, cursor.position)
        if self._slow == "latest" and cursor.is_slow:
            live = [item for item in ring.live(target) if item.notice or self._is_for(connection, cursor.joined, item)]
            if len(live) > 1 and live[-1].publication is not None:
                target, end, is_lost = live[-1].number, before(live[-1]), True
        if self.has_history:
            self._unsent.add(connection, cursor.number, target)
        start = cursor.position
        cursor.number = target
        if not is_lost:
            return 0
        cursor.position = end
        self._tell(connection, Notice("slow", start, end))
        return 1

    def _next_piece(self, connection: Connection, cursor: Cursor) -> tuple[bytes, int]:
        """What comes next, up to a notice, and how many publications it is; the cursor stands after it."""
        pieces: list[bytes] = []
        size = 0
        while cursor.number < self._ring.end and size < _CATCH_UP_BYTES:
            item = self._ring[cursor.number]
            if item.notice is not None:
                break
            cursor.number += 1
            cursor.position = item.position or cursor.position
            if self._is_for(connection, cursor.joined, item):
                pieces.append(self._ring.encode(item, connection.wire))
                size += len(pieces[-1])
        return b"".join(pieces), len(pieces)

    def _owe(self, connection: Connection, notice: Notice) -> None:
        """Tells one, as soon as its transport can take it."""
        if connection not in self._subscribers.behind and connection.is_choked:
            self._subscribers.fall_behind(connection, self._ring.end, self._flushed)
        cursor = self._subscribers.behind.get(connection)
        if cursor is None:
            self._tell(connection, notice)
        else:
            cursor.owe(notice)

    def _announce(self, notice: Notice) -> int:
        """Tells all who are not behind; how many they are."""
        return tell_all(self._subscribers.at_end(), lambda: self._gap(notice))

    def _tell(self, connection: Connection, notice: Notice) -> None:
        connection.tell(self._gap(notice))

    def _gap(self, notice: Notice) -> Gap:
        return Gap(self.name, notice, self._reload_after_ms(notice))

    def _trim(self) -> None:
        """Forgets what nobody needs, and what does not fit."""
        needed = self._ring.first
        if not self.has_history:
            needed = min((cursor.number for cursor in self._subscribers.behind.values()), default=self._ring.end)
            if self._slow == "latest" and self._subscribers.behind:
                needed = max(needed, self._ring.end - 1)
        is_less = self._ring.trim(needed, self._max_bytes + self._more_bytes)
        if is_less and self._slow == "disconnect":
            for connection, cursor in tuple(self._subscribers.behind.items()):
                if cursor.number < self._ring.first:
                    connection.end(Disconnect(DisconnectCode.SLOW))
