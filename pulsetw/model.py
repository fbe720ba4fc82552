"""What everything here is about: events, positions, publications, and the logs that they stand in.

Those of which there is one for each message are msgspec's structs: frozen as attrs classes are, and made in 0.05 µs
instead of 0.3. The garbage collector does not look at them (``gc=False``): rings hold many of them, and looking
through those took a fifth of the time. They are values, and stand in no cycle.
"""

from collections.abc import Mapping
from typing import Literal

from attrs import frozen
from msgspec import Struct, field


class Position(Struct, frozen=True, gc=False):
    """A place in a channel's log.

    Attributes:
        offset: counts the channel's publications from 1, without holes, below 2^53; 0 = before the first.
        epoch: random; changes whenever the count starts anew.
        branch: names the line of masters on which the entry was read; see `Lineage`.
    """

    offset: int
    epoch: str
    branch: str = ""

    @property
    def wire_epoch(self) -> str:
        """Epoch and branch as one text, opaque to clients: they compare it and send it back."""
        return f"{self.epoch}.{self.branch}" if self.branch else self.epoch

    @property
    def before(self) -> "Position":
        """The place one entry before."""
        return Position(self.offset - 1, self.epoch, self.branch)

    @classmethod
    def from_wire(cls, offset: int, wire_epoch: str) -> "Position":
        """What a client sends back; a text that no relay made becomes an epoch that no channel has."""
        epoch, _, branch = wire_epoch.partition(".")
        return cls(offset, epoch, branch)


class Entry(Struct, frozen=True, gc=False):
    """A publication as the broker's log has it.

    Attributes:
        position: its place.
        id: the event's id.
        payload: the envelope.
    """

    position: Position
    id: str
    payload: bytes


UNKNOWN_BRANCH = "unknown"
"""The name of all branches where the broker says nothing by which masters could be told apart."""


@frozen
class Branch:
    """The part of a channel's log that one line of masters wrote.

    Attributes:
        name: the start of Redis's replication id and run id: another one after each promotion and restart; or
            `UNKNOWN_BRANCH`.
        fork: the last offset that it shares with the branch before it; 0 for the first.
    """

    name: str
    fork: int


@frozen
class Lineage:
    """How a channel's log came to be what it is.

    Attributes:
        epoch: the count's.
        branches: from the oldest that is still known to the current one; at least one.
    """

    epoch: str
    branches: tuple[Branch, ...]

    @property
    def branch(self) -> str:
        """The current branch."""
        return self.branches[-1].name

    def start_of(self, position: Position) -> int | None:
        """The last offset up to which whoever stands at `position` has read this log, and not a dead branch.

        Returns:
            At most the position's own offset; None where epoch or branch are not known here.
        """
        names = [branch.name for branch in self.branches]
        if position.epoch != self.epoch or position.branch not in names:
            return None
        later = self.branches[names.index(position.branch) + 1 :]
        return min([position.offset, *(branch.fork for branch in later)])

    def why_unknown(self, position: Position) -> "Reason":
        """What a position that has no `start_of` is told."""
        return "epoch" if position.epoch != self.epoch else "branch"

    def at(self, offset: int) -> Position:
        """A place on the current branch."""
        return Position(offset, self.epoch, self.branch)


@frozen
class Page:
    """Some of a channel's log, as it was at one moment.

    Attributes:
        lineage: epoch and branches.
        top: the offset of the newest entry; 0 = the log never had one.
        start: the offset after which the entries were asked for; None = the position asked for is not known here.
        entries: the first ones after `start` (where it is None, the first of all) that are still there, as many as fit,
            oldest first, positions on the current branch.
            Whether they begin at `start` + 1 and reach `top` is for the reader to see.
    """

    lineage: Lineage
    top: int
    start: int | None
    entries: tuple[Entry, ...]


@frozen
class Degraded:
    """What a publish gives in place of a position when the broker is away and the rule says ``outage = "local"``.

    This server's own clients get the event at once; it waits in memory for the broker, and others get it then.
    """


Receipt = Position | Degraded | None
"""What a publish gives: the event's place; `Degraded`; None on a channel without history."""


Reason = Literal["epoch", "branch", "failover", "diverged", "trimmed", "dropped", "slow", "broker", "reconnected"]


@frozen
class Notice:
    """Publications that a consumer may not have got.

    Attributes:
        reason: ``epoch`` (the count began anew), ``branch`` (what the consumer had read is on a branch that is not
            known any more), ``failover`` (a new master may lack what the old one acknowledged), ``diverged`` (what the
            consumer had read last is on a dead branch, or at a place that the log never had), ``trimmed`` (the history
            is too short), ``dropped`` (this server, or this client, cannot give the event on: it is too long here, or
            none; without an end: the log is damaged, and nothing can be read; or two events were pushed for one place),
            ``slow`` (the consumer could not keep up), ``broker`` (a channel without history, and the broker was away),
            ``reconnected`` (our client finds it: its connection was renewed, and the channel has no positions).
        start: the last place that the consumer got; None = unknown.
        end: what follows comes after this place; None = unknown.
    """

    reason: Reason
    start: Position | None = None
    end: Position | None = None

    @property
    def begins_anew(self) -> bool:
        """Whether what stands before it is of a log that is no more."""
        return self.reason in ("epoch", "branch")

    @property
    def is_of_the_log(self) -> bool:
        """Whether the log itself is not what was read, mostly for all its readers at once, and not only for one."""
        return self.begins_anew or self.reason in ("failover", "diverged")


class Event(Struct, frozen=True, gc=False):
    """A typed fact.

    An application gives `type` and `data`; what is left empty is filled in when it is published.

    Attributes:
        type: such as ``match_completed``.
        data: an attrs instance of the type's class, or a mapping as it stands on the wire. While an event only passes
            through it is the checked JSON text itself (`msgspec.Raw`).
        timestamp: milliseconds since 1970; 0 = now.
        server_id: the server that published it; "" = this one.
        id: names the event: a second event with the same id is the same event; "" = a new one.
        tags: small labels for filters, from text to text; None = none.
    """

    type: str
    data: object = field(default_factory=dict)
    timestamp: int = 0
    server_id: str = ""
    id: str = ""
    tags: Mapping[str, str] | None = None


class Publication(Struct, frozen=True, gc=False):
    """An event in a channel.

    Attributes:
        channel: the channel's name.
        event: what happened.
        position: its place in the channel's log; None where the channel keeps no history.
        exclude: the client that does not get it; "" = none.
        degraded: whether the broker was away: it is given to this server's clients only, before its place.
    """

    channel: str
    event: Event
    position: Position | None = None
    exclude: str = ""
    degraded: bool = False
