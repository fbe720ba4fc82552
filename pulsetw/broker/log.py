"""The logs of channels as the memory broker keeps them: no I/O and no clock."""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from itertools import islice

from attrs import define, field, frozen

from pulsetw.catalogue.rule import History
from pulsetw.interfaces import PAGE_BYTES
from pulsetw.model import Branch, Entry, Lineage, Page, Position

ID_TTL_S = 120.0
"""For how long an event's id is known after it was published last, in seconds."""

EMPTY_TTL_S = 3600.0
"""For how long a reader finds the epoch again of a log that had nothing yet, or nothing more, in seconds."""

_SWEEP_S = 10.0


@frozen
class _Known:
    position: Position
    expires_at: float


@define(eq=False)
class Log:
    """One channel's log; it has one branch, for a process has no other master than itself.

    Attributes:
        lineage: its epoch.
        top: the offset of the newest entry that it ever had.
        expires_at: until when its epoch is known.
    """

    lineage: Lineage
    top: int = 0
    expires_at: float = 0.0
    _entries: deque[Entry] = field(factory=deque, init=False)
    _entries_expire_at: float = field(default=0.0, init=False)
    _ids: OrderedDict[str, _Known] = field(factory=OrderedDict, init=False)

    def append(self, event_id: str, payload: bytes, history: History, now: float) -> tuple[Entry, bool]:
        """The entry of an event, and whether it is new; one whose id is known stays where it was."""
        self.expire(now)
        if (known := self._ids.get(event_id)) is not None:
            self._know(event_id, known.position, now)
            return Entry(known.position, event_id, payload), False
        self.top += 1
        entry = Entry(self.lineage.at(self.top), event_id, payload)
        self._entries.append(entry)
        while len(self._entries) > history.size:
            self._entries.popleft()
        self._know(event_id, entry.position, now)
        self._entries_expire_at = now + history.age_s
        self.expires_at = max(self.expires_at, self._entries_expire_at)
        return entry, True

    def page(self, position: Position | None, limit: int, now: float) -> Page:
        """See `IBroker.sync`. A start beyond the newest entry is the newest: no such place was ever read here."""
        self.expire(now)
        self.expires_at = max(self.expires_at, now + EMPTY_TTL_S)
        if position is None:
            newest = _fitting(islice(reversed(self._entries), limit))
            return Page(self.lineage, self.top, self.top - len(newest), newest[::-1])
        oldest = self._entries[0].position.offset if self._entries else self.top + 1
        start = self.lineage.start_of(position)
        start = None if start is None else min(max(start, 0), self.top)
        skipped = 0 if start is None else max(0, start + 1 - oldest)
        return Page(self.lineage, self.top, start, _fitting(islice(self._entries, skipped, skipped + limit)))

    def expire(self, now: float) -> None:
        """Forgets what is too old."""
        if now >= self._entries_expire_at:
            self._entries.clear()
        while self._ids and next(iter(self._ids.values())).expires_at <= now:
            self._ids.popitem(last=False)

    def _know(self, event_id: str, position: Position, now: float) -> None:
        self._ids[event_id] = _Known(position, now + ID_TTL_S)
        self._ids.move_to_end(event_id)
        self.expires_at = max(self.expires_at, now + ID_TTL_S)


@define(eq=False)
class Logs:
    """The logs of all channels; each is forgotten some time after its last publication and the last reader.

    Attributes:
        random: from 0 to 1, for epochs.
    """

    random: Callable[[], float]
    _logs: dict[str, Log] = field(factory=dict, init=False)
    _sweep_at: float = field(default=0.0, init=False)

    def __len__(self) -> int:
        return len(self._logs)

    def of(self, channel: str, now: float, *, begins: bool = True) -> Log:
        """The channel's log, begun anew if there is none; one that is not to be begun here is kept by nobody."""
        if now >= self._sweep_at:
            self._sweep(now)
        log = self._logs.get(channel)
        if log is None or now >= log.expires_at:
            log = Log(Lineage(f"{int(self.random() * 2**52):x}", (Branch("", 0),)))
            if begins:
                self._logs[channel] = log
        return log

    def _sweep(self, now: float) -> None:
        self._sweep_at = now + _SWEEP_S
        for channel, log in list(self._logs.items()):
            log.expire(now)
            if now >= log.expires_at:
                del self._logs[channel]


def _fitting(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The first of them that fit into a page."""
    taken: list[Entry] = []
    room = PAGE_BYTES
    for entry in entries:
        room -= len(entry.id) + len(entry.payload)
        if room < 0 and taken:
            break
        taken.append(entry)
    return tuple(taken)
