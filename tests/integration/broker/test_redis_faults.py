"""Each fault of Redis or of the way there is noticed, told, and mended without a restart."""

import pytest
import pytest_twisted
from twisted.internet import reactor

from pulsetw.broker.redis.broker import RedisBroker
from pulsetw.errors import BrokerAway, BrokerRefused, OutcomeUnknown
from tests.contracts.broker import Recorder
from tests.integration.broker.world import RedisWorld
from tests.integration.proxy import DOWN, UP, Proxy
from tests.integration.redis_server import RedisServer
from tests.integration.waiting import outcome, until

NOTICED_WITHIN_S = 3.0


def _url(server: RedisServer | Proxy, credentials: str = "") -> str:
    return f"redis://{credentials}127.0.0.1:{server.port}"


async def _lost(receiver: Recorder, *words: str) -> None:
    """Waits for the loss; its reason has these words."""
    await until(lambda: not receiver.is_ready, "the loss is told", NOTICED_WITHIN_S)
    reason = receiver.calls[-1][1]
    assert all(word in reason for word in words), reason


async def _mended(broker: RedisBroker, receiver: Recorder, interrupted: bool = True) -> None:
    """Waits until it is ready again, and an event goes round."""
    await until(lambda: receiver.is_ready, "mended")
    assert receiver.calls[-1] == ("ready", interrupted)
    assert broker.status().ready
    assert broker.status().reconnect_attempts == 0
    assert await outcome(broker.publish("a", "mended", b"mended")) is None
    await until(lambda: ("a", b"mended") in receiver.received_so_far)
    assert receiver.received_so_far.count(("a", b"mended")) == 1


@pytest_twisted.ensureDeferred
async def test_subscriber_is_killed(world: RedisWorld, redis: RedisServer) -> None:
    """CLIENT KILL TYPE pubsub: the publisher stays ready meanwhile, and publishing goes on."""
    broker = world.make(_url(redis))
    receiver = await world.ready(broker, "a")
    redis.ask("CLIENT", "KILL", "TYPE", "pubsub")
    await _lost(receiver, "subscriber: Redis closed the connection")
    assert broker.status().publisher_ready
    assert not broker.status().subscriber_ready
    assert await outcome(broker.publish("a", "1", b"")) is None
    await _mended(broker, receiver)


@pytest_twisted.ensureDeferred
async def test_many_subscriptions_come_back(world: RedisWorld, redis: RedisServer) -> None:
    """20 000 names: made, cut, and made again in seconds; their number is no reason to give a connection up."""
    broker = world.make(_url(redis))
    receiver = await world.ready(broker, "a")
    standing: list[None] = []
    for number in range(20_000):
        broker.subscribe(f"many:{number}").addCallback(standing.append)
    await until(lambda: len(standing) == 20_000, "all stand")
    assert receiver.is_ready
    redis.ask("CLIENT", "KILL", "TYPE", "pubsub")
    await _lost(receiver, "subscriber")
    await _mended(broker, receiver)
    assert redis.ask("PUBLISH", "many:19999", b"x") == 1


@pytest_twisted.ensureDeferred
async def test_publisher_is_killed(world: RedisWorld, redis: RedisServer) -> None:
    """CLIENT KILL TYPE normal: the subscriber stays, and nothing was interrupted."""
    broker = world.make(_url(redis))
    receiver = await world.ready(broker, "a")
    redis.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await _lost(receiver, "publisher: Redis closed the connection")
    assert broker.status().subscriber_ready
    assert isinstance(await outcome(broker.publish("a", "1", b"")), BrokerAway)
    redis.ask("PUBLISH", "a", "still heard")
    await until(lambda: receiver.received_so_far)
    await _mended(broker, receiver, interrupted=False)


@pytest_twisted.ensureDeferred
async def test_restart(world: RedisWorld, redis: RedisServer) -> None:
    """A restart of Redis; a subscription that was asked for meanwhile stands behind it."""
    broker = world.make(_url(redis))
    receiver = await world.ready(broker, "a")
    redis.stop()
    await _lost(receiver)
    await until(lambda: "publisher: cannot connect" in broker.status().reason)
    assert "subscriber: " in broker.status().reason
    waiting, taken_back = broker.subscribe("b"), broker.subscribe("c")
    broker.unsubscribe("c")
    broker.unsubscribe("never asked for")
    assert taken_back.called
    assert not waiting.called
    redis.start()
    await _mended(broker, receiver)
    assert waiting.called
    assert [redis.ask("PUBLISH", channel, "x") for channel in "bc"] == [1, 0]


@pytest_twisted.ensureDeferred
async def test_no_redis_at_the_start(world: RedisWorld, redis: RedisServer) -> None:
    """A start without Redis is the same loop: away, tried again, ready when it comes."""
    redis.stop()
    broker, receiver = world.make(_url(redis)), Recorder()
    waiting = broker.subscribe("a")
    broker.start(receiver)
    await until(lambda: broker.status().reconnect_attempts >= 2)
    assert receiver.calls == []
    assert not waiting.called
    redis.start()
    await _mended(broker, receiver, interrupted=False)


@pytest_twisted.ensureDeferred
async def test_wrong_password_for_a_while(world: RedisWorld) -> None:
    """A password that is wrong for a while heals by itself."""
    with RedisServer(password="old") as redis:
        broker = world.make(_url(redis, ":old@"))
        receiver = await world.ready(broker, "a")
        redis.ask("CONFIG", "SET", "requirepass", "new")
        redis.password = "new"
        redis.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        redis.ask("CLIENT", "KILL", "TYPE", "pubsub")
        await _lost(receiver)
        await until(lambda: broker.status().reason.count("WRONGPASS") == 2)
        await until(lambda: broker.status().reconnect_attempts >= 2)
        redis.ask("CONFIG", "SET", "requirepass", "old")
        redis.password = "old"
        await _mended(broker, receiver)
        assert len(redis.clients()) == 2
        await world.close()


@pytest_twisted.ensureDeferred
async def test_frozen_redis(world: RedisWorld, redis: RedisServer) -> None:
    """SIGSTOP: not ready; SIGCONT: ready again."""
    broker = world.make(_url(redis))
    receiver = await world.ready(broker, "a")
    redis.freeze()
    await _lost(receiver, "publisher: Redis did not answer a heartbeat within 1 s")
    redis.thaw()
    await until(lambda: receiver.is_ready)
    await _mended(broker, receiver, interrupted=receiver.calls[-1][1])
    await until(lambda: len(redis.clients()) == 2)


@pytest.mark.parametrize("direction", [DOWN, UP])
@pytest_twisted.ensureDeferred
async def test_subscriber_dead_without_fin(direction: str, world: RedisWorld, proxy: Proxy, redis: RedisServer) -> None:
    """The subscriber's connection dies, in both directions or one, and nobody is told."""
    broker = world.make(_url(proxy))
    receiver = await world.ready(broker, "a")
    dead = proxy.subscribers()[0]
    dead.silent = {UP, DOWN} if direction == DOWN else {UP}
    if direction == UP:
        # Heartbeats still come round; what cannot be said any more is a new subscription.
        waiting = broker.subscribe("b")
        await _lost(receiver, "subscriber: Redis did not acknowledge a subscription within 1 s")
        assert not waiting.called
        await until(lambda: waiting.called)
    else:
        await _lost(receiver, "subscriber: ", "did not come round")
        assert broker.status().publisher_ready
    await _mended(broker, receiver)


@pytest_twisted.ensureDeferred
async def test_publisher_dead_without_fin(world: RedisWorld, proxy: Proxy) -> None:
    """The publisher's connection dies and nobody is told: the heartbeat is not answered."""
    broker = world.make(_url(proxy))
    receiver = await world.ready(broker, "a")
    proxy.publishers()[0].silent = {UP, DOWN}
    await _lost(receiver, "publisher: ", "did not answer")
    await _mended(broker, receiver, interrupted=False)


@pytest_twisted.ensureDeferred
async def test_lost_answer(world: RedisWorld, proxy: Proxy) -> None:
    """The event arrived and its answer did not: unknown, and the same event may be published again."""
    broker = world.make(_url(proxy))
    receiver = await world.ready(broker, "a")
    proxy.publishers()[0].silent = {DOWN}
    publishing = broker.publish("a", "1", b"once")
    await until(lambda: receiver.received_so_far)
    assert not publishing.called
    assert isinstance(await outcome(publishing, NOTICED_WITHIN_S), OutcomeUnknown)
    await _mended(broker, receiver, interrupted=False)
    assert receiver.received_so_far.count(("a", b"once")) == 1


@pytest_twisted.ensureDeferred
async def test_cut_under_load(world: RedisWorld, proxy: Proxy) -> None:
    """Connections reset in the middle of a stream of events: each has an outcome, none comes twice, order is kept."""
    broker = world.make(_url(proxy))
    receiver = await world.ready(broker, "a")
    outcomes: list[object] = []
    for number in range(300):
        broker.publish("a", str(number), b"%d" % number).addBoth(outcomes.append)
        if number == 150:
            proxy.cut()
    await until(lambda: len(outcomes) == 300)
    await _mended(broker, receiver)
    numbers = [int(payload) for _, payload in receiver.received_so_far if payload != b"mended"]
    assert numbers == sorted(set(numbers))


@pytest_twisted.ensureDeferred
async def test_slow_network(world: RedisWorld, proxy: Proxy) -> None:
    """A way that takes 100 ms is no fault."""
    proxy.delay_s = 0.05
    broker = world.make(_url(proxy))
    receiver = await world.ready(broker, "a")
    for _ in range(3):
        before = broker.status().last_round_trip
        await until(lambda: broker.status().last_round_trip != before)  # noqa: B023
    assert receiver.states == ["ready"]
    assert (broker.status().round_trip_ms or 0) >= 100


@pytest_twisted.ensureDeferred
async def test_redis_that_takes_no_writes(world: RedisWorld, redis: RedisServer) -> None:
    """NOREPLICAS and OOM: not ready, with Redis's own words; the links stay, and nothing was interrupted."""
    broker = world.make(_url(redis))
    receiver = await world.ready(broker, "a")
    before = {client["id"] for client in redis.clients()}
    for setting, value, healed, code in (
        ("min-replicas-to-write", "1", "0", "NOREPLICAS"),
        ("maxmemory", "1", "0", "OOM"),
    ):
        redis.ask("CONFIG", "SET", setting, value)
        await _lost(receiver, f"publisher: Redis refuses heartbeats: {code} ")
        assert "script" not in receiver.calls[-1][1]
        assert isinstance(await outcome(broker.publish("a", "1", b"")), BrokerAway)
        redis.ask("CONFIG", "SET", setting, healed)
        await _mended(broker, receiver, interrupted=False)
        receiver.calls.clear()
        receiver.calls.append(("ready", False))
    assert {client["id"] for client in redis.clients()} == before


@pytest_twisted.ensureDeferred
async def test_master_becomes_a_replica(world: RedisWorld, redis: RedisServer) -> None:
    """READONLY: the connection is renewed, and a replica is not accepted until it is a master again."""
    broker = world.make(_url(redis))
    receiver = await world.ready(broker, "a")
    redis.ask("REPLICAOF", "127.0.0.1", "1")
    await _lost(receiver, "publisher: Redis refuses heartbeats: READONLY ")
    await until(lambda: "a master is needed, this Redis is a replica" in broker.status().reason)
    redis.ask("REPLICAOF", "NO", "ONE")
    await until(lambda: receiver.is_ready)
    await _mended(broker, receiver, interrupted=receiver.calls[-1][1])


@pytest_twisted.ensureDeferred
async def test_refused_publish(world: RedisWorld, redis: RedisServer) -> None:
    """NOPERM on one channel is that publish's affair, and no retry helps."""
    redis.ask("ACL", "SETUSER", "relay", "on", ">pw", "~*", "&pulsetw:*", "&a", "+@all")
    broker = world.make(_url(redis, "relay:pw@"))
    receiver = await world.ready(broker, "a")
    error = await outcome(broker.publish("forbidden", "1", b""))
    assert isinstance(error, BrokerRefused)
    assert not error.temporary
    assert "NOPERM" in str(error)
    assert receiver.is_ready
    assert await outcome(broker.publish("a", "2", b"")) is None


@pytest_twisted.ensureDeferred
async def test_gives_up(world: RedisWorld, redis: RedisServer) -> None:
    """After `max_reconnect_attempts` it says so and stays so, also when Redis is back; stop still ends it."""
    broker = world.make(_url(redis), max_reconnect_attempts=3)
    receiver = await world.ready(broker, "a")
    redis.stop()
    await until(lambda: broker.status().gave_up)
    status = broker.status()
    assert status.reconnect_attempts == 3
    assert "gave up after 3 failed attempts" in status.reason
    assert not status.publisher_ready
    assert not status.subscriber_ready
    waiting = broker.subscribe("b")
    redis.start()
    await until(lambda: not _reconnecting())
    assert redis.clients() == []
    assert isinstance(await outcome(broker.publish("a", "1", b"")), BrokerAway)
    assert receiver.states == ["ready", "lost"]
    await world.close()
    assert isinstance(await outcome(waiting), BrokerAway)


def _reconnecting() -> list[object]:
    return [call for call in reactor.getDelayedCalls() if "_reconnect" in str(call)]  # type: ignore[attr-defined]


@pytest_twisted.ensureDeferred
async def test_stop_in_every_state(world: RedisWorld, redis: RedisServer, proxy: Proxy) -> None:
    """stop ends a broker that connects, sets up, beats, waits or is frozen out; the fixture looks for leftovers."""
    for silent in (set(), {DOWN}, {UP, DOWN}):
        proxy.silent = silent
        broker = world.make(_url(proxy, "" if not silent else "user:pw@"))
        broker.start(Recorder())
        assert await outcome(broker.stop()) is None
        broker = world.make(_url(proxy))
        broker.start(Recorder())
        await until(lambda: len(proxy.pairs) == 2)
        assert await outcome(broker.stop()) is None
        await until(lambda: not proxy.pairs)
    proxy.silent = set()
    frozen = world.make(_url(redis))
    await world.ready(frozen)
    redis.freeze()
    frozen.publish("a", "1", b"x" * 5_000_000).addErrback(lambda failure: failure.trap(OutcomeUnknown))
    assert await outcome(frozen.stop(), 1) is None
    never_started = world.make(_url(redis))
    assert await outcome(never_started.stop()) is None
