"""How a relay reads one channel's log without losing anything in silence.

Two states, SYNCING and LIVE, and these rules:

1.  LIVE: an entry at the next offset, on the same epoch and branch, is delivered; one at or before the offset is
    dropped; for anything else the log is asked (SYNCING). An entry at the offset itself with another id than the one
    that was read there shows that one of both is forged: that is told, once.
2.  SYNCING: what is pushed is kept, up to a bound; past it all that is kept is dropped, and where the log was asked
    before that, it is asked once more. Asking forgets what is kept: the log has by then all that came before.
3.  The subscription stands before the log is asked, so that nothing falls between the two.
4.  A page of the log: another epoch, or a branch that is not known any more, is a loss, and reading goes on from what
    is there. A start below what was read means that the end of it stood on a dead branch: it is cut back to there, and
    told. What follows must begin behind the start, without a hole; else that is told (trimmed).
5.  An id that was delivered before, within a window, is marked as one that came again. The window may be forgotten, to
    make room for others: an id from before that may come twice.
6.  With `strict`, a change of branch after a loss of the link is told: the old master may have acknowledged what the
    new one never had. A change of branch on a link that lived is none: attaching a replica changes it, too. On a branch
    that has no name every loss of the link is told: nothing else would show the change.

No I/O and no clock; effects are to be carried out in order.
"""

from collections import OrderedDict, deque
from sys import getsizeof

from attrs import define, field, frozen
from msgspec import Struct

from pulsetw.model import UNKNOWN_BRANCH, Entry, Lineage, Notice, Page, Position, Reason

MAX_KEPT = 1000
"""Pushes that are kept while the log is being asked."""

MAX_KEPT_BYTES = 262_144
"""Their payloads together; one that is longer is kept alone."""

WINDOW_IDS = 2000
"""Ids of delivered entries that are remembered."""

# What an id takes besides its text (75 to 140 were measured), and a push besides its payload, in bytes.
_ID_BYTES = 110
_PUSH_BYTES = 390


@frozen
class Ask:
    """Asks the log (`IBroker.sync`); the answer goes to `Consumer.answered` with the same number.

    Attributes:
        number: tells an answer that is still wanted from one that is not.
        position: how far has been read; None = nothing has.
    """

    number: int
    position: Position | None


class Deliver(Struct, frozen=True, gc=False):
    """Gives an entry to everybody. There is one for each message: see `pulsetw.model`.

    Attributes:
        entry: the next of the log.
        again: whether an entry with this id was delivered before, at another place.
    """

    entry: Entry
    again: bool = False


@frozen
class Past:
    """What the log held already when this consumer came: for those who come late or come back; nobody missed it."""

    entries: tuple[Entry, ...]


@frozen
class Tell:
    """Tells everybody that something may be missing."""

    notice: Notice


@frozen
class Cut:
    """What was delivered after `notice.end`, the fork, stood on a dead branch; those who got it are to be told."""

    notice: Notice


@frozen
class Placed:
    """Where the log stands: before the first entry of a new branch or epoch, and after each answer that ends a sync."""

    lineage: Lineage
    top: int


Effect = Ask | Deliver | Past | Tell | Cut | Placed


@frozen
class Defences:
    """What keeps silence out; each can be switched off, for the tests that show that it is needed.

    Attributes:
        gap_rule: an entry that is not the next one makes the consumer ask.
        ids: an id that was delivered is not delivered as new.
        fork: a start below what was read is a cut.
        branch: branches are told apart.
    """

    gap_rule: bool = True
    ids: bool = True
    fork: bool = True
    branch: bool = True


def unbroken(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Those behind the last hole."""
    for at in range(len(entries) - 1, 0, -1):
        if entries[at].position.offset != entries[at - 1].position.offset + 1:
            return entries[at:]
    return entries


@define(eq=False)
class Consumer:
    """Reads one channel's log.

    Attributes:
        strict: see rule 6; False where nothing that was acknowledged can be lost in a failover.
        max_kept: pushes that are kept while the log is being asked, 1 or more.
        position: how far it has read; None = it has not begun.
        is_live: whether what is pushed now goes on at once.
        kept_bytes: what the window of ids and the pushes take.
    """

    strict: bool = True
    defences: Defences = field(factory=Defences)
    max_kept: int = MAX_KEPT
    position: Position | None = field(default=None, init=False)
    is_live: bool = field(default=False, init=False)
    kept_bytes: int = field(default=0, init=False)
    _number: int = field(default=0, init=False)
    _is_asking: bool = field(default=False, init=False)
    _was_cut_off: bool = field(default=False, init=False)
    _read_id: str | None = field(default=None, init=False)  # of the entry at `position`; None = not known
    _kept: deque[Entry] = field(factory=deque, init=False)
    _payload_bytes: int = field(default=0, init=False)
    _dropped: Position | None = field(default=None, init=False)  # of the newest push that is kept no more
    _ids: OrderedDict[str, int] = field(factory=OrderedDict, init=False)  # and what each takes

    def forget(self) -> None:
        """Gives back what it keeps; see rules 2 and 5."""
        self._drop()
        self._ids.clear()
        self.kept_bytes = 0

    def subscribed(self) -> list[Effect]:
        """The subscription stands, for the first time or again."""
        return self._ask()

    def lost(self) -> None:
        """The link is down: no push comes, and no answer to what was asked before counts any more."""
        self.is_live = False
        self._is_asking = False
        self._was_cut_off = self.position is not None
        self._number += 1
        self._clear()

    def pushed(self, entry: Entry) -> list[Effect]:
        """An entry that has just been appended."""
        if self.is_live:
            return self._next(entry)
        self._keep(entry)
        return []

    def follows(self, entry: Entry) -> bool:
        """Whether an entry that is pushed is to be delivered, and that is all: see `delivered`."""
        at, here = entry.position, self.position
        return (
            self.is_live
            and here is not None
            and at.offset == here.offset + 1
            and at.epoch == here.epoch
            and at.branch == here.branch
        )

    def delivered(self, entry: Entry) -> bool:
        """An entry that follows is delivered; whether one with its id was before, at another place."""
        self.position, self._read_id = entry.position, entry.id
        return self._remember(entry.id) and self.defences.ids

    def answered(self, number: int, page: Page) -> list[Effect]:
        """The log's answer to `Ask`."""
        if number != self._number or not self._is_asking:
            return []
        self._is_asking = False
        effects = self._begin(page) if self.position is None else self._go_on(self.position, page)
        if effects and isinstance(effects[-1], Ask):
            return effects
        self.is_live = True
        placed = Placed(page.lineage, page.top)
        if effects[-1:] != [placed]:
            effects.append(placed)
        return [*effects, *self._drain()]

    def failed(self, number: int) -> list[Effect]:
        """The log could not be read, although the link is up: asks again."""
        return self._ask() if number == self._number and self._is_asking else []

    def _ask(self) -> list[Effect]:
        self.is_live = False
        self._is_asking = True
        self._number += 1
        # The page has all of it, or it is dead; an entry of an older branch would only make the consumer ask again.
        self._clear()
        return [Ask(self._number, self.position)]

    def _keep(self, entry: Entry) -> None:
        size = len(entry.payload)
        if len(self._kept) >= self.max_kept or self._payload_bytes + size > MAX_KEPT_BYTES:
            self._drop()
        self._kept.append(entry)
        self._payload_bytes += size
        self.kept_bytes += size + _PUSH_BYTES

    def _drop(self) -> None:
        """Keeps of the pushes only how far they went."""
        dropped = self._kept[-1].position if self._kept else self._dropped
        self._clear()
        self._dropped = dropped

    def _clear(self) -> None:
        self.kept_bytes -= self._payload_bytes + len(self._kept) * _PUSH_BYTES
        self._kept.clear()
        self._payload_bytes = 0
        self._dropped = None

    def _next(self, entry: Entry) -> list[Effect]:
        """Rule 1."""
        at, here = entry.position, self.position
        if here is None:
            raise RuntimeError("live without a position")
        if at.epoch == here.epoch and (at.branch == here.branch or not self.defences.branch):
            if at.offset == here.offset and self._read_id not in (None, entry.id):
                self._read_id = None
                return [Tell(Notice("dropped", here.before, here))]
            if at.offset <= here.offset:
                return []
            if at.offset == here.offset + 1 or not self.defences.gap_rule:
                return [self._deliver(entry)]
        return self._ask()

    def _has_read(self, at: Position) -> bool:
        here = self.position
        if here is None or (at.epoch, at.branch) != (here.epoch, here.branch):
            return False
        return at.offset <= here.offset

    def _drain(self) -> list[Effect]:
        """What was kept, by rule 1."""
        if self._dropped is not None and not self._has_read(self._dropped):
            return self._ask()
        effects: list[Effect] = []
        while self._kept and self.is_live:
            entry = self._kept.popleft()
            self._payload_bytes -= len(entry.payload)
            self.kept_bytes -= len(entry.payload) + _PUSH_BYTES
            effects += self._next(entry)
        return effects

    def _deliver(self, entry: Entry) -> Deliver:
        return Deliver(entry, self.delivered(entry))

    def _stand(self, position: Position, id: str | None = None) -> None:
        self.position, self._read_id = position, id

    def _remember(self, id: str) -> bool:
        """Whether it was known already."""
        if id in self._ids:
            self._ids.move_to_end(id)
            return True
        size = self._ids[id] = getsizeof(id) + _ID_BYTES
        self.kept_bytes += size
        if len(self._ids) > WINDOW_IDS:
            self.kept_bytes -= self._ids.popitem(last=False)[1]
        return False

    def _begin(self, page: Page) -> list[Effect]:
        """The first answer: all of it is past. It has the newest entries, so there are no more pages."""
        kept = unbroken(page.entries)
        self._stand(page.lineage.at(page.top), kept[-1].id if kept and kept[-1].position.offset == page.top else None)
        for entry in kept:
            self._remember(entry.id)
        return [Past(kept)] if kept else []

    def _go_on(self, here: Position, page: Page) -> list[Effect]:
        """Rules 4 and 6."""
        effects: list[Effect] = []
        start = page.start
        if start is None:
            return self._lose(here, page, page.lineage.why_unknown(here))
        if not self.defences.fork:
            start = here.offset
        if start < here.offset:
            effects.append(Cut(Notice("diverged", here, page.lineage.at(start))))
        elif self.strict and self._was_cut_off and self._is_another(page.lineage.branch, here.branch):
            effects.append(Tell(Notice("failover", here, page.lineage.at(start))))
        self._was_cut_off = False
        self._stand(page.lineage.at(start), self._read_id if start == here.offset else None)
        first = page.entries[0].position.offset if page.entries else page.top + 1
        if (page.lineage.epoch, page.lineage.branch) != (here.epoch, here.branch):
            effects.append(Placed(page.lineage, start))
        if first > start + 1:
            effects.append(Tell(Notice("trimmed", page.lineage.at(start), page.lineage.at(first - 1))))
            self._stand(page.lineage.at(first - 1))
        return effects + self._read(page)

    def _is_another(self, branch: str, read: str) -> bool:
        """Whether a branch may be another one than that which was read."""
        return self.defences.branch and (branch != read or branch == UNKNOWN_BRANCH)

    def _lose(self, here: Position, page: Page, reason: Reason) -> list[Effect]:
        """What was read has no place in this log: goes on with the entries of the page, whatever they are."""
        self._was_cut_off = False
        before = page.entries[0].position.offset - 1 if page.entries else page.top
        place = page.lineage.at(before)
        self._stand(place)
        return [Tell(Notice(reason, here, place)), Placed(page.lineage, before), *self._read(page)]

    def _read(self, page: Page) -> list[Effect]:
        effects: list[Effect] = []
        for entry in page.entries:
            if self.position is not None and entry.position.offset != self.position.offset + 1:
                end = page.lineage.at(entry.position.offset - 1)
                effects.append(Tell(Notice("trimmed", self.position, end)))
            effects.append(self._deliver(entry))
        if self.position is not None and self.position.offset < page.top:
            effects += self._ask()
        return effects
