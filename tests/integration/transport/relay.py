# ruff: noqa: N803, N815 -- Twisted and Autobahn call us by their names
"""A front with real sockets, without a hub; clients that are polite, and clients that are not."""

import socket
import ssl
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme
from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import HostnameEndpoint, serverFromString, wrapClientTLS
from twisted.internet.ssl import optionsForClientTLS, trustRootFromCertificates
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.web.resource import Resource
from twisted.web.server import Request

from pulsetw.hub.arrival import Arrival
from pulsetw.interfaces import IConnection, ITransport, Wire
from pulsetw.transport.front import FrontFactory, FrontLimits
from pulsetw.transport.options import WebSocketLimits
from pulsetw.transport.site import ClosingSite
from pulsetw.transport.websocket import WebSocketFactory
from tests.unit.transport.doubles import RecordingConnection, request

__all__ = ["Peer", "Relay", "request", "traced_peak", "until"]


async def until(condition: Callable[[], object], timeout_s: float = 10) -> None:
    """Lets the reactor turn until something is so."""
    from twisted.internet import reactor

    deadline = reactor.seconds() + timeout_s
    while not condition():
        assert reactor.seconds() < deadline, f"not within {timeout_s} s"
        await deferLater(reactor, 0.001, lambda: None)


@contextmanager
def traced_peak(max_bytes: int) -> Iterator[None]:
    """Checks how much memory is in use at most, above what was at the start."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        yield
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < max_bytes, f"{peak} bytes"


class Pages(Resource):
    isLeaf = True

    def render(self, request: Request) -> bytes:
        assert request.content is not None
        return b"%s %s %s" % (request.method, request.path, request.content.read())


class Peer(WebSocketClientProtocol):
    """A polite WebSocket client."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: Deferred[Peer] = Deferred()
        self.closed: Deferred[tuple[bool, int | None, str | None]] = Deferred()
        self.messages: list[bytes] = []

    def onOpen(self) -> None:
        self.opened.callback(self)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.messages.append(payload)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        if not self.opened.called:
            self.opened.errback(ConnectionError(reason))
        self.closed.callback((wasClean, code, reason))


class Relay:
    """Listens on loopback.

    Attributes:
        connections: the hub's sides, as they came.
    """

    def __init__(self, clock: Any, folder: Path, *, front: FrontLimits, websocket: WebSocketLimits) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.connections: list[RecordingConnection] = []
        self.arrivals: list[Arrival] = []
        self.port = 0
        self._port: Any = None
        self._folder = folder
        self._authority: trustme.CA | None = None
        wires: Any = {"pulse.v1": None}
        self.websocket = WebSocketFactory(clock, wires, self._open, websocket, is_direct=True)
        self.front = FrontFactory(clock, ClosingSite(Pages(), self.reactor), self.websocket, limits=front)

    def _open(self, transport: ITransport, wire: Wire, arrival: Arrival) -> IConnection:
        self.connections.append(RecordingConnection(transport, wire))
        self.arrivals.append(arrival)
        return self.connections[-1]

    @property
    def connection(self) -> RecordingConnection:
        """The last that came."""
        return self.connections[-1]

    async def start(self, *, tls: bool) -> None:
        description = "tcp:0:interface=127.0.0.1:backlog=1024"
        if tls:
            self._authority = trustme.CA()
            certificate = self._authority.issue_cert("localhost", "127.0.0.1")
            key, chain = self._folder / "key.pem", self._folder / "chain.pem"
            certificate.private_key_pem.write_to_path(str(key))
            chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
            description = f"ssl:0:interface=127.0.0.1:backlog=1024:privateKey={key}:certKey={chain}"
        self._port = await serverFromString(self.reactor, description).listen(self.front)
        self.port = self._port.getHost().port

    async def stop(self) -> None:
        await maybeDeferred(self._port.stopListening)
        self.front.abort()
        await until(lambda: self.front.connections == 0)
        assert self.websocket.countConnections == 0
        for connection in self.connections:
            assert connection.names().count("lost") == 1

    async def peer(self, path: str = "/ws", **options: Any) -> Peer:
        """A polite client, with its handshake done."""
        scheme = "wss" if self._authority else "ws"
        factory = WebSocketClientFactory(f"{scheme}://localhost:{self.port}{path}", reactor=self.reactor, **options)
        factory.protocol = Peer
        factory.noisy = False
        factory.setProtocolOptions(openHandshakeTimeout=0, closeHandshakeTimeout=0, serverConnectionDropTimeout=0)
        endpoint = HostnameEndpoint(self.reactor, b"127.0.0.1", self.port)
        if self._authority:
            from twisted.internet.ssl import Certificate

            root = Certificate.loadPEM(self._authority.cert_pem.bytes())
            trust = trustRootFromCertificates([root])
            endpoint = wrapClientTLS(optionsForClientTLS("localhost", trustRoot=trust), endpoint)
        peer: Peer = await endpoint.connect(factory)
        return await peer.opened

    def plain_socket(self, *, receive_buffer: int = 0) -> socket.socket:
        """A bare, blocking socket, for `impolite`; over TLS where the relay is."""
        bare = socket.socket()
        if receive_buffer:
            bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        bare.settimeout(10)
        bare.connect(("127.0.0.1", self.port))
        return bare

    def tls_socket(self) -> ssl.SSLSocket:
        assert self._authority is not None
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return context.wrap_socket(self.plain_socket(), server_hostname="localhost")

    def connect(self) -> socket.socket:
        return self.tls_socket() if self._authority else self.plain_socket()

    def exchange(self, data: bytes) -> Awaitable[bytes]:
        """Sends bytes, and reads all until the end; fails where the connection is reset."""

        def run() -> bytes:
            with self.connect() as peer:
                peer.sendall(data)
                answer = b""
                while piece := peer.recv(65536):
                    answer += piece
                return answer

        return deferToThread(run)

    def flood(
        self, head: bytes, piece: bytes, count: int, *, stuck_s: float = 10, deaf: bool = False
    ) -> Awaitable[tuple[int, bytes]]:
        """Sends a handshake, then the same again and again, and reads what comes only after it was stopped.

        Args:
            head: the handshake.
            piece: what is repeated.
            count: how often, at most.
            stuck_s: ends when nothing goes out or comes for so long.
            deaf: reads nothing at all.

        Returns:
            How many bytes went out; and what came.
        """

        def run() -> tuple[int, bytes]:
            with self.plain_socket(receive_buffer=4096) as peer:
                peer.sendall(head)
                peer.settimeout(stuck_s)
                sent = 0
                try:
                    for _ in range(count):
                        sent += peer.send(piece)
                except (ConnectionError, TimeoutError):
                    pass
                return sent, b"" if deaf else read_all(peer, stuck_s)

        return deferToThread(run)


def read_all(peer: socket.socket, stuck_s: float = 10) -> bytes:
    """All until the end, or until the connection is reset."""
    peer.settimeout(stuck_s)
    data = b""
    try:
        while piece := peer.recv(65536):
            data += piece
    except (ConnectionError, TimeoutError):
        pass
    return data
