# ruff: noqa: N802, N815 -- Twisted's names
"""Sends on a plain TCP connection at once.

`transport.write` notes the bytes, asks the reactor to tell when the socket takes something, and sends in its next turn:
12 µs for what the kernel does in 4. Where nothing waits on the transport the socket is asked here, and what it does
not take goes to `transport.write`, which then sees to the rest, as to every error. The order is kept, as nothing is
sent here while something waits there.

That looks at names which Twisted keeps to itself: they are tried once, before the first connection (`why_not`). TLS
has a transport of its own on top, whose socket must never be written to.
"""

import socket
from typing import Any

from autobahn.websocket.protocol import WebSocketProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Server

_OPEN = WebSocketProtocol.STATE_OPEN

# Of a transport: each of them says, where it is true, that its socket is not to be written to now.
_HINDRANCES = ("TLS", "_tempDataLen", "dataBuffer", "disconnecting", "_aborting", "_writeDisconnecting")


def send(protocol: Any, data: bytes) -> None:
    """The `send` of a protocol of Autobahn's: directly, where it can be; nothing where it is not open.

    Args:
        protocol: its transport may be of any kind, and be leaving, or gone.
        data: what goes out after all that was sent before.
    """
    if protocol.state != _OPEN:
        return
    transport = protocol.transport
    # `_HINDRANCES`, written out: this is what is run for each delivery.
    if (
        type(transport) is not Server
        or not transport.connected
        or transport.TLS
        or transport._tempDataLen
        or transport.dataBuffer
        or transport.disconnecting
        or transport._aborting
        or transport._writeDisconnecting
    ):
        transport.write(data)
        return
    try:
        sent = transport.socket.send(data)
    except OSError:
        sent = 0
    if sent < len(data):
        transport.write(data[sent:])


def unsent(transport: Any) -> int:
    """How many bytes a transport keeps until its socket takes them; 0 where it does not show."""
    kept = getattr(transport, "_tempDataLen", 0) + len(getattr(transport, "dataBuffer", b""))
    return max(0, kept - getattr(transport, "offset", 0))


def why_not(kind: type[Server] = Server) -> str:
    """Why this Twisted is not to be sent with directly, in words; "" = it can be.

    Args:
        kind: the class of its transports: some of it are taken through what `send` relies on.
    """
    try:
        return _problem_of(kind)
    except Exception as error:  # noqa: BLE001 -- whatever another Twisted does, there is the other way
        return f"{type(error).__name__}: {error}"


def _problem_of(kind: type[Server]) -> str:
    with _Pair(kind) as (transport, theirs):
        if lacking := [name for name in ("connected", *_HINDRANCES) if not hasattr(transport, name)]:
            return f"its transports have no {', '.join(lacking)}"
        if not transport.connected or any(getattr(transport, name) for name in _HINDRANCES):
            return "a new transport has something to send, or is leaving"
        transport.write(b"x")
        if not transport._tempDataLen and not transport.dataBuffer:
            return "what waits to be sent does not show"
        transport.doWrite()
        if transport._tempDataLen or transport.dataBuffer or theirs.recv(2) != b"x":
            return "what was sent still shows"
    for leave, sign in (
        ("loseConnection", "disconnecting"),
        ("loseWriteConnection", "_writeDisconnecting"),
        ("abortConnection", "_aborting"),
    ):
        with _Pair(kind) as (transport, _):
            getattr(transport, leave)()
            if not getattr(transport, sign):
                return f"{leave} does not show"
    return ""


class _Pair:
    """A transport and the socket at its other end, closed at the end."""

    def __init__(self, kind: type[Server]) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        port: Any = None
        deaf: Any = _Deaf()
        self._transport: Any = kind(self._ours, Protocol(), ("127.0.0.1", 1), port, 1, deaf)

    def __enter__(self) -> tuple[Any, socket.socket]:
        return self._transport, self._theirs

    def __exit__(self, *_: object) -> None:
        self._ours.close()
        self._theirs.close()


class _Deaf:
    """A reactor that watches nothing."""

    def addReader(self, reader: object) -> None:
        """See `IReactorFDSet`."""

    addWriter = removeReader = removeWriter = addReader

    def callLater(self, *call: object) -> None:
        """See `IReactorTime`."""
