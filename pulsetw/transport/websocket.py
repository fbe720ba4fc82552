# ruff: noqa: N802, N803 -- Twisted and Autobahn call us by their names
"""WebSockets: Autobahn's server protocol as the transport of a connection of the hub."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from autobahn.twisted.websocket import WebSocketServerFactory
from autobahn.websocket.types import ConnectionDeny, ConnectionRequest
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from pulsetw.errors import Disconnect, DisconnectCode
from pulsetw.hub.arrival import Arrival
from pulsetw.interfaces import IConnection, IDialect, ITransport, Wire
from pulsetw.transport import direct
from pulsetw.transport.answer import answer, finish
from pulsetw.transport.deflate import smaller_frame
from pulsetw.transport.frame import PING, text_frame
from pulsetw.transport.lean import LeanServerProtocol
from pulsetw.transport.options import Silence, WebSocketLimits, protocol_options
from pulsetw.transport.peer import Peer, address_text, below_wrappers
from pulsetw.transport.query import read_arrival

_T = TypeVar("_T")

# RFC 6455 7.4.1: text that is not UTF-8; a message that breaks our rules, not the protocol's.
_INVALID_PAYLOAD = 1007
_POLICY_VIOLATION = 1008

# Autobahn parses a frame in two steps. A read of 64 KiB can hold 10 000 empty frames, and would keep all others
# waiting for a tenth of a second.
_STEPS_PER_TURN = 400

_OPEN = LeanServerProtocol.STATE_OPEN

# Why a transport does not read; it reads when there is no reason left.
_HELD, _CHOKED, _YIELDED = 1, 2, 4

_crashed = Logger(namespace="pulsetw.transport").failureHandler("A connection failed, and is closed")


_LIMITS = WebSocketLimits()


class WebSocketFactory(WebSocketServerFactory):  # type: ignore[misc]  # Autobahn has no types
    """Makes transports out of connections that the front hands over.

    A whole request head must be the first that they get; nothing bounds the time it would take otherwise.

    Attributes:
        failures: how many connections broke WebSocket's rules or a limit, by close code.
    """

    noisy = False
    log = Silence()

    def __init__(
        self,
        reactor: IReactorTime,
        wires: Mapping[str, IDialect],
        open: Callable[[ITransport, Wire, Arrival], IConnection],
        limits: WebSocketLimits = _LIMITS,
        *,
        is_direct: bool = False,
        compress: bool = False,
    ) -> None:
        """Opens connections.

        Args:
            reactor: for the limits in time.
            wires: dialects by the names of their subprotocols, 1 or more. The first is spoken to clients that name
                none, or none that is known here; these are told no subprotocol (RFC 6455 4.2.2).
            open: called for each client, with a transport that is open: its side of the hub.
            limits: what a client may cost.
            is_direct: whether sends may go past Twisted's buffers; see `pulsetw.transport.direct`.
            compress: whether clients may have what is compressed.
        """
        super().__init__(reactor=reactor, server="")
        self.open = open
        self.limits = limits
        smaller = smaller_frame if compress else None
        self._wires = {
            (name, takes_deflate): Wire(dialect, text_frame, smaller if takes_deflate else None)
            for name, dialect in wires.items()
            for takes_deflate in (False, True)
        }
        self._names = list(wires)
        self.failures: Counter[int] = Counter()
        self.allowNullOrigin = False
        options = protocol_options(limits.message_bytes, compress=compress)
        if is_direct:
            options["send"] = direct.send
        self.protocol = type("LimitedWebSocket", (WebSocketTransport,), options)

    def choose(self, offered: list[str]) -> str | None:
        """The subprotocol that is spoken: the first that a client offers and we know; None = there is none."""
        return next((name for name in offered if name in self._names), None)

    def wire(self, name: str | None, *, takes_deflate: bool) -> Wire:
        """How clients of a subprotocol are spoken to, None = of none."""
        return self._wires[self._names[0] if name is None else name, takes_deflate]


@implementer(ITransport, IPushProducer)
class WebSocketTransport(LeanServerProtocol):
    """One client.

    Closing, whoever begins, is on a watchdog: a peer that does not answer, does not read, or does not end its TLS is
    cut off. What a client sends after it broke the protocol is thrown away unread.
    """

    factory: WebSocketFactory
    peer = Peer()
    _connection: IConnection | None = None
    _arrival: Arrival
    _text: bytearray
    _fragments = 0
    _stops = 0
    _steps_left = 0
    _is_parsing = False
    _is_producer = False
    _next_turn: IDelayedCall | None = None
    _watchdog: IDelayedCall | None = None

    # What the hub calls: see `ITransport`.

    def send(self, data: bytes) -> None:
        """See `ITransport.send`."""
        if self.state == _OPEN:
            self.transport.write(data)

    def ping(self) -> None:
        """See `ITransport.ping`."""
        self.send(PING)

    def unsent(self) -> int:
        """See `ITransport.unsent`."""
        return direct.unsent(below_wrappers(self.transport))

    def pause(self) -> None:
        """See `ITransport.pause`. What has been read, but not been parsed, waits, too."""
        if self.state == self.STATE_OPEN:
            self._stop(_HELD)

    def resume(self) -> None:
        """See `ITransport.resume`."""
        self._go_on(_HELD)

    def close(self, disconnect: Disconnect) -> None:
        """See `ITransport.close`."""
        if self.state == self.STATE_OPEN:
            self.sendCloseFrame(int(disconnect.code), disconnect.reason.encode())

    def abort(self) -> None:
        """See `ITransport.abort`."""
        if self.connected:
            self.dropConnection()
            self.transport.abortConnection()

    # What Twisted calls.

    def connectionMade(self) -> None:
        """See `IProtocol`."""
        super().connectionMade()
        self.peer = address_text(self.transport.getPeer())
        # Above so many unsent bytes a transport pauses its producer.
        below, unsent_bytes = below_wrappers(self.transport), self.factory.limits.unsent_bytes
        if below.bufferSize != unsent_bytes:
            below.bufferSize = unsent_bytes

    def dataReceived(self, data: bytes) -> None:
        """See `IProtocol`. Autobahn would collect what comes after the end."""
        if self.state != self.STATE_CLOSED:
            self._dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See `IProtocol`."""
        self.connected = 0
        self._is_producer = False
        for call in (self._watchdog, self._next_turn):
            if call is not None and call.active():
                call.cancel()
        connection, self._connection = self._connection, None
        try:
            super().connectionLost(reason)
        finally:
            if connection is not None:
                self._guarded(connection.lost, self._why_lost(reason))

    def pauseProducing(self) -> None:
        """See `IPushProducer`; called again with each write."""
        if not self._stops & _CHOKED:
            self._stop(_CHOKED)
            if self._connection is not None:
                self._guarded(self._connection.choked)

    def resumeProducing(self) -> None:
        """See `IPushProducer`."""
        if self._stops & _CHOKED:
            self._stops &= ~_CHOKED
            if self._connection is not None:
                self._guarded(self._connection.drained)
            self._go_on(0)

    def stopProducing(self) -> None:
        """See `IPushProducer`; the loss follows."""

    # What Autobahn calls.

    def onConnect(self, request: ConnectionRequest) -> str | None:
        """Never waits: a client that left meanwhile would be opened after its end."""
        query = self.http_request_uri.partition("?")[2]
        try:
            self._arrival = read_arrival(query, self.peer)
        except ValueError as error:
            raise ConnectionDeny(ConnectionDeny.BAD_REQUEST, str(error)) from None
        return self.factory.choose(request.protocols)

    def onOpen(self) -> None:
        """The handshake is done."""
        self._is_producer = True
        self.registerProducer(self, True)
        takes_deflate = self._perMessageCompress is not None
        wire = self.factory.wire(self.websocket_protocol_in_use, takes_deflate=takes_deflate)
        self._connection = self._guarded(self.factory.open, self, wire, self._arrival)
        if self._connection is not None and self._stops & _CHOKED:
            self._guarded(self._connection.choked)
        self.trim()

    def onMessageBegin(self, isBinary: bool) -> None:
        """A message's first frame."""
        self.message_data_total_length = 0
        self._fragments = 0
        self._text = bytearray()
        if isBinary:
            self.close(Disconnect(DisconnectCode.BAD_REQUEST))

    def onMessageFrameBegin(self, length: int) -> None:
        """A frame of so many bytes; Autobahn checks the size of the message."""
        super().onMessageFrameBegin(length)
        self._fragments += 1
        if 0 < self.factory.limits.message_frames < self._fragments and not self.failedByMe:
            self._fail_connection(
                _POLICY_VIOLATION, f"a message takes at most {self.factory.limits.message_frames} frames"
            )

    def onMessageFrameData(self, payload: bytes) -> None:
        """Some bytes of a frame."""
        if self.state == self.STATE_OPEN:
            self._text += payload

    def onMessageFrameEnd(self) -> None:
        """All bytes of a frame are there."""

    def onMessageEnd(self) -> None:
        """All frames are there."""
        text, self._fragments = self._text, 0
        if self.state == self.STATE_OPEN and self._connection is not None:
            try:
                text.decode()
            except UnicodeDecodeError:
                self._fail_connection(_INVALID_PAYLOAD, "a text message is UTF-8")
            else:
                self._guarded(self._connection.received, bytes(text))

    def onPing(self, payload: bytes) -> None:
        """A sign of life that wants an answer."""
        if self.state == self.STATE_OPEN:
            self.sendPong(payload)
            self.onPong(payload)

    def onPong(self, payload: bytes) -> None:  # noqa: ARG002 -- Autobahn's
        """A sign of life."""
        if self.state == self.STATE_OPEN and self._connection is not None:
            self._guarded(self._connection.heard)

    # Where Autobahn does it in a way of its own.

    def consumeData(self) -> None:
        """Parses what was read. Not while it is being parsed: a connection may close or resume from in there."""
        if self.state == self.STATE_CONNECTING:
            self.processHandshake()
            return
        if self._is_parsing:
            return
        self._is_parsing = True
        self._steps_left = _STEPS_PER_TURN
        try:
            super().consumeData()
        finally:
            self._is_parsing = False
            self._steps_left = 0
            self.trim()

    def processData(self) -> bool:
        """One step of parsing; False = no more for now."""
        if self._stops:
            return False
        if self.failedByMe:
            self.data = b""
            return False
        if self._steps_left == 0:
            self._yield_turn()
            return False
        self._steps_left -= 1
        more: bool = super().processData()
        return more

    def sendHttpErrorResponse(self, code: int, reason: str, responseHeaders: Any = None) -> None:
        """Refuses a handshake, in the front's words and form."""
        self.transport.write(answer(code, reason, *(responseHeaders or ())))

    def sendCloseFrame(
        self,
        code: int | None = None,
        reasonUtf8: bytes | None = None,
        isReply: bool = False,
    ) -> None:
        """Says good-bye, or answers it."""
        super().sendCloseFrame(code, reasonUtf8, isReply)
        self._begin_closing()

    def dropConnection(self, abort: bool = False) -> None:  # noqa: ARG002 -- the watchdog aborts
        """Nothing more is sent or parsed; ends when what is unsent has been read."""
        super().dropConnection(abort=False)
        self._begin_closing()

    def unregisterProducer(self) -> None:
        """Wants to know no more of what is unsent."""
        if self._is_producer:
            self._is_producer = False
            self.transport.unregisterProducer()

    def _fail_connection(self, code: int = 1001, reason: str = "going away") -> None:
        self.factory.failures[code] += 1
        super()._fail_connection(code, reason)
        if self.state == self.STATE_CLOSING:
            finish(self.transport)

    # Our own.

    def _guarded(self, call: Callable[..., _T], *arguments: object) -> _T | None:
        """Calls the hub's side; where that fails, this one connection pays."""
        with _crashed:
            return call(*arguments)
        self.close(Disconnect(DisconnectCode.INTERNAL))
        return None

    def _stop(self, why: int) -> None:
        if not self._stops:
            self.transport.pauseProducing()
        self._stops |= why

    def _yield_turn(self) -> None:
        self._stop(_YIELDED)
        if self._next_turn is None or not self._next_turn.active():
            self._next_turn = self.factory.reactor.callLater(0, self._go_on, _YIELDED)

    def _go_on(self, why: int) -> None:
        """Takes back reasons for not reading, and reads on where none is left."""
        self._stops &= ~why
        if not self._stops and self.state != self.STATE_CLOSED:
            self.consumeData()
            if not self._stops and self.state != self.STATE_CLOSED:
                self.transport.resumeProducing()

    def _begin_closing(self) -> None:
        """Reads on, whatever stopped it, for the peer's good-bye; and not for ever."""
        if self._watchdog is not None or not self.connected:
            return
        self._watchdog = self.factory.reactor.callLater(
            self.factory.limits.close_timeout_s, self.transport.abortConnection
        )
        self.unregisterProducer()
        if self._stops:
            self._go_on(self._stops)

    def _why_lost(self, reason: Failure) -> str:
        if self.closedByMe:
            return f"closed with {self.localCloseCode}"
        if self.wasClean:
            return f"the client closed with {self.remoteCloseCode or 'no code'}"
        return reason.getErrorMessage()
