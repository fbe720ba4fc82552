"""A Redis and relays as processes, and what is asked of them."""

import json
import resource
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self
from urllib.parse import urlsplit

from tests.bench.client import Crowd
from tests.bench.syncs import Syncs
from tests.integration.processes import RelayProcess
from tests.integration.redis_server import RedisServer


class World:
    """Relays that are ready, before one Redis.

    Attributes:
        crowd: lets the clients run.
    """

    def __init__(self, relays: int, config: str) -> None:
        self._stack = ExitStack()
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="pulsetw-bench-")))
        self.redis = self._stack.enter_context(RedisServer())
        self.crowd = Crowd()
        self._stack.callback(self.crowd.close)
        self.relays = []
        broker = f"redis://127.0.0.1:{self.redis.port}/0"
        for number in range(relays):
            relay = RelayProcess(folder / f"relay{number}", broker, config)
            self._stack.callback(relay.close)
            self.relays.append(relay)
        for relay in self.relays:
            self.crowd.run(partial(_is_ready, relay), "the relay is ready", 20)

    def admin_port(self, number: int) -> int:
        """Where operators call a relay."""
        port = urlsplit(self.relays[number].admin).port
        assert port is not None
        return port

    def closing(self, close: Callable[[], object]) -> None:
        """Called at the end, before the relays go."""
        self._stack.callback(close)

    def syncs(self) -> int:
        """How often any log was read since the last `forget_syncs`.

        Each script that reads a log or appends to it calls PTTL once; the one that appends calls XADD, too. No other
        script or command of a relay calls either.
        """
        answer = self.redis.ask("INFO", "commandstats")
        assert isinstance(answer, bytes)
        calls = {"cmdstat_pttl": 0, "cmdstat_xadd": 0}
        for line in answer.decode().splitlines():
            name, _, figures = line.partition(":")
            if name in calls:
                calls[name] = int(figures.split(",")[0].removeprefix("calls="))
        return calls["cmdstat_pttl"] - calls["cmdstat_xadd"]

    def forget_syncs(self) -> None:
        self.redis.ask("CONFIG", "RESETSTAT")

    def watch_syncs(self) -> Syncs:
        """Counts by relay and channel, from now on."""
        syncs = Syncs(self.redis)
        self._stack.callback(syncs.close)
        return syncs

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def percentile(values: list[float], percent: float) -> float:
    """The value below which so many percent lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def _is_ready(relay: RelayProcess) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"{relay.admin}/health/ready", timeout=5) as answer:
        return bool(json.loads(answer.read())["ready"])
    return False
