"""One channel in a master and its lagging replica, with what the scripts of `pulsetw.broker.redis.scripts` do."""

from collections.abc import Callable

from attrs import define, field

from pulsetw.model import Branch, Entry, Lineage, Page, Position


def _entry(position: Position, id: str) -> Entry:
    return Entry(position, id, b'{"type":"t","timestamp":1,"serverId":"s","id":"%s","data":{}}' % id.encode())


@define(eq=False)
class Keys:
    """A channel's keys in one server.

    Attributes:
        epoch: of meta; "" = meta is missing.
        top: of meta.
        branches: of meta.
        log: what is still there; offset and id.
        ids: the places of known ids.
        appended: all ids of this epoch by offset, trimmed ones too: what the checker knows and Redis does not.
    """

    epoch: str = ""
    top: int = 0
    branches: list[Branch] = field(factory=list)
    log: list[tuple[int, str]] = field(factory=list)
    ids: dict[str, Position] = field(factory=dict)
    appended: list[str] = field(factory=list)

    def copy(self) -> "Keys":
        """As a replica has them that has caught up."""
        return Keys(self.epoch, self.top, self.branches[:], self.log[:], self.ids.copy(), self.appended[:])


def _unheard(keys: Keys, branch: str) -> None:
    """Nobody wants to know."""


@define(eq=False)
class Redis:
    """A master, and a replica that has what the master had at the last `replicate`; None = there is none.

    Attributes:
        opened: called whenever the log is about to be written or read, with the current branch.
    """

    opened: Callable[[Keys, str], None] = _unheard
    keys: Keys = field(factory=Keys)
    replica: Keys | None = None
    branch: str = "b0"
    _names: int = 0

    def publish(self, id: str) -> Entry | None:
        """The script; None = the id was known, in this epoch: a place in a log that is gone is none."""
        keys = self.keys
        old = keys.ids.get(id)
        if old is not None and old.epoch == keys.epoch:
            return None
        self._open()
        keys.top += 1
        keys.log.append((keys.top, id))
        keys.appended.append(id)
        position = Position(keys.top, keys.epoch, self.branch)
        keys.ids[id] = position
        return _entry(position, id)

    def sync(self, position: Position | None, limit: int) -> Page:
        """The script."""
        keys = self.keys
        self._open()
        start: int | None
        lineage = Lineage(keys.epoch, tuple(keys.branches))
        if position is None:
            chosen = keys.log[-limit:]
            start = chosen[0][0] - 1 if chosen else keys.top
        else:
            start = lineage.start_of(position)
            after = start or 0
            chosen = [row for row in keys.log if row[0] > after][:limit]
        epoch, branch = keys.epoch, self.branch
        entries = tuple(_entry(Position(offset, epoch, branch), name) for offset, name in chosen)
        return Page(lineage, keys.top, start, entries)

    def replicate(self) -> None:
        """The replica catches up."""
        self.replica = self.keys.copy()

    def attach(self) -> None:
        """A first replica comes: nothing is lost, and the replication id changes."""
        self._rename()
        self.replicate()

    def failover(self) -> None:
        """The replica is promoted, with what it has."""
        assert self.replica is not None
        self.keys, self.replica = self.replica, None
        self._rename()

    def restart(self, *, empty: bool) -> None:
        """The master comes back with nothing, and so does what follows it; or with all."""
        if empty:
            self.keys, self.replica = Keys(), None
        self._rename()

    def evict(self, what: str) -> None:
        """A key goes: log, meta, ids; or the log is trimmed by half."""
        keys = self.keys
        if what == "log":
            keys.log.clear()
        elif what == "trim":
            del keys.log[: (len(keys.log) + 1) // 2]
        elif what == "meta":
            keys.epoch = ""
        else:
            keys.ids.clear()

    def _open(self) -> None:
        keys = self.keys
        if not keys.epoch:
            self._names += 1
            keys.epoch, keys.top, keys.branches = f"e{self._names}", 0, [Branch(self.branch, 0)]
            keys.log.clear()
            keys.appended = []
        elif keys.branches[-1].name != self.branch:
            keys.branches.append(Branch(self.branch, keys.top))
            del keys.branches[:-6]
        self.opened(keys, self.branch)

    def _rename(self) -> None:
        self._names += 1
        self.branch = f"b{self._names}"
