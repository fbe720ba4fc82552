"""What Redis has lost is told: from where, to where; then life goes on."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from tests.integration.clients import Client, connect, hang_up
from tests.integration.processes import RelayProcess
from tests.integration.proxy import DOWN, UP, Proxy
from tests.integration.redis_server import RedisServer
from tests.integration.waiting import until

RULES = """
[server]
drain_s = 1
[channels."kept:*"]
history_size = 1
[channels."kept:brief"]
history_size = 100
history_age_s = 1
"""
LOG, META = "pulsetw:{kept:a}:log", "pulsetw:{kept:a}:meta"


class World:
    """A listener on a relay behind a proxy, and a relay without one, by which events are published."""

    def __init__(self, folder: Path, redis: RedisServer, proxy: Proxy) -> None:
        self.redis = redis
        self.proxy = proxy
        self.relay = RelayProcess(folder / "cut", f"redis://127.0.0.1:{proxy.port}", RULES)
        self.other = RelayProcess(folder / "direct", f"redis://127.0.0.1:{redis.port}", RULES)
        self.client: Client

    async def start(self) -> None:
        for relay in (self.relay, self.other):
            await relay.becomes(ready=True)
        await self.listen("kept:a")

    async def listen(self, channel: str) -> None:
        self.client = await connect(f"{self.relay.websocket}?channels={channel}")
        self.client.command(op="ping")
        await until(lambda: self.client.ops("pong"), "the subscription stands")

    async def publish(self, id: str, channel: str = "kept:a") -> dict[str, Any]:
        status, _, place = await self.other.publish(channel=channel, type="tick", data={}, id=id)
        assert status == 200
        assert isinstance(place, dict)
        return place

    def deaf(self) -> None:
        """The listener's relay hears nothing more, and has not noticed yet."""
        for pair in self.proxy.subscribers():
            pair.silent |= {UP, DOWN}

    async def gap(self) -> dict[str, Any]:
        await until(lambda: self.client.ops("gap"), "the gap is told")
        (gap,) = self.client.ops("gap")
        return gap

    async def has(self, id: str) -> dict[str, Any]:
        """The event, when it has come."""
        await until(lambda: self.client.events[-1:] and self.client.events[-1]["id"] == id, "the event comes")
        return self.client.events[-1]


@pytest_twisted.async_yield_fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    with RedisServer() as redis:
        proxy = await Proxy(redis.port).start()
        world = World(tmp_path, redis, proxy)
        try:
            await world.start()
            yield world
            await hang_up(world.client)
        finally:
            world.relay.close()
            world.other.close()
            await proxy.stop()


@pytest_twisted.ensureDeferred
async def test_flushall(world: World) -> None:
    """The count begins anew: `epoch`, from the last place that the client had; nothing is asked of it at once."""
    last = await world.publish("1")
    await world.has("1")
    world.redis.ask("FLUSHALL")
    new = await world.publish("2")
    event = await world.has("2")
    gap = await world.gap()
    assert (gap["reason"], gap["from"]) == ("epoch", last)
    assert gap["to"] == {"offset": 0, "epoch": event["epoch"]}
    assert 0 <= gap["reloadAfterMs"] <= 1000
    assert new == {"offset": 1, "epoch": event["epoch"]}


@pytest_twisted.ensureDeferred
async def test_a_log_that_is_gone(world: World) -> None:
    """Evicted, expired or deleted while the relay was cut off: `trimmed`, up to the event that follows."""
    last = await world.publish("1")
    await world.has("1")
    world.deaf()
    for name in "234":
        await world.publish(name)
    world.redis.ask("DEL", LOG)
    gap = await world.gap()
    assert (gap["reason"], gap["from"]) == ("trimmed", last)
    assert gap["to"] == {**last, "offset": 4}
    await world.publish("5")
    event = await world.has("5")
    assert event["offset"] == 5


@pytest_twisted.ensureDeferred
async def test_a_log_that_expires(world: World) -> None:
    """Its age runs out while the relay is cut off: `trimmed`, up to where the count stands; the count goes on."""
    await hang_up(world.client)
    await world.listen("kept:brief")
    last = await world.publish("1", "kept:brief")
    await world.has("1")
    world.proxy.silent |= {UP, DOWN}
    for name in "23":
        await world.publish(name, "kept:brief")
    await until(lambda: not world.redis.ask("EXISTS", "pulsetw:{kept:brief}:log"), "the log expires")
    world.proxy.silent.clear()
    world.proxy.cut()
    gap = await world.gap()
    assert (gap["reason"], gap["from"]) == ("trimmed", last)
    assert gap["to"] == {**last, "offset": 3}
    await world.publish("4", "kept:brief")
    event = await world.has("4")
    assert event["offset"] == 4


@pytest.mark.parametrize("is_deaf", [False, True], ids=["live", "cut off"])
@pytest_twisted.ensureDeferred
async def test_meta_evicted(world: World, is_deaf: bool) -> None:
    """A log without its meta is worth nothing: `epoch`, and the count begins anew, whether the relay hears or not."""
    last = await world.publish("1")
    await world.has("1")
    if is_deaf:
        world.deaf()
        await world.publish("lost")
    world.redis.ask("UNLINK", META)
    new = await world.publish("2")
    event = await world.has("2")
    gap = await world.gap()
    assert (gap["reason"], gap["from"]) == ("epoch", last)
    assert gap["to"] == {"offset": 0, "epoch": event["epoch"]}
    assert new == {"offset": 1, "epoch": event["epoch"]}
    assert [event["id"] for event in world.client.events] == ["1", "2"]


@pytest_twisted.ensureDeferred
async def test_everything_evicted(world: World) -> None:
    """`maxmemory` takes all keys and refuses writes for a while: `epoch`, from the last place, when it is over."""
    last = await world.publish("1")
    await world.has("1")
    world.redis.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "maxmemory", "1")
    for relay in (world.relay, world.other):
        await relay.becomes(ready=False)
    assert world.redis.ask("EXISTS", LOG, META) == 0
    world.redis.ask("CONFIG", "SET", "maxmemory", "0")
    for relay in (world.relay, world.other):
        await relay.becomes(ready=True)
    new = await world.publish("2")
    event = await world.has("2")
    gap = await world.gap()
    assert (gap["reason"], gap["from"]) == ("epoch", last)
    assert gap["to"] == {"offset": 0, "epoch": event["epoch"]}
    assert new == {"offset": 1, "epoch": event["epoch"]}


@pytest_twisted.ensureDeferred
async def test_coming_back_when_the_log_is_gone(world: World) -> None:
    """A relay that has nothing of the channel itself answers with the gap; what comes next comes."""
    first, _, last = [await world.publish(name) for name in "123"]
    world.redis.ask("DEL", LOG)
    client = await connect(world.other.websocket)
    client.command(op="subscribe", id=1, channel="kept:a", since=first)
    await until(lambda: client.ops("subscribed"), "it is answered")
    (answer,) = client.ops("subscribed")
    assert (answer["recovered"], answer["reason"]) == (False, "trimmed")
    assert (answer["from"], answer["to"]) == (first, last)
    await world.publish("4")
    await until(lambda: client.events, "life goes on")
    assert [event["offset"] for event in client.events] == [4]
    await hang_up(client)


@pytest_twisted.ensureDeferred
async def test_a_history_that_is_too_short(world: World) -> None:
    """What was trimmed is told, what is left comes after it, without a hole."""
    last = await world.publish("1")
    await world.has("1")
    world.deaf()
    events = [{"channel": "kept:a", "type": "tick", "data": {}, "id": f"n{number}"} for number in range(400)]
    status, _, _ = await world.other.publish_batch(events)
    assert status == 200
    event = await world.has("n399")
    gap = await world.gap()
    assert (gap["reason"], gap["from"]) == ("trimmed", last)
    offsets = [each["offset"] for each in world.client.events]
    assert offsets == [1, *range(gap["to"]["offset"] + 1, event["offset"] + 1)]
    assert event["offset"] == 401
