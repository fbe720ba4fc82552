# ruff: noqa: N802, N803 -- Twisted and Autobahn call us by their names
"""One listener's WebSocket: Autobahn's, which does not see what comes most, the events of the run."""

from typing import Any, Protocol

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure

from pulsetw.cli.load.ledger import Place
from pulsetw.cli.load.marks import MAX_FRAME_BYTES, Mark, Marks


class Owner(Protocol):
    """Whose listeners these are."""

    def opened(self, listener: "Listener") -> None:
        """The handshake is done."""

    def came(self, listener: "Listener", events: list[Mark]) -> None:
        """Events of the run."""

    def told(self, listener: "Listener", payload: bytes) -> None:
        """A message that is none."""

    def ended(self, listener: "Listener", code: int, reason: str) -> None:
        """Its connection is gone; the last call.

        Args:
            listener: that was.
            code: of the relay's close frame; 1006 = there was none.
            reason: in words.
        """


class Listening(WebSocketClientFactory):  # type: ignore[misc]  # Autobahn has no types
    """What all listeners of a run share."""

    def __init__(self, reactor: Any, url: str, marks: Marks, owner: Owner) -> None:
        """Checks the address.

        Raises:
            Exception: Autobahn's, for an address that is none of a WebSocket.
        """
        super().__init__(url, reactor=reactor, protocols=["pulse.v1"])
        self.marks = marks
        self.owner = owner
        # Its timers would cost one each, and run on txaio's loop; the crowd has limits of its own.
        self.setProtocolOptions(
            openHandshakeTimeout=0,
            closeHandshakeTimeout=0,
            serverConnectionDropTimeout=0,
            autoPingInterval=0,
            maxFramePayloadSize=MAX_FRAME_BYTES,
            maxMessagePayloadSize=MAX_FRAME_BYTES,
        )


class Dial(Factory):
    """One try to connect.

    Attributes:
        listener: what it leads to.
    """

    noisy = False

    def __init__(self, listening: Listening, began_us: int) -> None:
        """It begins now."""
        self.listener = Listener()
        self.listener.factory = listening
        self.listener.began_us = began_us

    def buildProtocol(self, addr: IAddress | None) -> Any:  # noqa: ARG002 -- Twisted's
        """The listener."""
        return self.listener


class Listener(WebSocketClientProtocol):  # type: ignore[misc]  # Autobahn has no types
    """One connection.

    Attributes:
        began_us: when it began to connect.
        unanswered: subscriptions that the relay has not answered.
        places: how far it is on each channel; empty = it is not subscribed to all of them yet.
    """

    began_us = 0
    unanswered = 0
    places: list[Place]
    transport: Any = None
    _rest = b""
    _close: tuple[int, str] = (1006, "connection lost")

    def __init__(self) -> None:
        super().__init__()
        self.places = []

    @property
    def is_talking(self) -> bool:
        """Whether the handshake is done, and no close has begun."""
        return bool(self.state == self.STATE_OPEN)

    def dataReceived(self, data: bytes) -> None:
        """Takes the run's events out."""
        # Autobahn takes 10 µs a frame. It has the handshake, what came glued to it, and all that is no event.
        if not self.is_talking or self.data or self.current_frame is not None:
            super().dataReceived(data)
            return
        received = self.factory.marks.read(self._rest + data)
        self._rest = received.rest
        if received.events:
            self.factory.owner.came(self, received.events)
        for frame in received.others:
            super().dataReceived(frame)

    def onOpen(self) -> None:
        """The handshake is done."""
        self.factory.owner.opened(self)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: ARG002 -- Autobahn's
        """A message that Autobahn read."""
        mark = self.factory.marks.find(payload)
        if mark is not None:
            self.factory.owner.came(self, [mark])
        else:
            self.factory.owner.told(self, payload)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:  # noqa: ARG002 -- Autobahn's
        """Why the connection ends."""
        self._close = (code or 1005, self.wasNotCleanReason or reason or "")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is gone."""
        super().connectionLost(reason)
        self.factory.owner.ended(self, *self._close)
