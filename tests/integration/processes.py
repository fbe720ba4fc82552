"""Relays as processes of their own, spoken to over HTTP."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from tests.integration.waiting import until

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    """A port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def ask(url: str, document: object = None) -> tuple[int, dict[str, str], Any]:
    """GETs, or POSTs a document as JSON; the answer's status, headers and what its JSON stands for."""
    return await deferToThread(_ask, url, document)


def _ask(url: str, document: object) -> tuple[int, dict[str, str], Any]:
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, dict(answer.headers), json.loads(answer.read())
    except urllib.error.HTTPError as answer:
        return answer.code, dict(answer.headers), json.loads(answer.read())


class RelayProcess:
    """``twistd -n pulsetw`` in a folder of its own; ended by its own process id.

    Attributes:
        websocket: the address of its WebSocket.
        admin: the address of the operator's port.

    Args:
        command: what runs instead of twistd, with its arguments.
        endpoint: where clients connect; `{port}` stands for the port.
    """

    def __init__(
        self,
        folder: Path,
        broker: str = "memory://",
        config: str = "",
        listen: int = 0,
        command: Sequence[str] = (),
        endpoint: str = "tcp:{port}:interface=127.0.0.1",
    ) -> None:
        folder.mkdir()
        self.folder = folder
        self._listen, self._admin = listen or free_port(), free_port()
        self.port = self._listen
        self.websocket = f"ws://127.0.0.1:{self._listen}/ws"
        self.admin = f"http://127.0.0.1:{self._admin}"
        (folder / "relay.toml").write_text(config)
        self._log = (folder / "log").open("w")
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("REDIS_", "PULSETW_"))}
        twistd = str(Path(sys.executable).with_name("twistd"))
        admin = f"tcp:{self._admin}:interface=127.0.0.1"
        self._process = subprocess.Popen(
            [
                *(command or [twistd]),
                "-n",
                "pulsetw",
                "--config",
                "relay.toml",
                "--listen",
                endpoint.format(port=self._listen),
                "--admin",
                admin,
                "--broker",
                broker,
            ],
            cwd=folder,
            env={**environ, "COVERAGE_FILE": str(ROOT / ".coverage")},
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    @property
    def log(self) -> str:
        """What it has said so far."""
        return (self.folder / "log").read_text()

    @property
    def rss_bytes(self) -> int:
        """Its memory."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    @property
    def pid(self) -> int:
        return self._process.pid

    async def health(self) -> dict[str, Any]:
        """What ``/health/ready`` says; ``{"ready": False}`` while nobody answers."""
        try:
            _, _, document = await ask(f"{self.admin}/health/ready")
        except OSError:
            assert self._process.poll() is None, self.log
            return {"ready": False, "reasons": ["no answer"], "broker": {}}
        assert isinstance(document, dict)
        return document

    async def becomes(self, *, ready: bool, timeout_s: float = 20, words: str = "") -> float:
        """Waits until it is ready, or not, for a reason in which `words` stand; how many seconds that took."""
        from twisted.internet import reactor

        start = reactor.seconds()
        while True:
            health = await self.health()
            if health["ready"] is ready and words in "; ".join(health["reasons"]):
                return float(reactor.seconds() - start)
            assert reactor.seconds() - start < timeout_s, f"still {health} after {timeout_s} s\n{self.log}"
            await deferLater(reactor, 0.01)

    async def stats(self) -> dict[str, Any]:
        """What ``/api/v1/stats`` says."""
        _, _, document = await ask(f"{self.admin}/api/v1/stats")
        assert isinstance(document, dict)
        return document

    async def publish(self, **event: object) -> tuple[int, dict[str, str], Any]:
        """Publishes over HTTP."""
        return await ask(f"{self.admin}/api/v1/publish", event)

    async def publish_batch(self, events: list[dict[str, object]]) -> tuple[int, dict[str, str], Any]:
        """Publishes many over HTTP."""
        return await ask(f"{self.admin}/api/v1/batch", {"events": events})

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    async def ended(self, timeout_s: float = 20) -> int:
        """Waits for its end; its exit status, negative for a signal."""
        await until(lambda: self._process.poll() is not None, "the relay ends", timeout_s)
        assert self._process.returncode is not None
        return self._process.returncode

    def close(self) -> None:
        """Ends it, whatever it does."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()
