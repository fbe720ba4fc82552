# ruff: noqa: N802, N803 -- Twisted and Autobahn call us by their names
"""One connection of a client: Autobahn's client protocol, with its timers off and its sizes bounded."""

from typing import Any, Protocol

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.interfaces import IAddress, IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from pulsetw import codec
from pulsetw.client.following import Members
from pulsetw.client.unread import Ends, outline

# From our close frame, or the answer to the relay's, to the end of the connection; then it is cut off.
_CLOSE_TIMEOUT_S = 2.0
# Autobahn collects a response's head without a limit.
_MAX_HEAD_BYTES = 65536
_MAX_FRAGMENTS = 1000


class Owner(Protocol):
    """Whose connections these are."""

    def connection_opened(self, connection: "Connection") -> None:
        """The handshake is done."""

    def connection_heard(self, connection: "Connection") -> None:
        """A sign of life: some bytes came."""

    def connection_received(self, connection: "Connection", message: object) -> None:
        """A message, as its JSON reads; None = it was none."""

    def connection_unread(self, connection: "Connection", outline: Members) -> None:
        """An event without its data, which is too long or cannot be read here; no members = nothing is known of it."""

    def connection_lost(self, connection: "Connection", code: int, reason: str) -> None:
        """It is gone, or did not come to be; the last call."""


class Connection(WebSocketClientFactory):  # type: ignore[misc]  # Autobahn has no types
    """Makes one protocol, and stands for the connection before and after it is one."""

    noisy = False

    def __init__(self, reactor: IReactorTime, url: str, max_message_bytes: int, owner: Owner) -> None:
        """Checks the address; the endpoint that connects is the caller's.

        Raises:
            Exception: Autobahn's, for an address that is none of a WebSocket.
        """
        super().__init__(url, reactor=reactor, protocols=["pulse.v1"])
        self.owner = owner
        self.max_message_bytes = max_message_bytes
        self._reactor_time = reactor
        self._protocol: _Protocol | None = None
        self._cut: IDelayedCall | None = None
        # Autobahn's timers would run on txaio's loop, not on the given clock: our own limits take their place.
        self.setProtocolOptions(
            openHandshakeTimeout=0,
            closeHandshakeTimeout=0,
            serverConnectionDropTimeout=0,
            autoPingInterval=0,
        )

    @property
    def is_connected(self) -> bool:
        """Whether there is a socket, however far its handshake is."""
        return self._protocol is not None

    def buildProtocol(self, addr: IAddress) -> Any:  # noqa: ARG002 -- Twisted's
        """The one protocol."""
        self._protocol = _Protocol()
        self._protocol.factory = self
        return self._protocol

    def send(self, message: bytes) -> None:
        """Sends a message of text; after the end of the connection nothing."""
        if self._protocol is not None and self._protocol.state == _Protocol.STATE_OPEN:
            self._protocol.sendMessage(message)

    def leave(self) -> None:
        """Says good-bye, and cuts the connection off where that leads nowhere."""
        if self._protocol is None:
            return
        if self._protocol.state == _Protocol.STATE_OPEN:
            self._protocol.sendClose(1000)
            self.watch()
        else:
            self._protocol.transport.abortConnection()

    def watch(self) -> None:
        """From now on the end is near."""
        if self._cut is None and self._protocol is not None:
            self._cut = self._reactor_time.callLater(_CLOSE_TIMEOUT_S, self._protocol.transport.abortConnection)

    def ended(self, code: int, reason: str) -> None:
        """The socket is gone."""
        if self._cut is not None and self._cut.active():
            self._cut.cancel()
        self._protocol = None
        self.owner.connection_lost(self, code, reason)


@implementer(IPushProducer)
class _Protocol(WebSocketClientProtocol):  # type: ignore[misc]  # Autobahn has no types
    _head_bytes = 0
    _fragments = 0
    _unread: Ends | None = None
    _is_choked = False
    _close: tuple[int, str] = (0, "connection lost")

    def connectionMade(self) -> None:
        super().connectionMade()
        self.transport.registerProducer(self, streaming=True)

    def pauseProducing(self) -> None:
        self._is_choked = True

    def resumeProducing(self) -> None:
        self._is_choked = False

    def stopProducing(self) -> None:
        """Only `connectionLost` counts."""

    def dataReceived(self, data: bytes) -> None:
        if self.state == self.STATE_CONNECTING:
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEAD_BYTES and b"\r\n\r\n" not in data:
                self.transport.abortConnection()
                return
        # Not only when a message is whole: a long one on a slow line is no silence.
        self.factory.owner.connection_heard(self.factory)
        super().dataReceived(data)

    def onOpen(self) -> None:
        self.factory.owner.connection_opened(self.factory)

    def onMessageBegin(self, isBinary: bool) -> None:
        super().onMessageBegin(isBinary)
        self._fragments, self._unread = 0, None

    def onMessageFrameBegin(self, length: int) -> None:
        super().onMessageFrameBegin(length)
        self._fragments += 1
        is_too_long = self.message_data_total_length > self.factory.max_message_bytes
        if self._unread is None and (is_too_long or self._fragments > _MAX_FRAGMENTS):
            # Ending the connection would help nobody: the same message would come again.
            self._unread = Ends()
            self._unread.add(b"".join(self.message_data))
            self.message_data.clear()

    def onMessageFrameData(self, payload: bytes) -> None:
        if self._unread is None:
            super().onMessageFrameData(payload)
        else:
            self._unread.add(payload)

    def onMessageEnd(self) -> None:
        if self._unread is None:
            super().onMessageEnd()
            return
        unread, self._unread = self._unread, None
        self.factory.owner.connection_unread(self.factory, unread.outline())

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        message: object = None
        if not isBinary:
            try:
                message = codec.decode(payload)
            except ValueError:
                # Relays pass on numbers and depths that cannot be read here; the same event would come again.
                event = outline(payload, payload)
                if event:
                    self.factory.owner.connection_unread(self.factory, event)
                    return
        self.factory.owner.connection_received(self.factory, message)

    def onPing(self, payload: bytes) -> None:
        # A relay that floods us with pings and does not read would fill the memory with answers. Reading less instead
        # could stop TLS, which reads in order to write.
        if not self._is_choked:
            super().onPing(payload)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:  # noqa: ARG002 -- Autobahn's
        self._close = (code or 0, reason or "")

    def onCloseFrame(self, code: int | None, reasonRaw: bytes | None) -> Any:
        done = super().onCloseFrame(code, reasonRaw)
        self.factory.watch()
        return done

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self.factory.ended(*self._close)
