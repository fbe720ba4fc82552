"""Fetching keys, from servers that mean no good: real TLS, on loopback."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
import trustme
from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from pulsetw.errors import KeysError
from pulsetw.web.jwks import MAX_ANSWER_BYTES, TIMEOUT_S, KeyFetcher
from tests.integration.waiting import until

# Twisted's own endpoint does.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")

KEYS = {"keys": [{"kty": "RSA", "kid": "a"}]}
BODY = json.dumps(KEYS).encode()
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Evil(Protocol):
    """Answers a request with what the test chose, and goes on for ever with the second part of it."""

    def dataReceived(self, data: bytes) -> None:
        first, again = self.factory.answer
        self.transport.write(first)
        if again:
            self.transport.registerProducer(self, streaming=False)
        self.again = again

    def resumeProducing(self) -> None:
        self.transport.write(self.again)
        self.factory.sent += len(self.again)

    def stopProducing(self) -> None:
        self.again = b""

    def connectionMade(self) -> None:
        self.factory.open.add(self)
        self.factory.accepted += 1

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.open.discard(self)


class Server(Factory):
    """Listens on loopback with a certificate for localhost."""

    protocol = Evil

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answer: tuple[bytes, bytes] = (b"", b"")
        self.open: set[Evil] = set()
        self.accepted = self.sent = 0
        self.authority = trustme.CA()
        self.port: Any = None
        self.number = 0

    async def start(self, name: str = "localhost") -> "Server":
        from twisted.internet import reactor

        made = self.authority.issue_cert(name)
        key, chain = self.folder / "key.pem", self.folder / "chain.pem"
        made.private_key_pem.write_to_path(str(key))
        made.cert_chain_pems[0].write_to_path(str(chain))
        description = f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={chain}"
        listening = await serverFromString(reactor, description).listen(self)
        self.port, self.number = listening, listening.getHost().port
        return self

    def fetch(self, clock: Any = None, *, private_allowed: bool = True, trusted: bool = True) -> Any:
        from twisted.internet import reactor

        authority = self.authority if trusted else trustme.CA()
        root = trustRootFromCertificates([Certificate.loadPEM(authority.cert_pem.bytes())])
        fetcher = KeyFetcher(reactor, clock or Clock(), private_allowed=private_allowed, trust_root=root)
        return fetcher.fetch(f"https://localhost:{self.number}/jwks")

    async def refusal(self, **options: Any) -> str:
        with pytest.raises(KeysError) as caught:
            await self.fetch(**options)
        await until(lambda: not self.open, "the connection to be gone")
        assert caught.value.url.endswith("/jwks")
        return caught.value.problem


@pytest.fixture
def server(nothing_is_left_behind: None, tmp_path: Path) -> Iterator[Server]:
    """Not started."""
    server = Server(tmp_path)
    yield server
    pytest_twisted.blockon(maybeDeferred(server.port.stopListening))


@pytest_twisted.ensureDeferred
async def test_an_honest_server(server: Server) -> None:
    """Its JSON is had, and the connection does not stay."""
    await server.start()
    chunked = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    for answer in (OK + b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY), OK + chunked):
        server.answer = (answer, b"")
        assert await server.fetch() == KEYS
        await until(lambda: not server.open, "the connection to be gone")


@pytest_twisted.ensureDeferred
async def test_wrong_answers(server: Server) -> None:
    """Each is refused with what came, and the connection does not stay."""
    await server.start()
    length = b"Content-Length: %d\r\n\r\n"
    for answer, words in (
        (b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "found 302; redirects"),
        (b"HTTP/1.1 404 No\r\nContent-Length: 100000000\r\n\r\n", "expected status 200, found 404"),
        (OK + length % 5 + b"<html", "JSON is malformed"),
        (OK + length % 100_000 + b"[" * 100_000, "nested too deeply"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", ""),
        (b"SSH-2.0-OpenSSH\r\n", ""),
    ):
        server.answer = (answer, b"")
        assert words in await server.refusal(), answer


@pytest_twisted.ensureDeferred
async def test_endless_answers(server: Server) -> None:
    """Heads, bodies and chunks end at the bound, whatever they say that they are."""
    await server.start()
    junk = b"x" * 8000
    for first, again in (
        (b"HTTP/1.1 200 OK\r\n", b"X-A: " + junk + b"\r\n"),
        (OK + b"Content-Length: 100000000000\r\n\r\n", junk),
        (OK + b"\r\n", junk),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1f40\r\n" + junk + b"\r\n"),
        (b"HTTP/1.1 500 Oops\r\n\r\n", junk),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ):
        server.answer, server.sent = (first, again), 0
        await server.refusal()
        # What the kernel's buffers took is not read.
        assert server.sent < MAX_ANSWER_BYTES + 8_000_000


@pytest_twisted.ensureDeferred
async def test_silence(server: Server) -> None:
    """Before the answer, and in the middle of it: the time is up."""
    await server.start()
    for first in (b"", OK, OK + b"Content-Length: 50\r\n\r\n{"):
        server.answer = (first, b"")
        clock = Clock()
        accepted = server.accepted
        fetching = server.fetch(clock)
        await until(lambda before=accepted: server.accepted > before, "a connection")
        clock.advance(TIMEOUT_S)
        with pytest.raises(KeysError, match="no whole answer within 10 s"):
            await fetching
        assert not clock.getDelayedCalls()
        await until(lambda: not server.open, "the connection to be gone")


@pytest_twisted.ensureDeferred
async def test_private_addresses(server: Server) -> None:
    """Nothing is connected to, where that is not allowed."""
    await server.start()
    assert "localhost has private addresses only" in await server.refusal(private_allowed=False)
    assert server.accepted == 0


@pytest_twisted.ensureDeferred
async def test_certificates(server: Server) -> None:
    """Of an authority that nobody trusts, or for another name: nothing is sent."""
    await server.start()
    assert "certificate verify failed" in await server.refusal(trusted=False)


@pytest_twisted.ensureDeferred
async def test_another_name(server: Server) -> None:
    """A good certificate of somebody else is none."""
    await server.start("other.example")
    assert "VerificationError" in await server.refusal()


@pytest_twisted.ensureDeferred
async def test_nobody_there(server: Server) -> None:
    """The word of the system is passed on."""
    await server.start()
    await server.port.stopListening()
    assert "refused" in await server.refusal()
