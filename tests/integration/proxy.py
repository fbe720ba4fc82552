"""A TCP proxy on the loopback that can be cruel."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

UP, DOWN = "up", "down"
_SAID_BYTES = 4096


class Proxy:
    """Passes everything between its clients and one server, until it is told otherwise.

    Attributes:
        pairs: the connections that stand, the oldest first.
        silent: directions in which nothing passes any more and nobody is told, for all connections.
        delay_s: how long each piece waits; order is kept.
        blocked: of connections whose client said one of these words nothing passes any more, and nobody is told.
    """

    def __init__(self, port: int) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.server_port = port
        self.port = 0
        self.pairs: list[Pair] = []
        self.silent: set[str] = set()
        self.delay_s = 0.0
        self.blocked: tuple[bytes, ...] = ()
        self._listener: Any = None

    async def start(self) -> "Proxy":
        """Listens on a free port."""
        factory = Factory()
        factory.noisy = False
        factory.buildProtocol = lambda _: _Side(Pair(self), UP)  # type: ignore[method-assign]
        endpoint = TCP4ServerEndpoint(self.reactor, 0, interface="127.0.0.1")
        self._listener = await endpoint.listen(factory)
        self.port = self._listener.getHost().port
        return self

    async def stop(self) -> None:
        """Stops listening and cuts all connections."""
        await self._listener.stopListening()
        self.cut()

    def cut(self) -> None:
        """Ends all connections by RST, on both sides."""
        for pair in list(self.pairs):
            pair.cut()

    def subscribers(self) -> "list[Pair]":
        """The connections that have subscribed to anything."""
        return [pair for pair in self.pairs if pair.subscribes]

    def publishers(self) -> "list[Pair]":
        """The others."""
        return [pair for pair in self.pairs if not pair.subscribes]


class Pair:
    """One connection through the proxy: the client's side, and the one towards the server.

    Attributes:
        silent: as the proxy's, for this connection alone.
        swallow: this many of the next pieces of the server's answers are lost.
        subscribes: whether the client ever sent SUBSCRIBE.
        said: the first words of the client.
    """

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.silent: set[str] = set()
        self.swallow = 0
        self.subscribes = False
        self.said = b""
        self._sides: dict[str, Any] = {}
        self._early: list[bytes] = []
        self._is_cut = False

    def opened(self, side: "_Side") -> None:
        self._sides[side.direction] = side
        if side.direction == UP:
            self.proxy.pairs.append(self)
            factory = Factory()
            factory.noisy = False
            factory.buildProtocol = lambda _: _Side(self, DOWN)  # type: ignore[method-assign]
            endpoint = TCP4ClientEndpoint(self.proxy.reactor, "127.0.0.1", self.proxy.server_port)
            connecting: Deferred[Any] = endpoint.connect(factory)
            connecting.addErrback(lambda _: self.cut())
            return
        if UP not in self._sides or self._is_cut:
            side.transport.abortConnection()
            return
        for data in self._early:
            side.transport.write(data)
        self._early.clear()

    def passes(self, data: bytes, direction: str) -> None:
        self.subscribes = self.subscribes or (direction == UP and b"SUBSCRIBE" in data)
        if direction == UP and len(self.said) < _SAID_BYTES:
            self.said += data[:_SAID_BYTES]
        if direction in self.silent | self.proxy.silent or any(word in self.said for word in self.proxy.blocked):
            return
        if direction == DOWN and self.swallow:
            self.swallow -= 1
        elif self.proxy.delay_s:
            self.proxy.reactor.callLater(self.proxy.delay_s, self._write, data, direction)
        else:
            self._write(data, direction)

    def closed(self, direction: str) -> None:
        self._sides.pop(direction, None)
        if self in self.proxy.pairs:
            self.proxy.pairs.remove(self)
        if not {UP, DOWN} & (self.silent | self.proxy.silent):
            self.cut()

    def cut(self) -> None:
        # The side towards the server may still be connecting.
        self._is_cut = True
        for side in list(self._sides.values()):
            side.transport.abortConnection()

    def _write(self, data: bytes, direction: str) -> None:
        other = self._sides.get(DOWN if direction == UP else UP)
        if other is not None:
            other.transport.write(data)
        elif direction == UP:
            self._early.append(data)


class _Side(Protocol):
    """What it reads goes in `direction`."""

    transport: Any

    def __init__(self, pair: Pair, direction: str) -> None:
        self.pair = pair
        self.direction = direction

    def connectionMade(self) -> None:
        self.pair.opened(self)

    def dataReceived(self, data: bytes) -> None:
        self.pair.passes(data, self.direction)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.pair.closed(self.direction)
