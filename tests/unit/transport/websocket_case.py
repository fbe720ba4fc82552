"""What tests of `pulsetw.transport.websocket` share: Autobahn's parser is the real one, the socket is not."""

from typing import Any

import txaio
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.errors import Disconnect, DisconnectCode
from pulsetw.hub.arrival import Arrival
from pulsetw.interfaces import IConnection, ITransport, Wire
from pulsetw.transport.options import WebSocketLimits
from pulsetw.transport.websocket import WebSocketFactory
from tests.unit.transport.doubles import FakeSocket, RecordingConnection, request

BAD_REQUEST = (3501, "bad request")
INTERNAL = (3004, "internal error")
KICKED = Disconnect(DisconnectCode.KICKED, "bye")


class Dialect:
    """Never asked anything here."""


class WebSocketTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.patch(txaio.config, "loop", self.clock)  # Autobahn's timers would show.
        self.opened: list[RecordingConnection] = []
        self.arrivals: list[Arrival] = []
        self.sockets: list[FakeSocket] = []
        self.make()

    def tearDown(self) -> None:
        """Whatever happened, a connection that was opened is lost once, last, and no timer is left."""
        for socket in self.sockets:
            if socket.connected:
                socket.lose()
        for connection in self.opened:
            self.assertEqual(connection.names().count("lost"), 1)
            self.assertEqual(connection.names()[-1], "lost")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.factory.countConnections, 0)

    def make(self, **limits: Any) -> None:
        wires: Any = {"pulse.v1": Dialect(), "other": Dialect()}
        self.factory = WebSocketFactory(self.clock, wires, self.open, WebSocketLimits(**limits))

    def open(self, transport: ITransport, wire: Wire, arrival: Arrival) -> IConnection:
        self.opened.append(RecordingConnection(transport, wire))
        self.arrivals.append(arrival)
        return self.opened[-1]

    def handshake(self, head: bytes) -> FakeSocket:
        socket = FakeSocket(self.factory.buildProtocol(None))
        self.sockets.append(socket)
        socket.feed(head)
        return socket

    def connect(self, *, rest: bytes = b"") -> tuple[FakeSocket, RecordingConnection]:
        socket = self.handshake(request() + rest)
        self.assertTrue(socket.take().startswith(b"HTTP/1.1 101 "))
        return socket, self.opened[-1]
