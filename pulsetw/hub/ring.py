"""The newest items of one channel, numbered in their order.

An item is a publication, or a notice that stands where publications may be missing. What a cut took away stays as a
dead item, without content, so that numbers have no holes and its id is still known. What was forgotten may be taken
back from the broker: it stands before the first item, and numbers that were used there before mean others from then on.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from attrs import evolve
from msgspec import Struct, field

from pulsetw.codec import text_of
from pulsetw.interfaces import Wire
from pulsetw.model import Notice, Position, Publication

# What an item takes besides its event's data and the finished bytes, measured.
ITEM_BYTES = 700
# Of an event that came again and again so many places are known.
_MAX_FIRSTS = 8
# Of events that were given before their place, and forgotten, so many ids are known when they come again.
_MAX_LOCAL = 10_000
_LOCAL_BYTES = 150


class Item(Struct, eq=False, gc=False):
    """One place of the ring; without publication and notice it is dead. There is one for each message.

    Attributes:
        number: its place.
        id: the event's; "" where there is none.
        firsts: the numbers of items with the same event, the newest first: who was sent one of them has had it.
        encoded: for each kind of connection its number, then the publication's bytes: mostly there is one.
        size: what it takes, in bytes.
    """

    number: int
    publication: Publication | None = None
    notice: Notice | None = None
    id: str = ""
    firsts: tuple[int, ...] = ()
    encoded: list[Any] = field(default_factory=list)
    size: int = ITEM_BYTES

    @property
    def is_dead(self) -> bool:
        """Whether a cut took it."""
        return self.publication is None and self.notice is None

    @property
    def position(self) -> Position | None:
        """Where the publication stands in the channel's log; None = nowhere, or it is none."""
        return None if self.publication is None else self.publication.position


class Ring:
    """Items from `first` to `end`, without a hole.

    Attributes:
        first: the number of the oldest.
        end: the number that the next one gets.
        bytes: what all take.
        floor: every publication after this place is here, as long as the channel's lineage is the same; None = not
            known, or the channel has no positions.
        base: the number of the first item of the current log; what is older is of one that is no more.
        turns: how often it was cut, or its log began anew.
        forgotten_notice: the number of the last notice that was forgotten; None = none was.
        copies_top: the highest offset of an event that came again.
        reach: what is older than after this offset cannot be had from the broker either, or not now; 0 = not known.
    """

    def __init__(self, *, compress: bool = False) -> None:
        """Nothing; `compress` says whether publications are compressed for those who can take it."""
        self._compress = compress
        self.first = 0
        self.turns = 0
        self.reach = 0
        self.forgotten_notice: int | None = None
        self.bytes = 0
        self.floor: Position | None = None
        self._items: deque[Item] = deque()
        self.copies_top = 0
        self._numbers: dict[str, int] = {}
        self._notices: deque[int] = deque()  # numbers; what is dead by now among them
        self._dead = 0
        self._local: OrderedDict[str, int] = OrderedDict()
        self._local_top = 0
        self.base = 0

    @property
    def end(self) -> int:
        """The number that the next item gets."""
        return self.first + len(self._items)

    @property
    def kept_bytes(self) -> int:
        """What the items take, and the ids of those that are to come again."""
        return self.bytes + len(self._local) * _LOCAL_BYTES

    @property
    def is_mixed(self) -> bool:
        """Whether it still has items of a log that is no more."""
        return self.first < self.base

    def __getitem__(self, number: int) -> Item:
        return self._items[number - self.first]

    def add(self, publication: Publication) -> Item:
        """Appends a publication; nothing is encoded."""
        event, position = publication.event, publication.position
        number = self.first + len(self._items)
        item = Item(number, publication, size=ITEM_BYTES + len(text_of(event)))
        if position is not None and self.floor is None:
            self.floor = position.before
        if position is not None or publication.degraded:
            item.id = event.id
            if self._local or event.id in self._numbers:
                self._look_for_first(item)
            self._numbers[event.id] = number
        self._append(item)
        return item

    def add_notice(self, notice: Notice) -> Item:
        """Appends a notice; after `epoch` and `branch` what stands before it is of a log that is no more."""
        item = Item(self.end, notice=notice)
        self._append(item)
        self._notices.append(item.number)
        if notice.begins_anew:
            self.base, self.floor = self.end, notice.end
            self._turn()
        return item

    def restore(self, publications: Sequence[Publication], floor: Position) -> None:
        """Takes back what was forgotten; not where it is mixed.

        Args:
            publications: oldest first, all after `floor`, up to the floor that there is or beyond.
            floor: the new one.
        """
        if self.floor is None:
            return
        first = self.first
        self.forgotten_notice = None
        for item in self._items:
            item.firsts = tuple(number for number in item.firsts if number >= first)
        for publication in reversed(publications):
            if publication.position is not None and floor.offset < publication.position.offset <= self.floor.offset:
                self._prepend(publication)
        self.base = min(self.base, self.first)
        self.floor = floor

    def has_lost(self, number: int, position: Position | None) -> bool:
        """Whether somebody lacks something that was forgotten, whose next item is `number`.

        Args:
            number: of the item.
            position: how far it has read; None = not known.
        """
        if number >= self.first:
            return False
        if self.forgotten_notice is not None and number <= self.forgotten_notice:
            return True
        if number < self.base:
            return True
        floor = self.floor
        return position is None or floor is None or position.epoch != floor.epoch or position.offset < floor.offset

    def can_give_back(self, number: int, position: Position | None) -> bool:
        """Whether what somebody has lost may be taken back into the ring, and nothing else is to be told of it.

        Args:
            number: as for `has_lost`.
            position: as for `has_lost`.
        """
        if position is None or not self.has_lost(number, position):
            return False
        if number < self.base or (self.forgotten_notice is not None and number <= self.forgotten_notice):
            return False
        # Of events that came again between here and there it may have had the first copy.
        return position.offset >= self.copies_top

    @property
    def knows_local(self) -> bool:
        """Whether events that were given before their place are known by numbers that it has no more."""
        return bool(self._local) or (self.floor is not None and self.floor.offset < self._local_top)

    def encode(self, item: Item, wire: Wire) -> bytes:
        """The bytes of a publication."""
        encoded = item.encoded
        for at in range(0, len(encoded), 2):
            if encoded[at] == wire.number:
                known: bytes = encoded[at + 1]
                return known
        if item.publication is None:
            raise RuntimeError("only publications are encoded")
        data = wire.publication(item.publication, compress=self._compress)
        encoded += (wire.number, data)
        item.size += len(data)
        self.bytes += len(data)
        return data

    def trim(self, needed: int, max_bytes: int) -> bool:
        """Forgets what is older than `needed`, and what does not fit; whether something was forgotten."""
        first = self.first
        while self._items and (self.first < needed or self.bytes > max_bytes):
            item = self._items.popleft()
            self.first += 1
            self.bytes -= item.size
            self._dead -= item.is_dead
            if self._notices and self._notices[0] == item.number:
                self._notices.popleft()
            if item.notice is not None:
                self.forgotten_notice = item.number
            if item.number >= self.base:
                # Whoever stands before a notice has to be told as well.
                self.floor = item.position or (item.notice and item.notice.end) or self.floor
            if self._numbers.get(item.id) == item.number:
                del self._numbers[item.id]
                if item.publication is not None and item.publication.degraded:
                    self._local[item.id] = item.number
                    if len(self._local) > _MAX_LOCAL:
                        self._local.popitem(last=False)
        return self.first > first

    def forget(self) -> None:
        """Gives all of it back. An event that was given before its place comes twice then."""
        self.trim(self.end, 0)
        self._local.clear()

    def would_take(self, start: int) -> int:
        """What the ring would take more, in bytes, if it went back to an offset: so many events as large as now."""
        missing = 0 if self.floor is None else self.floor.offset - start
        return missing * (self.bytes // len(self._items) if self._items else ITEM_BYTES)

    def cut(self, fork: Position) -> int:
        """What stands after the fork is dead; the number of the first that is, `end` = none."""
        self._turn()
        dead = self.end
        for item in self._backwards():
            position = item.position
            if position is not None:
                if position.offset <= fork.offset:
                    break
                dead = item.number
                self._kill(item)
            elif item.notice is not None:
                self._cut_notice(item, item.notice, fork)
        if self.floor is not None and self.floor.offset > fork.offset:
            self.floor = fork
        return dead

    def after(self, start: int, since: Position | None = None) -> int:
        """The number of the first item that somebody lacks who has read up to the offset `start`, `end` = none.

        Args:
            start: an offset of the current log.
            since: the place that the client named; a notice that ends just there it has had.
        """
        number = self.end
        for item in self._from(self._behind(start)):
            if item.notice is not None and _is_covered(item.notice, start, since):
                number = self.end
            elif number == self.end and not item.is_dead and (item.position or item.notice):
                number = item.number
            if item.position is not None:
                break
        return number

    def _behind(self, start: int) -> int:
        """The number behind the last publication of the current log that stands at or before an offset."""
        low, high = max(self.base, self.first), self.end
        while low < high:
            middle = (low + high) // 2
            item = next((each for each in self._from(middle) if each.number >= high or each.position is not None), None)
            if item is None or item.number >= high:
                high = middle
            elif item.position is not None and item.position.offset <= start:
                low = item.number + 1
            else:
                high = middle
        return low

    def told_branches(self, number: int) -> set[str]:
        """The branches that notices lead to, from a number on."""
        notices = [self[each].notice for each in self._notices if each >= number]
        return {notice.end.branch for notice in notices if notice is not None and notice.end is not None}

    @property
    def ends_open(self) -> bool:
        """Whether a notice without an end stands last: it is for those who come now, too."""
        last = next(iter(self._backwards()), None)
        return last is not None and last.notice is not None and last.notice.end is None

    def newest(self, count: int) -> int:
        """The number of the `count`-newest publication; of an older one there is none behind the last notice."""
        number = self.end
        for item in self._backwards():
            if count == 0 or item.notice is not None:
                break
            if item.position is not None:
                number = item.number
                count -= 1
        return number

    def live(self, start: int) -> Iterator[Item]:
        """Items from a number on that are not dead."""
        return (item for item in self._from(start) if not item.is_dead)

    def _from(self, start: int) -> Iterator[Item]:
        return islice(self._items, max(0, start - self.first), None)

    def dead(self, start: int) -> Iterator[tuple[int, int]]:
        """The stretches of dead items from a number on: who begins there is not sent them."""
        if not self._dead:
            return
        begin: int | None = None
        for item in self._from(start):
            if item.is_dead:
                begin = item.number if begin is None else begin
            elif begin is not None:
                yield begin, item.number
                begin = None
        if begin is not None:
            yield begin, self.end

    def _backwards(self) -> Iterator[Item]:
        """The items of the current log, the newest first."""
        for item in reversed(self._items):
            if item.number < self.base:
                return
            yield item

    def _look_for_first(self, item: Item) -> None:
        """Notes which items had the same event."""
        before, position = self._numbers.get(item.id), item.position
        if before is not None:
            item.firsts = (before, *self[before].firsts[: _MAX_FIRSTS - 1])
        elif item.id in self._local:
            item.firsts = (self._local.pop(item.id),)
            self._local_top = self._local_top if position is None else position.offset
        if item.firsts and position is not None:
            self.copies_top = position.offset

    def _prepend(self, publication: Publication) -> None:
        self.first -= 1
        event = publication.event
        item = Item(self.first, publication, id=event.id)
        item.size += len(text_of(event))
        self._items.appendleft(item)
        self.bytes += item.size
        newest = self._numbers.setdefault(event.id, item.number)
        if newest != item.number:
            for number in (newest, *self[newest].firsts):
                copy = self[number]
                # It is older than all that are named there.
                copy.firsts = (*copy.firsts[: _MAX_FIRSTS - 1], item.number)

    def _turn(self) -> None:
        self.turns += 1
        self.reach = self.copies_top = self._local_top = 0

    def _append(self, item: Item) -> None:
        self._items.append(item)
        self.bytes += item.size

    def _kill(self, item: Item) -> None:
        self._dead += not item.is_dead
        item.publication = item.notice = None
        item.encoded.clear()
        self.bytes -= item.size - ITEM_BYTES
        item.size = ITEM_BYTES

    def _cut_notice(self, item: Item, notice: Notice, fork: Position) -> None:
        """A notice ends at the fork at the latest."""
        if notice.end is None or notice.end.offset <= fork.offset:
            return
        if notice.start is None or notice.start.offset < fork.offset:
            item.notice = evolve(notice, end=fork)
        else:
            self._kill(item)


def _is_covered(notice: Notice, start: int, since: Position | None) -> bool:
    """Whether somebody who has read up to `start` stands behind a notice."""
    end = notice.end
    if end is None or end.offset > start:
        return False
    if end.offset < start or since is None:
        return True
    return (since.epoch, since.branch) == (end.epoch, end.branch)
