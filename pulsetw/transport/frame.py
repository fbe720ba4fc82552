"""WebSocket frames (RFC 6455 5.2), as a server sends them: not masked, in one piece."""

from struct import Struct

PING = b"\x89\x00"

_MEDIUM = Struct(">BBH").pack
_LONG = Struct(">BBQ").pack

_TEXT = 0x81  # FIN and the opcode of text
_DEFLATED_TEXT = 0xC1  # and RSV1


def text_frame(payload: bytes) -> bytes:
    """One text message.

    Args:
        payload: UTF-8; its length must be below 2^63 bytes.
    """
    return _frame(_TEXT, payload)


def deflated_frame(payload: bytes) -> bytes:
    """One text message that is compressed (RFC 7692 6).

    Args:
        payload: the message's UTF-8, deflated, without the four bytes of a sync flush at its end.
    """
    return _frame(_DEFLATED_TEXT, payload)


def _frame(first: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        return bytes((first, length)) + payload
    if length < 65536:
        return _MEDIUM(first, 126, length) + payload
    return _LONG(first, 127, length) + payload
