"""Backends that repeat what was not acknowledged, with the same id."""

from typing import Any

from twisted.internet.task import deferLater

from pulsetw.catalogue import Rule
from pulsetw.config import BrokerSettings, Config, load_catalogue
from pulsetw.errors import PublishError
from pulsetw.model import Event, Position
from pulsetw.pubsub.manager import PubSubManager
from pulsetw.pubsub.options import PubSubOptions
from pulsetw.service import make_broker
from tests.faults.ledger import Acknowledged
from tests.faults.listeners import CHANNEL
from tests.integration.processes import RelayProcess, ask
from tests.integration.waiting import until


def _reactor() -> Any:
    from twisted.internet import reactor

    return reactor


class HttpPublisher:
    """Publishes over HTTP, each event until it is taken, with the same id, to one relay after the other.

    Attributes:
        acknowledged: from id to when it was.
    """

    def __init__(self, name: str, relays: list[RelayProcess], first: int, pace_s: float) -> None:
        self.acknowledged: dict[str, Acknowledged] = {}
        self._name = name
        self._relays = relays
        self._next = first
        self._pace_s = pace_s
        self._stopped = self._gave_up = False

    async def run(self) -> None:
        number = 0
        while not self._stopped:
            number += 1
            event_id = f"{self._name}-{number}"
            await self._publish(event_id)
            await deferLater(_reactor(), self._pace_s)

    def stop(self) -> None:
        """Begins nothing new; what is not acknowledged yet is repeated until it is, or until `give_up`."""
        self._stopped = True

    def give_up(self) -> None:
        self._stopped = self._gave_up = True

    async def _publish(self, event_id: str) -> None:
        event = {"channel": CHANNEL, "type": "tick", "data": {}, "id": event_id}
        while not self._gave_up:
            relay = self._relays[self._next % len(self._relays)]
            try:
                status, _, place = await ask(f"{relay.admin}/api/v1/publish", event)
            except OSError:
                status = 0
            if status == 200:
                now = _reactor().seconds()
                self.acknowledged[event_id] = Acknowledged(now, place.get("offset"), place.get("epoch"))
                return
            if 400 <= status < 429:
                raise AssertionError(f"refused for good: {status}")
            self._next += 1
            await deferLater(_reactor(), 0.05)


class PythonPublisher:
    """Publishes from Python, over a broker of its own.

    Attributes:
        acknowledged: from id to when it was.
    """

    def __init__(self, name: str, broker: str, rule: Rule, pace_s: float) -> None:
        self.acknowledged: dict[str, Acknowledged] = {}
        self._name = name
        self._pace_s = pace_s
        self._stopped = self._gave_up = False
        config = Config(broker=BrokerSettings(url=broker), channels={CHANNEL: rule})
        self._manager = PubSubManager(
            make_broker(_reactor(), config, name),
            load_catalogue(config),
            _reactor(),
            name,
            PubSubOptions(),
            lambda: "never used",
            lambda: int(_reactor().seconds() * 1000),
        )

    async def run(self) -> None:
        await self._manager.initialize()
        number = 0
        while not self._stopped:
            number += 1
            await self._publish(f"{self._name}-{number}")
            await deferLater(_reactor(), self._pace_s)
        # A publisher that leaves takes what waits for the broker with it.
        await until(lambda: not self._manager.get_health_status()["outbox_events"], "the outbox is empty", 20)
        await self._manager.shutdown()

    def stop(self) -> None:
        """Begins nothing new; what is not acknowledged yet is repeated until it is, or until `give_up`."""
        self._stopped = True

    def give_up(self) -> None:
        self._stopped = self._gave_up = True

    async def _publish(self, event_id: str) -> None:
        while not self._gave_up:
            try:
                place = await self._manager.publish(CHANNEL, Event("tick", {}), id=event_id)
            except PublishError:
                await deferLater(_reactor(), 0.05)
            else:
                now = _reactor().seconds()
                where = (place.offset, place.wire_epoch) if isinstance(place, Position) else (None, None)
                self.acknowledged[event_id] = Acknowledged(now, *where)
                return
