"""The local connections, and which of them gets what."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from attrs import field, frozen
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pulsetw.catalogue import Audience, Catalogue
from pulsetw.commands import Fresh, Gap, History, Stale, Subscribe
from pulsetw.errors import Disconnect, DisconnectCode
from pulsetw.hub.arrival import Arrival
from pulsetw.hub.channel import Channel
from pulsetw.hub.connection import Connection
from pulsetw.hub.counts import Counts
from pulsetw.hub.flushing import Flushing
from pulsetw.hub.following import Following
from pulsetw.hub.histories import Found, Histories
from pulsetw.hub.joining import Joining
from pulsetw.hub.reading import Reading
from pulsetw.hub.reloading import Reloading
from pulsetw.hub.serving import Serving
from pulsetw.hub.slices import Slices
from pulsetw.hub.sweep import Sweep
from pulsetw.hub.telling import tell_all
from pulsetw.hub.tops import Tops
from pulsetw.hub.users import Users
from pulsetw.interfaces import IChannels, IFollower, ITransport, Wire
from pulsetw.model import Event, Lineage, Notice, Publication, Receipt
from pulsetw.policy.identity import Anonymous, identify
from pulsetw.policy.memory import Memory
from pulsetw.session import Session, SessionLimits, Standing

# So many clients are told to leave in one reactor turn.
_DRAIN_SLICE = 500


@frozen
class HubOptions:
    """How the hub treats its connections.

    Attributes:
        anonymous: who may come in without a token; see `pulsetw.policy.identity`.
        session: bounds of one session.
        ring_bytes: how much a channel keeps for subscribers that are behind or come back, in bytes.
        rings_bytes: how much all channels keep together, in bytes; the idlest is emptied first.
        pong_s: how long a ping may stay unanswered, in seconds.
        reload_s: clients that all have to load their state again do so spread over this time, in seconds.
    """

    anonymous: Anonymous = True
    session: SessionLimits = field(factory=SessionLimits)
    ring_bytes: int = 65536
    rings_bytes: int = 268_435_456
    pong_s: int = 10
    reload_s: float = 20


@implementer(IFollower)
class Hub:
    """Gives every publication to the local connections that may have it."""

    _log = Logger()

    def __init__(
        self,
        channels: IChannels,
        catalogue: Catalogue,
        clock: IReactorTime,
        options: HubOptions,
        new_id: Callable[[], str],
        dice: Callable[[], float],
    ) -> None:
        """An empty hub.

        Args:
            channels: where publications come from, and clients' events go to.
            catalogue: the channels and their rules.
            clock: for what waits.
            options: how connections are treated.
            new_id: makes a new name for a connection, that no other has on any server.
            dice: a random number from 0 to 1.
        """
        self._source = channels
        self._catalogue = catalogue
        self._fixed = frozenset(catalogue.names)
        self._clock = clock
        self._options = options
        self._new_id = new_id
        self._dice = dice
        self._connections: dict[str, Connection] = {}
        self._channels: dict[str, Following] = {}
        self._rings: Memory[Channel] = Memory(options.rings_bytes)
        self._counts = Counts()
        self._slices = Slices(clock)
        self._flushing = Flushing(clock, self._slices, self._rings)
        self._reading = Reading(channels, clock, self._slices, self._rings.used)
        self._joining = Joining(clock, self._reading, Tops(channels), self._follow, self._release)
        self._histories = Histories(channels, self._joining)
        self._reloading = Reloading(options.reload_s, dice)
        self._stale_since: int | None = None
        self._serving = Serving(self._channels, self._slices, self._reading, self._catch_up, self._tell_staleness)
        self._users = Users(self._slices, self._counts)
        self._draining_s: float | None = None
        self._on_empty: list[Deferred[None]] = []
        self._errors: Counter[int] = Counter()
        self._disconnects: Counter[int] = Counter()
        self._sweep = Sweep(clock, options.session.ping_s, options.pong_s)

    def start(self) -> Deferred[None]:
        """Follows every channel with a fixed name.

        Returns:
            Fires when nothing is missed any more; waits as long as the broker is away.
        """
        self._sweep.start()
        standing = [self._follow(name).when_standing() for name in self._catalogue.names]
        return gatherResults(standing, consumeErrors=True).addCallback(lambda _: None)

    def open(self, transport: ITransport, wire: Wire, arrival: Arrival) -> Connection:
        """A client has come in: its connection, which may be closing already."""
        user, refusal = self._admit(arrival)
        session = Session(self._new_id(), user, self._catalogue, self._options.session)
        connection = Connection(self, session, transport, wire)
        self._connections[connection.client] = connection
        self._users.add(connection)
        self._sweep.add(connection)
        self._tell_staleness(connection)
        if refusal is not None:
            connection.end(refusal, self._reconnect_after_ms() if refusal.reconnect else None)
        else:
            connection.begin(arrival.channels)
        return connection

    def publication(self, publication: Publication) -> None:
        """See `IFollower.publication`."""
        following = self._channels.get(publication.channel)
        if following is not None and following.is_for_all:
            channel = following.channel
            if channel.is_wanted:
                channel.append(publication)
                self._flushing.due(channel)
            return
        declared = self._catalogue.channel(publication.channel)
        if declared.audience is Audience.USER:
            compress = self._catalogue.rule(publication.channel).compress
            self._users.give(publication, declared.user_of(publication.event), compress=compress)

    def past(self, channel: str, publications: Sequence[Publication]) -> None:
        """See `IFollower.past`."""
        following = self._channels.get(channel)
        if following is not None:
            following.channel.past(publications)
            self._rings.used(following.channel)

    def placed(self, channel: str, lineage: Lineage, top: int) -> None:
        """See `IFollower.placed`."""
        following = self._channels.get(channel)
        if following is not None:
            following.channel.placed(lineage, top)

    def noticed(self, channel: str, notice: Notice) -> None:
        """See `IFollower.noticed`."""
        following = self._channels.get(channel)
        if following is None:
            return
        audience = self._catalogue.channel(channel).audience
        if audience is Audience.ALL:
            following.channel.noticed(notice)
        elif audience is Audience.USER:
            self._users.flush()
            gap = Gap(channel, notice, self._reloading.after_ms(notice))
            self._counts.gaps += tell_all(self._users.everybody(), lambda: gap)

    def cut(self, channel: str, notice: Notice) -> None:
        """See `IFollower.cut`."""
        following = self._channels.get(channel)
        if following is not None:
            following.channel.cut(notice)

    def gathering(self, is_on: bool) -> None:
        """See `IFollower.gathering`."""
        self._slices.gather(is_on=is_on)

    def stale(self, since_ms: int) -> None:
        """See `IFollower.stale`."""
        self._stale_since = since_ms
        self._tell_staleness(*self._connections.values())

    def fresh(self) -> None:
        """See `IFollower.fresh`."""
        self._flushing.finish()
        self._stale_since = None
        self._tell_staleness(*self._connections.values())

    def join(self, connection: Connection, command: Subscribe) -> Deferred[Standing]:
        """See `pulsetw.hub.connection.Members.join`. Fails with `CommandError` when it takes too long."""

        def standing(channel: Channel) -> Standing:
            if self._connections.get(connection.client) is not connection:
                return Standing()
            begins = channel.add(connection, command.since, command.last)
            gap = begins.gap
            return Standing(
                begins.position,
                None if command.since is None else gap is None,
                gap,
                None if gap is None else self._reloading.after_ms(gap),
            )

        return self._joining.use(command.channel, command.since, command.last, standing)

    def catch_up(self, connection: Connection, channel: str) -> None:
        """See `pulsetw.hub.connection.Members.catch_up`."""
        self._serving.catch_up(connection, channel)

    def history(self, command: History) -> Deferred[Found]:
        """See `pulsetw.hub.connection.Members.history`."""
        return self._histories.read(command)

    def leave(self, connection: Connection, channel: str) -> None:
        """See `pulsetw.hub.connection.Members.leave`."""
        connection.behind.pop(channel, None)
        following = self._channels.get(channel)
        if following is not None:
            following.channel.remove(connection)
            self._release(following)

    def relay(self, channel: str, event: Event) -> Deferred[Receipt]:
        """See `pulsetw.hub.connection.Members.relay`."""
        return self._source.publish(channel, event)

    def refused(self, code: int) -> None:
        """See `pulsetw.hub.connection.Members.refused`."""
        (self._errors if code < 1000 else self._disconnects)[code] += 1

    def drained(self, connection: Connection) -> None:
        """See `pulsetw.hub.connection.Members.drained`."""
        missed, connection.missed = connection.missed, {}
        for name in missed:
            connection.tell(Gap(name, Notice("slow"), 0))
        self._counts.gaps += len(missed)
        self._serving.drained(connection)

    def gone(self, connection: Connection) -> None:
        """See `pulsetw.hub.connection.Members.gone`."""
        del self._connections[connection.client]
        self._serving.gone(connection)
        self._sweep.remove(connection)
        self._users.remove(connection)
        for name in connection.channels:
            self.leave(connection, name)
        if not self._connections:
            waiting, self._on_empty = self._on_empty, []
            for deferred in waiting:
                deferred.callback(None)

    def disconnect_user(self, user: str, disconnect: Disconnect) -> int:
        """Closes all connections of a user here; how many there were."""
        connections = self._users.connections(user)
        for connection in connections:
            connection.end(disconnect)
        return len(connections)

    def drain(self, drain_s: float) -> Deferred[None]:
        """Tells every client to come back later, spread over `drain_s` seconds, and closes its connection.

        Returns:
            Fires when all are gone.
        """
        self._draining_s = drain_s
        self._sweep.stop()
        self._reading.stop()
        self._flushing.stop()
        self._drain_slice(tuple(self._connections.values()))
        if not self._connections:
            return succeed(None)
        empty: Deferred[None] = Deferred()
        self._on_empty.append(empty)
        return empty

    def stats(self) -> dict[str, Any]:
        """How many connections, users, subscriptions and channels there are; what was delivered, and refused."""
        return {
            "connections": len(self._connections),
            "users": len(self._users),
            "channels": len(self._channels),
            "subscriptions": sum(len(following.channel) for following in self._channels.values()),
            "deliveries": self._counts.deliveries,
            "gaps": self._counts.gaps,
            "errors": {str(code): count for code, count in self._errors.items()},
            "disconnects": {str(code): count for code, count in self._disconnects.items()},
        }

    def _admit(self, arrival: Arrival) -> tuple[str, Disconnect | None]:
        """Who the client is, and why it has to go at once, if it has to."""
        if self._draining_s is not None:
            return "", Disconnect(DisconnectCode.DRAINING)
        try:
            return identify(self._options.anonymous, arrival.user), None
        except Disconnect as disconnect:
            return "", disconnect

    def _catch_up(self, connection: Connection, channel: Channel) -> None:
        channel.catch_up(connection)
        self._rings.used(channel)

    def _follow(self, name: str) -> Following:
        following = self._channels.get(name)
        if following is None:
            rule = self._catalogue.rule(name)
            channel = Channel(
                name,
                self._options.ring_bytes,
                has_history=rule.history is not None,
                strict=rule.tells_failovers,
                slow=rule.slow,
                compress=rule.compress,
                reload_after_ms=self._reloading.after_ms,
                counts=self._counts,
            )
            is_for_all = self._catalogue.channel(name).audience is Audience.ALL
            following = self._channels[name] = Following(channel, self._source, self, is_for_all=is_for_all)
            following.begin()
        return following

    def _tell_staleness(self, *connections: Connection) -> None:
        """What has changed since they were told last; a choked one is told when it has drained."""
        since = self._stale_since
        state = Fresh() if since is None else Stale(since)
        told = [each for each in connections if each.stale_since != since and not each.is_choked and not each.behind]
        for connection in told:
            connection.stale_since = since
        tell_all(told, lambda: state)

    def _release(self, following: Following) -> None:
        """Follows a channel no more that nobody wants; those with a fixed name are always following."""
        name = following.channel.name
        if following.is_idle and name not in self._fixed and self._channels.get(name) is following:
            del self._channels[name]
            self._flushing.discard(following.channel)
            self._reading.forget(following.channel)
            self._rings.remove(following.channel)
            following.end()

    def _reconnect_after_ms(self) -> int:
        return int(self._dice() * (self._draining_s or 0) * 1000)

    def _drain_slice(self, connections: tuple[Connection, ...]) -> None:
        for connection in connections[:_DRAIN_SLICE]:
            connection.end(Disconnect(DisconnectCode.DRAINING), self._reconnect_after_ms())
        if len(connections) > _DRAIN_SLICE:
            self._clock.callLater(0, self._drain_slice, connections[_DRAIN_SLICE:])
