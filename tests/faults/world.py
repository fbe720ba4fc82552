# ruff: noqa: N803 -- Autobahn calls us by its names
"""A Redis behind a cruel proxy, two relays as processes, publishers that retry, listeners that come back."""

import json
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from autobahn.twisted.websocket import WebSocketClientFactory
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.task import deferLater

from tests.faults.ledger import Listener
from tests.integration.clients import Client
from tests.integration.processes import RelayProcess, ask
from tests.integration.waiting import until

CHANNEL = "fault:a"
# More than a run publishes: the cases that need a short one ask for it.
HISTORY = 20_000

NO_POSITIONS = "no positions"
"""The control in which listeners come back without saying how far they were; the others are in `relay.py`."""

RELAY = Path(__file__).with_name("relay.py")

_OPS_THAT_TELL = ("gap", "subscribed")


def _reactor() -> Any:
    from twisted.internet import reactor

    return reactor


class _Wire(Client):
    """Hands on each message when it comes."""

    listener: "BareListener"

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.listener.heard(json.loads(payload))


class BareListener:
    """A client on a bare WebSocket library: keeps the position it is told, and comes back with it.

    Attributes:
        record: what it saw.
        joined: how often it was told that its subscription stands.
    """

    def __init__(self, name: str, relays: list[RelayProcess], first: int, *, keeps_position: bool = True) -> None:
        self._keeps_position = keeps_position
        self.record = Listener(name, keeps_ids=False)
        self.joined = 0
        self._relays = relays
        self._next = first
        self._position: dict[str, Any] | None = None
        self._client: Client | None = None
        self._stopped = False

    async def run(self) -> None:
        """Connects, again and again, to one relay after the other, until it is stopped."""
        while not self._stopped:
            relay = self._relays[self._next % len(self._relays)]
            self._next += 1
            # A relay that is not there: the next one.
            with suppress(Exception):
                self._client = await self._connect(relay)
                since = {} if self._position is None else {"since": self._position}
                self._client.command(op="subscribe", id=1, channel=CHANNEL, **since)
                await self._client.closed
            self._client = None
            await deferLater(_reactor(), 0.05)

    def stop(self) -> None:
        self._stopped = True
        if self._client is not None:
            self._client.transport.abortConnection()

    def hang_up(self) -> None:
        """Loses the connection without a word."""
        if self._client is not None:
            self._client.transport.abortConnection()

    def heard(self, message: dict[str, Any]) -> None:
        now = _reactor().seconds()
        op = message.get("op")
        if op is None:
            self.record.got(now, message["id"], message.get("offset"), message.get("epoch"))
        elif op == "gap":
            self.record.told(now, message["reason"])
            self._place(message.get("to"))
            return
        elif op == "subscribed":
            self.joined += 1
            if message.get("recovered") is False:
                self.record.told(now, message["reason"])
        elif op == "error":
            # Not now: it tries again over a new connection.
            self.hang_up()
            return
        if op is None or op in _OPS_THAT_TELL or op == "position":
            self._place(message)

    def _place(self, place: Any) -> None:
        if self._keeps_position and place and "offset" in place:
            self._position = {"offset": place["offset"], "epoch": place["epoch"]}

    async def _connect(self, relay: RelayProcess) -> Client:
        factory = WebSocketClientFactory(relay.websocket, reactor=_reactor())
        factory.protocol = _Wire
        factory.noisy = False
        factory.setProtocolOptions(openHandshakeTimeout=0, closeHandshakeTimeout=0, serverConnectionDropTimeout=0)
        client: Any = await HostnameEndpoint(_reactor(), b"127.0.0.1", relay.port).connect(factory)
        client.listener = self
        opened: Client = await client.opened
        return opened


class HttpPublisher:
    """Publishes over HTTP, each event until it is taken, with the same id, to one relay after the other.

    Attributes:
        acknowledged: from id to when it was.
    """

    def __init__(self, name: str, relays: list[RelayProcess], first: int, pace_s: float) -> None:
        self.acknowledged: dict[str, float] = {}
        self._name = name
        self._relays = relays
        self._next = first
        self._pace_s = pace_s
        self._stopped = False

    async def run(self) -> None:
        number = 0
        while not self._stopped:
            number += 1
            event_id = f"{self._name}-{number}"
            await self._publish(event_id)
            await deferLater(_reactor(), self._pace_s)

    def stop(self) -> None:
        self._stopped = True

    async def _publish(self, event_id: str) -> None:
        event = {"channel": CHANNEL, "type": "tick", "data": {}, "id": event_id}
        while True:
            relay = self._relays[self._next % len(self._relays)]
            try:
                status, _, _ = await ask(f"{relay.admin}/api/v1/publish", event)
            except OSError:
                status = 0
            if status == 200:
                self.acknowledged[event_id] = _reactor().seconds()
                return
            if 400 <= status < 429:
                raise AssertionError(f"refused for good: {status}")
            self._next += 1
            await deferLater(_reactor(), 0.05)


class World:
    """Everything that a case breaks."""

    def __init__(
        self,
        folder: Path,
        broker: str,
        *,
        rule: str = "",
        history: int = HISTORY,
        listeners: int = 20,
        pace_s: float = 0.01,
        control: str = "",
    ) -> None:
        config = f'[server]\ndrain_s = 1\n[channels."fault:*"]\nhistory_size = {history}\n{rule}\n'
        self._folder = folder
        self._broker = broker
        self._config = config
        self._starts = 0
        self._control = control
        self.relays = [self._relay(number) for number in range(2)]
        self.listeners = [
            BareListener(f"bare {number}", self.relays, number, keeps_position=control != NO_POSITIONS)
            for number in range(listeners)
        ]
        self.publishers = [HttpPublisher(f"p{number}", self.relays, number, pace_s) for number in range(2)]
        self._running: list[Deferred[None]] = []
        self._publishing: list[Deferred[None]] = []

    def _relay(self, number: int) -> RelayProcess:
        return self._run(f"relay{number}")

    def _run(self, name: str, listen: int = 0) -> RelayProcess:
        command = () if self._control in ("", NO_POSITIONS) else (sys.executable, str(RELAY), self._control)
        return RelayProcess(self._folder / name, self._broker, self._config, listen, command)

    async def start(self) -> None:
        """Returns when all listeners are subscribed and events flow."""
        for relay in self.relays:
            await relay.becomes(ready=True)
        self._running = [Deferred.fromCoroutine(listener.run()) for listener in self.listeners]
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
    def acknowledged(self) -> dict[str, float]:
        return {event_id: at for publisher in self.publishers for event_id, at in publisher.acknowledged.items()}

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

        def has_all(listener: BareListener) -> bool:
            ids = {getattr(each, "id", "") for each in listener.record.saw[-500:]}
            return all(event_id in ids for event_id in last.values())

        # The ledger says what is missing.
        with suppress(AssertionError):
            await until(lambda: all(map(has_all, self.listeners)), "everybody has the last event", 10)

    async def close(self) -> None:
        for publisher in self.publishers:
            publisher.stop()
        for listener in self.listeners:
            listener.stop()
        await gatherResults(self._running, consumeErrors=True)
        await gatherResults(self._publishing, consumeErrors=True)
        for relay in self.relays:
            relay.close()
