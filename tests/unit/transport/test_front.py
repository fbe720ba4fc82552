"""`pulsetw.transport.front`."""

from typing import Any

from twisted.internet.interfaces import IAddress, ISSLTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import alsoProvides

from pulsetw.transport.front import FrontFactory, FrontLimits
from tests.unit.transport.doubles import FakeSocket, request

PAGE = b"GET /client.js HTTP/1.1\r\nHost: relay.test\r\n\r\n"


class Inner(Protocol):
    """What a connection is handed to."""

    def __init__(self) -> None:
        self.data = b""
        self.losses: list[Failure] = []

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.losses.append(reason)


class InnerFactory(Factory[Inner]):
    """Remembers what was handed to it."""

    def __init__(self) -> None:
        self.built: list[Inner] = []
        self.peers: list[IAddress | None] = []

    def buildProtocol(self, addr: IAddress | None) -> Inner:
        self.peers.append(addr)
        self.built.append(Inner())
        return self.built[-1]


class FrontTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.site = InnerFactory()
        self.websocket = InnerFactory()
        self.factory = self.make()
        self.sockets: list[FakeSocket] = []

    def tearDown(self) -> None:
        """On every path the connections are counted out, and no timer is left."""
        for socket in self.sockets:
            if socket.connected:
                socket.lose()
        self.assertEqual(self.factory.connections, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def make(self, *, origins: tuple[str, ...] = (), **limits: Any) -> FrontFactory:
        self.factory = FrontFactory(
            self.clock, self.site, self.websocket, origins=origins, limits=FrontLimits(**limits)
        )
        return self.factory

    def connect(self, data: bytes = b"") -> FakeSocket:
        socket = FakeSocket(self.factory.buildProtocol(None))
        self.sockets.append(socket)
        if data:
            socket.feed(data)
        return socket

    def assert_refused(self, socket: FakeSocket, status: int, text: str = "") -> str:
        """Answered in one piece, half-closed, and nobody else has it."""
        answer = socket.take().decode()
        self.assertEqual(answer.partition("\r\n")[0].split(" ")[:2], ["HTTP/1.1", str(status)])
        self.assertIn("\r\nConnection: close\r\n", answer)
        self.assertIn(text, answer.partition("\r\n\r\n")[2])
        self.assertEqual(socket.ends, ["half"])
        self.assertEqual(self.site.built + self.websocket.built, [])
        self.assertEqual(self.factory.refusals, {status: 1})
        return answer

    # Handing over.

    def test_upgrades_go_to_the_websocket(self) -> None:
        """An upgrade on the path is handed on with every byte from the first."""
        data = request("/ws?channels=a") + b"frames that came with it"
        socket = self.connect(data)
        self.assertEqual([inner.data for inner in self.websocket.built], [data])
        self.assertIs(socket.protocol, self.websocket.built[0])
        self.assertIs(self.websocket.built[0].transport, socket)
        self.assertEqual(self.websocket.peers, [socket.getPeer()])
        self.assertEqual(self.site.built, [])
        self.assertEqual(socket.take(), b"")

    def test_everything_else_goes_to_the_site(self) -> None:
        """So do upgrades elsewhere: the site knows how to say that there is nothing."""
        others = [PAGE, PAGE.replace(b"GET", b"POST"), request("/elsewhere"), request("//ws"), request("/wss")]
        for data in others:
            self.connect(data)
        self.assertEqual([inner.data for inner in self.site.built], others)
        self.assertEqual(self.websocket.built, [])

    def test_heads_in_pieces(self) -> None:
        """The inner protocol gets what was read until then at once, then all that comes."""
        data = PAGE + b"body"
        socket = self.connect()
        for index in range(len(data)):
            socket.feed(data[index : index + 1])
        self.assertEqual([inner.data for inner in self.site.built], [data])

    def test_the_front_is_out_of_the_way(self) -> None:
        """After the hand-over no timer is left, and the loss reaches the inner protocol once."""
        socket = self.connect(PAGE)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.factory.connections, 1)
        socket.lose()
        self.assertEqual(len(self.site.built[0].losses), 1)
        self.assertEqual(self.factory.connections, 0)

    def test_below_a_wrapper(self) -> None:
        """Under TLS, or a PROXY protocol, the wrapper's protocol is replaced."""
        wrappers: WrappingFactory[ProtocolWrapper] = WrappingFactory(self.factory)
        wrapper = wrappers.buildProtocol(None)
        assert wrapper is not None
        socket = FakeSocket(wrapper)
        self.sockets.append(socket)
        socket.feed(PAGE)
        socket.feed(b"more")
        self.assertEqual([inner.data for inner in self.site.built], [PAGE + b"more"])
        self.assertIs(wrapper.wrappedProtocol, self.site.built[0])
        socket.lose()
        self.assertEqual(len(self.site.built[0].losses), 1)

    # Bad heads.

    def test_bad_heads_are_answered(self) -> None:
        """With the status, in words, without what was sent."""
        answer = self.assert_refused(self.connect(PAGE.replace(b"Host", b"Host ")), 400, "header line")
        self.assertNotIn("relay.test", answer)

    def test_what_follows_a_refusal_is_thrown_away(self) -> None:
        """No second chance, and no second answer."""
        socket = self.connect(b"\x16\x03\x01")
        self.assert_refused(socket, 400)
        socket.feed(PAGE)
        self.assertEqual(socket.take(), b"")
        self.assertEqual(self.site.built, [])

    def test_large_heads(self) -> None:
        """16 KiB are the bound."""
        socket = self.connect(b"GET / HTTP/1.1\r\nX: " + b"y" * 16364)
        self.assertEqual(socket.take(), b"")
        socket.feed(b"y")
        self.assert_refused(socket, 431, "16384 bytes")

    def test_large_bodies_are_none_of_its_business(self) -> None:
        """The bound is on the head."""
        self.connect(PAGE + b"x" * 100_000)
        self.assertEqual(len(self.site.built[0].data), len(PAGE) + 100_000)

    def test_slow_heads(self) -> None:
        """5 s are the bound on the whole, however diligently it drips."""
        socket = self.connect()
        for byte in PAGE[:19]:
            socket.feed(bytes([byte]))
            self.clock.advance(0.25)
        self.clock.advance(0.24)
        self.assertEqual(socket.take(), b"")
        self.clock.advance(0.01)
        self.assert_refused(socket, 408, "5 s")

    def test_limits_are_settable(self) -> None:
        """Both of them."""
        self.make(head_bytes=100, head_timeout_s=1)
        self.connect(b"G" * 100)
        self.connect()
        self.clock.advance(1)
        self.assertEqual(self.factory.refusals, {431: 1, 408: 1})

    def test_refused_clients_are_cut_off(self) -> None:
        """Who does not go is made to, 2 s later; who goes needs no more."""
        stays, goes = self.connect(b"\x00"), self.connect(b"\x00")
        self.clock.advance(1)
        goes.lose()
        self.clock.advance(0.99)
        self.assertEqual(stays.ends, ["half"])
        self.clock.advance(0.01)
        self.assertEqual(stays.ends, ["half", "abort"])
        self.assertEqual(goes.ends, ["half"])

    # Upgrades.

    def test_no_upgrade(self) -> None:
        """Whoever opens the path in a browser is told what it is."""
        for data in (
            request(Upgrade=None),
            request(Upgrade="h2c"),
            request(Connection="keep-alive"),
            request().replace(b"HTTP/1.1", b"HTTP/1.0"),
        ):
            self.make()
            answer = self.assert_refused(self.connect(data), 426, "speaks WebSocket")
            self.assertIn("\r\nUpgrade: websocket\r\n", answer)

    def test_lists_and_case(self) -> None:
        """Connection and Upgrade are lists of words without case (RFC 6455 4.2.1)."""
        self.connect(request(Connection="keep-alive, UPGRADE", Upgrade="h2c, WebSocket"))
        self.assertEqual(len(self.websocket.built), 1)

    def test_upgrades_with_a_body(self) -> None:
        """One parser's body is another's first frame."""
        for headers in ({"Content-Length": "5"}, {"Transfer-Encoding": "chunked"}):
            self.make()
            self.assert_refused(self.connect(request(**headers)), 400, "no body")
        self.make()
        self.connect(request(**{"Content-Length": "0"}))
        self.assertEqual(len(self.websocket.built), 1)

    # Origins; which ones match is `pulsetw.policy.origin`'s.

    def test_foreign_origins(self) -> None:
        """403, with the setting's name; the site does not care."""
        for origin in ("https://evil.test", "null", "https://relay.test"):
            self.make()
            self.assert_refused(self.connect(request(Origin=origin)), 403, "auth.origins")
        self.connect(request("/elsewhere", Origin="https://evil.test"))
        self.assertEqual(len(self.site.built), 1)

    def test_foreign_origins_are_told(self) -> None:
        """Once a minute for each of them; neither their number nor their length is the stranger's to choose."""
        logged = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)

        def lines() -> list[str]:
            return [formatEvent(event) for event in logged if event["log_level"] is LogLevel.warn]

        foreign, hidden = request(Origin="https://evil.test"), request(Cookie="session=1")
        for data in (foreign, foreign, hidden, hidden, request(Origin="http://relay.test")):
            self.connect(data)
        self.assertEqual(len(lines()), 2)
        self.assertIn("auth.origins does not name its Origin, 'https://evil.test'", lines()[0])
        self.assertIn("its browser sent no Origin", lines()[1])
        self.clock.advance(60)
        self.connect(foreign)
        self.assertEqual(lines()[2:], lines()[:1])
        for number in range(1000):
            self.connect(request(Origin=f"https://{number}.{'x' * 2000}"))
        self.assertEqual(len(lines()), 22)
        self.assertLess(max(map(len, lines())), 300)
        self.assertEqual(self.factory.refusals, {403: 1005})

    def test_good_origins(self) -> None:
        """The same host, or those in the list."""
        self.connect(request(Origin="http://relay.test"))
        self.make(origins=("https://app.test",))
        self.connect(request(Origin="https://app.test"))
        self.assertEqual(len(self.websocket.built), 2)

    def test_tls(self) -> None:
        """Over TLS the same host is https."""
        socket = self.connect()
        alsoProvides(socket, ISSLTransport)
        socket.feed(request(Origin="https://relay.test"))
        self.assertEqual(len(self.websocket.built), 1)

    def test_two_origins(self) -> None:
        """There is one page."""
        head = request(Origin="http://relay.test").replace(b"\r\n\r\n", b"\r\nOrigin: http://relay.test\r\n\r\n")
        self.assert_refused(self.connect(head), 400, "Origin")

    def test_cookies_without_an_origin(self) -> None:
        """A program without cookies passes, a browser that hides its page does not."""
        self.connect(request())
        self.assertEqual(len(self.websocket.built), 1)
        self.websocket.built.clear()
        self.assert_refused(self.connect(request(Cookie="session=1")), 403)

    # The number of connections.

    def test_connection_limit(self) -> None:
        """Upgrades beyond it come back later; the site answers: a full relay is not to be taken for a dead one."""
        self.make(max_connections=2)
        first = self.connect(request())
        self.connect(request())
        refused = self.connect(request())
        answer = refused.take().decode()
        self.assertIn("503 Service Unavailable", answer)
        self.assertIn("\r\nRetry-After: 10\r\n", answer)
        page = self.connect(PAGE)
        self.assertEqual(len(self.site.built), 1)
        for socket in (first, refused, page):
            socket.lose()
        self.connect(request())
        self.assertEqual(len(self.websocket.built), 3)

    def test_far_above_the_limit(self) -> None:
        """There is an end to answering."""
        self.make(max_connections=1)
        for _ in range(257):
            self.connect()
        unwelcome = self.connect()
        self.assertEqual(unwelcome.ends, ["abort"])
        self.assertEqual(self.factory.connections, 257)

    def test_every_loss_counts(self) -> None:
        """Before the head, after a refusal, handed over, and where the inner protocol fails on its loss."""
        for data in (b"", b"GET", b"\x00", PAGE, request(), request(Origin="null")):
            socket = self.connect(data)
            self.assertEqual(self.factory.connections, 1, data)
            socket.lose()
            self.assertEqual(self.factory.connections, 0, data)

        class Failing(Inner):
            def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
                raise ZeroDivisionError

        self.site.buildProtocol = lambda addr: Failing()  # type: ignore[method-assign]
        socket = self.connect(PAGE)
        self.assertRaises(ZeroDivisionError, socket.lose)
        self.assertEqual(self.factory.connections, 0)

    def test_abort(self) -> None:
        """Ends what is left, wherever it is."""
        sockets = [self.connect(data) for data in (b"", b"\x00", PAGE, request())]
        self.factory.abort()
        self.assertEqual([socket.ends[-1] for socket in sockets], ["abort"] * 4)
