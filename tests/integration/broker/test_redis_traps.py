"""One test for each trap of txredisapi and Redis that this broker was measured to fall into if built naively."""

import subprocess
import sys
from pathlib import Path

import pytest
import pytest_twisted
import trustme
from twisted.internet.defer import gatherResults
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol

from pulsetw.broker.redis.protocol import connection_class
from pulsetw.errors import BrokerAway, OutcomeUnknown
from tests.contracts.broker import Recorder
from tests.integration.broker.world import RedisWorld
from tests.integration.proxy import DOWN, Proxy
from tests.integration.redis_server import RedisServer
from tests.integration.waiting import outcome, until


def _url(server: RedisServer | Proxy, credentials: str = "") -> str:
    return f"redis://{credentials}127.0.0.1:{server.port}"


@pytest_twisted.ensureDeferred
async def test_subscribes_again(world: RedisWorld, redis: RedisServer) -> None:
    """Trap "never re-subscribes": after a loss each subscription is made again before anybody is told ready."""
    broker = world.make(_url(redis))
    receiver = await world.ready(broker, "a", "match:*")
    redis.ask("CLIENT", "KILL", "TYPE", "pubsub")
    await until(lambda: receiver.states == ["ready", "lost", "ready"])
    assert redis.ask("PUBLISH", "a", "1") == 1
    assert redis.ask("PUBLISH", "match:events", "2") == 1
    await until(lambda: len(receiver.received_so_far) == 2)
    assert [call for call in receiver.calls if call[0] == "ready"] == [("ready", False), ("ready", True)]


@pytest_twisted.ensureDeferred
async def test_cut_while_auth_and_select_are_pending(world: RedisWorld, proxy: Proxy, redis: RedisServer) -> None:
    """Trap "an error while AUTH or SELECT is pending": it is retried like any other."""
    redis.ask("ACL", "SETUSER", "relay", "on", ">pw", "~*", "&*", "+@all")
    proxy.silent.add(DOWN)
    broker, receiver = world.make(_url(proxy, "relay:pw@") + "/1"), Recorder()
    broker.start(receiver)
    for _ in range(3):
        await until(lambda: len(proxy.pairs) == 2)
        proxy.cut()
        await until(lambda: not proxy.pairs)
    await until(lambda: broker.status().reconnect_attempts >= 3)
    assert not broker.status().gave_up
    proxy.silent.clear()
    proxy.cut()
    await until(lambda: receiver.is_ready)
    await until(lambda: {client["user"] for client in redis.clients()} == {"relay"}, "Redis forgets what was cut")


@pytest_twisted.ensureDeferred
async def test_failed_auths_leak_nothing(world: RedisWorld) -> None:
    """Trap "five failed AUTHs left seven sockets open": two are there, and each event comes once."""
    with RedisServer(password="right") as redis:
        broker, receiver = world.make(_url(redis, ":wrong@")), Recorder()
        broker.subscribe("a")
        broker.start(receiver)
        await until(lambda: broker.status().reconnect_attempts >= 5)
        assert len(redis.clients()) <= 2
        assert "WRONGPASS" in broker.status().reason
        redis.ask("CONFIG", "SET", "requirepass", "wrong")
        redis.password = "wrong"
        await until(lambda: receiver.is_ready)
        assert len(redis.clients()) == 2
        assert redis.ask("PUBLISH", "a", "1") == 1
        await broker.publish("a", "2", b"2")
        await until(lambda: len(receiver.received_so_far) >= 2)
        assert receiver.received_so_far == [("a", b"1"), ("a", b"2")]
        await world.close()


@pytest_twisted.ensureDeferred
async def test_nothing_queues_while_it_is_away(world: RedisWorld, redis: RedisServer) -> None:
    """Trap "unbounded queue while disconnected": publishes are refused at once, and nothing bursts out later."""
    broker = world.make(_url(redis))
    receiver = await world.ready(broker, "a")
    redis.stop()
    await until(lambda: not broker.status().publisher_ready)
    for number in range(1000):
        refused = broker.publish("a", str(number), b"x" * 1000)
        assert refused.called
        refused.addErrback(lambda failure: failure.trap(BrokerAway))
    redis.start()
    await until(lambda: receiver.is_ready)
    await broker.publish("a", "last", b"last")
    await until(lambda: receiver.received_so_far)
    assert receiver.received_so_far == [("a", b"last")]


@pytest_twisted.ensureDeferred
async def test_what_is_unanswered_is_bounded(world: RedisWorld, redis: RedisServer) -> None:
    """The same trap, while Redis is frozen and nobody knows yet: by count and by bytes."""
    few = world.make(_url(redis), max_in_flight=3)
    small = world.make(_url(redis), max_in_flight_bytes=2500)
    await world.ready(few)
    await world.ready(small)
    redis.freeze()
    waiting = [broker.publish("a", "1", b"x" * 1000) for broker in (few, small) for _ in range(5)]
    refused = [each for each in waiting if each.called]
    assert [waiting.index(each) for each in refused] == [3, 4, 7, 8, 9]
    for each in refused:
        error = await outcome(each)
        assert isinstance(error, BrokerAway)
        assert "outbox full" in str(error)
    redis.thaw()
    assert [await outcome(each) for each in waiting if each not in refused] == [None] * 5
    assert await outcome(few.publish("a", "2", b"room again")) is None


@pytest_twisted.ensureDeferred
async def test_frozen_redis_answers_unknown(world: RedisWorld, redis: RedisServer) -> None:
    """Trap "frozen Redis": a publish does not wait for ever, and setting up gives up step by step."""
    broker = world.make(_url(redis))
    receiver = await world.ready(broker)
    redis.freeze()
    error = await outcome(broker.publish("a", "1", b""), 3)
    assert isinstance(error, OutcomeUnknown)
    assert "heartbeat" in str(error)
    assert receiver.states == ["ready", "lost"]
    await until(lambda: "did not answer CLIENT" in broker.status().reason)
    redis.thaw()
    await until(lambda: receiver.is_ready)
    await until(lambda: len(redis.clients()) == 2, "no connection is left over")


@pytest_twisted.ensureDeferred
async def test_a_cancelled_publish_is_unknown(world: RedisWorld, shared_redis: RedisServer) -> None:
    """Trap "cancelling a publish": it is delivered all the same, so nobody may call it not sent."""
    broker = world.make(_url(shared_redis))
    receiver = await world.ready(broker, "a")
    cancelled = broker.publish("a", "1", b"1")
    cancelled.cancel()
    assert isinstance(await outcome(cancelled), OutcomeUnknown)
    assert await outcome(broker.publish("a", "2", b"2")) is None
    await until(lambda: len(receiver.received_so_far) == 2)


@pytest_twisted.ensureDeferred
async def test_numbers_and_bytes_stay_what_they_are(world: RedisWorld, shared_redis: RedisServer) -> None:
    """Trap "convertNumbers": payload 007 and channel 42 are text, bytes that are no UTF-8 stay bytes."""
    broker = world.make(_url(shared_redis))
    receiver = await world.ready(broker, "42", "-*")
    for payload in (b"007", b"1.50", b"\xff\xfe\x00"):
        shared_redis.ask("PUBLISH", "42", payload)
        shared_redis.ask("PUBLISH", "-1", payload)
    await until(lambda: len(receiver.received_so_far) == 6)
    assert receiver.received_so_far[::2] == [("42", b"007"), ("42", b"1.50"), ("42", b"\xff\xfe\x00")]
    assert receiver.received_so_far[1::2] == [("-1", b"007"), ("-1", b"1.50"), ("-1", b"\xff\xfe\x00")]


@pytest_twisted.ensureDeferred
async def test_order_of_five_thousand(world: RedisWorld, shared_redis: RedisServer) -> None:
    """Trap "poolsize > 1": one publisher connection keeps the order of the calls."""
    broker = world.make(_url(shared_redis))
    receiver = await world.ready(broker, "a")
    await gatherResults([broker.publish("a", str(number), b"%d" % number) for number in range(5000)])
    await until(lambda: len(receiver.received_so_far) == 5000)
    assert [int(payload) for _, payload in receiver.received_so_far] == list(range(5000))


@pytest_twisted.ensureDeferred
async def test_each_acknowledgement_counts(world: RedisWorld, proxy: Proxy) -> None:
    """Trap "subscribe([a, b]) gives one Deferred": at ready all are in, not only the first."""
    names = [f"channel:{number}" for number in range(300)]
    broker = world.make(_url(proxy))
    receiver = await world.ready(broker, *names, "a*", "b*")
    proxy.cut()
    await until(lambda: "lost" in receiver.states)
    seen: list[int] = []
    receiver.on_ready = lambda: seen.append(_count(broker))
    await until(lambda: seen)
    assert seen == [len(names) + 3]


def _count(broker: object) -> int:
    return len(broker._subscriber._subscriptions._confirmed)  # type: ignore[attr-defined]


@pytest_twisted.ensureDeferred
async def test_tls_checks_the_name(world: RedisWorld, tmp_path: Path) -> None:
    """Trap "ssl_context_factory=True": a wrong name and an unknown authority are refused, the right one works."""
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    with RedisServer(tls="127.0.0.1") as redis:
        url = f"rediss://127.0.0.1:{redis.port}"
        refused = [
            world.make(url, ca_file=redis.ca_file, server_name="redis.example"),
            world.make(url, ca_file=str(stranger)),
            world.make(url),
        ]
        for broker in refused:
            broker.start(Recorder())
        await world.ready(world.make(url, ca_file=redis.ca_file))
        for broker in refused:
            await until(lambda: broker.status().reconnect_attempts >= 2)  # noqa: B023
            assert "verif" in broker.status().reason.lower(), broker.status()
        await world.close()


@pytest.mark.parametrize("name", ["redis.example", "127.0.0.1"])
@pytest_twisted.ensureDeferred
async def test_tls_with_a_name_of_its_own(name: str, world: RedisWorld) -> None:
    """`server_name` is the name that is checked when Redis is reached by another one."""
    with RedisServer(tls=name) as redis:
        url = f"rediss://127.0.0.1:{redis.port}"
        broker = world.make(url, ca_file=redis.ca_file, server_name=name)
        receiver = await world.ready(broker, "a")
        await broker.publish("a", "1", b"x" * 100_000)
        await until(lambda: receiver.received_so_far == [("a", b"x" * 100_000)])
        await world.close()


def test_importing_installs_no_reactor() -> None:
    """Trap "importing it installs the reactor": every module here is imported, and a broker made, without one."""
    program = """
import importlib, pkgutil, sys
import pulsetw.broker
for module in pkgutil.walk_packages(pulsetw.broker.__path__, "pulsetw.broker."):
    importlib.import_module(module.name)
assert "pulsetw.broker.redis.protocol" in sys.modules
assert "twisted.internet.reactor" not in sys.modules, "installed on import"
from twisted.internet.task import Clock
from pulsetw.broker.redis.broker import RedisBroker
from pulsetw.broker.redis.options import RedisOptions
RedisBroker(Clock(), RedisOptions(path="/nowhere.sock"), "server")
assert "twisted.internet.reactor" not in sys.modules, "installed by making a broker"
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


@pytest_twisted.ensureDeferred
async def test_smessage_is_no_answer(world: RedisWorld, shared_redis: RedisServer) -> None:
    """Trap "smessage pushes land in the reply queue": on the subscriber's connection they answer nothing."""
    broker = world.make(_url(shared_redis))
    receiver = await world.ready(broker, "a")
    connection = broker._subscriber_link.connection
    connection.tell("SSUBSCRIBE", "shard")
    await until(lambda: shared_redis.ask("SPUBLISH", "shard", "x") == 1)
    connection.tell("SUNSUBSCRIBE", "shard")
    await broker.publish("a", "1", b"1")
    await until(lambda: receiver.received_so_far == [("a", b"1")])
    assert receiver.states == ["ready"]
    assert not connection.replyQueue.pending


@pytest_twisted.ensureDeferred
async def test_lagging_subscriber_is_cut_and_mended(world: RedisWorld) -> None:
    """Redis cuts a subscriber that lags (client-output-buffer-limit): told as a loss, and mended."""
    with RedisServer(client_output_buffer_limit="pubsub 256kb 0 0") as redis:
        broker = world.make(_url(redis))
        receiver = await world.ready(broker, "a")
        lagged: list[int] = []

        def lag(channel: str, payload: bytes) -> None:
            if payload == b"lag":
                redis.pour("a", b"x" * 100_000, 150)  # the reactor stands still meanwhile
                lagged.append(1)

        receiver.on_received = lag
        redis.ask("PUBLISH", "a", "lag")
        await until(lambda: receiver.states == ["ready", "lost", "ready"])
        assert lagged
        lost = next(call for call in receiver.calls if call[0] == "lost")
        assert lost[1].startswith("subscriber: ")
        assert 0 < len(receiver.received_so_far) < 151
        await world.close()


@pytest_twisted.ensureDeferred
async def test_own_keys_are_nobodys_channels(world: RedisWorld, shared_redis: RedisServer) -> None:
    """Probes and all else under pulsetw: never reach a receiver, nor do names that no channel can have."""
    broker = world.make(_url(shared_redis))
    receiver = await world.ready(broker, "*", "pulsetw*")
    shared_redis.ask("PUBLISH", "pulsetw:anything", "1")
    shared_redis.ask("PUBLISH", b"\xff\xff", "2")
    before = broker.status().last_round_trip
    await until(lambda: broker.status().last_round_trip != before, "another heartbeat")
    shared_redis.ask("PUBLISH", "pulsetwo", "3")
    await until(lambda: receiver.received_so_far)
    assert receiver.received_so_far == [("pulsetwo", b"3")]


@pytest_twisted.ensureDeferred
async def test_answers_that_belong_to_something_else(world: RedisWorld, proxy: Proxy) -> None:
    """An answer that went missing makes all later ones wrong: noticed, and never taken for an answer."""
    broker = world.make(_url(proxy))
    receiver = await world.ready(broker)
    before = broker.status().last_round_trip
    await until(lambda: broker.status().last_round_trip != before, "a heartbeat has just been")
    proxy.publishers()[0].swallow = 1
    error = await outcome(broker.publish("a", "1", b""))
    assert isinstance(error, OutcomeUnknown)
    await until(lambda: receiver.states == ["ready", "lost", "ready"])


@pytest_twisted.ensureDeferred
async def test_something_else_than_redis(world: RedisWorld) -> None:
    """A server that does not speak Redis's protocol is told apart, and costs no traceback."""
    from twisted.internet import reactor

    factory = Factory.forProtocol(_WebServer)
    factory.noisy = False
    listener = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory)
    broker = world.make(f"redis://127.0.0.1:{listener.getHost().port}")
    broker.start(Recorder())
    await until(lambda: broker.status().reconnect_attempts >= 2)
    assert broker.status().reason.count("what answers there does not speak Redis's protocol") == 2
    await world.close()
    await listener.stopListening()


class _WebServer(Protocol):
    def dataReceived(self, data: bytes) -> None:
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_hiredis_is_used() -> None:
    """Without hiredis each message costs fifteen times as much: it is a hard dependency, and must be found."""
    assert any(cls.__name__ == "HiredisProtocol" for cls in connection_class().__mro__)  # type: ignore[attr-defined]
