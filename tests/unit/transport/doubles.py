"""A socket, a hub's side and a client, in memory."""

from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from pulsetw.interfaces import IConnection, ITransport, Wire

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


class FakeSocket(StringTransport):
    """A plain socket's transport: remembers what was asked of it, and is lost when the test says so.

    Attributes:
        protocol: whose socket it is.
        ends: how it was ended, in order: ``half``, ``close``, ``abort``.
    """

    protocol: Any

    def __init__(self, protocol: Any, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.ends: list[str] = []
        self.bufferSize = 65536
        self.protocol = protocol
        protocol.makeConnection(self)

    def setTcpNoDelay(self, enabled: bool) -> None:
        pass

    def loseWriteConnection(self) -> None:
        self.ends.append("half")

    def loseConnection(self) -> None:
        self.ends.append("close")
        super().loseConnection()

    def abortConnection(self) -> None:
        self.ends.append("abort")
        self.disconnecting = True

    def feed(self, data: bytes) -> None:
        """The peer sends."""
        self.protocol.dataReceived(data)

    def lose(self) -> None:
        """The connection ends."""
        why = ConnectionAborted() if "abort" in self.ends else ConnectionDone()
        self.connected = False
        self.disconnecting = True
        self.protocol.connectionLost(Failure(why))

    def take(self) -> bytes:
        """What was written since the last time."""
        data: bytes = self.value()
        self.clear()
        return data

    def fill(self) -> None:
        """The peer stopped reading, and too much is unsent. Twisted says so with each write."""
        self.producer.pauseProducing()

    def drain(self) -> None:
        """The peer reads again."""
        self.producer.resumeProducing()


@implementer(IConnection)
class RecordingConnection:
    """The hub's side of a connection.

    Attributes:
        calls: what it was told, names with arguments.
        reactions: what it does about it, by name.
    """

    def __init__(self, transport: ITransport, wire: Wire | None) -> None:
        self.transport = transport
        self.wire = wire
        self.calls: list[tuple[str, ...] | tuple[str, bytes]] = []
        self.reactions: dict[str, Callable[[], None]] = {}

    def received(self, message: bytes) -> None:
        self._note("received", message)

    def heard(self) -> None:
        self._note("heard")

    def choked(self) -> None:
        self._note("choked")

    def drained(self) -> None:
        self._note("drained")

    def lost(self, reason: str) -> None:
        self._note("lost", reason)

    def _note(self, *call: Any) -> None:
        self.calls.append(call)
        if call[0] in self.reactions:
            self.reactions[call[0]]()

    def names(self) -> list[str]:
        return [call[0] for call in self.calls if isinstance(call[0], str)]


def request(target: str = "/ws", *, host: str = "relay.test", **headers: str | None) -> bytes:
    """A handshake, with headers added, replaced, or (None) left out."""
    fields: dict[str, str | None] = {
        "Host": host,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY,
    }
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items() if value is not None)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def frame(payload: bytes = b"", opcode: int = 1, *, fin: bool = True, length: int | None = None) -> bytes:
    """A client's frame, masked with zeros; `length` is what it claims to be."""
    size = len(payload) if length is None else length
    first = bytes([opcode | (0x80 if fin else 0)])
    if size < 126:
        header = bytes([0x80 | size])
    elif size < 65536:
        header = b"\xfe" + size.to_bytes(2, "big")
    else:
        header = b"\xff" + size.to_bytes(8, "big")
    return first + header + bytes(4) + payload


def close_frame(code: int) -> bytes:
    return frame(code.to_bytes(2, "big"), 8)


def read_close(data: bytes) -> tuple[int, str]:
    """Code and reason of a server's close frame, the only thing in `data`."""
    assert data[0] == 0x88, data
    assert len(data) == 2 + data[1], data
    return int.from_bytes(data[2:4], "big"), data[4:].decode()
