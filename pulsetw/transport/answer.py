"""Short HTTP answers that end a connection, and ending it so that they arrive."""

from http import HTTPStatus
from typing import Any

from twisted.protocols.policies import ProtocolWrapper


def answer(status: int, text: str, *headers: tuple[str, str]) -> bytes:
    """An HTTP/1.1 answer with one line of text, after which the connection ends.

    Args:
        status: a status that `http.HTTPStatus` knows.
        text: for people; one line.
        headers: more header fields, names and values.
    """
    body = f"{text}\n".encode()
    fields = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
        *headers,
    ]
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join([*lines, "", ""]).encode() + body


def finish(transport: Any) -> None:
    """Sends what is unsent and tells the peer that there is no more; its own bytes are still read.

    Closing a socket with unread bytes resets it, and the peer may lose our last words (RFC 9112 9.6). Whoever calls
    this throws away what it reads, and must abort the connection after a while: a peer need not react.
    """
    # A wrapper passes on what it does not know itself: half-closing the socket under TLS would cut off unsent bytes.
    # TLS has its own way: its loseConnection reads on until the peer says good-bye, too.
    if isinstance(transport, ProtocolWrapper):
        transport.loseConnection()
    else:
        transport.loseWriteConnection()
