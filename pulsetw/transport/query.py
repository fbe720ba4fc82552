"""What a client says of itself in its URL."""

import re
from urllib.parse import unquote_to_bytes

from pulsetw.hub.arrival import Arrival

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def read_arrival(query: str, peer: str) -> Arrival:
    """How a client came in.

    ``user`` may stand there once; empty is the same as not at all. ``channels`` separates names by commas and may be
    repeated: the names follow each other, empty ones are dropped. Other parameters are no business of ours. Escapes are
    those of forms: ``+`` is a space, ``%`` starts a byte of UTF-8.

    Args:
        query: what follows the question mark, as it was sent; the head bounds its length.
        peer: the client's address.

    Raises:
        ValueError: a parameter is repeated, or not UTF-8; the text says which, and repeats nothing of it.
    """
    users: list[str] = []
    channels: list[str] = []
    for parameter in query.split("&"):
        name, _, value = parameter.partition("=")
        if name == "user":
            users.append(_decode(name, value))
        elif name == "channels":
            channels.extend(channel for channel in _decode(name, value).split(",") if channel)
    if len(users) > 1:
        raise ValueError("the parameter user stands more than once in the URL")
    return Arrival(peer, (users[0] if users else "") or None, tuple(channels))


def _decode(name: str, value: str) -> str:
    if _BAD_ESCAPE.search(value):
        raise ValueError(f"the parameter {name} has a broken escape")
    try:
        return unquote_to_bytes(value.replace("+", " ")).decode()
    except UnicodeDecodeError:
        raise ValueError(f"the parameter {name} is not UTF-8") from None
