"""One channel of this server: its newest publications, and how far each subscriber has been sent.

Almost all subscribers stand at the same place, the end of what was flushed; they are kept together and need no cursor
of their own. One whose transport cannot take more falls behind: it keeps a cursor, and catches up from the ring when
its transport has drained; so does one that comes back from a place that it names. The ring of a channel with a history
keeps its newest publications, up to `max_bytes`; any other holds on to what somebody behind still needs, up to the same
bound. Who needs more than that is told of a gap.

An event may come again at another place of the log. Whether it is sent is decided for each subscription: it is not
where the first copy was.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice

from attrs import evolve

from pulsetw.catalogue.rule import Slow
from pulsetw.codec import text_of
from pulsetw.commands import Gap
from pulsetw.errors import Disconnect, DisconnectCode
from pulsetw.hub.branches import Branches
from pulsetw.hub.catching_up import CatchingUp
from pulsetw.hub.choice import Choice
from pulsetw.hub.connection import Connection
from pulsetw.hub.counts import Counts
from pulsetw.hub.cursor import Cursor
from pulsetw.hub.fanout import PIECE, Batch, FanOut, Sending
from pulsetw.hub.place import Place
from pulsetw.hub.reloading import at_once
from pulsetw.hub.resuming import Beginning, lacks, newest, resume
from pulsetw.hub.ring import ITEM_BYTES, Ring
from pulsetw.hub.slices import IsOver, never
from pulsetw.hub.subscribers import Subscribers
from pulsetw.hub.telling import tell_all
from pulsetw.model import Lineage, Notice, Position, Publication

# So much may wait until those before it have gone to everybody, in bytes; then it is not waited any more.
_MAX_NEW_BYTES = 1024 * 1024
# So much is read again for those who were slow, in bytes: their absence is nobody's but theirs.
_SLOW_BYTES = 1024 * 1024


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
        compress: bool = False,
        reload_after_ms: Callable[[Notice], int] = at_once,
        counts: Counts | None = None,
    ) -> None:
        """An empty channel.

        Args:
            name: the channel's name.
            max_bytes: how much memory the ring takes.
            has_history: whether the ring is kept with nobody behind.
            strict: whether a failover is told.
            slow: see `pulsetw.catalogue.Rule`.
            compress: as `slow`.
            reload_after_ms: when a client that is told so should load its state again.
            counts: shared with other channels; None = its own.
        """
        self.name = name
        self.has_history = has_history
        self._max_bytes = max_bytes
        self._slow = slow
        self._reload_after_ms = reload_after_ms
        self._new: list[Publication] = []
        self._new_bytes = 0
        self._fan_out: FanOut | None = None
        self._ring = Ring(compress=compress)
        self._place = Place()
        self._subscribers = Subscribers(name)
        self._choice = Choice()
        self._counts = counts or Counts()
        self._sending = Sending(self._subscribers, self._choice, self._counts, compress=compress)
        self._catching_up = CatchingUp(
            self._ring, self._subscribers, self._choice, slow, has_history, self._tell, self._counts
        )
        self._strict = strict
        self._branches = Branches(strict=strict)
        self._more_bytes = 0

    def __len__(self) -> int:
        return len(self._subscribers)

    @property
    def is_wanted(self) -> bool:
        """Whether a publication is of use to anybody, now or later."""
        return self.has_history or bool(self._subscribers)

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._subscribers)

    @property
    def kept_bytes(self) -> int:
        """What the ring takes, and what waits to come into it."""
        return self._ring.kept_bytes + self._new_bytes

    def add(self, connection: Connection, since: Position | None = None, last: int = 0) -> Beginning:
        """A subscriber from now on: it gets what is appended after this call; the rest waits for `catch_up`.

        Args:
            connection: the subscriber.
            since: how far it has read; None = from now on.
            last: without `since`, so many of the newest publications come first.
        """
        if self._fan_out is None and self._new:
            # What waits is not for it.
            self._begin()
        here = self._place.flushed
        if since is not None:
            begins = resume(self._ring, self._place, since, self._branches.doubtful(since))
            if begins.position is not None and here is not None and begins.position.offset > here.offset:
                self._choice.ahead.add(connection, begins.position)
        else:
            begins = newest(self._ring, here, last)
        if begins.number == self._ring.end:
            self._subscribers.add(connection, begins.number)
        else:
            cursor = Cursor(begins.number, begins.number, begins.position, is_slow=False)
            self._subscribers.add_behind(connection, cursor)
            for start, end in self._ring.dead(begins.number):
                self._choice.unsent.add(connection, start, end)
        return begins

    def remove(self, connection: Connection) -> None:
        """No subscriber any more; what it was not sent yet it does not get."""
        self._subscribers.remove(connection)
        self._choice.remove(connection)
        if self._fan_out is not None:
            self._fan_out.leave(connection)
        self._trim()

    def append(self, publication: Publication) -> None:
        """Adds a publication; it goes out with the next flush."""
        self._new.append(publication)
        self._new_bytes += ITEM_BYTES + len(text_of(publication.event))
        self._place.given = publication.position or self._place.given

    @property
    def is_flushed(self) -> bool:
        """Whether nothing waits for `flush`."""
        return self._fan_out is None and not self._new

    @property
    def is_full(self) -> bool:
        """Whether so much waits for `flush` that it should not be put off."""
        return self._new_bytes > _MAX_NEW_BYTES

    @property
    def is_sending(self) -> bool:
        """Whether something is on its way, and not everybody was reached."""
        return self._fan_out is not None

    @property
    def subscribers_at_end(self) -> int:
        """How many subscribers get what is new with the next send."""
        return self._subscribers.count_at_end

    def flush(self) -> None:
        """Sends what is new to every subscriber whose transport can take it."""
        while not self.is_flushed:
            self.send_some(never)

    def send_some(self, is_over: IsOver) -> bool:
        """Sends what is on its way, or else what is new, one send for each subscriber.

        Args:
            is_over: says when to go on another time.

        Returns:
            Whether everybody was reached.
        """
        if self._fan_out is None and self._new:
            self._begin()
        if self._fan_out is not None:
            self._fan_out.go_on(is_over)
            if self._fan_out.is_done:
                self._fan_out = None
        if self._fan_out is not None:
            return False
        self._reached()
        self._trim()
        return True

    def catch_up(self, connection: Connection) -> None:
        """Sends to somebody behind what its transport can take."""
        self._catching_up.serve(connection)
        self._reached()
        self._trim()

    def reach_back(self, connection: Connection) -> int | None:
        """The offset after which the broker's log is to be read before somebody slow can catch up.

        Returns:
            None: the ring has it all, or reading would not help: then the subscriber is told.
        """
        cursor = self._subscribers.behind.get(connection)
        if cursor is None or self._slow != "catch_up" or not self._ring.can_give_back(cursor.number, cursor.position):
            return None
        start = self.lacks(cursor.position, 0)
        return start if start is not None and self._ring.would_take(start) <= _SLOW_BYTES else None

    def past(self, publications: Sequence[Publication]) -> None:
        """What the log had already; for those who come back or come late."""
        for publication in publications:
            self.append(publication)
        self.flush()

    def placed(self, lineage: Lineage, top: int) -> None:
        """Where the log stands."""
        self.flush()
        self._place.placed(lineage, top)
        self._branches.placed(lineage)
        for connection, place in self._choice.ahead.moved(lineage):
            start = lineage.start_of(place)
            self._owe(connection, Notice("diverged", place, None if start is None else lineage.at(start)))
        if self._ring.floor is None:
            self._ring.floor = self._place.given

    def noticed(self, notice: Notice) -> None:
        """Something may be missing: tells everybody, in order with the publications.

        Without a history those behind need not get what stands before it any more; with one they do, and are told
        when they have got there.
        """
        self.flush()
        if self.has_history:
            start, stood = self._ring.end, self._place.flushed
            self._ring.add_notice(notice)
            self._place.moved(notice.end)
            if notice.is_of_the_log:
                self._choice.ahead.clear()
                self._branches.told()
            self._subscribers.choked_fall_behind(start, stood)
        else:
            self._subscribers.choked_fall_behind(self._ring.end, None)
            for cursor in self._subscribers.behind.values():
                cursor.number = self._ring.end
                cursor.owe(notice)
        self._announce(notice)
        self._trim()

    def cut(self, notice: Notice) -> None:
        """What was given after `notice.end` is on a dead branch: those who were sent of it are told, in order."""
        self.flush()
        fork, here = notice.end, self._place.given
        if fork is None or here is None:
            return
        self._subscribers.choked_fall_behind(self._ring.end, here)
        dead = self._ring.cut(fork)
        end = self._ring.end
        if self._strict:
            # Whoever stands before the fork lacks what the old master had acknowledged behind it, as all others do.
            self._ring.add_notice(Notice("failover", fork, fork))
        self._place.moved(fork)
        self._choice.ahead.clear()
        self._branches.told()
        for connection, cursor in self._subscribers.behind.items():
            self._choice.unsent.add(connection, max(cursor.number, dead), end)
            if cursor.position is not None and cursor.position.offset > fork.offset:
                cursor.owe(evolve(notice, start=cursor.position))
                cursor.position, cursor.number = fork, self._ring.end
        self._announce(evolve(notice, start=here))
        self._trim()

    def history(self, since: Position | None, limit: int) -> tuple[Publication, ...]:
        """What the ring has: the first `limit` after a place; without one that is known here, the newest."""
        start = self._place.start_of(since)
        number = self._ring.newest(limit) if start is None else self._ring.after(start, since)
        kept = (item.publication for item in self._ring.live(number) if item.publication)
        placed = (each for each in chain(kept, self._new) if each.position and each.position.offset > (start or 0))
        return tuple(deque(placed, limit) if start is None else islice(placed, limit))

    def before_ring(self, since: Position | None) -> Position | None:
        """The place in the current log after which somebody wants to read, where the ring does not go back so far."""
        lineage, floor, start = self._place.lineage, self._ring.floor, self._place.start_of(since)
        return lineage.at(start) if lineage and floor and start is not None and start < floor.offset else None

    def is_beyond(self, since: Position) -> bool:
        """See `Place.is_beyond`."""
        return self._place.is_beyond(since)

    def reaches(self, offset: int) -> None:
        """See `Place.reaches`."""
        self._place.reaches(offset)

    def lacks(self, since: Position | None, newest: int) -> int | None:
        """See `pulsetw.hub.resuming.lacks`."""
        return lacks(self._ring, self._place, since, newest) if self.has_history else None

    def restore(self, publications: Sequence[Publication], start: int, *, is_all: bool) -> None:
        """Takes back what the ring had forgotten.

        Args:
            publications: oldest first, all of the current log after `start`, up to the ring's floor or beyond.
            start: the offset before them.
            is_all: older ones are not to be had.
        """
        ring, lineage, floor = self._ring, self._place.lineage, self._ring.floor
        if lineage is None or floor is None or ring.is_mixed or ring.knows_local:
            return
        if start < floor.offset:
            returning = self._subscribers.leave_lost(ring)
            ring.restore(publications, lineage.at(start))
            for cursor in returning:
                cursor.return_to(ring)
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
        return self._place.lineage, self._ring.floor, self._ring.turns

    @property
    def position(self) -> Position | None:
        """Where the channel's log ends; None = not known, or it has none."""
        return self._place.given

    def forget(self) -> None:
        """Gives the ring's memory back: those behind get a gap, those who come back find nothing."""
        self._ring.forget()

    def _begin(self) -> None:
        """What is new comes into the ring, and is sent at once to few, or is on its way to many."""
        stood, self._place.flushed = self._place.flushed, self._place.given
        new, self._new, self._new_bytes = self._new, [], 0
        ring, groups = self._ring, self._subscribers.current
        if not self.has_history and self._sending.passes(new):
            return
        items = [ring.add(publication) for publication in new]
        batch = Batch(items, stood, self._choice.is_for_all(items))
        if self._subscribers.count_at_end > PIECE:
            self._fan_out = FanOut(self._sending, batch, ring, groups)
            return
        for wire, group in tuple(groups.items()):
            if group:
                encoded = [ring.encode(item, wire) for item in items]
                self._sending.send(tuple(group), batch, encoded, b"".join(encoded))

    def _reached(self) -> None:
        """All but those behind have come to the ring's end."""
        if self._choice.ahead.places and self._place.flushed is not None and self._fan_out is None:
            self._choice.ahead.reached(self._place.flushed, self._subscribers.behind)

    def _owe(self, connection: Connection, notice: Notice) -> None:
        """Tells one, as soon as its transport can take it."""
        if connection not in self._subscribers.behind and connection.is_choked:
            self._subscribers.fall_behind(connection, self._ring.end, self._place.flushed)
        cursor = self._subscribers.behind.get(connection)
        if cursor is None:
            self._tell(connection, notice)
        else:
            cursor.owe(notice)

    def _announce(self, notice: Notice) -> None:
        """Tells all who are not behind."""
        self._counts.gaps += tell_all(self._subscribers.at_end(), lambda: self._gap(notice))

    def _tell(self, connection: Connection, notice: Notice) -> None:
        self._counts.gaps += 1
        connection.tell(self._gap(notice))

    def _gap(self, notice: Notice) -> Gap:
        return Gap(self.name, notice, self._reload_after_ms(notice))

    def _trim(self) -> None:
        """Forgets what nobody needs, and what does not fit."""
        if not self._ring.bytes:
            return
        needed = self._ring.first
        if not self.has_history:
            needed = self._ring.end if self._fan_out is None else self._fan_out.start
            if self._subscribers.behind:
                needed = min(needed, *(cursor.number for cursor in self._subscribers.behind.values()))
                if self._slow == "latest":
                    needed = max(needed, self._ring.end - 1)
        is_less = self._ring.trim(needed, self._max_bytes + self._more_bytes)
        if is_less and self._slow == "disconnect":
            for connection, cursor in tuple(self._subscribers.behind.items()):
                if cursor.number < self._ring.first:
                    connection.end(Disconnect(DisconnectCode.SLOW))
