"""Whether a ping and a question for the health are answered soon while a large channel takes all there is."""

import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import monotonic, sleep

from tests.bench.choice import Choice
from tests.bench.client import PING, TEXT, masked
from tests.bench.load import wsload
from tests.bench.load.workloads import Workload
from tests.bench.peers.relay import WITH_HISTORY
from tests.bench.peers.server import Server
from tests.bench.report import Report, spaced, table
from tests.bench.world import percentile

_LOAD = Workload("fairness", "", (), 10_000, window=8, max_seconds=600)
_MOST_PAUSE_S = 0.01
# The load client's first message, and a moment of quiet after it.
_BEFORE_S = 2.0
_TIMES = 5
_SEED = 4
_HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
_OP_PING = masked(TEXT, b'{"op":"ping"}')
_FRAME_PING = masked(PING, b"?")


def fairness(choice: Choice, report: Report) -> list[str]:
    """A table of answers' times; what was wrong."""
    seconds = _TIMES * choice.seconds
    with TemporaryDirectory(prefix="pulsetw-bench-") as name, Server(WITH_HISTORY) as server:
        folder = Path(name)
        words = wsload.command(server, _LOAD, seconds + 2 * _BEFORE_S, folder)
        load = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        try:
            while not (folder / "ready").exists():
                assert load.poll() is None, "the load client ended early"
                sleep(0.05)
            sleep(_BEFORE_S)
            cpu_s = _cpu_s(server)
            times = _asked(server, seconds)
            busy = (_cpu_s(server) - cpu_s) / seconds
            assert load.poll() is None, "the load client ended early"
        finally:
            load.kill()
            load.wait()
    rows = [
        [
            what,
            str(len(taken)),
            *(f"{1000 * percentile(taken, share):.1f}" for share in (50, 99)),
            f"{1000 * max(taken):.1f}",
        ]
        for what, taken in times.items()
    ]
    text = table(["asked", "times", "p50, ms", "p99, ms", "longest, ms"], rows)
    report.section(
        "fairness", f"{text}\n\n{spaced(_LOAD.connections)} subscribers; the relay was busy for {busy:.0%} of the time."
    )
    return []


def _asked(server: Server, seconds: float) -> dict[str, list[float]]:
    """How long each answer took, by what was asked, in any order: after each answer one is in step with the relay."""
    with (
        socket.create_connection(("127.0.0.1", server.port), 10) as client,
        socket.create_connection(("127.0.0.1", server.redis.port), 10) as redis,
    ):
        client.sendall(_HANDSHAKE)
        _read(client, rb"\r\n\r\n")
        ways: dict[str, Callable[[], None]] = {
            "`ping` of the dialect": lambda: _answer(client, _OP_PING, rb'"op":"pong"'),
            "ping of WebSocket": lambda: _answer(client, _FRAME_PING, rb"\x8a\x01\?"),
            "`GET /health/live`, a new connection": lambda: _health(server.port),
            "for comparison: PING of Redis, on the client's core": lambda: _answer(redis, b"PING\r\n", rb"PONG\r\n"),
        }
        times: dict[str, list[float]] = {what: [] for what in ways}
        random = Random(_SEED)  # noqa: S311 - chooses questions and pauses
        end = monotonic() + seconds
        while monotonic() < end:
            what = random.choice(list(ways))
            start = monotonic()
            ways[what]()
            times[what].append(monotonic() - start)
            sleep(random.uniform(0, _MOST_PAUSE_S))
    return times


def _health(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 10) as asking:
        request = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        _answer(asking, request, rb"HTTP/1\.1 200 ")


def _answer(connection: socket.socket, question: bytes, answer: bytes) -> None:
    connection.sendall(question)
    _read(connection, answer)


def _read(connection: socket.socket, wanted: bytes) -> None:
    received = b""
    while not re.search(wanted, received):
        more = connection.recv(65536)
        assert more, f"the connection ended after {received!r}"
        received += more


def _cpu_s(server: Server) -> float:
    return sum(sum(map(float, _stat(pid))) for pid in server.pids()) / 100


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
