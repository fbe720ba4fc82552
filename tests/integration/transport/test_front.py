"""The front, with real sockets: both inner protocols, and those who never get there."""

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread

from pulsetw.transport.front import FrontLimits
from tests.integration.transport.conftest import Start
from tests.integration.transport.relay import request, traced_peak, until
from tests.unit.transport.doubles import ACCEPT, close_frame, frame

GET = b"GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n"
# Twisted's own TLS.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")

BOTH = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])


@BOTH
@ensureDeferred
async def test_http(start: Start, tls: bool) -> None:
    """A page is served through the front, and the connection ends without a reset."""
    relay = await start(tls=tls)
    answer = await relay.exchange(GET)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b"\r\n\r\nGET /page ")


@BOTH
@ensureDeferred
async def test_a_second_request_gets_nothing(start: Start, tls: bool) -> None:
    """Not even where it comes in the same bytes, with a body before it."""
    relay = await start(tls=tls)
    post = b"POST /page HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"
    answer = await relay.exchange(post + GET + GET)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.endswith(b"\r\n\r\nPOST /page hello")


@BOTH
@ensureDeferred
async def test_frames_behind_the_head(start: Start, tls: bool) -> None:
    """What is sent before the handshake's answer has come is not lost."""
    relay = await start(tls=tls)
    answer = await relay.exchange(request("/ws?channels=a") + frame(b"hello") + frame(b"", 9) + close_frame(1000))
    head, _, frames = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert ACCEPT.encode() in head
    assert frames == b"\x8a\x00\x88\x02\x03\xe8"
    assert relay.connection.calls[:2] == [("received", b"hello"), ("heard",)]
    assert relay.arrivals[0].channels == ("a",)


@BOTH
@ensureDeferred
async def test_control_bytes_in_headers(start: Start, tls: bool) -> None:
    """A 0x85 smuggles no header past a proxy, to neither of the inner protocols."""
    relay = await start(tls=tls)
    for data in (request(X_Note="a\x85X-Forwarded-For: 127.0.0.1"), GET.replace(b"\r\n\r\n", b"\r\nX-A: \x85\r\n\r\n")):
        answer = await relay.exchange(data)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.endswith(b"control character\n")
    assert relay.connections == []


@BOTH
@ensureDeferred
async def test_slowloris(start: Start, tls: bool) -> None:
    """Clients that drip are answered at 5 s and gone at 7 s; on TLS so are those that do not even shake hands."""
    clock = Clock()
    relay = await start(clock, tls=tls)
    silent = await deferToThread(lambda: [relay.plain_socket() for _ in range(100)])
    dripping = await deferToThread(lambda: [relay.connect() for _ in range(20)])
    await until(lambda: relay.front.connections == 120)
    for byte in b"GET /":
        clock.advance(0.99)
        for peer in dripping:
            peer.send(bytes([byte]))
    assert relay.front.refusals == {}
    assert (await relay.exchange(GET)).endswith(b"GET /page ")
    clock.advance(0.05)
    assert relay.front.refusals == {408: 120}
    answer = await deferToThread(dripping[0].recv, 1000)
    assert answer.startswith(b"HTTP/1.1 408 ")
    clock.advance(2)
    await until(lambda: relay.front.connections == 0)
    for peer in silent + dripping:
        peer.close()


@ensureDeferred
async def test_endless_header(start: Start) -> None:
    """22 MB of header: refused at 16 KiB, and no more is kept than a read."""
    relay = await start()
    with traced_peak(500_000):
        _, answer = await relay.flood(b"GET / HTTP/1.1\r\nX: ", b"y" * 65536, 336)
    assert relay.front.refusals == {431: 1}
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")  # It is lost where the relay hung up first.
    assert (await relay.exchange(b"GET / HTTP/1.1\r\nX: " + b"y" * 17000)).startswith(b"HTTP/1.1 431 ")


@ensureDeferred
async def test_refusals_arrive(start: Start) -> None:
    """Bytes that nobody reads do not reset the connection before the answer is there."""
    relay = await start()
    for _ in range(5):
        answer = await relay.exchange(b"\x16\x03\x01" + bytes(5_000_000))
        assert answer.startswith(b"HTTP/1.1 400 ")


@ensureDeferred
async def test_connection_limit(start: Start) -> None:
    """What is above it is refused, until somebody leaves, in whatever way."""
    relay = await start(front=FrontLimits(max_connections=2))
    first, second = await relay.peer(), await relay.peer()
    assert (await relay.exchange(request())).startswith(b"HTTP/1.1 503 ")
    with pytest.raises(ConnectionError, match="503"):
        await relay.peer()
    second.transport.abortConnection()
    await until(lambda: relay.front.connections == 1)
    third = await relay.peer()
    for peer in (first, third):
        peer.sendClose()
        await peer.closed
    await until(lambda: relay.front.connections == 0)


@ensureDeferred
async def test_foreign_origin(start: Start) -> None:
    """A page from elsewhere is refused by the front."""
    relay = await start()
    with pytest.raises(ConnectionError, match="403"):
        await relay.peer(origin="http://evil.test")
    await relay.peer(origin=f"http://localhost:{relay.port}")


@ensureDeferred
async def test_tls_without_a_good_bye(start: Start) -> None:
    """A TLS client that is refused and does not end its side is cut off."""
    clock = Clock()
    relay = await start(clock, tls=True)
    peer = await deferToThread(relay.tls_socket)
    await deferToThread(peer.sendall, b"\x00")
    await until(lambda: relay.front.refusals == {400: 1})
    assert (await deferToThread(peer.recv, 1000)).startswith(b"HTTP/1.1 400 ")
    assert relay.front.connections == 1
    clock.advance(2)
    await until(lambda: relay.front.connections == 0)
    peer.close()
