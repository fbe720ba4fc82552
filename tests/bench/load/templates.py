"""What the load client writes to publish a message: bytes with tokens of a fixed width that it fills in."""

import json

import msgpack  # type: ignore[import-untyped]

from pulsetw.broker.redis.history import publish_words
from pulsetw.catalogue.rule import History

TIME, NUMBER, CHANNEL = "@TS@@@@@@@@@@@@@", "@SEQ@@@@@@", "@CH@@"
HISTORY_SIZE = 100
_PAYLOAD_BYTES = 200


def message(*, is_quoted: bool = False) -> str:
    """200 bytes of JSON for those who pass on any text."""
    quote = '"' if is_quoted else ""
    return _filled(f'{{"ch":"{CHANNEL}","ts":{quote}{TIME}{quote},"seq":{quote}{NUMBER}{quote},"pad":"', '"}')


def event() -> str:
    """An envelope of 200 bytes; no two have the same id."""
    return _filled(f'{_envelope()}"data":{{"ts":{TIME},"seq":{NUMBER},"pad":"', '"}}')


def event_for_user() -> str:
    """The same for one user, who is named like a channel."""
    data = f'"data":{{"playerId":"{CHANNEL}","message":"tick","metadata":{{"ts":{TIME},"seq":{NUMBER}}}}}}}'
    return _envelope() + data


def published(channel: str, payload: str | bytes) -> bytes:
    """PUBLISH on Redis."""
    return resp("PUBLISH", channel, payload)


def appended(channel: str, payload: str) -> bytes:
    """An event into a channel's history, in the relay's own way."""
    words = publish_words(channel, _event_id(), payload.encode(), History(HISTORY_SIZE, 300), "bench")
    return resp(*words)


def posted(path: str, body: str) -> bytes:
    """A POST request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


def line() -> bytes:
    """For the bare loop."""
    return f"{CHANNEL} {message()}\n".encode()


def for_socket_io() -> bytes:
    """What an emitter of @socket.io/redis-adapter publishes."""
    room = f"r{CHANNEL}"
    packet = {"type": 2, "data": ["m", json.loads(message(is_quoted=True))], "nsp": "/"}
    options = {"rooms": [room], "except": [], "flags": {}}
    return published(f"socket.io#/#{room}#", msgpack.packb(["emitter", packet, options]))


def for_channels() -> bytes:
    """What group_send of channels_redis.pubsub publishes."""
    return published(f"asgi__group__r{CHANNEL}", msgpack.packb({"type": "relay", "text": message()}))


def resp(*words: str | bytes | float) -> bytes:
    """A command in Redis's protocol."""
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def _envelope() -> str:
    return f'{{"type":"tick","timestamp":1700000000000,"serverId":"bench","id":"{_event_id()}",'


def _event_id() -> str:
    return TIME + NUMBER


def _filled(start: str, end: str) -> str:
    return start + "x" * (_PAYLOAD_BYTES - len(start) - len(end)) + end
