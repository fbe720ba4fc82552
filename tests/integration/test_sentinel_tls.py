"""`rediss+sentinel://`: Sentinels and Redis speak TLS only, and let nobody in without a user and a password."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_twisted
import trustme

from pulsetw.catalogue.rule import History
from tests.contracts.broker import Recorder
from tests.integration.broker.world import RedisWorld
from tests.integration.sentinel import SafeGuarded
from tests.integration.waiting import outcome, until

LOG = History(100, ack="durable")


@pytest_twisted.async_yield_fixture
async def guarded(nothing_is_left_behind: None, tmp_path: Path) -> AsyncIterator[SafeGuarded]:
    """Servers and Sentinels of the test's own."""
    servers = SafeGuarded(tmp_path)
    try:
        yield await servers.start()
    finally:
        servers.close()


@pytest_twisted.async_yield_fixture
async def world(nothing_is_left_behind: None) -> AsyncIterator[RedisWorld]:
    """Makes brokers, and stops them."""
    world = RedisWorld()
    yield world
    await world.close()


@pytest_twisted.ensureDeferred
async def test_a_failover(guarded: SafeGuarded, world: RedisWorld) -> None:
    """All three connections come up on the master, as the user, in the database; all follow to the next master."""
    broker = world.make(guarded.url, ca_file=guarded.ca_file)
    receiver = await world.ready(broker)
    await broker.subscribe("kept:a", history=True)
    first = await outcome(broker.publish("kept:a", "1", b"before", LOG))
    links = [client for client in guarded.servers[0].clients() if client["user"] == "relay"]
    assert len(links) == 3
    assert {client["db"] for client in links} == {"3"}
    guarded.servers[0].stop()
    await guarded.elected()
    await until(lambda: receiver.states[-2:] == ["lost", "ready"], "ready on the new master")
    second = await outcome(broker.publish("kept:a", "2", b"after", LOG))
    assert (first.offset, second.offset) == (1, 2)
    await until(lambda: [entry.payload for _, entry in receiver.appended_so_far] == [b"before", b"after"])


@pytest_twisted.ensureDeferred
async def test_refused(guarded: SafeGuarded, world: RedisWorld, tmp_path: Path) -> None:
    """A strange authority, another name, a wrong password for either: never ready, and the reason says which."""
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    trusted = guarded.ca_file
    refused = {
        "certificate verify failed": world.make(guarded.url, ca_file=str(stranger)),
        "redis.example": world.make(guarded.url, ca_file=trusted, server_name="redis.example"),
        "Redis refused AUTH: WRONGPASS": world.make(guarded.url_with(password="wrong"), ca_file=trusted),
        "it answered WRONGPASS": world.make(guarded.url_with(sentinel_password="wrong"), ca_file=trusted),
    }
    for broker in refused.values():
        broker.start(Recorder())
    for words, broker in refused.items():
        await until(lambda broker=broker: broker.status().reconnect_attempts >= 2, words)  # type: ignore[misc]
        assert words in broker.status().reason
        assert not broker.status().publisher_ready
