"""`pulsetw.transport.site`."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from pulsetw.transport.site import ClosingSite, SiteLimits
from tests.unit.transport.doubles import FakeSocket

GET = b"GET /?token=secret HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"
HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"


class Pages(Resource):
    isLeaf = True  # noqa: N815 -- twisted.web's

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self.waits = False

    def render(self, request: Request) -> bytes | int:
        self.requests.append(request)
        assert request.content is not None
        return NOT_DONE_YET if self.waits else b"<" + request.content.read() + b">"


class ClosingSiteTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.pages = Pages()
        self.site = ClosingSite(self.pages, self.clock, SiteLimits(200, request_timeout_s=10, close_timeout_s=3))
        self.site.doStart()
        self.socket = FakeSocket(self.site.buildProtocol(None))

    def tearDown(self) -> None:
        if self.socket.connected:
            self.socket.lose()
        self.site.doStop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_answers_close(self) -> None:
        """Whatever the client asks for, the answer is the last, and says so."""
        self.socket.feed(GET)
        answer = self.socket.take()
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 OK\r\n"), answer)
        self.assertIn(b"\r\nConnection: close\r\n", answer)
        self.assertTrue(answer.endswith(b"\r\n\r\n<>"), answer)
        self.assertEqual(self.socket.ends, ["close"])

    def test_a_second_request(self) -> None:
        """In the same bytes or later, it is not even read."""
        self.socket.feed(GET + GET)
        self.socket.feed(GET)
        self.assertEqual(len(self.pages.requests), 1)
        self.assertEqual(self.socket.take().count(b"HTTP/1.1"), 1)

    def test_a_second_request_during_the_first(self) -> None:
        """While an answer is made, other requests are thrown away."""
        self.pages.waits = True
        self.socket.feed(GET)
        self.socket.feed(GET * 1000)
        self.pages.requests[0].finish()
        self.assertEqual(len(self.pages.requests), 1)
        self.assertEqual(self.socket.take().count(b"HTTP/1.1"), 1)
        self.assertEqual(self.socket.ends, ["close"])

    def test_bodies(self) -> None:
        """In pieces, and in chunks."""
        self.socket.feed(HEAD + b"he")
        self.socket.feed(b"llo")
        self.assertTrue(self.socket.take().endswith(b"<hello>"))
        other = FakeSocket(self.site.buildProtocol(None))
        other.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        self.assertTrue(other.take().endswith(b"<hello>"))
        other.lose()

    def test_large_requests(self) -> None:
        """However the body is framed, its bytes are counted."""
        self.socket.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(100):
            self.socket.feed(b"1\r\nx\r\n")
        self.assertTrue(self.socket.take().startswith(b"HTTP/1.1 413 "))
        self.assertEqual(self.socket.ends, ["close"])
        self.assertEqual(self.pages.requests, [])

    def test_slow_requests(self) -> None:
        """10 s are the bound on the whole."""
        self.socket.feed(HEAD)
        for _ in range(4):
            self.clock.advance(2)
            self.socket.feed(b"x")
        self.assertEqual(self.socket.ends, [])
        self.clock.advance(2)
        self.assertEqual(self.socket.ends, ["close"])

    def test_slow_answers(self) -> None:
        """The bound is on the client, not on us."""
        self.pages.waits = True
        self.socket.feed(GET)
        self.clock.advance(100)
        self.assertEqual(self.socket.ends, [])
        self.pages.requests[0].finish()

    def test_unread_answers(self) -> None:
        """Who neither reads nor closes is cut off."""
        self.socket.feed(GET)
        self.clock.advance(2.99)
        self.assertEqual(self.socket.ends, ["close"])
        self.clock.advance(0.01)
        self.assertEqual(self.socket.ends, ["close", "abort"])
