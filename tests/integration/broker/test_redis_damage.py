"""A log that somebody else has written to: who is told, and how life goes on when it is mended."""

import pytest
import pytest_twisted
from twisted.internet import reactor

from pulsetw.catalogue import Catalogue, Rule
from pulsetw.model import Event, Notice, Position
from pulsetw.pubsub.manager import PubSubManager
from pulsetw.pubsub.options import PubSubOptions
from tests.doubles import FakeFollower, ids
from tests.integration.broker.world import RedisWorld
from tests.integration.redis_server import RedisServer
from tests.integration.waiting import until

LOG, META = "pulsetw:{kept:a}:log", "pulsetw:{kept:a}:meta"


def _odd_branches(redis: RedisServer, branch: str) -> None:
    redis.ask("HSET", META, "b", f"a:b:0 {branch}:0")


def _odd_epoch(redis: RedisServer, _: str) -> None:
    redis.ask("HSET", META, "e", "a b")


def _odd_top(redis: RedisServer, _: str) -> None:
    redis.ask("HSET", META, "o", "1e300")


def _no_event(redis: RedisServer, _: str) -> None:
    redis.ask("XADD", LOG, "2-0", "field", "value")
    redis.ask("HSET", META, "o", 2)


@pytest.mark.parametrize("damage", [_odd_branches, _odd_epoch, _odd_top, _no_event], ids=lambda each: each.__name__)
@pytest_twisted.ensureDeferred
async def test_a_damaged_log_is_told_and_mended(damage, world: RedisWorld, redis: RedisServer) -> None:
    """Each follower is told where it stands, once; the channel has a name in the health; then life goes on."""
    broker = world.make(f"redis://127.0.0.1:{redis.port}")
    kept = Catalogue((), {"kept:*": Rule(history_size=100)})
    manager = PubSubManager(broker, kept, reactor, "me", PubSubOptions(), ids(), lambda: 1)
    await manager.initialize()
    follower = FakeFollower()
    await manager.follow("kept:a", follower)
    first = await manager.publish("kept:a", Event("t"))
    assert isinstance(first, Position)
    await until(lambda: follower.publications)
    whole = {key: redis.ask("DUMP", key) for key in (LOG, META)}
    damage(redis, first.branch)
    redis.ask("CLIENT", "KILL", "TYPE", "pubsub")
    await until(lambda: follower.notices)
    health = manager.get_health_status()
    assert (health["damaged_channels"], health["damaged_names"]) == (1, ["kept:a"])
    for key, value in whole.items():
        assert isinstance(value, bytes)
        redis.ask("RESTORE", key, 0, value, "REPLACE")
    await until(lambda: not manager.get_health_status()["damaged_channels"], "it is mended", 12)
    second = await manager.publish("kept:a", Event("t"))
    await until(lambda: len(follower.publications) == 2)
    assert follower.publications[-1].position == second == Position(2, first.epoch, first.branch)
    assert follower.notices == [("kept:a", Notice("dropped", first)), ("kept:a", Notice("dropped", first, first))]
    await manager.shutdown()
