# ruff: noqa: N802, N803 -- Twisted calls us by its names
"""Fetches the keys that an issuer of tokens publishes.

The URL is the operator's choice, but names resolve to what others choose, and servers answer what they like: so there
is TLS with names verified, a look at each address before it is connected to, no redirect, and a bound for the time and
for all bytes.
"""

from typing import Any, TypeVar, cast

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import (
    IAddress,
    IProtocol,
    IProtocolFactory,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, ResponseDone, ResponseFailed
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IResponse
from zope.interface import implementer

from pulsetw import codec
from pulsetw.errors import KeysError
from pulsetw.policy.jwks import is_public

T = TypeVar("T")

MAX_ANSWER_BYTES = 262_144
"""All that a server may send: TLS, head and body of the answer."""

TIMEOUT_S = 10.0
"""For all of it: the name, the connection, TLS, the answer to its end."""

_HEADERS = Headers({"Accept": ["application/jwk-set+json, application/json"], "User-Agent": ["pulsetw"]})


class KeyFetcher:
    """Asks for keys, each time over a connection of its own, of which nothing stays."""

    def __init__(self, reactor: Any, clock: Any, *, private_allowed: bool = False, trust_root: Any = None) -> None:
        """Nothing is asked for yet.

        Args:
            reactor: connects, and resolves names.
            clock: for the timeout.
            private_allowed: whether servers may be on this machine or in its network.
            trust_root: the authorities of certificates; None = the system's.
        """
        self._reactor = reactor
        self._clock = clock
        self._private_allowed = private_allowed
        self._trust_root = trust_root

    def fetch(self, url: str) -> "Deferred[object]":
        """Asks one URL.

        Args:
            url: checked by `check_jwks_url`.

        Returns:
            Fires with the answer's JSON. Fails with `KeysError`: nobody answered in time, with status 200, within the
            bound, and with JSON.
        """
        endpoints = _Endpoints(self._reactor, self._private_allowed, self._trust_root)
        agent = Agent.usingEndpointFactory(self._reactor, endpoints)
        answer: Deferred[Any] = defer.maybeDeferred(agent.request, b"GET", url.encode(), _HEADERS).addCallback(_read)
        answer.addTimeout(TIMEOUT_S, self._clock)
        answer.addBoth(endpoints.abort)
        return answer.addCallback(codec.decode).addErrback(_refuse, url)


def _read(response: IResponse) -> "Deferred[bytes]":
    if response.code != 200:
        raise ValueError(f"expected status 200, found {response.code}; redirects are not followed")
    body = _Body()
    response.deliverBody(body)
    return body.whole


class _Body(Protocol):
    """Twisted's `readBody` warns on each connection of an agent, and can end none."""

    def __init__(self) -> None:
        self.whole: Deferred[bytes] = Deferred()
        self._parts: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        self._parts.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        # Of an answer without a length nobody knows the end: its JSON says it.
        if reason.check(ResponseDone, PotentialDataLoss):
            self.whole.callback(b"".join(self._parts))
        else:
            self.whole.errback(reason)


def _refuse(failure: Failure, url: str) -> None:
    error: Any = failure.value
    if isinstance(error, ResponseFailed):
        error = error.reasons[0].value
    if isinstance(error, defer.TimeoutError | defer.CancelledError):
        raise KeysError(url, f"no whole answer within {TIMEOUT_S:g} s")
    raise KeysError(url, str(error)[:500] or type(error).__name__)


@implementer(IAgentEndpointFactory)
class _Endpoints:
    def __init__(self, reactor: Any, private_allowed: bool, trust_root: Any) -> None:
        self._reactor = reactor
        self._private_allowed = private_allowed
        self._trust_root = trust_root
        self._host: _CheckedHost | None = None

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        name = uri.host.decode("ascii").strip("[]")
        self._host = _CheckedHost(self._reactor, name, uri.port, self._private_allowed)
        return wrapClientTLS(optionsForClientTLS(name, self._trust_root), self._host)

    def abort(self, result: T) -> T:
        """Ends the connection, whatever its other end says."""
        if self._host is not None and self._host.connection is not None:
            self._host.connection.transport.abortConnection()
        return result


@implementer(IStreamClientEndpoint)
class _CheckedHost:
    """Connects to an address of a host, after a look at the address; resolving twice would let it change between."""

    def __init__(self, reactor: Any, host: str, port: int, private_allowed: bool) -> None:
        self._reactor = reactor
        self._host = host
        self._port = port
        self._private_allowed = private_allowed
        self.connection: Any = None

    def connect(self, factory: IProtocolFactory) -> "Deferred[IProtocol]":
        addresses = _Addresses()
        self._reactor.nameResolver.resolveHostName(addresses, self._host, self._port)
        return addresses.found.addCallback(self._connect, factory)

    def _connect(self, addresses: list[str], factory: IProtocolFactory) -> "Deferred[IProtocol]":
        allowed = [address for address in addresses if self._private_allowed or is_public(address)]
        if not allowed:
            problem = "has private addresses only" if addresses else "has no address"
            raise ConnectError(string=f"{self._host} {problem}")
        endpoint = TCP6ClientEndpoint if ":" in allowed[0] else TCP4ClientEndpoint
        connecting: Deferred[Any] = endpoint(self._reactor, allowed[0], self._port).connect(_bounded(factory))
        return connecting.addCallback(self._connected)

    def _connected(self, bounded: "_Bounded") -> IProtocol:
        self.connection = bounded
        return bounded.wrappedProtocol


@implementer(IResolutionReceiver)
class _Addresses:
    def __init__(self) -> None:
        self.found: Deferred[list[str]] = Deferred()
        self._hosts: list[str] = []

    def resolutionBegan(self, resolutionInProgress: Any) -> None:
        """Nothing is to be done yet."""

    def addressResolved(self, address: IAddress) -> None:
        self._hosts.append(getattr(address, "host", ""))

    def resolutionComplete(self) -> None:
        # Whoever waited may have gone by then.
        if not self.found.called:
            self.found.callback(self._hosts)


class _Bounded(ProtocolWrapper):
    """Ends a connection that brings too much."""

    _left = MAX_ANSWER_BYTES

    def dataReceived(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            cast("Any", self.transport).abortConnection()
        else:
            self.wrappedProtocol.dataReceived(data)


def _bounded(factory: IProtocolFactory) -> WrappingFactory:
    wrapping = WrappingFactory(factory)
    wrapping.protocol = _Bounded
    return wrapping
