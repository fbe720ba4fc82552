"""One server as a process on a core of its own, with a Redis that nobody else uses."""

import re
import resource
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Self

from tests.bench.load.programs import on_client_core, on_server_core
from tests.bench.peers.contender import Contender, Place
from tests.integration.redis_server import RedisServer

_START_S = 30
# Some open their port before they have found Redis.
_SETTLE_S = 0.5


class Server:
    """Up when it is entered, gone when it is left; meanwhile this process and its others have the other core.

    Attributes:
        port: for clients.
        redis: its Redis.
        redis_pid: that one's process.
    """

    def __init__(self, contender: Contender) -> None:
        self.contender = contender
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(on_client_core())
            _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="pulsetw-bench-")))
            self.redis = stack.enter_context(RedisServer())
            info = self.redis.ask("INFO", "server")
            assert isinstance(info, bytes)
            self.redis_pid = int(re.findall(rb"process_id:(\d+)", info)[0])
            self.port = _free_pair()
            self._log = stack.enter_context((folder / "log").open("w+"))
            place = Place(self.port, self.redis.port, folder)
            self._process = subprocess.Popen(
                [*on_server_core(), *self.contender.command(place)],
                cwd=folder,
                stdout=self._log,
                stderr=subprocess.STDOUT,
            )
            stack.callback(self._end)
            self._wait()
            sleep(_SETTLE_S)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def publisher_port(self) -> int:
        return {"redis": self.redis.port, "server": self.port, "beside": self.port + 1}[self.contender.entry]

    def pids(self) -> list[int]:
        """The process and all below it."""
        found = [self._process.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                found += map(int, children.read_text().split())
        return found

    def _wait(self) -> None:
        end = monotonic() + _START_S
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self._process.poll() is not None or monotonic() > end:
                self._log.seek(0)
                raise RuntimeError(f"{self.contender.title} did not start: {self._log.read()[-500:]}")
            sleep(0.05)

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _free_pair() -> int:
    """A port whose neighbour is free as well."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port
