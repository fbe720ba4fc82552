# ruff: noqa: N802, N803 -- Twisted and Autobahn call us by their names
"""One connection of a client: Autobahn's client protocol, with its timers off and its sizes bounded."""

from typing import Any, Protocol

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from pulsetw import codec

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
        """A sign of life that is no message."""

    def connection_received(self, connection: "Connection", message: object) -> None:
        """A message, as its JSON reads; None = it was none."""

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
        self._reactor_time = reactor
        self._protocol: _Protocol | None = None
        self._cut: IDelayedCall | None = None
        # Autobahn's timers would run on txaio's loop, not on the given clock: our own limits take their place.
        self.setProtocolOptions(
            openHandshakeTimeout=0,
            closeHandshakeTimeout=0,
            serverConnectionDropTimeout=0,
            autoPingInterval=0,
            maxFramePayloadSize=max_message_bytes,
            maxMessagePayloadSize=max_message_bytes,
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


class _Protocol(WebSocketClientProtocol):  # type: ignore[misc]  # Autobahn has no types
    _head_bytes = 0
    _fragments = 0
    _close: tuple[int, str] = (0, "connection lost")

    def dataReceived(self, data: bytes) -> None:
        if self.state == self.STATE_CONNECTING:
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEAD_BYTES and b"\r\n\r\n" not in data:
                self.transport.abortConnection()
                return
        super().dataReceived(data)

    def onOpen(self) -> None:
        self.factory.owner.connection_opened(self.factory)

    def onMessageFrameBegin(self, length: int) -> None:
        self._fragments += 1
        if self._fragments > _MAX_FRAGMENTS:
            self.transport.abortConnection()
        super().onMessageFrameBegin(length)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self._fragments = 0
        message: object = None
        if not isBinary:
            try:
                message = codec.decode(payload)
            except ValueError:
                message = None
        self.factory.owner.connection_received(self.factory, message)

    def onPing(self, payload: bytes) -> None:
        super().onPing(payload)
        self.factory.owner.connection_heard(self.factory)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:  # noqa: ARG002 -- Autobahn's
        self._close = (code or 0, reason or "")

    def onCloseFrame(self, code: int | None, reasonRaw: bytes | None) -> Any:
        done = super().onCloseFrame(code, reasonRaw)
        self.factory.watch()
        return done

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self.factory.ended(*self._close)
