# ruff: noqa: N802 -- Twisted calls us by its names
"""The front: reads a connection's first request head, then hands the socket to Autobahn or to twisted.web.

It is out of the way after that: the chosen protocol becomes the transport's own, and gets all bytes from the first one,
so that both parsers see a whole, clean head. Only the loss of the connection still passes by here, to be counted.
"""

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    ISSLTransport,
)
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure

from pulsetw.policy.origin import origin_allowed
from pulsetw.transport.answer import answer, finish
from pulsetw.transport.head import BadHead, HeadReader, RequestHead

# So many connections above the limit are still read, to be told of it and to have their health asked; the rest is
# closed without a word.
_ROOM_ABOVE_LIMIT = 256

# One log line for each origin in so many seconds, and an end to them: strangers choose their origins.
_TELL_AGAIN_S = 60.0
_MAX_TOLD = 20
_MAX_SHOWN = 200

_HEADERS: dict[int, tuple[tuple[str, str], ...]] = {
    426: (("Upgrade", "websocket"), ("Connection", "Upgrade")),
    503: (("Retry-After", "10"),),
}


@frozen
class FrontLimits:
    """What a connection may cost before it is anybody's.

    Attributes:
        head_bytes: of a request's head, 1 or more; more is answered with 431.
        head_timeout_s: from the connection's first moment to the end of its head, a TLS handshake included; then 408.
        close_timeout_s: how long a client that was refused may take to close; then it is cut off.
        max_connections: open at once, of all kinds; further upgrades are answered with 503. 0 = no limit.
    """

    head_bytes: int = 16384
    head_timeout_s: float = 5.0
    close_timeout_s: float = 2.0
    max_connections: int = 100_000


class FrontFactory(ServerFactory):
    """Listens for everything that comes to one port.

    Neither inner factory is started: a site's access log would show clients' URLs, with the tokens in them.

    Attributes:
        refusals: how many requests the front answered itself, by status.
    """

    noisy = False
    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        site: IProtocolFactory,
        websocket: IProtocolFactory,
        *,
        path: str = "/ws",
        origins: Collection[str] = (),
        limits: FrontLimits = FrontLimits(),
    ) -> None:
        """Sends each connection where it belongs.

        Args:
            clock: for the limits in time.
            site: gets all requests but those for `path`.
            websocket: gets upgrades to WebSocket on `path`, after their origin has been checked.
            path: compared as sent, without query and escapes.
            origins: the setting ``auth.origins``; see `pulsetw.policy.origin`.
            limits: what a connection may cost.
        """
        self.clock = clock
        self.limits = limits
        self.refusals: Counter[int] = Counter()
        self._site = site
        self._websocket = websocket
        self._path = path
        self._origins = origins
        self._open: set[Any] = set()
        self._told: set[str | None] = set()
        self._telling_since = clock.seconds()

    @property
    def connections(self) -> int:
        """How many connections are open, wherever they were handed to."""
        return len(self._open)

    def buildProtocol(self, addr: IAddress | None) -> Protocol:  # noqa: ARG002 -- Twisted's
        """See `IProtocolFactory`."""
        limit = self.limits.max_connections
        return _Unwelcome() if limit and self.connections >= limit + _ROOM_ABOVE_LIMIT else Front(self)

    def abort(self) -> None:
        """Ends all connections that are left, wherever they were handed to."""
        for transport in list(self._open):
            transport.abortConnection()

    def opened(self, transport: Any) -> None:
        """Counts a connection."""
        self._open.add(transport)

    def lost(self, transport: Any, reason: Failure, *, then: Callable[[Failure], None] | None = None) -> None:
        """Counts a connection out, before anything that may fail, and passes its loss on."""
        self._open.discard(transport)
        if then is not None:
            then(reason)

    def choose(self, head: RequestHead, *, secure: bool) -> IProtocolFactory:
        """Who takes the connection.

        Raises:
            BadHead: nobody; says what the client is told.
        """
        if head.path != self._path:
            return self._site
        self._check_upgrade(head)
        if 0 < self.limits.max_connections < self.connections:
            raise BadHead(503, "there are too many connections")
        self._check_origin(head, secure)
        return self._websocket

    def _check_upgrade(self, head: RequestHead) -> None:
        """RFC 6455 4.1; what only concerns WebSockets is left to Autobahn."""
        if (
            head.version != "1.1"
            or "upgrade" not in head.tokens("connection")
            or "websocket" not in head.tokens("upgrade")
        ):
            raise BadHead(426, "this path speaks WebSocket")
        if head.values("transfer-encoding") or (head.first("content-length") or "0").strip("0"):
            raise BadHead(400, "an upgrade has no body")

    def _check_origin(self, head: RequestHead, secure: bool) -> None:
        origins = head.values("origin")
        if len(origins) > 1:
            raise BadHead(400, "there is more than one Origin header")
        origin = origins[0] if origins else None
        if not origin_allowed(
            origin,
            head.first("host") or "",
            secure=secure,
            has_cookies=bool(head.values("cookie")),
            allowed=self._origins,
        ):
            self._tell(origin and origin[:_MAX_SHOWN])
            raise BadHead(403, "pages of this origin may not connect: the setting auth.origins does not name it")

    def _tell(self, origin: str | None) -> None:
        """Logs that an origin was refused; None = a browser's handshake without one."""
        now = self.clock.seconds()
        if now - self._telling_since >= _TELL_AGAIN_S:
            self._told.clear()
            self._telling_since = now
        if origin not in self._told and len(self._told) < _MAX_TOLD:
            self._told.add(origin)
            if origin is None:
                self._log.warn("A WebSocket was refused (403): it came with cookies, and its browser sent no Origin")
            else:
                self._log.warn(
                    "A WebSocket was refused (403): the setting auth.origins does not name its Origin, {origin!r}",
                    origin=origin,
                )


class Front(Protocol):
    """One connection, until its first request's head is there."""

    factory: FrontFactory
    transport: Any

    def __init__(self, factory: FrontFactory) -> None:
        self.factory = factory
        # None: the front has refused the request, and throws away what still comes.
        self._reader: HeadReader | None = HeadReader(factory.limits.head_bytes)
        self._timer: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """See `IProtocol`."""
        self.factory.opened(self.transport)
        self._after(self.factory.limits.head_timeout_s, self._give_up)

    def dataReceived(self, data: bytes) -> None:
        """See `IProtocol`."""
        if self._reader is None:
            return
        try:
            head = self._reader.feed(data)
            if head is None:
                return
            inner = self.factory.choose(head, secure=ISSLTransport.providedBy(self.transport))
        except BadHead as refusal:
            self._refuse(refusal)
        else:
            self._hand_over(inner, self._reader.data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See `IProtocol`."""
        self._stop_timer()
        self.factory.lost(self.transport, reason)

    def _give_up(self) -> None:
        self._refuse(BadHead(408, f"a request's head takes at most {self.factory.limits.head_timeout_s:g} s"))

    def _refuse(self, refusal: BadHead) -> None:
        self._reader = None
        self.factory.refusals[refusal.status] += 1
        self.transport.write(answer(refusal.status, refusal.problem, *_HEADERS.get(refusal.status, ())))
        finish(self.transport)
        self._after(self.factory.limits.close_timeout_s, self.transport.abortConnection)

    def _hand_over(self, factory: IProtocolFactory, data: bytes) -> None:
        """Makes another protocol the transport's own, and gives it all that was read."""
        self._stop_timer()
        transport = self.transport
        inner: Any = factory.buildProtocol(transport.getPeer())
        # The transport calls it by this name, and no factory is told of a loss.
        inner.connectionLost = _Loss(self.factory, transport, inner)
        inner.makeConnection(transport)
        _attach(transport, inner)
        inner.dataReceived(data)

    def _after(self, delay_s: float, call: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self.factory.clock.callLater(delay_s, call)

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


class _Loss:
    """Stands in for the `connectionLost` of a protocol that has been given a connection."""

    __slots__ = ("_factory", "_inner", "_transport")

    def __init__(self, factory: FrontFactory, transport: Any, inner: Any) -> None:
        self._factory = factory
        self._transport = transport
        self._inner = inner

    def __call__(self, reason: Failure = connectionDone) -> None:
        # It stands in a circle; without it the protocol is freed at once, and not by the garbage collector.
        del self._inner.connectionLost
        self._factory.lost(self._transport, reason, then=self._inner.connectionLost)


class _Unwelcome(Protocol):
    """A connection far above the limit. No protocol at all is nothing that Twisted's TLS understands."""

    transport: Any

    def connectionMade(self) -> None:
        self.transport.abortConnection()


def _attach(transport: Any, protocol: IProtocol) -> None:
    if isinstance(transport, ProtocolWrapper):  # TLS, or PROXY protocol
        transport.wrappedProtocol = protocol
    else:
        transport.protocol = protocol
