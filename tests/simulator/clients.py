"""Clients in memory: one that any WebSocket library would make, and our own."""

import json
from abc import ABC, abstractmethod
from collections import deque

from attrs import define, field
from zope.interface import implementer

from pulsetw.client.effects import Close, Effect, Give, Open, Send, State, Tell
from pulsetw.client.following import gap_of, place
from pulsetw.client.state import ClientOptions, ClientState
from pulsetw.errors import Disconnect
from pulsetw.hub.arrival import Arrival
from pulsetw.interfaces import IConnection, ITransport
from tests.simulator.client_checker import ClientChecker
from tests.simulator.relay import Relay

_ROOMY = 10**9


@implementer(ITransport)
@define(eq=False)
class Transport:
    """Keeps what was sent until the client reads; chokes when it has no room.

    Attributes:
        room: sends that it takes before it is choked.
        unread: messages on their way to the client.
        is_over: whether the relay has given it up.
    """

    peer = "192.0.2.1"
    connection: IConnection | None = None
    room: int = _ROOMY
    unread: deque[bytes] = field(factory=deque)
    is_over: bool = False
    _is_choked: bool = False

    def send(self, data):
        self.unread.extend(data.splitlines())
        self.room -= 1
        self.squeeze(self.room)

    def ping(self):
        if not self._is_choked:
            self.connection.heard()

    def unsent(self):
        return 0

    def pause(self):
        pass

    def resume(self):
        pass

    def close(self, disconnect: Disconnect):
        self.is_over = True

    def abort(self):
        self.is_over = True

    def squeeze(self, room: int) -> None:
        """Takes so many sends more."""
        self.room = room
        if room <= 0 and not self._is_choked and self.connection is not None:
            self._is_choked = True
            self.connection.choked()

    def drain(self) -> None:
        """Takes whatever comes."""
        self.room = _ROOMY
        if self._is_choked:
            self._is_choked = False
            self.connection.drained()


@define(eq=False)
class Client(ABC):
    """One client, away or on a relay.

    Attributes:
        name: for the trace.
        channel: what it wants.
        checker: sees all that it gets.
        last: so many of the newest events it asks for when it comes the first time.
        trace: see `tests.simulator.upstream.Upstream`.
        transport: its connection's; None = it is away.
        relay: the name of the relay that it is on.
        is_slow: whether it does not read for now.
        is_subscribed: whether it was told so on this connection.
    """

    name: str
    channel: str
    checker: ClientChecker
    last: int
    trace: list[str] | None
    transport: Transport | None = None
    relay: str = ""
    is_slow: bool = False
    is_subscribed: bool = False

    def __str__(self) -> str:
        where = "away" if self.transport is None else f"slow on {self.relay}" if self.is_slow else f"on {self.relay}"
        return f"{self.name} {where}"

    def come(self, relay: Relay, now_ms: float) -> None:
        """Connects, and subscribes from where it stands."""
        if self.transport is not None or not self.may_come(now_ms):
            return
        self.transport, self.relay, self.is_slow, self.is_subscribed = Transport(), relay.name, False, False
        self.transport.connection = relay.hub.open(self.transport, relay.wire, Arrival("192.0.2.1"))
        self.checker.connected(is_remembered=relay.remembers)
        self.begin(now_ms)

    def go(self, now_ms: float) -> None:
        """Its connection breaks; what it has not read it does not get."""
        if self.transport is not None:
            gone, self.transport = self.transport, None
            gone.connection.lost("gone")
            self.gone(now_ms)

    def read(self, count: int, now_ms: float) -> None:
        """Reads so many messages."""
        transport = self.transport
        while count > 0 and transport is not None and transport is self.transport and transport.unread:
            count -= 1
            message = json.loads(transport.unread.popleft())
            if self.trace is not None:
                self.trace.append(f"    {self.name}: {message}")
            self.is_subscribed = self.is_subscribed or message.get("op") == "subscribed"
            self.message(message, now_ms)
        if transport is self.transport and transport is not None and transport.is_over and not transport.unread:
            self.go(now_ms)

    def slow_down(self, room: int) -> None:
        """Reads no more, and has room for so many sends."""
        if self.transport is not None:
            self.is_slow = True
            self.transport.squeeze(room)

    def speed_up(self, now_ms: float) -> None:
        """Reads all, and whatever comes."""
        if self.transport is not None:
            self.is_slow = False
            self.read(_ROOMY, now_ms)
        if self.transport is not None:
            self.transport.drain()

    def say(self, **command: object) -> None:
        """Sends a command."""
        if self.transport is not None:
            self.transport.connection.received(json.dumps(command).encode())

    @property
    def is_quiet(self) -> bool:
        """Whether it is subscribed and has read what there is."""
        transport = self.transport
        return transport is not None and self.is_subscribed and not transport.unread and not transport.is_over

    @abstractmethod
    def may_come(self, now_ms: float) -> bool:
        """Whether it wants to connect."""

    @abstractmethod
    def begin(self, now_ms: float) -> None:
        """It is connected."""

    @abstractmethod
    def gone(self, now_ms: float) -> None:
        """It is so no more."""

    @abstractmethod
    def message(self, message: dict[str, object], now_ms: float) -> None:
        """It was told something."""

    @abstractmethod
    def tick(self, now_ms: float) -> None:
        """Time has passed."""


class BareClient(Client):
    """Keeps its position and nothing else, as the reference tells it to."""

    def may_come(self, now_ms):
        return True

    def begin(self, now_ms):
        at = self.checker.at
        if at is None:
            self.say(op="subscribe", id=1, channel=self.channel, last=self.last)
        else:
            self.say(op="subscribe", id=1, channel=self.channel, since={"offset": at.offset, "epoch": at.wire_epoch})

    def gone(self, now_ms):
        pass

    def message(self, message, now_ms):
        op, at = message.get("op"), place(message)
        if op is None:
            self.checker.got(message["id"], at)
        elif op == "gap" or message.get("recovered") is False:
            self.checker.told(gap_of(self.channel, message).notice)
        elif op == "subscribed":
            (self.checker.recovered if "recovered" in message else self.checker.begun)(at)
        elif op in ("error", "unsubscribed", "disconnect"):
            self.go(now_ms)

    def tick(self, now_ms):
        pass


@define(eq=False)
class OurClient(Client):
    """The state machine of `pulsetw.client`."""

    state: ClientState = field(init=False)
    _wants: bool = field(default=True, init=False)

    def __attrs_post_init__(self) -> None:
        self.state = ClientState(ClientOptions(), lambda: 0.0)
        self.state.subscribe(0, self.channel, last=self.last)
        self.state.start(0)

    def may_come(self, now_ms):
        self._carry_out(self.state.tick(now_ms), now_ms)
        return self._wants

    def begin(self, now_ms):
        self._wants = False
        self._carry_out(self.state.opened(now_ms), now_ms)

    def gone(self, now_ms):
        self._carry_out(self.state.lost(now_ms), now_ms)

    def message(self, message, now_ms):
        self._carry_out(self.state.message(now_ms, message), now_ms)
        following = self.state.channels[self.channel]
        if self.checker.at is None and following.is_live:
            self.checker.begun(following.position)

    def tick(self, now_ms):
        if self.transport is not None:
            self._carry_out(self.state.tick(now_ms), now_ms)

    def _carry_out(self, effects: list[Effect], now_ms: float) -> None:
        for effect in effects:
            match effect:
                case Open() | State():
                    self._wants = isinstance(effect, Open)
                case Send(members):
                    self.say(**members)
                case Close():
                    self.go(now_ms)
                case Give(publication):
                    self.checker.got(publication.event.id, publication.position)
                case Tell(gap):
                    self.checker.told(gap.notice)
