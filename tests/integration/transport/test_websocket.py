"""WebSockets, with real sockets: Autobahn's client, and hostile ones."""

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread

from pulsetw.errors import Disconnect, DisconnectCode
from pulsetw.transport.frame import text_frame
from tests.integration.transport.conftest import Start
from tests.integration.transport.relay import request, traced_peak, until
from tests.unit.transport.doubles import close_frame, frame

# Twisted's own TLS.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")

BOTH = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
DRAINING = Disconnect(DisconnectCode.DRAINING)


@BOTH
@ensureDeferred
async def test_a_whole_life(start: Start, tls: bool) -> None:
    """In, there and back in all three lengths of frames, pinged, and out with code and reason."""
    relay = await start(tls=tls)
    peer = await relay.peer("/ws?user=J%C3%BCrgen&channels=a,b", protocols=["pulse.v1"])
    assert peer.websocket_protocol_in_use == "pulse.v1"
    assert (relay.arrivals[0].user, relay.arrivals[0].channels) == ("Jürgen", ("a", "b"))
    assert relay.arrivals[0].peer.startswith("127.0.0.1:")
    texts = [b"x" * length for length in (0, 125, 126, 65535, 65536)]
    for text in texts:
        peer.sendMessage(text)
        relay.connection.transport.send(text_frame(text))
    await until(lambda: relay.connection.names().count("received") == len(peer.messages) == 5)
    assert [call[1] for call in relay.connection.calls if call[0] == "received"] == texts
    assert peer.messages == texts
    relay.connection.transport.ping()
    await until(lambda: relay.connection.names()[-1] == "heard")
    relay.connection.transport.close(DRAINING)
    assert await peer.closed == (True, 3001, "draining")
    await until(lambda: relay.front.connections == 0)
    assert relay.connection.calls[-1] == ("lost", "closed with 3001")


@BOTH
@ensureDeferred
async def test_closed_by_the_client(start: Start, tls: bool) -> None:
    """The hub hears of it, the client gets its code back."""
    relay = await start(tls=tls)
    peer = await relay.peer()
    peer.sendClose(1000, "enough")
    assert await peer.closed == (True, 1000, "enough")
    await until(lambda: relay.front.connections == 0)
    assert relay.connection.calls == [("lost", "the client closed with 1000")]


@BOTH
@ensureDeferred
async def test_a_slow_reader(start: Start, tls: bool) -> None:
    """It is choked and not read above the limit, drained and read again when it reads; nothing is lost or reordered."""
    relay = await start(tls=tls)
    peer = await relay.peer()
    peer.transport.pauseProducing()
    peer.sendMessage(b"first")
    await until(lambda: relay.connection.calls)
    text = b"x" * 50_000
    count = 0
    while "choked" not in relay.connection.names():
        relay.connection.transport.send(text_frame(b"%d" % count + text))
        count += 1
        await until(lambda: True)
    peer.sendMessage(b"second")
    await until(lambda: relay.front.connections == 1)
    assert relay.connection.names() == ["received", "choked"]
    peer.transport.resumeProducing()
    await until(lambda: len(peer.messages) == count)
    assert peer.messages == [b"%d" % index + text for index in range(count)]
    await until(lambda: relay.connection.names() == ["received", "choked", "drained", "received"])


@ensureDeferred
async def test_a_huge_message(start: Start) -> None:
    """300 MB are refused when they are announced, with 1009, and never held."""
    relay = await start()
    size = 300_000_000
    with traced_peak(1_000_000):
        sent, answer = await relay.flood(request() + frame(length=size), b"x" * 65536, size // 65536)
    assert answer == b"" or b"\x88" in answer
    await until(lambda: relay.connection.calls == [("lost", "closed with 1009")])
    assert sent < size
    answer = await relay.exchange(request() + frame(length=size))
    assert answer.partition(b"\r\n\r\n")[2][2:4] == (1009).to_bytes(2, "big")


@ensureDeferred
async def test_two_million_fragments(start: Start) -> None:
    """Empty ones count: 1008 after 1 000."""
    relay = await start()
    with traced_peak(1_000_000):
        await relay.flood(request() + frame(fin=False), frame(b"", 0, fin=False) * 1000, 2000)
    await until(lambda: relay.connection.calls == [("lost", "closed with 1008")])


@ensureDeferred
async def test_a_ping_flood(start: Start) -> None:
    """A client that pings and does not read is not read either: neither it nor its pongs take memory."""
    relay = await start()
    other = await relay.peer()
    with traced_peak(1_000_000):
        flood = relay.flood(request(), frame(b"x" * 125, 9) * 500, 2000, stuck_s=0.5, deaf=True)
        await until(lambda: len(relay.connections) == 2)
        relay.connection.heard = lambda: None  # type: ignore[method-assign]  # It would note each.
        await until(lambda: "choked" in relay.connection.names())
        other.sendMessage(b"still there?")
        await until(lambda: relay.connections[0].calls)
        sent, _ = await flood
    assert sent < 2000 * 500 * 131
    await until(lambda: relay.front.connections == 1)


@ensureDeferred
async def test_a_frame_flood_leaves_room_for_others(start: Start) -> None:
    """A client that sends as many empty messages as it can holds nobody up for long."""
    relay = await start()
    other = await relay.peer()
    flood = relay.flood(request(), frame() * 5000, 20)
    await until(lambda: len(relay.connections) == 2)
    other.sendMessage(b"me, too")
    await until(lambda: relay.connections[0].calls)
    assert len(relay.connection.calls) < 100_000
    await until(lambda: len(relay.connection.calls) == 100_000)
    relay.connection.transport.abort()
    await flood


@BOTH
@pytest.mark.parametrize("words", ["nothing", "close", "close and much"])
@ensureDeferred
async def test_silence_after_close(start: Start, tls: bool, words: str) -> None:
    """Who does not answer our close, or says good-bye and reads nothing more, is let go after 2 s."""
    clock = Clock()
    relay = await start(clock, tls=tls)
    peer = await deferToThread(relay.connect)
    await deferToThread(peer.sendall, request())
    await until(lambda: relay.connections)
    if words == "close and much":
        while "choked" not in relay.connection.names():
            relay.connection.transport.send(text_frame(b"x" * 50_000))
            await until(lambda: True)
        # More than kernels ever buffer: they grow their buffers while they are full, and it would drain once more.
        relay.connection.transport.send(text_frame(b"x" * 50_000) * 400)
    if words == "nothing":
        relay.connection.transport.close(DRAINING)
    else:
        await deferToThread(peer.sendall, close_frame(1000))
        if words == "close and much":  # It is not read.
            relay.connection.transport.close(DRAINING)
        elif tls:  # Its side of TLS stays open.
            await until(clock.getDelayedCalls)
        else:
            await until(lambda: relay.front.connections == 0)
            peer.close()
            return
    clock.advance(1.99)
    assert relay.front.connections == 1
    clock.advance(0.01)
    await until(lambda: relay.front.connections == 0)
    peer.close()


@BOTH
@ensureDeferred
async def test_abort(start: Start, tls: bool) -> None:
    """The client sees the end, not a good-bye."""
    relay = await start(tls=tls)
    peer = await relay.peer()
    relay.connection.transport.abort()
    clean, code, _ = await peer.closed
    assert (clean, code) == (False, 1006)
    await until(lambda: relay.front.connections == 0)
