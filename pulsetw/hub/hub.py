"""The local connections, and which of them gets what."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from attrs import field, frozen
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.defer import TimeoutError as WaitedTooLong
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from pulsetw.catalogue import Audience, Catalogue
from pulsetw.commands import Gap
from pulsetw.errors import CommandError, Disconnect, DisconnectCode, ErrorCode
from pulsetw.hub.arrival import Arrival
from pulsetw.hub.channel import Channel
from pulsetw.hub.connection import Connection
from pulsetw.hub.following import Following
from pulsetw.hub.sweep import Sweep
from pulsetw.interfaces import IChannels, IFollower, ITransport, Wire
from pulsetw.model import Event, Position, Publication
from pulsetw.policy.identity import Anonymous, identify
from pulsetw.session import Session, SessionLimits

# A client gives up on a subscription after 5 s (Centrifugo's clients do); it should get an answer before.
_JOIN_LIMIT_S = 4.0
# So many clients are told to leave in one reactor turn.
_DRAIN_SLICE = 500


@frozen
class HubOptions:
    """How the hub treats its connections.

    Attributes:
        anonymous: who may come in without a token; see `pulsetw.policy.identity`.
        session: bounds of one session.
        ring_bytes: how much a channel's log keeps for subscribers that are behind, in bytes.
        pong_s: how long a ping may stay unanswered, in seconds.
    """

    anonymous: Anonymous = True
    session: SessionLimits = field(factory=SessionLimits)
    ring_bytes: int = 65536
    pong_s: int = 10


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
        self._users: dict[str, dict[Connection, None]] = {}
        self._channels: dict[str, Following] = {}
        self._unflushed: dict[Channel, None] = {}
        self._personal: list[tuple[Publication, str]] = []
        self._draining_s: float | None = None
        self._on_empty: list[Deferred[None]] = []
        self._deliveries = 0
        self._gaps = 0
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
        if user:
            self._users.setdefault(user, {})[connection] = None
        self._sweep.add(connection)
        if refusal is not None:
            connection.end(refusal, self._reconnect_after_ms() if refusal.reconnect else None)
        else:
            connection.begin(arrival.channels)
        return connection

    def publication(self, publication: Publication) -> None:
        """See `IFollower.publication`."""
        channel = self._catalogue.channel(publication.channel)
        if channel.audience is Audience.USER:
            self._plan_flush()
            self._personal.append((publication, channel.user_of(publication.event)))
        elif channel.audience is Audience.ALL:
            following = self._channels.get(publication.channel)
            if following is not None and len(following.channel):
                following.channel.append(publication)
                self._plan_flush()
                self._unflushed[following.channel] = None

    def interrupted(self, channel: str, reason: str) -> None:
        """See `IFollower.interrupted`."""
        following = self._channels.get(channel)
        if following is None:
            return
        self._flush()
        following.channel.skip_behind()
        audience = self._catalogue.channel(channel).audience
        receivers: Iterable[Connection] = (
            following.channel
            if audience is Audience.ALL
            else [connection for user in self._users.values() for connection in user]
            if audience is Audience.USER
            else ()
        )
        encoded: dict[Wire, bytes] = {}
        for connection in receivers:
            wire = connection.wire
            if wire not in encoded:
                encoded[wire] = wire.frame(wire.dialect.encode(Gap(channel, reason)))
            self._gaps += 1
            connection.transport.send(encoded[wire])

    def join(self, connection: Connection, channel: str) -> Deferred[Position | None]:
        """See `pulsetw.hub.connection.Members.join`. Fails with `CommandError` when it takes too long."""

        def standing(_: None) -> Position | None:
            if self._connections.get(connection.client) is connection:
                self._deliveries += following.channel.add(connection)
            self._release(following)
            return None

        def failed(failure: Failure) -> Failure:
            self._release(following)
            if failure.check(WaitedTooLong):
                raise CommandError(ErrorCode.NOT_AVAILABLE, "the broker is away")
            return failure

        following = self._follow(channel)
        waiting = following.when_standing()
        waiting.addTimeout(_JOIN_LIMIT_S, self._clock)
        return waiting.addCallbacks(standing, failed)

    def leave(self, connection: Connection, channel: str) -> None:
        """See `pulsetw.hub.connection.Members.leave`."""
        connection.behind.discard(channel)
        following = self._channels.get(channel)
        if following is not None:
            following.channel.remove(connection)
            self._release(following)

    def relay(self, channel: str, event: Event) -> Deferred[Position | None]:
        """See `pulsetw.hub.connection.Members.relay`."""
        return self._source.publish(channel, event)

    def refused(self, code: int) -> None:
        """See `pulsetw.hub.connection.Members.refused`."""
        (self._errors if code < 1000 else self._disconnects)[code] += 1

    def drained(self, connection: Connection) -> None:
        """See `pulsetw.hub.connection.Members.drained`."""
        missed, connection.missed = connection.missed, set()
        for name in missed:
            connection.tell(Gap(name, "slow"))
        self._gaps += len(missed)
        for name in tuple(connection.behind):
            if connection.is_choked:
                break
            deliveries, gaps = self._channels[name].channel.catch_up(connection)
            self._deliveries += deliveries
            self._gaps += gaps

    def gone(self, connection: Connection) -> None:
        """See `pulsetw.hub.connection.Members.gone`."""
        del self._connections[connection.client]
        self._sweep.remove(connection)
        of_user = self._users.get(connection.user)
        if of_user is not None:
            of_user.pop(connection, None)
            if not of_user:
                del self._users[connection.user]
        for name in connection.channels:
            self.leave(connection, name)
        if not self._connections:
            waiting, self._on_empty = self._on_empty, []
            for deferred in waiting:
                deferred.callback(None)

    def disconnect_user(self, user: str, disconnect: Disconnect) -> int:
        """Closes all connections of a user here; how many there were."""
        connections = tuple(self._users.get(user, ()))
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
            "deliveries": self._deliveries,
            "gaps": self._gaps,
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

    def _push(self, publication: Publication, user: str) -> None:
        """To all connections of one user; they have no cursor in the channel."""
        encoded: dict[Wire, bytes] = {}
        for connection in tuple(self._users.get(user, ())):
            if publication.exclude and connection.client == publication.exclude:
                continue
            data = encoded.get(connection.wire)
            if data is None:
                data = encoded[connection.wire] = connection.wire.publication(publication)
            if connection.push(publication.channel, data):
                self._deliveries += 1

    def _plan_flush(self) -> None:
        """Once in this reactor turn, with all that comes until then."""
        if not self._unflushed and not self._personal:
            self._clock.callLater(0, self._flush)

    def _flush(self) -> None:
        channels, self._unflushed = self._unflushed, {}
        for channel in channels:
            self._deliveries += channel.flush()
        personal, self._personal = self._personal, []
        for publication, user in personal:
            self._push(publication, user)

    def _follow(self, name: str) -> Following:
        following = self._channels.get(name)
        if following is None:
            channel = Channel(name, self._options.ring_bytes)
            following = self._channels[name] = Following(channel, self._source, self)
        return following

    def _release(self, following: Following) -> None:
        """Follows a channel no more that nobody wants; those with a fixed name are always following."""
        name = following.channel.name
        if following.is_idle and name not in self._fixed and self._channels.get(name) is following:
            del self._channels[name]
            following.end()

    def _reconnect_after_ms(self) -> int:
        return int(self._dice() * (self._draining_s or 0) * 1000)

    def _drain_slice(self, connections: tuple[Connection, ...]) -> None:
        for connection in connections[:_DRAIN_SLICE]:
            connection.end(Disconnect(DisconnectCode.DRAINING), self._reconnect_after_ms())
        if len(connections) > _DRAIN_SLICE:
            self._clock.callLater(0, self._drain_slice, connections[_DRAIN_SLICE:])
