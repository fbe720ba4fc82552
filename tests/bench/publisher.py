"""Publishes over HTTP at a pace, without waiting for anybody: its `turn` is called again and again."""

import json
import socket
from contextlib import suppress
from time import monotonic


class Publisher:
    """One event after the other, round the channels; the next when the one before it was answered.

    Attributes:
        tops: the last offset that was answered, by channel.
        sent_at: when each event was published, by its number.

        pace_s: from one event to the next.
        pad: so many bytes of filling in each.

    Args:
        port: of the operator's HTTP.
    """

    def __init__(self, port: int, channels: tuple[str, ...], pace_s: float, pad: int = 0) -> None:
        self.tops = dict.fromkeys(channels, 0)
        self.sent_at: list[float] = []
        self.paused = False
        self._channels = channels
        self.pace_s = pace_s
        self.pad = pad
        self._due = monotonic()
        self._asked = ""
        self._answer = b""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(0)
        self._host = f"127.0.0.1:{port}"

    @property
    def is_idle(self) -> bool:
        """Whether every event was answered."""
        return not self._asked

    def turn(self) -> None:
        """Reads an answer, or publishes what is due."""
        if self._asked:
            with suppress(BlockingIOError):
                received = self._socket.recv(65536)
                assert received, "the relay hung up"
                self._answer += received
                self._look()
        now = monotonic()
        if not self._asked and not self.paused and now >= self._due:
            self._due = max(self._due + self.pace_s, now - 1)
            self._publish(now)

    def go_on(self) -> None:
        """Publishes again after a pause, at the old pace."""
        self.paused, self._due = False, monotonic()

    def close(self) -> None:
        self._socket.close()

    def _publish(self, now: float) -> None:
        number = len(self.sent_at)
        self._asked = self._channels[number % len(self._channels)]
        event = {"channel": self._asked, "type": "tick", "id": str(number), "data": {"pad": "x" * self.pad}}
        body = json.dumps(event).encode()
        head = (
            f"POST /api/v1/publish HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self.sent_at.append(now)
        sent = self._socket.send(head.encode() + body)
        assert sent == len(head) + len(body)

    def _look(self) -> None:
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end:
            return
        assert head.startswith(b"HTTP/1.1 200 "), self._answer
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        if len(body) >= length:
            self.tops[self._asked] = json.loads(body)["offset"]
            self._asked, self._answer = "", b""
