"""Which relay reads which log how often, as Redis itself sees it."""

import re
import socket
from collections import Counter
from contextlib import suppress
from time import monotonic

from tests.integration.redis_server import RedisServer

# MONITOR shows each command in one line, in quotes and with escapes. The sync script is told from the one that
# publishes by a command that only it has.
_eval = re.compile(
    rb'^\+[\d.]+ \[\d+ (?P<address>\S+)\] "EVAL" "(?P<script>(?:[^"\\]|\\.)*)" "2" "pulsetw:\{(?P<channel>.*?)\}:log"'
)
_FENCE = "the end of what is counted"


class Syncs:
    """Counts by relay and channel, from when it is made to `count`.

    MONITOR on a connection of its own shows every EVAL with the address of who asks; CLIENT LIST names it.
    """

    def __init__(self, redis: RedisServer) -> None:
        self._redis = redis
        self._data = bytearray()
        self._names: dict[str, str] = {}
        self._socket = socket.create_connection(("127.0.0.1", redis.port), timeout=10)
        self._socket.sendall(b"MONITOR\r\n")
        assert self._socket.recv(5) == b"+OK\r\n"
        self._socket.setblocking(False)
        self._learn()

    def turn(self) -> None:
        """Takes what is there."""
        with suppress(BlockingIOError):
            while received := self._socket.recv(1_048_576):
                self._data += received

    def count(self) -> Counter[tuple[str, str]]:
        """How often each relay (by the id that it names itself with on Redis) has read each channel's log."""
        self._redis.ask("ECHO", _FENCE)
        end = monotonic() + 10
        while _FENCE.encode() not in self._data:
            assert monotonic() < end, "MONITOR is behind"
            self.turn()
        self._learn()
        found = filter(None, map(_eval.match, bytes(self._data).split(b"\r\n")))
        return Counter(
            (self._names[sync["address"].decode()], sync["channel"].decode())
            for sync in found
            if b"XREVRANGE" in sync["script"]
        )

    def close(self) -> None:
        self._socket.close()

    def _learn(self) -> None:
        """Which relay has which connection; "pulsetw:", its id and the connection's use is the name of each."""
        for client in self._redis.clients():
            if client["name"].startswith("pulsetw:"):
                self._names[client["addr"]] = client["name"].split(":")[1]
