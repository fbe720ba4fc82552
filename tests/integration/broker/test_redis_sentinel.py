"""A broker behind real Sentinels follows every failover with both links."""

from collections.abc import AsyncIterator

import pytest_twisted
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from tests.integration.broker.world import RedisWorld
from tests.integration.redis_server import RedisServer
from tests.integration.sentinel import SERVICE, Guarded
from tests.integration.waiting import outcome, until

BACK_WITHIN_S = 5.0


@pytest_twisted.async_yield_fixture
async def guarded(nothing_is_left_behind: None) -> AsyncIterator[Guarded]:
    """Servers and Sentinels of the test's own."""
    servers = Guarded()
    try:
        yield await servers.start()
    finally:
        servers.close()


def _relay_links(server: RedisServer) -> int:
    return sum(client["name"].startswith("pulsetw:") for client in server.clients())


@pytest_twisted.ensureDeferred
async def test_killed_master(guarded: Guarded, world: RedisWorld) -> None:
    """Both links are on the new master within seconds after its election; the start warned of the risk."""
    said: list[LogEvent] = []
    globalLogPublisher.addObserver(said.append)
    try:
        broker = world.make(guarded.url)
        receiver = await world.ready(broker, "a")
        await until(lambda: any("min-replicas-to-write" in formatEvent(event) for event in said))
    finally:
        globalLogPublisher.removeObserver(said.append)
    guarded.servers[0].stop()
    master = await guarded.elected()
    await until(lambda: receiver.is_ready, "ready on the new master", BACK_WITHIN_S)
    assert _relay_links(master) >= 2
    assert await outcome(broker.publish("a", "after", b"after")) is None
    await until(lambda: ("a", b"after") in receiver.received_so_far)


@pytest_twisted.ensureDeferred
async def test_zombie_master(guarded: Guarded, world: RedisWorld) -> None:
    """A master that was paused, deposed and wakes again finds neither link on it."""
    broker = world.make(guarded.url)
    receiver = await world.ready(broker, "a")
    zombie = guarded.servers[0]
    zombie.freeze()
    try:
        await until(lambda: not receiver.is_ready, "the loss is told", 3.0)
        master = await guarded.elected()
        await until(lambda: receiver.is_ready, "ready on the new master", BACK_WITHIN_S)
    finally:
        zombie.thaw()
    assert await outcome(broker.publish("a", "after", b"after")) is None
    await until(lambda: ("a", b"after") in receiver.received_so_far)
    await until(lambda: _relay_links(zombie) == 0, "no link is left on the zombie")
    assert _relay_links(master) >= 2
    assert receiver.is_ready


@pytest_twisted.ensureDeferred
async def test_links_on_two_masters(guarded: Guarded, world: RedisWorld) -> None:
    """The subscriber alone is led to another master: the publisher does not stay on the old one."""
    broker = world.make(guarded.url)
    receiver = await world.ready(broker, "a")
    with RedisServer() as other:
        for sentinel in guarded.sentinels:
            sentinel.ask("SENTINEL", "REMOVE", SERVICE)
            sentinel.ask("SENTINEL", "MONITOR", SERVICE, "127.0.0.1", other.port, 2)
        guarded.servers[0].ask("CLIENT", "KILL", "TYPE", "pubsub")
        await until(lambda: not receiver.is_ready)
        await until(lambda: receiver.is_ready, "ready on the other master", BACK_WITHIN_S)
        assert _relay_links(guarded.servers[0]) == 0
        assert await outcome(broker.publish("a", "after", b"after")) is None
        await until(lambda: ("a", b"after") in receiver.received_so_far)
        await broker.stop()


@pytest_twisted.ensureDeferred
async def test_split_brain(nothing_is_left_behind: None, world: RedisWorld) -> None:
    """A master that only relays still reach: refused heartbeats lead back to Sentinel, and to the new master."""
    guarded = Guarded(min_replicas_to_write="1", min_replicas_max_lag="2")
    try:
        await guarded.start(proxied=True)
        assert guarded.proxy is not None
        broker = world.make(guarded.url)
        receiver = await world.ready(broker, "a")
        guarded.proxy.blocked = (b"REPLCONF", b"sentinel-")
        master = await guarded.elected()
        await until(lambda: _relay_links(master) >= 2, "both links are on the new master", BACK_WITHIN_S)
        await until(lambda: receiver.is_ready, "ready there", BACK_WITHIN_S)
        assert _relay_links(guarded.servers[0]) == 0
        await guarded.proxy.stop()
    finally:
        guarded.close()
