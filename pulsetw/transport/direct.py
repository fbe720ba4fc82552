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

from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Connection, Server


def send(transport: Any, data: bytes) -> None:
    """Sends on a transport of any kind; directly, where it can be.

    Args:
        transport: connected; it may be leaving.
        data: what goes out after all that was sent before.
    """
    if (
        type(transport) is not Server
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


def write(transport: Any, data: bytes) -> None:
    """Sends as Twisted does."""
    transport.write(data)


def why_not(connection_class: type[Connection] = Connection) -> str:
    """Why this Twisted is not to be sent with directly, in words; "" = it can be.

    A connection of its class is taken through what `send` relies on.
    """
    ours, theirs = socket.socketpair()
    deaf: Any = _Deaf()
    try:
        ours.setblocking(False)
        transport: Any = connection_class(ours, Protocol(), deaf)
        transport.connected = 1
        names = ("TLS", "_tempDataLen", "dataBuffer", "disconnecting", "_aborting", "_writeDisconnecting")
        lacking = [name for name in names if not hasattr(transport, name)]
        if lacking:
            return f"its transports have no {', '.join(lacking)}"
        if any(getattr(transport, name) for name in names):
            return "a new transport of its has something to send, or is leaving"
        transport.write(b"x")
        if not transport._tempDataLen and not transport.dataBuffer:
            return "what waits to be sent does not show"
        transport.doWrite()
        if transport._tempDataLen or transport.dataBuffer or theirs.recv(2) != b"x":
            return "what was sent still shows"
        transport.loseConnection()
        transport.abortConnection()
        if not transport.disconnecting or not transport._aborting:
            return "it does not show who is leaving"
    except Exception as error:  # noqa: BLE001 -- whatever another Twisted does, there is the other way
        return f"{type(error).__name__}: {error}"
    finally:
        ours.close()
        theirs.close()
    return ""


class _Deaf:
    """A reactor that watches nothing."""

    def addReader(self, reader: object) -> None:
        """See `IReactorFDSet`."""

    addWriter = removeReader = removeWriter = addReader

    def callLater(self, *call: object) -> None:
        """See `IReactorTime`."""
