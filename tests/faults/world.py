"""A Redis behind a cruel proxy, two relays as processes, publishers that retry, listeners that come back."""

import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from pulsetw.catalogue import Rule
from pulsetw.errors import DisconnectCode
from tests.faults.ledger import Acknowledged
from tests.faults.listeners import BareListener, OurListener
from tests.faults.publishers import HttpPublisher, PythonPublisher
from tests.integration.processes import RelayProcess
from tests.integration.proxy import Proxy
from tests.integration.waiting import until

NO_POSITIONS = "no positions"
"""The control in which listeners come back without saying how far they were; the others are in `relay.py`."""

RELAY = Path(__file__).with_name("relay.py")


def _reactor() -> Any:
    from twisted.internet import reactor

    return reactor


class World:
    """Everything that a case breaks.

    Attributes:
        doors: the proxies through which clients come; empty = they come without.
    """

    def __init__(
        self,
        folder: Path,
        broker: str,
        rule: Rule,
        *,
        proxied: bool = False,
        listeners: int = 20,
        pace_s: float = 0.01,
        control: str = "",
    ) -> None:
        self._folder = folder
        self._broker = broker
        self._config = (
            f"[server]\ndrain_s = 1\n[limits]\nping_s = {2 if proxied else 25}\n"
            f'[channels."fault:*"]\nhistory_size = {rule.history_size}\nack = "{rule.ack}"\noutage = "{rule.outage}"\n'
        )
        self._starts = 0
        self._control = control
        self.relays = [self._relay(number) for number in range(2)]
        self.doors = [Proxy(relay.port) for relay in self.relays] if proxied else []
        self._ports = [relay.port for relay in self.relays]
        self.listeners: list[BareListener | OurListener] = [
            OurListener(f"ours {number}", self._ports, number) for number in range(listeners)
        ]
        self.listeners += [
            BareListener(f"bare {number}", self._ports, number, keeps_position=control != NO_POSITIONS)
            for number in range(listeners)
        ]
        self.publishers: list[HttpPublisher | PythonPublisher] = [
            HttpPublisher("http", self.relays, 0, pace_s),
            PythonPublisher("python", broker, rule, pace_s),
        ]
        self._running: list[Deferred[None]] = []
        self._publishing: list[Deferred[None]] = []

    def _relay(self, number: int) -> RelayProcess:
        return self._run(f"relay{number}")

    def _run(self, name: str, listen: int = 0) -> RelayProcess:
        command = () if self._control in ("", NO_POSITIONS) else (sys.executable, str(RELAY), self._control)
        return RelayProcess(self._folder / name, self._broker, self._config, listen, command)

    async def start(self) -> None:
        """Returns when all listeners are subscribed and events flow."""
        for number, door in enumerate(self.doors):
            self._ports[number] = (await door.start()).port
        for relay in self.relays:
            await relay.becomes(ready=True)
        self._running = [listener.run() for listener in self.listeners]
        await until(lambda: all(listener.joined for listener in self.listeners), "all listen")
        self._publishing = [Deferred.fromCoroutine(publisher.run()) for publisher in self.publishers]
        await until(lambda: len(self.acknowledged) > 50, "events flow")

    def kill(self, number: int) -> None:
        """Ends a relay without a word."""
        self.relays[number].signal(signal.SIGKILL)

    def start_again(self, number: int) -> None:
        """A new relay at the address of one that has ended."""
        old = self.relays[number]
        old.close()
        self._starts += 1
        self.relays[number] = self._run(f"relay{number}.{self._starts}", old.port)

    @property
    def acknowledged(self) -> dict[str, Acknowledged]:
        return {event_id: at for publisher in self.publishers for event_id, at in publisher.acknowledged.items()}

    async def sent_away(self, code: DisconnectCode, count: int) -> None:
        """Waits until the relays have ended so many connections for this reason."""
        for _ in range(100):
            disconnects = [(await relay.stats())["hub"]["disconnects"] for relay in self.relays]
            if sum(each.get(str(code), 0) for each in disconnects) >= count:
                return
            await self.rest(0.1)
        raise AssertionError(f"not {count} ended for {code!r}: {disconnects}")

    async def rest(self, seconds: float) -> None:
        """Lets it run."""
        await deferLater(_reactor(), seconds)

    async def flows(self) -> None:
        """Waits until each publisher's events are acknowledged again."""
        before = [len(publisher.acknowledged) for publisher in self.publishers]

        def all_went_on() -> bool:
            counts = [len(publisher.acknowledged) for publisher in self.publishers]
            return all(now > then + 20 for now, then in zip(counts, before, strict=True))

        await until(all_went_on, "events flow again", 30)

    async def settle(self) -> None:
        """Stops publishing, and waits until each listener has the last event, or nothing more comes."""
        for publisher in self.publishers:
            publisher.stop()
        await gatherResults(self._publishing)
        last = {publisher: list(publisher.acknowledged)[-1] for publisher in self.publishers}

        def has_all(listener: BareListener | OurListener) -> bool:
            ids = {getattr(each, "id", "") for each in listener.record.saw[-500:]}
            return all(event_id in ids for event_id in last.values())

        # The ledger says what is missing.
        with suppress(AssertionError):
            await until(lambda: all(map(has_all, self.listeners)), "everybody has the last event", 10)

    async def close(self) -> None:
        for publisher in self.publishers:
            publisher.give_up()
        for listener in self.listeners:
            listener.stop()
        await gatherResults(self._running, consumeErrors=True)
        await gatherResults(self._publishing, consumeErrors=True)
        for relay in self.relays:
            relay.close()
        for door in self.doors:
            await door.stop()
