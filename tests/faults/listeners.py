# ruff: noqa: N803 -- Autobahn calls us by its names
"""Clients that never give up, and write down what they see."""

import json
from contextlib import suppress
from typing import Any

from autobahn.twisted.websocket import WebSocketClientFactory
from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from zope.interface import implementer

from pulsetw.client import Client as OurClient
from pulsetw.client import ClientOptions
from pulsetw.commands import Gap
from pulsetw.model import Publication
from tests.faults.ledger import Listener
from tests.integration.clients import Client

CHANNEL = "fault:a"

_OPS_THAT_TELL = ("gap", "subscribed")


def _reactor() -> Any:
    from twisted.internet import reactor

    return reactor


def _address(port: int) -> str:
    return f"ws://127.0.0.1:{port}/ws"


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

    def __init__(self, name: str, ports: list[int], first: int, *, keeps_position: bool = True) -> None:
        self._keeps_position = keeps_position
        self._is_away = False
        self.record = Listener(name, keeps_ids=False)
        self.joined = 0
        self._ports = ports
        self._next = first
        self._position: dict[str, Any] | None = None
        self._client: Client | None = None
        self._stopped = False

    def run(self) -> Deferred[None]:
        """Fires when it is stopped."""
        return Deferred.fromCoroutine(self._run())

    async def _run(self) -> None:
        """Connects, again and again, to one relay after the other, until it is stopped."""
        while not self._stopped:
            port = self._ports[self._next % len(self._ports)]
            self._next += 1
            # A relay that is not there: the next one.
            with suppress(Exception):
                self._client = await self._connect(port)
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

    def read(self, *, reads: bool) -> None:
        """Stops reading, or goes on."""
        if self._client is not None:
            (self._client.transport.resumeProducing if reads else self._client.transport.pauseProducing)()

    def heard(self, message: dict[str, Any]) -> None:
        now = _reactor().seconds()
        op = message.get("op")
        if op is None:
            place = message.get("offset"), message.get("epoch")
            self.record.got(now, message["id"], *place, degraded=message.get("degraded", False))
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

    def stay_away(self, is_away: bool) -> None:
        """Hangs up and does not come back, or comes back."""
        self._is_away = is_away
        if is_away:
            self.hang_up()

    async def _connect(self, port: int) -> Client:
        if self._is_away:
            raise ConnectionError("it stays away")
        factory = WebSocketClientFactory(_address(port), reactor=_reactor())
        factory.protocol = _Wire
        factory.noisy = False
        factory.setProtocolOptions(openHandshakeTimeout=0, closeHandshakeTimeout=0, serverConnectionDropTimeout=0)
        client: Any = await HostnameEndpoint(_reactor(), b"127.0.0.1", port).connect(factory)
        client.listener = self
        opened: Client = await client.opened
        return opened


@implementer(IStreamClientEndpoint)
class _Either:
    """The way to one relay after the other."""

    def __init__(self, ports: list[int], first: int) -> None:
        self.protocol: Any = None
        self.is_closed = False
        self._ports = ports
        self._next = first

    def connect(self, factory: IProtocolFactory) -> Deferred[Protocol]:
        if self.is_closed:
            return fail(ConnectionError("it stays away"))
        port = self._ports[self._next % len(self._ports)]
        self._next += 1
        return HostnameEndpoint(_reactor(), b"127.0.0.1", port).connect(factory).addCallback(self._made)

    def _made(self, protocol: Any) -> Any:
        self.protocol = protocol
        return protocol


class OurListener:
    """A client on our own library.

    Attributes:
        record: what it saw.
    """

    def __init__(self, name: str, ports: list[int], first: int) -> None:
        self.record = Listener(name, keeps_ids=True)
        options = ClientOptions(first_wait_s=0.05, max_wait_s=0.5)
        self._way = _Either(ports, first)
        self._client = OurClient(_reactor(), _address(ports[0]), options=options, endpoint=self._way)
        self._subscription = self._client.subscribe(CHANNEL, self._got, self._missed)
        self._stopped: Deferred[None] = Deferred()

    @property
    def joined(self) -> bool:
        """Whether its subscription stands."""
        return self._subscription.is_live

    def run(self) -> Deferred[None]:
        """Fires when it is stopped."""
        self._client.start()
        return self._stopped

    def stop(self) -> None:
        self._client.stop().chainDeferred(self._stopped)

    def hang_up(self) -> None:
        """Loses the connection without a word."""
        if self._way.protocol is not None and self._way.protocol.transport is not None:
            self._way.protocol.transport.abortConnection()

    def read(self, *, reads: bool) -> None:
        """Stops reading, or goes on."""
        if self._way.protocol is not None and self._way.protocol.transport is not None:
            transport = self._way.protocol.transport
            (transport.resumeProducing if reads else transport.pauseProducing)()

    def stay_away(self, is_away: bool) -> None:
        """Hangs up and does not come back, or comes back."""
        self._way.is_closed = is_away
        if is_away:
            self.hang_up()

    def _got(self, publication: Publication) -> None:
        place = publication.position
        epoch = None if place is None else place.wire_epoch
        offset = None if place is None else place.offset
        self.record.got(_reactor().seconds(), publication.event.id, offset, epoch, degraded=publication.degraded)

    def _missed(self, gap: Gap) -> None:
        self.record.told(_reactor().seconds(), gap.notice.reason)
