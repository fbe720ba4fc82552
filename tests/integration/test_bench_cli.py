"""``pulsetw bench`` against a relay process: its figures, its exit status, and what it says when things go wrong."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.threads import deferToThread

from tests.integration.processes import ROOT, RelayProcess, free_port

CONFIG = """
[channels."bench:*"]
history_size = 1000
"""
LIMIT_S = 60


class Bench:
    """The command as a process of its own."""

    def __init__(self, *arguments: str) -> None:
        command = [str(Path(sys.executable).with_name("pulsetw")), "bench", *arguments]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT)

    async def ended(self) -> tuple[int, str, str]:
        """Its exit status and what it has written."""
        try:
            output, errors = await deferToThread(self.process.communicate, timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, output, errors

    async def report(self) -> tuple[int, dict[str, Any]]:
        """The same, with ``--json``."""
        status, output, errors = await self.ended()
        assert errors == "", errors
        return status, json.loads(output)


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[RelayProcess]:
    relay = RelayProcess(tmp_path / "relay", config=CONFIG)
    yield relay
    relay.close()


def bench(relay: RelayProcess, *arguments: str) -> Bench:
    return Bench(relay.websocket, "--publish-to", relay.admin, "--connect-rate", "1000", *arguments)


async def counted(relay: RelayProcess, name: str, number: int) -> None:
    """Waits until the relay's hub counts so many, or more."""
    from twisted.internet import reactor

    end = reactor.seconds() + LIMIT_S
    while (found := (await relay.stats())["hub"][name]) < number:
        assert reactor.seconds() < end, f"{found} {name} after {LIMIT_S} s"


@pytest_twisted.ensureDeferred
async def test_at_a_rate(relay: RelayProcess) -> None:
    """Two channels, every event to every client; the numbers agree with the relay's own."""
    await relay.becomes(ready=True)
    channels = ("--channel", "bench:a", "--channel", "bench:b")
    status, report = await bench(
        relay, *channels, "--clients", "50", "--rate", "100", "--seconds", "1", "--json"
    ).report()
    assert (status, report["faults"]) == (0, [])
    published = report["publishing"]["published"]
    assert published >= 100
    assert report["deliveries"]["arrived"] == report["deliveries"]["expected"] == published * 50
    assert report["connections"]["subscribed"] == 50
    assert 0 < report["deliveries"]["latency_ms"]["p50"] <= report["deliveries"]["latency_ms"]["max"]
    stats = await relay.stats()
    assert stats["publisher"]["channel_stats"]["bench:a"] + stats["publisher"]["channel_stats"]["bench:b"] == published
    assert stats["hub"]["deliveries"] == published * 50


@pytest_twisted.ensureDeferred
async def test_with_a_window(relay: RelayProcess) -> None:
    """As fast as events arrive, in frames of any length; a table for people."""
    await relay.becomes(ready=True)
    for size in ("0", "40000"):
        arguments = ("--clients", "50", "--window", "16", "--seconds", "1", "--size", size)
        status, output, errors = await bench(relay, *arguments).ended()
        assert (status, errors) == (0, ""), output
        rows = {line.split()[0]: line.split() for line in output.splitlines() if line.split()}
        assert int(rows["deliveries"][1]) == int(rows["published"][1]) * 50
        assert int(rows["published"][1]) > 16
        assert rows["lost"][1] == "0"


@pytest_twisted.ensureDeferred
async def test_a_relay_that_goes_is_told(relay: RelayProcess) -> None:
    """Drained in the middle: status 1, disconnects by their code, and an end before the time is over."""
    await relay.becomes(ready=True)
    running = bench(relay, "--clients", "20", "--rate", "50", "--seconds", "600", "--json")
    await counted(relay, "deliveries", 200)
    relay.signal(signal.SIGTERM)
    relay.signal(signal.SIGTERM)
    status, report = await running.report()
    assert status == 1
    assert report["connections"]["disconnects"] == {"3001": 20}
    assert "20 listeners were disconnected: 3001" in report["faults"]


@pytest_twisted.ensureDeferred
async def test_interrupted_it_tells_what_there_is(relay: RelayProcess) -> None:
    """Ctrl-C, even twice, ends it with a report, and leaves no connection."""
    await relay.becomes(ready=True)
    running = bench(relay, "--clients", "20", "--rate", "50", "--seconds", "60", "--json")
    await counted(relay, "deliveries", 200)
    running.process.send_signal(signal.SIGINT)
    running.process.send_signal(signal.SIGINT)
    status, report = await running.report()
    assert (status, report["interrupted"], report["faults"]) == (0, True, [])
    assert report["deliveries"]["arrived"] >= 200
    assert (await relay.stats())["hub"]["connections"] == 0


@pytest_twisted.ensureDeferred
async def test_what_is_wrong_is_said(relay: RelayProcess) -> None:
    """No relay, a channel that there is not, no operator's port, a port that is none, a typed channel: status 1."""
    await relay.becomes(ready=True)
    nowhere = free_port()
    short = ("--clients", "3", "--seconds", "1", "--json")
    for arguments, words in (
        ((f"ws://127.0.0.1:{nowhere}/ws", *short), "3 connections failed: "),
        ((relay.websocket.replace("/ws", "/other"), *short), "404"),
        ((relay.websocket, "--channel", "nope", *short), "3 subscriptions were refused or ended: 102 "),
        ((relay.websocket, "--publish-to", f"http://127.0.0.1:{nowhere}", *short), "publishing ended early: "),
        ((relay.websocket, "--publish-to", f"http://127.0.0.1:{relay.port}", *short), "no answer that a relay's"),
        (
            (relay.websocket, "--publish-to", relay.admin, "--channel", "match:events", *short),
            "publishing ended early: 107 ",
        ),
        ((relay.websocket, "--publish-to", relay.admin, "--size", "100000", *short), "publishing ended early: 106 "),
    ):
        status, report = await Bench(*arguments).report()
        assert status == 1
        assert any(words in fault for fault in report["faults"]), report["faults"]


@pytest_twisted.ensureDeferred
async def test_a_key_is_given(tmp_path: Path) -> None:
    """By option or variable; a wrong one is said."""
    relay = RelayProcess(tmp_path / "relay", config=f'{CONFIG}\n[auth]\napi_keys = ["{"k" * 32}"]\n')
    try:
        short = ("--clients", "2", "--seconds", "0.2", "--json")
        await relay.becomes(ready=True)
        status, report = await bench(relay, "--key", "k" * 32, *short).report()
        assert (status, report["faults"]) == (0, [])
        status, report = await bench(relay, "--key", "wrong", *short).report()
        assert (status, report["publishing"]["error"][:3]) == (1, "101")
    finally:
        relay.close()
