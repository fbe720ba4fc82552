"""Copies for those who listen on Redis themselves, which no relay takes for events of their own."""

import json
import socket
from collections.abc import Iterator

import hiredis
import pytest
import pytest_twisted
from attrs import define, field

from pulsetw.catalogue.rule import History, Rule
from tests.integration.broker.world import RedisWorld
from tests.integration.redis_server import RedisServer
from tests.integration.waiting import until

MIRRORED = Rule(history_size=1000, mirror=True).history
EVENT = b'{"type":"a_b","data":{"n":1}}'


@define
class Stranger:
    """A server in another language, subscribed to plain names."""

    _socket: socket.socket
    _reader: hiredis.Reader = field(factory=hiredis.Reader)

    def subscribe(self, *names: str) -> None:
        self._socket.sendall(b"SUBSCRIBE " + " ".join(names).encode() + b"\r\n")
        for _ in names:
            assert self.hear()[0] == b"subscribe"

    def hear(self) -> list[bytes]:
        """The next that came, after some seconds an error."""
        while (message := self._reader.gets()) is False:
            self._reader.feed(self._socket.recv(65536))
        assert isinstance(message, list)
        return message


@pytest.fixture
def stranger(redis: RedisServer) -> Iterator[Stranger]:
    """Connected to the test's own server."""
    with socket.create_connection(("127.0.0.1", redis.port), timeout=5) as connection:
        yield Stranger(connection)


@pytest_twisted.ensureDeferred
async def test_copies(world: RedisWorld, redis: RedisServer, stranger: Stranger) -> None:
    """A stranger gets each event once, as on a channel without history, in the log's order, under the prefix."""
    stranger.subscribe("t1:a", "t1:b")
    broker = world.make(f"redis://127.0.0.1:{redis.port}", prefix="t1:")
    await world.ready(broker)
    for event_id in ("1", "2", "1"):
        await broker.publish("a", event_id, EVENT.replace(b"1", event_id.encode()), MIRRORED)
    await broker.publish("a", "3", EVENT, History(size=1000))
    await broker.publish("b", "1", EVENT, MIRRORED)
    heard = [stranger.hear() for _ in range(3)]
    assert [channel for _, channel, _ in heard] == [b"t1:a", b"t1:a", b"t1:b"]
    events = [json.loads(payload) for _, _, payload in heard]
    assert events == [{"type": "a_b", "data": {"n": n}} for n in (1, 2, 1)]
    assert all(payload.count(b"\n") == 0 for _, _, payload in heard)


@pytest_twisted.ensureDeferred
async def test_relays_hear_no_copy(world: RedisWorld, redis: RedisServer) -> None:
    """Whatever a relay has asked for, while it asks for it, and while its connection is renewed."""
    url = f"redis://127.0.0.1:{redis.port}"
    speaking = world.make(url)
    await world.ready(speaking)
    brokers = [world.make(url) for _ in range(4)]
    receivers = [await world.ready(broker) for broker in brokers]
    sent = 0

    def publish_some() -> None:
        nonlocal sent
        for _ in range(20):
            sent += 1
            speaking.publish("a", f"id{sent}", EVENT, MIRRORED)

    publish_some()
    for broker, (name, history) in zip(brokers, [("a", True), ("*", True), ("a", False), ("*", False)], strict=True):
        broker.subscribe(name, history=history)
        publish_some()
    for times in range(1, 4):
        redis.ask("CLIENT", "KILL", "TYPE", "pubsub")
        publish_some()
        renewed = ["ready", *["lost", "ready"] * times]
        await until(lambda: all(receiver.states == renewed for receiver in receivers))  # noqa: B023
        publish_some()
    redis.ask("PUBLISH", "a", "a stranger's")
    await until(lambda: all(receiver.received_so_far for receiver in receivers))
    assert [receiver.received_so_far for receiver in receivers] == [[("a", b"a stranger's")]] * 4
    assert all(receiver.appended_so_far for receiver in receivers[:2])


@pytest_twisted.ensureDeferred
async def test_a_forged_copy(world: RedisWorld, redis: RedisServer, stranger: Stranger) -> None:
    """Whoever makes an event look like a copy is heard by no relay, and costs nobody else."""
    broker = world.make(f"redis://127.0.0.1:{redis.port}")
    receiver = await world.ready(broker, "plain")
    stranger.subscribe("a")
    await broker.publish("a", "1", EVENT, MIRRORED)
    redis.ask("PUBLISH", "plain", stranger.hear()[2])
    redis.ask("PUBLISH", "plain", EVENT + b" \n")
    await until(lambda: receiver.received_so_far)
    assert receiver.received_so_far == [("plain", EVENT + b" \n")]
    assert receiver.is_ready
