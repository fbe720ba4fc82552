"""What a connection is made of is freed when it is lost, without the garbage collector."""

import gc
import weakref

from msgspec import Raw
from twisted.internet.protocol import Factory

from pulsetw.catalogue import Catalogue, Rule
from pulsetw.catalogue.builtin import builtin_channels
from pulsetw.dialects.native import NativeDialect
from pulsetw.hub.hub import Hub, HubOptions
from pulsetw.model import Event, Publication
from pulsetw.transport.front import FrontFactory
from pulsetw.transport.websocket import WebSocketFactory
from tests.doubles import FakeChannels, ids
from tests.unit.transport.doubles import FakeSocket, close_frame, frame, request
from tests.unit.transport.websocket_case import WebSocketTestCase


class FreedTests(WebSocketTestCase):
    def make(self, **limits: int) -> None:
        catalogue = Catalogue(builtin_channels(), {"open:*": Rule()})
        self.hub = Hub(FakeChannels(), catalogue, self.clock, HubOptions(anonymous="named"), ids(), lambda: 0.5)
        self.factory = WebSocketFactory(self.clock, {"pulse.v1": NativeDialect()}, self.hub.open)
        self.front = FrontFactory(self.clock, Factory(), self.factory)

    def come(self) -> FakeSocket:
        socket = FakeSocket(self.front.buildProtocol(None))
        socket.feed(request("/ws?user=ann&channels=open:1") + frame(b'{"op":"ping","id":1}'))
        return socket

    def test_nothing_is_left_of_lost_connections(self) -> None:
        """However they went: by themselves, by a close, or as slow ones."""
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        others = [self.come() for _ in range(3)]
        gone, closed, slow = others
        slow.fill()
        event = Event("t", Raw(b"{}"), 1, "s", "1")
        self.hub.publication(Publication("open:1", event))
        self.clock.advance(0)
        closed.feed(close_frame(1000))
        left = [weakref.ref(socket.protocol) for socket in others]
        left += [weakref.ref(connection.transport) for connection in self.hub._connections.values()]
        for socket in others:
            socket.lose()
            # As Twisted's own do when they are lost.
            del socket.protocol
            socket.producer = None
        del others, gone, closed, slow, socket
        self.assertEqual([each() for each in left], [None] * len(left))
        self.assertEqual(self.hub.stats()["connections"], 0)
