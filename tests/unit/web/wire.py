"""Real HTTP bytes through the real sites, and a publisher that records."""

import json

from attrs import define, field, frozen
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.server import Site

from pulsetw.web import OperatorOptions, Readiness, operator_site

LOOPBACK = IPv4Address("TCP", "127.0.0.1", 50000)
READY = Readiness(ready=True)
STRANGER = IPv4Address("TCP", "192.0.2.7", 50000)


@define
class FakePublisher:
    """Answers each publish with the next of `results`: a position, None, an exception, or a Deferred."""

    results: list = field(factory=list)
    calls: list = field(factory=list)

    def publish(self, channel, event, *, id=None, exclude=None):
        self.calls.append((channel, event, id, exclude))
        result = self.results.pop(0) if self.results else None
        if isinstance(result, Deferred):
            return result
        return fail(result) if isinstance(result, Exception) else succeed(result)


@frozen
class Response:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]


class Connection:
    """One client's connection to a site."""

    def __init__(self, site, peer=LOOPBACK):
        self.transport = StringTransport(peerAddress=peer)
        self.protocol = site.buildProtocol(peer)
        self.protocol.makeConnection(self.transport)

    def send(self, data):
        """Sends in two pieces, so that no test depends on how bytes are cut."""
        middle = len(data) // 2
        self.protocol.dataReceived(data[:middle])
        self.protocol.dataReceived(data[middle:])

    def responses(self, method="GET"):
        data, responses = self.transport.value(), []
        while data:
            head, _, data = data.partition(b"\r\n\r\n")
            lines = head.decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            length = 0 if method == "HEAD" else int(headers.get("content-length", "0"))
            responses.append(Response(int(lines[0].split()[1]), headers, data[:length]))
            data = data[length:]
        return responses

    def lose(self):
        self.protocol.connectionLost(Failure(ConnectionDone()))


def request(method, path, body=b"", headers=()):
    """The bytes of a request."""
    lines = {"Host": "127.0.0.1:8081", **dict(headers)}
    if body or method == "POST":
        lines = {"Content-Type": "application/json", "Content-Length": str(len(body)), **lines}
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in lines.items() if value is not None
    )
    return head.encode("latin-1") + b"\r\n" + body


class Relay:
    """The operator's port of a relay with a fake publisher."""

    def __init__(self, results=(), readiness=READY, stats=None, publisher=None, **options):
        self.clock = Clock()
        self.publisher = publisher or FakePublisher(list(results))
        self.site = operator_site(
            self.clock,
            self.publisher,
            {"publisher": dict} if stats is None else stats,
            lambda: readiness,
            OperatorOptions(**options),
        )

    def connect(self, peer=LOOPBACK):
        return Connection(self.site, peer)

    def ask(self, method, path, body=b"", headers=(), peer=LOOPBACK):
        return ask(self.site, method, path, body, headers, peer)

    def post(self, path, document, **more):
        return self.ask("POST", path, json.dumps(document).encode(), **more)


def ask(site, method, path, body=b"", headers=(), peer=LOOPBACK):
    """The one response to one request."""
    connection = Connection(site, peer)
    connection.send(request(method, path, body, headers))
    (response,) = connection.responses(method)
    connection.lose()
    return response


def plain_site(resource):
    """A site of twisted.web's own over a resource."""
    return Site(resource, reactor=Clock())
