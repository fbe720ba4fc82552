# ruff: noqa: N803 -- Autobahn calls us by its names
"""Clients of a library by others."""

import json
from typing import Any

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.defer import Deferred, DeferredList, DeferredSemaphore
from twisted.internet.endpoints import HostnameEndpoint


class Client(WebSocketClientProtocol):
    """Keeps what it is told.

    Attributes:
        events: publications, as they came.
        told: everything else.
        closed: fires with the close code and reason.
    """

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []
        self.told: list[dict[str, Any]] = []
        self.opened: Deferred[Client] = Deferred()
        self.closed: Deferred[tuple[int | None, str | None]] = Deferred()

    def onOpen(self) -> None:
        self.opened.callback(self)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        message = json.loads(payload)
        (self.told if "op" in message else self.events).append(message)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        if not self.opened.called:
            self.opened.errback(ConnectionError(reason))
        self.closed.callback((code, reason))

    def command(self, **members: object) -> None:
        """Sends a command."""
        self.sendMessage(json.dumps(members).encode())

    def ops(self, *names: str) -> list[dict[str, Any]]:
        """What was told, by op."""
        return [message for message in self.told if message["op"] in names]


async def connect(url: str, **options: Any) -> Client:
    """One client, its handshake done."""
    from twisted.internet import reactor

    factory = WebSocketClientFactory(url, reactor=reactor, **options)
    factory.protocol = Client
    factory.noisy = False
    factory.setProtocolOptions(openHandshakeTimeout=0, closeHandshakeTimeout=0, serverConnectionDropTimeout=0)
    client: Client = await HostnameEndpoint(reactor, factory.host.encode(), factory.port).connect(factory)
    return await client.opened


async def connect_all(urls: list[str]) -> list[Client]:
    """Many clients, fifty handshakes at a time."""
    gate = DeferredSemaphore(50)
    pending = [gate.run(lambda url=url: Deferred.fromCoroutine(connect(url))) for url in urls]
    results = await DeferredList(pending, fireOnOneErrback=True, consumeErrors=True)
    return [client for _, client in results]


async def hang_up(*clients: Client) -> None:
    """Closes, and waits until the connections are gone."""
    for client in clients:
        client.sendClose(1000)
    for client in clients:
        if not client.closed.called:
            await client.closed
