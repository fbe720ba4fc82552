"""A Redis that is away: publishing fails in bounded time and memory, and nothing bursts out later."""

import tracemalloc

import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList

from pulsetw.config import BrokerSettings, Config, ServerSettings
from pulsetw.errors import PublishError
from pulsetw.model import Event
from pulsetw.service import Relay
from tests.integration.redis_server import RedisServer
from tests.integration.waiting import until

PUBLISHES = 50_000
# The thousand that may wait for a retry, with their envelopes and Deferreds; the rest is refused at once.
MEMORY_BYTES = 8 * 1024 * 1024


@pytest_twisted.ensureDeferred
async def test_50_000_publishes_while_redis_is_away() -> None:
    """Each fails with PublishError, memory stays flat, statistics count them, and later none of them comes out."""
    redis = RedisServer()
    url = f"redis://127.0.0.1:{redis.port}"
    config = Config(
        server=ServerSettings(listen=("tcp:0:interface=127.0.0.1",), admin=()), broker=BrokerSettings(url=url)
    )
    relay = Relay(reactor, config)
    relay.startService()
    try:
        await relay.started
        heard: list[str] = []
        await relay.pubsub.subscribe("system:events", lambda _, event: heard.append(event.type), own=True)
        redis.stop()
        await until(lambda: not relay.pubsub.get_health_status()["publisher_ready"], "it is noticed")
        outcomes: list[str] = []
        before = relay.pubsub.get_publisher_stats()["failed_publishes"]
        tracemalloc.start()
        pending: list[Deferred[object]] = []
        for number in range(PUBLISHES):
            publish = relay.pubsub.publish("system:events", Event("lost", {"number": number, "pad": "x" * 200}))
            publish.addErrback(lambda failure: outcomes.append(failure.trap(PublishError) and failure.value.outcome))
            if not publish.called:
                pending.append(publish)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < MEMORY_BYTES, f"{peak} bytes"
        assert len(pending) <= 1001
        await DeferredList(pending)
        assert outcomes == ["not sent"] * PUBLISHES
        assert relay.pubsub.get_publisher_stats()["failed_publishes"] - before >= PUBLISHES
        redis.start()
        await until(lambda: relay.pubsub.get_health_status()["is_healthy"], "it is mended")
        await relay.pubsub.publish("system:events", Event("first_after", {}))
        await until(lambda: "first_after" in heard, "publishing works again")
        assert "lost" not in heard
    finally:
        await relay.stopService()
        redis.close()
