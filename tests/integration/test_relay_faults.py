"""A relay whose Redis fails: it notices, says so in its health, and mends without a restart."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.error import ConnectionRefusedError as ConnectionRefused

from tests.integration.clients import Client, connect, hang_up
from tests.integration.processes import RelayProcess
from tests.integration.proxy import DOWN, UP, Proxy
from tests.integration.redis_server import RedisServer
from tests.integration.waiting import until

# With real processes; on a test's clock it is 1.5 s.
NOTICED_S = 3.0
CONFIG = '[channels."news:*"]\n'


class World:
    """A Redis, a relay on it, and one client of the relay."""

    def __init__(self, folder: Path, redis: RedisServer, broker: str) -> None:
        self.redis = redis
        self.relay = RelayProcess(folder / "relay", broker, CONFIG)
        self.client: Client

    async def start(self) -> None:
        await self.relay.becomes(ready=True)
        self.client = await connect(f"{self.relay.websocket}?channels=news:today")
        self.client.command(op="ping")
        await until(lambda: self.client.ops("pong"), "the subscription stands")

    async def works(self, *, gaps: int) -> None:
        """An event published now reaches the client, which was told of so many gaps, and of each before the event."""
        seen = len(self.client.events)
        status, _, answer = await self.relay.publish(channel="news:today", type="hello", data={})
        assert (status, answer) == (200, {})
        await until(lambda: len(self.client.events) > seen, "the event arrives")
        told = [gap for gap in self.client.ops("gap") if gap["channel"] == "news:today"]
        assert told == [{"op": "gap", "channel": "news:today", "reason": "broker", "reloadAfterMs": 0}] * gaps

    async def close(self) -> None:
        await hang_up(self.client)
        self.relay.close()
        self.redis.close()


@pytest_twisted.async_yield_fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    redis = RedisServer()
    world = World(tmp_path, redis, f"redis://127.0.0.1:{redis.port}")
    try:
        await world.start()
        yield world
    finally:
        await world.close()


@pytest_twisted.ensureDeferred
async def test_the_subscriber_is_killed(world: World) -> None:
    """CLIENT KILL TYPE pubsub: clients are told of the gap, and get what comes after it."""
    await world.works(gaps=0)
    assert world.redis.ask("CLIENT", "KILL", "TYPE", "pubsub") == 1
    await until(lambda: world.client.ops("gap"), "the client is told", NOTICED_S)
    await world.relay.becomes(ready=True, timeout_s=NOTICED_S)
    await world.works(gaps=1)


@pytest_twisted.ensureDeferred
async def test_the_publisher_is_killed(world: World) -> None:
    """CLIENT KILL TYPE normal: nothing was missed, so nobody is told of a gap; publishing goes on."""
    world.redis.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await until(lambda: "is away: publisher: Redis closed" in world.relay.log, "it is noticed", NOTICED_S)
    await world.works(gaps=0)
    await world.relay.becomes(ready=True, timeout_s=NOTICED_S)


@pytest_twisted.ensureDeferred
async def test_redis_restarts(world: World) -> None:
    """Not ready while it is away, and publishing says so; ready when it is back."""
    world.redis.stop()
    await world.relay.becomes(ready=False, timeout_s=NOTICED_S, words="broker: ")
    status, headers, answer = await world.relay.publish(channel="news:today", type="lost", data={}, id="e1")
    assert (status, headers["Retry-After"]) == (503, "1")
    assert (answer["error"]["outcome"], answer["error"]["id"]) == ("not sent", "e1")
    stats = await world.relay.stats()
    assert (stats["publisher"]["failed_publishes"], stats["health"]["is_healthy"]) == (1, False)
    world.redis.start()
    await world.relay.becomes(ready=True, timeout_s=NOTICED_S)
    await world.works(gaps=1)
    assert [event["type"] for event in world.client.events] == ["hello"]


@pytest_twisted.ensureDeferred
async def test_redis_is_frozen(world: World) -> None:
    """SIGSTOP: connections stand, nothing answers; ready after SIGCONT. Nothing was missed, nothing is said."""
    world.redis.freeze()
    try:
        await world.relay.becomes(ready=False, timeout_s=NOTICED_S, words="did not answer a heartbeat")
    finally:
        world.redis.thaw()
    await world.relay.becomes(ready=True, timeout_s=NOTICED_S)
    await world.works(gaps=0)


@pytest_twisted.ensureDeferred
async def test_the_password_is_wrong_for_a_while(tmp_path: Path) -> None:
    """The relay waits, says why, accepts nobody, and starts when the password has been mended; no socket is left."""
    redis = RedisServer(password="right")
    relay = RelayProcess(tmp_path / "relay", f"redis://:wrong@127.0.0.1:{redis.port}")
    try:
        await relay.becomes(ready=False, words="WRONGPASS")
        with pytest.raises(ConnectionRefused):
            await connect(relay.websocket)
        redis.ask("CONFIG", "SET", "requirepass", "wrong")
        redis.password = "wrong"
        await relay.becomes(ready=True, timeout_s=NOTICED_S)
        names = sorted(client["name"].rpartition(":")[2] for client in redis.clients())
        assert names == ["publisher", "subscriber"]
        assert "wrong" not in relay.log
        await hang_up(await connect(relay.websocket))
    finally:
        relay.close()
        redis.close()


@pytest.mark.parametrize("direction", [UP, DOWN])
@pytest_twisted.ensureDeferred
async def test_the_subscriber_is_dead_without_fin(tmp_path: Path, direction: str) -> None:
    """A connection that only looks alive is noticed, and made anew."""
    redis = RedisServer()
    proxy = await Proxy(redis.port).start()
    world = World(tmp_path, redis, f"redis://127.0.0.1:{proxy.port}")
    try:
        await world.start()
        [pair] = proxy.subscribers()
        pair.silent.add(direction)
        if direction == DOWN:
            await until(lambda: world.client.ops("gap"), "the client is told", NOTICED_S)
            await world.relay.becomes(ready=True, timeout_s=NOTICED_S)
            await world.works(gaps=1)
        else:
            # What comes from Redis still comes. A subscription that is not acknowledged shows that the rest is dead.
            await world.works(gaps=0)
            world.client.command(op="subscribe", id=1, channel="news:other")
            await until(lambda: world.client.ops("subscribed"), "the connection is made anew", NOTICED_S)
            await world.works(gaps=1)
    finally:
        await world.close()
        await proxy.stop()


@pytest_twisted.ensureDeferred
async def test_a_publish_whose_answer_was_lost_reaches_every_client_once(tmp_path: Path) -> None:
    """It is tried again with the same id; relays drop the second one."""
    redis = RedisServer()
    proxy = await Proxy(redis.port).start()
    world = World(tmp_path, redis, f"redis://127.0.0.1:{proxy.port}")
    other = RelayProcess(tmp_path / "other", f"redis://127.0.0.1:{redis.port}", CONFIG)
    try:
        await world.start()
        await other.becomes(ready=True)
        clients = [world.client, await connect(f"{other.websocket}?channels=news:today")]
        clients[1].command(op="ping")
        await until(lambda: clients[1].ops("pong"), "the subscription stands")
        [publisher] = proxy.publishers()
        publisher.silent.add(DOWN)
        status, _, _ = await world.relay.publish(channel="news:today", type="once", data={}, id="e1")
        assert status == 200
        await world.relay.publish(channel="news:today", type="last", data={})
        for client in clients:
            await until(lambda client=client: client.events and client.events[-1]["type"] == "last", "all has come")
            assert [event["type"] for event in client.events] == ["once", "last"]
        repeated = [(await relay.stats())["subscriber"]["repeated"] for relay in (world.relay, other)]
        assert repeated[1] >= 1
        await hang_up(clients[1])
    finally:
        other.close()
        await world.close()
        await proxy.stop()
