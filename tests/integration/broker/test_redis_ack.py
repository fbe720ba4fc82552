"""What an acknowledged publication survives."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import gatherResults

from pulsetw.catalogue.rule import History
from pulsetw.errors import BrokerRefused, OutcomeUnknown
from tests.contracts.broker import Recorder
from tests.integration.broker.world import RedisWorld
from tests.integration.redis_server import RedisServer
from tests.integration.waiting import outcome, until

DURABLE = History(size=1000, age_s=60, ack="durable")
WINDOW = History(size=1000, age_s=60, ack="window")


@pytest.fixture
def replica(redis: RedisServer) -> Iterator[RedisServer]:
    """A replica of the test's own server."""
    with RedisServer() as replica:
        redis.ask("CONFIG", "SET", "repl-diskless-sync-delay", 0)
        replica.ask("REPLICAOF", "127.0.0.1", redis.port)
        yield replica


async def _made(world: RedisWorld, redis: RedisServer) -> tuple[Any, Recorder]:
    broker = world.make(f"redis://127.0.0.1:{redis.port}")
    return broker, await world.ready(broker)


async def _in_sync(redis: RedisServer) -> None:
    # Online alone is too early: what is written is streamed to a replica after its first acknowledgement only.
    await until(lambda: re.search(rb"state=online,offset=[1-9]", redis.ask("INFO", "replication")))  # type: ignore[arg-type]


@pytest_twisted.ensureDeferred
async def test_durable(world: RedisWorld, redis: RedisServer, replica: RedisServer) -> None:
    """When it is acknowledged, a replica has it; many wait together."""
    broker, receiver = await _made(world, redis)
    await _in_sync(redis)
    first = await broker.publish("a", "id0", b"0", DURABLE)
    assert replica.ask("XLEN", "pulsetw:{a}:log") == 1
    publishing = [broker.publish("a", f"id{number}", b"", DURABLE) for number in range(1, 200)]
    assert [position.offset for position in await gatherResults(publishing)] == list(range(2, 201))
    assert replica.ask("XLEN", "pulsetw:{a}:log") == 200
    assert first.offset == 1
    assert receiver.states == ["ready"]
    assert len(redis.clients()) == 4


@pytest_twisted.ensureDeferred
async def test_durable_without_a_replica(world: RedisWorld, redis: RedisServer) -> None:
    """It is there and cannot be promised: the outcome is unknown; the same id finds its place when one has come."""
    broker, receiver = await _made(world, redis)
    fast = broker.publish("b", "id1", b"", History(10))
    unknown = await outcome(broker.publish("a", "id1", b"1", DURABLE))
    assert isinstance(unknown, OutcomeUnknown)
    assert unknown.temporary
    assert "none confirmed within 500 ms" in str(unknown)
    assert fast.called
    assert receiver.states == ["ready"]
    with RedisServer() as replica:
        redis.ask("CONFIG", "SET", "repl-diskless-sync-delay", 0)
        replica.ask("REPLICAOF", "127.0.0.1", redis.port)
        await _in_sync(redis)
        assert (await broker.publish("a", "id1", b"1", DURABLE)).offset == 1
        assert replica.ask("XLEN", "pulsetw:{a}:log") == 1
        await world.close()


@pytest_twisted.ensureDeferred
async def test_a_witness_that_stops(world: RedisWorld, redis: RedisServer) -> None:
    """Each publish has an outcome when the witness's connection ends, and the next one asks again."""
    broker, receiver = await _made(world, redis)
    publishing = broker.publish("a", "id1", b"1", DURABLE)

    def witnesses() -> list[str]:
        return [each["id"] for each in redis.clients() if each["name"].endswith("witness") and each["cmd"] == "wait"]

    await until(witnesses)
    redis.ask("CLIENT", "KILL", "ID", witnesses()[0])
    assert isinstance(await outcome(publishing), OutcomeUnknown)
    assert "none confirmed" in str(await outcome(broker.publish("a", "id1", b"1", DURABLE)))
    waits = broker.publish("a", "id2", b"2", DURABLE)
    await until(witnesses)
    stopped = broker.stop()
    assert isinstance(await outcome(waits), OutcomeUnknown)
    await stopped
    assert receiver.states == ["ready"]


@pytest_twisted.ensureDeferred
async def test_window(world: RedisWorld, redis: RedisServer) -> None:
    """Acknowledged at once; when the master comes back empty, they are there again in order before anything new."""
    broker, receiver = await _made(world, redis)
    publishing = [broker.publish("a", f"id{number}", b"%d" % number, WINDOW) for number in range(5)]
    before = (await gatherResults(publishing))[-1]
    await broker.publish("a", "id1", b"1", WINDOW)
    new: list[Any] = []
    receiver.on_ready = lambda: broker.publish("a", "new", b"new", WINDOW).addBoth(new.append)
    redis.stop()
    redis.start()
    await until(lambda: new)
    assert new[0].offset == 6
    assert new[0].epoch != before.epoch
    page = await broker.sync("a", None, 10)
    assert [entry.payload for entry in page.entries] == [b"0", b"1", b"2", b"3", b"4", b"new"]
    await world.close()


@pytest_twisted.ensureDeferred
async def test_window_ends_at_a_replica(world: RedisWorld, redis: RedisServer, replica: RedisServer) -> None:
    """What a replica has is not kept any more."""
    broker, receiver = await _made(world, redis)
    await _in_sync(redis)
    await broker.publish("a", "id1", b"1", WINDOW)
    assert (broker.status().window_events, broker.status().window_full) == (1, False)
    await until(lambda: not broker.status().window_events)
    replica.ask("REPLICAOF", "NO", "ONE")
    redis.stop()
    redis.start()
    await until(lambda: receiver.states[-2:] == ["lost", "ready"])
    assert (await broker.sync("a", None, 10)).top == 0
    await world.close()


@pytest_twisted.ensureDeferred
async def test_window_is_bounded(world: RedisWorld, redis: RedisServer) -> None:
    """Until a replica comes, it is said, before anything is published that could not be kept."""
    broker = world.make(f"redis://127.0.0.1:{redis.port}", max_in_flight=3)
    await world.ready(broker)
    for number in range(3):
        await broker.publish("a", f"id{number}", b"", WINDOW)
    refused = await outcome(broker.publish("a", "id3", b"", WINDOW))
    assert isinstance(refused, BrokerRefused)
    assert refused.temporary
    assert str(refused) == "no replica has the last 3 events yet"
    assert (broker.status().window_events, broker.status().window_full) == (3, True)
    assert redis.ask("XLEN", "pulsetw:{a}:log") == 3
    with RedisServer() as replica:
        redis.ask("CONFIG", "SET", "repl-diskless-sync-delay", 0)
        replica.ask("REPLICAOF", "127.0.0.1", redis.port)
        await until(lambda: not broker.status().window_events)
        assert not broker.status().window_full
        assert (await broker.publish("a", "id3", b"", WINDOW)).offset == 4
        await world.close()


@pytest_twisted.ensureDeferred
async def test_window_refused_again(world: RedisWorld, redis: RedisServer) -> None:
    """What a master can never take again is logged, and does not keep the rest back."""
    broker, receiver = await _made(world, redis)
    await broker.publish("a", "id1", b"1", WINDOW)
    await broker.publish("b", "id1", b"1", WINDOW)
    redis.ask("FLUSHALL")
    redis.ask("SET", "pulsetw:{a}:meta", "a stranger's")
    redis.ask("CLIENT", "KILL", "TYPE", "normal")
    await until(lambda: receiver.states[-2:] == ["lost", "ready"])
    assert (await broker.sync("b", None, 10)).top == 1
    redis.ask("DEL", "pulsetw:{a}:meta")
    assert (await broker.sync("a", None, 10)).top == 0
