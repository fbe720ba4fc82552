"""WebSocket frames (RFC 6455 5.2), as a server sends them: not masked, in one piece."""

PING = b"\x89\x00"

_TEXT = 0x81  # FIN and the opcode of text


def text_frame(payload: bytes) -> bytes:
    """One text message.

    Args:
        payload: UTF-8; its length must be below 2^63 bytes.
    """
    length = len(payload)
    if length < 126:
        return bytes((_TEXT, length)) + payload
    if length < 65536:
        return bytes((_TEXT, 126)) + length.to_bytes(2, "big") + payload
    return bytes((_TEXT, 127)) + length.to_bytes(8, "big") + payload
