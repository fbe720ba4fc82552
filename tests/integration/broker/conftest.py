"""Real Redis servers, and the brokers that a test makes on them."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_twisted

from tests.integration.broker.world import RedisWorld
from tests.integration.proxy import Proxy
from tests.integration.redis_server import RedisServer


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    """One server for all tests that do not disturb it."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A server of the test's own, to be disturbed."""
    with RedisServer() as server:
        yield server


@pytest_twisted.async_yield_fixture
async def world(nothing_is_left_behind: None) -> AsyncIterator[RedisWorld]:
    """Makes brokers, and stops them."""
    world = RedisWorld()
    yield world
    await world.close()


@pytest_twisted.async_yield_fixture
async def proxy(nothing_is_left_behind: None, redis: RedisServer) -> AsyncIterator[Proxy]:
    """A proxy before the test's own server."""
    proxy = await Proxy(redis.port).start()
    yield proxy
    await proxy.stop()
