"""Where Redis brokers live in a test."""

import itertools
from collections.abc import Callable
from typing import Any

import attrs
from attrs import define, field

from pulsetw.broker.redis.broker import RedisBroker
from pulsetw.broker.redis.options import RedisOptions
from tests.contracts.broker import Recorder
from tests.integration.waiting import until


@define
class RedisWorld:
    """Makes brokers on the server at `url`."""

    url: str = ""
    brokers: list[RedisBroker] = field(factory=list)
    _numbers: Any = field(factory=itertools.count)

    def make(
        self, url: str = "", *, ca_file: str = "", server_name: str = "", prefix: str = "", **options: Any
    ) -> RedisBroker:
        from twisted.internet import reactor

        parsed = RedisOptions.from_url(url or self.url, ca_file=ca_file, server_name=server_name, prefix=prefix)
        broker = RedisBroker(reactor, attrs.evolve(parsed, **options), f"server {next(self._numbers)}")
        self.brokers.append(broker)
        return broker

    async def ready(self, broker: RedisBroker, *names: str) -> Recorder:
        """Starts a broker and waits until it is ready."""
        receiver = Recorder()
        broker.start(receiver)
        subscribed = [broker.subscribe(name) for name in names]
        try:
            await until(lambda: receiver.is_ready and all(each.called for each in subscribed))
        except AssertionError:
            raise AssertionError(f"not ready: {broker.status()}") from None
        return receiver

    async def until(self, condition: Callable[[], object]) -> None:
        await until(condition)

    async def close(self) -> None:
        for broker in self.brokers:
            await broker.stop()
