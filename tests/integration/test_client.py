"""The Python client against a relay process: it comes back by itself, and says what it may have missed."""

import signal
from pathlib import Path
from typing import Any

import pytest_twisted

from pulsetw.client import Client, ClientOptions
from pulsetw.model import Position
from tests.integration.processes import RelayProcess, free_port
from tests.integration.proxy import Proxy
from tests.integration.waiting import outcome, until

CONFIG = """
[channels."news:*"]
[channels."kept:*"]
history_size = 100
"""
QUICK = ClientOptions(first_wait_s=0.1, max_wait_s=0.5)


class Listener:
    """A client that keeps what it is given."""

    def __init__(self, url: str) -> None:
        from twisted.internet import reactor

        self.given: list[Any] = []
        self.gaps: list[Any] = []
        self.ends: list[Any] = []
        self.states: list[Any] = []
        self.client = Client(reactor, url, options=QUICK, on_state=self.states.append)

    def subscribe(self, channel: str, **more: Any) -> Any:
        return self.client.subscribe(channel, self.given.append, self.gaps.append, on_end=self.ends.append, **more)

    @property
    def numbers(self) -> list[int]:
        return [publication.event.data["n"] for publication in self.given]


async def publish(relay: RelayProcess, channel: str, number: int) -> None:
    status, _, answer = await relay.publish(channel=channel, type="t", data={"n": number})
    assert status == 200, answer


@pytest_twisted.ensureDeferred
async def test_it_comes_back_and_tells_that_it_was_away(tmp_path: Path) -> None:
    """A channel without history: its events, a gap for the relay's restart, and its events again."""
    port = free_port()
    relay = RelayProcess(tmp_path / "one", config=CONFIG, listen=port)
    listener = Listener(relay.websocket)
    try:
        await relay.becomes(ready=True)
        subscription = listener.subscribe("news:a")
        listener.subscribe("unknown")
        listener.client.start()
        await until(lambda: subscription.is_live)
        await until(lambda: listener.ends)
        assert [(end.channel, end.code) for end in listener.ends] == [("unknown", 102)]
        await publish(relay, "news:a", 1)
        await until(lambda: listener.numbers == [1])
        relay.signal(signal.SIGKILL)
        await relay.ended()
        await until(lambda: not subscription.is_live)
        relay.close()
        relay = RelayProcess(tmp_path / "two", config=CONFIG, listen=port)
        await until(lambda: subscription.is_live)
        await publish(relay, "news:a", 2)
        await until(lambda: listener.numbers == [1, 2])
        assert [gap.notice.reason for gap in listener.gaps] == ["reconnected"]
        assert "waiting" in [state.state for state in listener.states]
    finally:
        await outcome(listener.client.stop())
        relay.close()
    assert listener.states[-1].state == "closed"


@pytest_twisted.ensureDeferred
async def test_what_happened_while_it_was_cut_off_is_given(tmp_path: Path) -> None:
    """A channel with history: every event once, in order, and no gap, however often the connection is reset."""
    relay = RelayProcess(tmp_path / "relay", config=CONFIG)
    proxy = await Proxy(relay.port).start()
    listener = Listener(f"ws://127.0.0.1:{proxy.port}/ws")
    try:
        await relay.becomes(ready=True)
        subscription = listener.subscribe("kept:a")
        listener.client.start()
        await until(lambda: subscription.is_live)
        for number in range(0, 10, 2):
            await publish(relay, "kept:a", number)
            proxy.cut()
            await publish(relay, "kept:a", number + 1)
            await until(lambda: subscription.is_live)
        await until(lambda: len(listener.numbers) >= 10)
        assert listener.numbers == list(range(10))
        assert listener.gaps == []
        assert [publication.position.offset for publication in listener.given] == list(range(1, 11))
    finally:
        await outcome(listener.client.stop())
        await proxy.stop()
        relay.close()


@pytest_twisted.ensureDeferred
async def test_another_process_goes_on_where_one_was(tmp_path: Path) -> None:
    """`since` takes a position that was kept, `last` the newest events; a place of another relay's is a gap."""
    relay = RelayProcess(tmp_path / "relay", config=CONFIG)
    first, later, late, lost = (Listener(relay.websocket) for _ in range(4))
    try:
        await relay.becomes(ready=True)
        kept = first.subscribe("kept:a")
        first.client.start()
        await until(lambda: kept.is_live)
        for number in range(3):
            await publish(relay, "kept:a", number)
        await until(lambda: len(first.numbers) == 3)
        later.subscribe("kept:a", since=first.given[0].position)
        late.subscribe("kept:a", last=1)
        lost.subscribe("kept:a", since=Position(1, "of another"))
        for listener in (later, late, lost):
            listener.client.start()
        await until(lambda: (later.numbers, late.numbers) == ([1, 2], [2]))
        await until(lambda: lost.gaps)
        assert [gap.notice.reason for gap in lost.gaps] == ["epoch"]
        assert later.gaps == late.gaps == []
    finally:
        for listener in (first, later, late, lost):
            await outcome(listener.client.stop())
        relay.close()
