"""The Redis broker keeps the contract of all brokers, over every way to reach a server."""

import pytest
import pytest_twisted

import tests.contracts.history  # noqa: F401 -- adds its checks to CHECKS
from pulsetw.catalogue.rule import History
from tests.contracts.broker import CHECKS, Check
from tests.integration.broker.world import RedisWorld
from tests.integration.redis_server import RedisError, RedisServer
from tests.integration.waiting import until


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest_twisted.ensureDeferred
async def test_contract(check: Check, world: RedisWorld, shared_redis: RedisServer) -> None:
    """One promise of `IBroker`."""
    world.url = f"redis://127.0.0.1:{shared_redis.port}"
    await check(world)
    await world.close()
    await until(lambda: not shared_redis.clients(), "no connection is left on the server")


@pytest_twisted.ensureDeferred
async def test_unix_socket_with_db_and_password(world: RedisWorld) -> None:
    """redis+unix:// takes a password and a database."""
    with RedisServer(unix=True, password="p@ss/w%rd") as server:
        await _goes_round(world, f"redis+unix://:p%40ss%2Fw%25rd@{server.path}?db=3")
        assert {client["db"] for client in server.clients()} == {"3"}
        assert server.ask("DBSIZE") == 0
        await world.close()


@pytest_twisted.ensureDeferred
async def test_password_and_db(world: RedisWorld) -> None:
    """redis:// takes the default user's password and a database, and heartbeats stand there."""
    with RedisServer(password="s3cret") as server:
        await _goes_round(world, f"redis://:s3cret@127.0.0.1:{server.port}/5")
        assert b"db5:keys=1,expires=1" in server.ask("INFO", "keyspace")  # type: ignore[operator]
        assert {client["name"] for client in server.clients()} == {
            "pulsetw:server_0:publisher",
            "pulsetw:server_0:subscriber",
        }
        await world.close()


@pytest_twisted.ensureDeferred
async def test_acl_user_with_just_enough(world: RedisWorld, redis: RedisServer) -> None:
    """An ACL user needs these commands, the relay's keys, its channels, and each pattern as it is written."""
    commands = (
        "+hello +auth +select +client|setname +eval +set +publish +subscribe +psubscribe +unsubscribe +punsubscribe"
    )
    rules = ["reset", "on", ">pw:1", "~pulsetw:*", "&pulsetw:*", "&t1:*", "&t1:match:*", *commands.split()]
    redis.ask("ACL", "SETUSER", "relay", *rules)
    await _goes_round(world, f"redis://relay:pw%3A1@127.0.0.1:{redis.port}", prefix="t1:")
    await world.close()
    with pytest.raises(RedisError, match="WRONGPASS"):
        redis.ask("AUTH", "relay", "other")


@pytest_twisted.ensureDeferred
async def test_acl_user_with_just_enough_for_history(world: RedisWorld, redis: RedisServer) -> None:
    """Channels with a history need some more commands, and their patterns are written as they stand on Redis."""
    commands = "+hello +auth +select +client|setname +eval +set +publish +subscribe +psubscribe"
    logs = "+get +pexpire +pttl +hmget +hset +info +xadd +xrange +xrevrange +del"
    channels = ["&pulsetw:*", "&t1:*", "&t1:match:*", "&pulsetw:{t1:match:*}:live"]
    redis.ask(
        "ACL", "SETUSER", "relay", "reset", "on", ">pw", "~pulsetw:*", *channels, *commands.split(), *logs.split()
    )
    broker = world.make(f"redis://relay:pw@127.0.0.1:{redis.port}", prefix="t1:")
    receiver = await world.ready(broker)
    await broker.subscribe("match:*", history=True)
    first = await broker.publish("match:events", "1", b"{}", History(10))
    assert await broker.publish("match:events", "1", b"{}", History(10)) == first
    await until(lambda: receiver.appended_so_far)
    assert (await broker.sync("match:events", None, 1)).entries == (receiver.appended_so_far[0][1],)
    redis.ask("DEL", "pulsetw:{t1:match:events}:meta")
    assert (await broker.sync("match:events", first, 1)).start is None


@pytest_twisted.ensureDeferred
async def test_prefixes_are_apart(world: RedisWorld, shared_redis: RedisServer) -> None:
    """Tenants with prefixes of their own share a server and hear only themselves, even by the pattern *."""
    world.url = f"redis://127.0.0.1:{shared_redis.port}"
    one, two = world.make(prefix="t1:"), world.make(prefix="t2:")
    ones, twos = await world.ready(one, "*"), await world.ready(two, "*")
    await one.publish("a", "1", b"one")
    await two.publish("a", "2", b"two")
    shared_redis.ask("PUBLISH", "t1:b", "stranger")
    await until(lambda: len(ones.received_so_far) == 2 and twos.received_so_far)
    assert ones.received_so_far == [("a", b"one"), ("b", b"stranger")]
    assert twos.received_so_far == [("a", b"two")]


async def _goes_round(world: RedisWorld, url: str, prefix: str = "") -> None:
    broker = world.make(url, prefix=prefix)
    receiver = await world.ready(broker, "match:events", "match:*")
    assert await broker.publish("match:events", "1", b"{}") is None
    await until(lambda: receiver.received_so_far)
    assert receiver.received_so_far == [("match:events", b"{}")]
