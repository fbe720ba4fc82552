"""Telling many connections something that is no publication."""

from collections.abc import Callable, Iterable

from pulsetw.commands import Message
from pulsetw.hub.connection import Connection
from pulsetw.interfaces import Wire


def tell_all(connections: Iterable[Connection], message: Callable[[], Message]) -> int:
    """Tells each what `message` gives for it; what is the same is encoded once for each kind of connection.

    Returns:
        How many were told.
    """
    encoded: dict[tuple[Wire, Message], bytes] = {}
    told = 0
    for connection in connections:
        key = connection.wire, message()
        data = encoded.get(key)
        if data is None:
            data = encoded[key] = connection.wire.message(key[1])
        connection.transport.send(data)
        told += 1
    return told
