"""SECURITY.md row 12: requests that two programs could read in two ways, sent to the front with what really stands
behind it, on the path of WebSockets and to the site.

Which heads are refused, with their status, is `test_head`'s; here it is that nobody behind the front ever saw one.
"""

import re
from collections.abc import Callable

import txaio
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Request

from pulsetw.hub.arrival import Arrival
from pulsetw.interfaces import IConnection, ITransport, Wire
from pulsetw.transport.front import FrontFactory
from pulsetw.transport.site import ClosingSite
from pulsetw.transport.websocket import WebSocketFactory
from tests.unit.transport.doubles import FakeSocket, RecordingConnection, request
from tests.unit.transport.websocket_case import Dialect

SMUGGLED = b"POST /smuggled HTTP/1.1\r\nHost: relay.test\r\nContent-Length: 0\r\n\r\n"
CHUNKS = b"0\r\n\r\n"


def header(line: bytes, body: bytes = b"") -> Callable[[bytes], bytes]:
    """Adds lines to a head, and a body."""
    return lambda head: head[:-2] + line + b"\r\n\r\n" + body


def replaced(old: bytes, new: bytes, body: bytes = b"") -> Callable[[bytes], bytes]:
    return lambda head: head.replace(old, new, 1) + body


# Of two programs, one would read the bytes that follow as a body, a header or a request, and the other would not.
VECTORS: dict[str, Callable[[bytes], bytes]] = {
    "length and coding": header(b"Content-Length: 5\r\nTransfer-Encoding: chunked", CHUNKS),
    "coding and length": header(b"Transfer-Encoding: chunked\r\nContent-Length: 5", CHUNKS),
    "coding of another name": header(b"Content-Length: 5\r\nTransfer-Encoding: xchunked", CHUNKS),
    "coding behind a tab": header(b"Content-Length: 5\r\nTransfer-Encoding:\tchunked", CHUNKS),
    "coding behind 0x0b": header(b"Transfer-Encoding: \x0bchunked", CHUNKS),
    "coding before a space": header(b"Content-Length: 5\r\nTransfer-Encoding : chunked", CHUNKS),
    "coding twice": header(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", CHUNKS),
    "list of codings": header(b"Transfer-Encoding: identity, chunked", CHUNKS),
    "coding in a folded line": header(b"Transfer-Encoding:\r\n chunked", CHUNKS),
    "coding behind a folded line": header(b"X-A: b\r\n\tTransfer-Encoding: chunked", CHUNKS),
    "coding behind 0x85": header(b"X-A: b\x85Transfer-Encoding: chunked", CHUNKS),
    "coding behind a bare CR": header(b"X-A: b\rTransfer-Encoding: chunked", CHUNKS),
    "coding behind a bare LF": header(b"X-A: b\nTransfer-Encoding: chunked", CHUNKS),
    "coding behind NUL": header(b"X-A: b\x00\r\nTransfer-Encoding: chunked", CHUNKS),
    "coding in HTTP/1.0": lambda head: header(b"Transfer-Encoding: chunked", CHUNKS)(
        head.replace(b"HTTP/1.1", b"HTTP/1.0")
    ),
    "two lengths": header(b"Content-Length: 0\r\nContent-Length: 67"),
    "one length twice": header(b"Content-Length: 67\r\nContent-Length: 67"),
    "list of lengths": header(b"Content-Length: 67, 0"),
    "length with a sign": header(b"Content-Length: +67"),
    "length below zero": header(b"Content-Length: -1"),
    "length in hexadecimal": header(b"Content-Length: 0x43"),
    "length with an underscore": header(b"Content-Length: 6_7"),
    "length of two numbers": header(b"Content-Length: 6 7"),
    "length without a number": header(b"Content-Length:"),
    "length beyond all numbers": header(b"Content-Length: 18446744073709551617"),
    "length of other digits": header("Content-Length: ٦٧".encode()),
    "length before a tab": header(b"Content-Length\t: 67"),
    "length with NUL in its name": header(b"Content-\x00Length: 67"),
    "header without a name": header(b": b"),
    "header without a colon": header(b"X-A"),
    "bare LF at the end": lambda head: head[:-2] + b"\n",
    "bare LFs": lambda head: head.replace(b"\r\n", b"\n"),
    "bare CRs": lambda head: head.replace(b"\r\n", b"\r"),
    "CR CR LF": lambda head: head.replace(b"\r\n", b"\r\r\n"),
    "first line folded": replaced(b"\r\nHost", b"\r\n Host"),
    "two hosts": header(b"Host: evil.test"),
    "list of hosts": replaced(b"relay.test", b"relay.test, evil.test"),
    "no host": replaced(b"Host", b"X-Host"),
    "host with a path": replaced(b"relay.test", b"relay.test/ws"),
    "whole URL": replaced(b"GET ", b"GET http://evil.test"),
    "request in the target": replaced(b" HTTP/1.1\r\n", b" HTTP/1.1 HTTP/1.1\r\n"),
    "target of two words": replaced(b" HTTP/1.1", b" x HTTP/1.1"),
    "tab for a space": replaced(b"GET ", b"GET\t"),
    "empty line first": lambda head: b"\r\n" + head,
    "no version": replaced(b" HTTP/1.1", b""),
    "HTTP/1.10": replaced(b"HTTP/1.1", b"HTTP/1.10"),
    "HTTP/2": lambda head: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + head,
}

# A body that one reads to another end than the other; the head is a good one.
CHUNK_VECTORS: dict[str, bytes] = {
    "a size with a sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "a size below zero": b"-1\r\nhello\r\n0\r\n\r\n",
    "a size with 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a size with an underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "a size beyond all numbers": b"f" * 2000 + b"\r\nhello\r\n0\r\n\r\n",
    "more than the size": b"5\r\nhello!\r\n0\r\n\r\n",
    "a bare LF after the size": b"5\nhello\r\n0\r\n\r\n",
    "a bare LF in an extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "a bare LF after the data": b"5\r\nhello\n0\r\n\r\n",
}


def answers(data: bytes) -> list[bytes]:
    """The statuses of all answers."""
    return re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", data)


class Pages(Resource):
    isLeaf = True  # noqa: N815 -- twisted.web's

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[bytes] = []

    def render(self, request: Request) -> bytes:
        self.paths.append(request.path)
        return b"page"


class SmugglingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.patch(txaio.config, "loop", self.clock)
        self.pages = Pages()
        self.opened: list[RecordingConnection] = []
        self.sockets: list[FakeSocket] = []
        self.front = FrontFactory(
            self.clock,
            ClosingSite(self.pages, self.clock),
            WebSocketFactory(self.clock, {"pulse.v1": Dialect()}, self.open),  # type: ignore[dict-item]
        )

    def tearDown(self) -> None:
        for socket in self.sockets:
            socket.lose()
        self.assertEqual((self.front.connections, self.clock.getDelayedCalls()), (0, []))

    def open(self, transport: ITransport, wire: Wire, arrival: Arrival) -> IConnection:
        self.opened.append(RecordingConnection(transport, wire))
        return self.opened[-1]

    def send(self, *pieces: bytes) -> bytes:
        socket = FakeSocket(self.front.buildProtocol(None))
        self.sockets.append(socket)
        for piece in pieces:
            socket.feed(piece)
        return socket.take()

    def refused(self, *pieces: bytes) -> bool:
        """Whether there was one answer, a refusal, and nobody behind the front saw anything."""
        statuses = answers(self.send(*pieces))
        ended = self.sockets[-1].ends != []
        return len(statuses) == 1 and statuses[0] >= b"400" and ended and not self.pages.paths and not self.opened

    def test_there_are_thirty(self) -> None:
        """At least, and without their flaw they would all come in."""
        self.assertGreaterEqual(len(VECTORS), 30)
        self.assertTrue(self.send(request()).startswith(b"HTTP/1.1 101 "))
        self.assertTrue(self.send(request("/page")).startswith(b"HTTP/1.1 200 "))

    def test_heads(self) -> None:
        """Each is refused on both paths, whole and byte by byte, and what follows is thrown away."""
        for path in ("/ws", "/page"):
            wrong = {name: vector(request(path)) + SMUGGLED for name, vector in VECTORS.items()}
            came_in = [name for name, data in wrong.items() if not self.refused(data)]
            dripped = [name for name, data in wrong.items() if not self.refused(*(bytes([byte]) for byte in data))]
            self.assertEqual((came_in, dripped), ([], []), path)

    def test_chunks(self) -> None:
        """The site answers none that it cannot read in one way."""
        head = b"POST /page HTTP/1.1\r\nHost: relay.test\r\nTransfer-Encoding: chunked\r\n\r\n"
        came_in = [name for name, body in CHUNK_VECTORS.items() if not self.refused(head + body + SMUGGLED)]
        self.assertEqual(came_in, [])
        self.assertTrue(self.send(head + b"5\r\nhello\r\n0\r\n\r\n").endswith(b"page"))

    def test_a_second_request(self) -> None:
        """Behind a good one, in its bytes or later, it is never answered: to a site, or in place of frames."""
        data = self.send(request("/page") + SMUGGLED, SMUGGLED)
        self.assertEqual((answers(data), self.pages.paths), ([b"200"], [b"/page"]))
        data = self.send(request() + SMUGGLED, SMUGGLED)
        self.assertEqual((answers(data), self.pages.paths), ([b"101"], [b"/page"]))
        self.assertEqual([connection.names() for connection in self.opened], [[]])

    def test_upgrades_that_go_to_the_site(self) -> None:
        """No other spelling of the path opens a WebSocket, and no other protocol is ever changed to."""
        for target in ("/WS", "//ws", "/ws/", "/./ws", "/x/../ws", "/%77s", "/ws%00", "/ws;a", "/ws%3f"):
            self.assertTrue(self.send(request(target)).startswith(b"HTTP/1.1 200 "), target)
        settings = {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAMAAABk"}
        self.assertTrue(self.send(request("/page", **settings)).startswith(b"HTTP/1.1 200 "))
        self.assertTrue(self.send(request("/ws", **settings)).startswith(b"HTTP/1.1 426 "))
        self.assertEqual(self.opened, [])
