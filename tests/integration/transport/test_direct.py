"""Direct sends between real sockets: nothing is lost or overtaken, and nothing gets past TLS."""

import random
import socket
from typing import Any

import pytest
from autobahn.websocket.protocol import WebSocketProtocol
from pytest_twisted import ensureDeferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread

from pulsetw.transport import direct
from pulsetw.transport.frame import text_frame
from tests.integration.transport.conftest import Start
from tests.integration.transport.relay import request, until

# Twisted's own TLS.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")

CLIENTS = 60
SENDS = 300


class _Open:
    """What sends need of a WebSocket that is open."""

    state = WebSocketProtocol.STATE_OPEN

    def __init__(self, transport: Any) -> None:
        self.transport = transport


class _Kept(Protocol):
    def connectionMade(self) -> None:
        self.factory.transports.append(self.transport)


def read_slowly(client: socket.socket) -> bytes:
    """All that comes, in small pieces."""
    data = b""
    client.settimeout(20)
    while piece := client.recv(1 + len(data) % 3000):
        data += piece
    return data


@ensureDeferred
async def test_slow_readers_get_all_in_order() -> None:
    """Sixty of them with small buffers, some sends direct and some by Twisted."""
    from twisted.internet import reactor

    factory: Any = Factory.forProtocol(_Kept)
    factory.noisy, factory.transports = False, []
    port: Any = reactor.listenTCP(0, factory, backlog=CLIENTS, interface="127.0.0.1")
    port.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    clients = []
    for _ in range(CLIENTS):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port.getHost().port))
        clients.append(client)
    await until(lambda: len(factory.transports) == CLIENTS)
    by_port = {transport.getPeer().port: transport for transport in factory.transports}
    dice = random.Random(7)  # noqa: S311 -- a test's
    readers = [deferToThread(read_slowly, client) for client in clients]
    expected = {client.getsockname()[1]: b"" for client in clients}
    was_full = 0
    for number in range(SENDS):
        for peer, transport in by_port.items():
            data = b"%d.%d;" % (number, dice.randrange(10**9)) * dice.choice((1, 20, 400))
            if dice.random() < 0.8:
                direct.send(_Open(transport), data)
            else:
                transport.write(data)
            expected[peer] += data
            was_full += bool(transport.dataBuffer or transport._tempDataLen)
        if number % 10 == 0:
            await until(lambda: True)
    for transport in by_port.values():
        transport.loseConnection()
    for client, reader in zip(clients, readers, strict=True):
        peer = client.getsockname()[1]
        assert await reader == expected[peer]
        client.close()
    assert was_full > SENDS
    await port.stopListening()


@ensureDeferred
async def test_no_plaintext_gets_past_tls(start: Start) -> None:
    """Not a byte of what is sent stands in what goes over the wire; and all of it comes."""
    relay = await start(tls=True)
    tap, target = socket.socket(), ("127.0.0.1", relay.port)
    tap.bind(("127.0.0.1", 0))
    tap.listen()
    wire = bytearray()

    def carry() -> None:
        inner, _ = tap.accept()
        with inner, socket.create_connection(target) as outer:
            outer.settimeout(0.02)
            inner.settimeout(0.02)
            while True:
                for source, sink in ((inner, outer), (outer, inner)):
                    try:
                        data = source.recv(65536)
                    except TimeoutError:
                        continue
                    if not data:
                        return
                    sink.sendall(data)
                    if source is outer:
                        wire.extend(data)

    def talk() -> bytes:
        port, relay.port = relay.port, tap.getsockname()[1]
        try:
            client = relay.tls_socket()
        finally:
            relay.port = port
        with client:
            client.sendall(request())
            data = b""
            while data.count(b"plain-secret") < 50:
                data += client.recv(65536)
            return data

    carried, talked = deferToThread(carry), deferToThread(talk)
    await until(lambda: relay.connections)
    for _ in range(50):
        relay.connection.transport.send(text_frame(b"plain-secret"))
        await until(lambda: True)
    assert (await talked).count(b"plain-secret") == 50
    await carried
    tap.close()
    assert len(wire) > 50 * 12
    assert b"secret" not in wire
