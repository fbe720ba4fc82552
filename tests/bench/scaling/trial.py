"""``python -m tests.bench.scaling.trial``: measures what a plan needs and no other table has. Run it as root.

Costs are CPU of Redis or of the relay.
"""

import json
import resource
import select
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from http.client import HTTPConnection
from itertools import chain
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit
from urllib.request import urlopen

import hiredis
import trustme

from pulsetw.broker.redis.history import publish_words, read_position, sync_words
from pulsetw.broker.redis.protocol import Word
from pulsetw.catalogue.rule import History
from tests.bench.load.templates import resp
from tests.bench.report import table
from tests.integration.processes import RelayProcess
from tests.integration.redis_server import RedisServer

_CHANNEL = "bench:plan"
_HISTORY = History(1000, 300)
_RULE = f'[channels."bench:*"]\nhistory_size = {_HISTORY.size}\n'
_EVENT = b"x" * 200
_RUNS = 3
_SOCKETS = 4000
# Both ends of a connection have one of each, but for the last.
_CACHES, _EPOLL_CACHE = ("TCP", "sock_inode_cache", "dentry", "filp"), "eventpoll_epi"
_READERS = 200
_TOGETHER = 32
_TIMES = 3200
_MISSED = 100
_BATCH = 100
_CONNECTIONS, _TLS_CONNECTIONS = 3000, 300
_START_S = 20


class _Redis:
    """A Redis with connections that are subscribed to the channel."""

    def __init__(self, stack: ExitStack, readers: int = 0) -> None:
        self._stack = stack
        self._server = stack.enter_context(RedisServer())
        self._link = self._connected()
        self._poll = stack.enter_context(select.epoll())
        self._readers = {}
        for _ in range(readers):
            reader = self._connected()
            reader.sendall(resp("SUBSCRIBE", _CHANNEL))
            reader.recv(4096)
            self._poll.register(reader, select.EPOLLIN)
            self._readers[reader.fileno()] = reader

    def each_us(self, words: Callable[[int], list[Word]], together: int = 1) -> float:
        """CPU for each command, so many of them sent at once; with that of the copies to those who are subscribed."""
        before_s = self._cpu_s()
        for start in range(0, _TIMES, together):
            self.ask([words(number) for number in range(start, start + together)])
            for number, _ in self._poll.poll(0):
                self._readers[number].recv(1 << 20)
        return (self._cpu_s() - before_s) / _TIMES * 1e6

    def ask(self, commands: list[list[Word]]) -> list[object]:
        """The answers to commands that are sent at once."""
        self._link.sendall(b"".join(resp(*words) for words in commands))
        parser, answers = hiredis.Reader(), list[object]()
        while len(answers) < len(commands):
            parser.feed(self._link.recv(1 << 20))
            while (answer := parser.gets()) is not False:
                if isinstance(answer, Exception):
                    raise answer
                answers.append(answer)
        return answers

    def bytes_of(self, *keys: Word) -> list[int]:
        """Memory that keys take."""
        return [_whole(answer) for answer in self.ask([["MEMORY", "USAGE", key, "SAMPLES", 0] for key in keys])]

    def count(self, log: Word) -> int:
        """Events in a log."""
        return _whole(*self.ask([["XLEN", log]]))

    def _connected(self) -> socket.socket:
        return self._stack.enter_context(socket.create_connection(("127.0.0.1", self._server.port), timeout=10))

    def _cpu_s(self) -> float:
        (answer,) = self.ask([["INFO", "cpu"]])
        assert isinstance(answer, bytes)
        lines = dict(line.partition(":")[::2] for line in answer.decode().splitlines())
        return float(lines["used_cpu_sys"]) + float(lines["used_cpu_user"])


def main() -> None:
    """Prints the table: medians."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    runs = [_run() for _ in range(_RUNS)]
    rows = [[name, f"{median(run[name] for run in runs):.2f}"] for name in runs[0]]
    sys.stdout.write(table(["measured", "figure"], rows) + "\n")


def _run() -> dict[str, float]:
    with ExitStack() as stack:
        return dict(chain(*(part(stack) for part in (_kernel, _redis, _relay, _channels, _tls))))


def _kernel(stack: ExitStack) -> Iterator[tuple[str, float]]:
    listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
    poll = stack.enter_context(select.epoll())
    before = _slabs()
    with ExitStack() as connections:
        for _ in range(_SOCKETS):
            connections.enter_context(socket.create_connection(listening.getsockname()))
            accepted, _ = listening.accept()
            connections.enter_context(accepted)
            poll.register(accepted)
        after = _slabs()
    both = sum(after[name] - before[name] for name in _CACHES)
    yield "kernel, KiB per idle connection", (both / 2 + after[_EPOLL_CACHE] - before[_EPOLL_CACHE]) / _SOCKETS / 1024


def _slabs() -> dict[str, int]:
    """Bytes of each of the kernel's caches."""
    rows = [line.split() for line in Path("/proc/slabinfo").read_text().splitlines()[2:]]
    return {row[0]: int(row[1]) * int(row[3]) for row in rows}


def _redis(stack: ExitStack) -> Iterator[tuple[str, float]]:
    alone, crowded = _Redis(stack), _Redis(stack, _READERS)

    def plain(number: int) -> list[Word]:
        return ["PUBLISH", _CHANNEL, _EVENT]

    def logged(number: int) -> list[Word]:
        return publish_words(_CHANNEL, f"{time.monotonic_ns()}", _EVENT, _HISTORY, "bench")

    yield "Redis, µs per PUBLISH", alone.each_us(plain, _TOGETHER)
    yield "Redis, µs per publish into a history", alone.each_us(logged, _TOGETHER)
    for name, together in (("one by one", 1), (f"{_TOGETHER} at once", _TOGETHER)):
        each_us = crowded.each_us(plain, together) - alone.each_us(plain, together)
        yield f"Redis, µs per copy to a relay, {name}", each_us / _READERS
    commands = [logged(number) for number in range(_MISSED + 1)]
    positions = [read_position(answer) for answer in alone.ask(commands)]
    for missed in (0, _MISSED):
        words = sync_words(_CHANNEL, positions[_MISSED - missed], _MISSED, "bench")
        yield f"Redis, µs per read of a log, {missed} events missed", alone.each_us(partial(_always, words))
    first = publish_words(f"{_CHANNEL}:first", "id", _EVENT, _HISTORY, "bench")
    alone.ask([first])
    log_bytes, new_log_bytes, new_meta_bytes, id_bytes = alone.bytes_of(commands[-1][3], *first[3:6])
    yield "Redis, bytes per event of a history", log_bytes / alone.count(commands[-1][3])
    yield "Redis, bytes of a history of one event", new_log_bytes + new_meta_bytes
    yield "Redis, bytes per id of an event", id_bytes


def _relay(stack: ExitStack) -> Iterator[tuple[str, float]]:
    relay = _started(stack)
    yield "relay, MiB of a process without clients", relay.rss_bytes / 2**20
    for path, count, body in (
        ("publish", 1, _document()),
        ("batch", _BATCH, {"events": [_document()] * _BATCH}),
    ):
        link = HTTPConnection("127.0.0.1", urlsplit(relay.admin).port or 0)
        before_s = _cpu_s(relay.pid)
        for _ in range(_TIMES // count):
            link.request("POST", f"/api/v1/{path}", json.dumps(body), {"Content-Type": "application/json"})
            answer = link.getresponse()
            assert answer.status == 200, answer.read()
            answer.read()
        yield (
            f"relay, µs per event of POST {path}",
            (_cpu_s(relay.pid) - before_s) / (_TIMES // count * count) * 1e6,
        )


def _channels(stack: ExitStack) -> Iterator[tuple[str, float]]:
    """What a channel costs that no other client of the process follows."""
    relay = _started(stack)
    costs = []
    for names in ([_CHANNEL] * _CONNECTIONS, [f"{_CHANNEL}{number}" for number in range(_CONNECTIONS)]):
        before_s, before_bytes, goal = _cpu_s(relay.pid), relay.rss_bytes, _subscriptions(relay) + _CONNECTIONS
        for name in names:
            link = stack.enter_context(socket.create_connection(("127.0.0.1", relay.port), timeout=10))
            _upgrade(link, name)
        while _subscriptions(relay) < goal:
            time.sleep(0.1)
        costs.append((_cpu_s(relay.pid) - before_s, relay.rss_bytes - before_bytes))
    (shared_s, shared_bytes), (own_s, own_bytes) = costs
    yield "relay, µs to follow a channel", (own_s - shared_s) / _CONNECTIONS * 1e6
    yield "relay, KiB per channel", (own_bytes - shared_bytes) / _CONNECTIONS / 1024


def _tls(stack: ExitStack) -> Iterator[tuple[str, float]]:
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="pulsetw-bench-")))
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    endpoint = f"ssl:{{port}}:interface=127.0.0.1:privateKey={folder}/key.pem:certKey={folder}/cert.pem"
    relay = _started(stack, endpoint)
    before_s, before_bytes = _cpu_s(relay.pid), relay.rss_bytes
    for _ in range(_TLS_CONNECTIONS):
        plain = stack.enter_context(socket.create_connection(("127.0.0.1", relay.port), timeout=10))
        link = stack.enter_context(context.wrap_socket(plain, server_hostname="localhost"))
        _upgrade(link, _CHANNEL)
    yield "relay with TLS, µs per handshake", (_cpu_s(relay.pid) - before_s) / _TLS_CONNECTIONS * 1e6
    yield "relay with TLS, KiB per connection", (relay.rss_bytes - before_bytes) / _TLS_CONNECTIONS / 1024


def _started(stack: ExitStack, endpoint: str = "tcp:{port}:interface=127.0.0.1") -> RelayProcess:
    """A relay that takes connections, with a Redis of its own."""
    server = stack.enter_context(RedisServer())
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="pulsetw-bench-"))) / "relay"
    relay = RelayProcess(folder, f"redis://127.0.0.1:{server.port}", _RULE, endpoint=endpoint)
    stack.callback(relay.close)
    limit = time.monotonic() + _START_S
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", relay.port)):
            return relay
        assert time.monotonic() < limit, relay.log
        time.sleep(0.1)


def _upgrade(link: socket.socket, channel: str) -> None:
    link.sendall(
        f"GET /ws?channels={channel} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b" 101 " in link.recv(4096)


def _subscriptions(relay: RelayProcess) -> int:
    with urlopen(f"{relay.admin}/api/v1/stats") as answer:
        found: int = json.loads(answer.read())["hub"]["subscriptions"]
        return found


def _document() -> dict[str, object]:
    return {"channel": _CHANNEL, "type": "tick", "data": {"pad": "x" * 100}}


def _whole(answer: object) -> int:
    assert isinstance(answer, int)
    return answer


def _always(words: list[Word], _: int) -> list[Word]:
    return words


def _cpu_s(pid: int) -> float:
    """Of the process's first thread, which does all the work."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


if __name__ == "__main__":
    main()
