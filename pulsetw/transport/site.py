# ruff: noqa: N802 -- Twisted calls us by its names
"""A web site whose connections serve one request each."""

from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request
from twisted.web.resource import IResource
from twisted.web.server import Site

from pulsetw.transport.answer import answer


@frozen
class SiteLimits:
    """What a request may cost.

    Attributes:
        request_bytes: head and body together, 1 or more; more is answered with 413.
        request_timeout_s: from the head to the end of the body; then the connection is closed.
        close_timeout_s: how long a client may take to read the answer and to close; then it is cut off.
    """

    request_bytes: int = 65536
    request_timeout_s: float = 10.0
    close_timeout_s: float = 10.0


class ClosingSite(Site):
    """A site for strangers: no request can be answered with the rights of the one before it.

    It writes no access log: URLs may hold tokens.
    """

    def __init__(self, resource: IResource, reactor: IReactorTime, limits: SiteLimits = SiteLimits()) -> None:
        """Serves `resource`; `reactor` is for the limits in time."""
        super().__init__(resource, reactor=reactor, timeout=limits.request_timeout_s)  # type: ignore[no-untyped-call]
        self.limits = limits

    def startFactory(self) -> None:
        """Opens no log."""

    def stopFactory(self) -> None:
        """Closes none."""

    def log(self, request: Request) -> None:
        """Says nothing."""


class ClosingChannel(HTTPChannel):
    """One connection of a `ClosingSite`: the first request is answered, the rest is thrown away."""

    site: ClosingSite
    transport: Any
    _received = 0
    _deaf = False
    _watchdog: IDelayedCall | None = None

    def dataReceived(self, data: bytes) -> None:
        """See `IProtocol`."""
        self._received += len(data)
        if self._deaf:
            return
        if self._received > self.site.limits.request_bytes:
            self._deaf = True
            self.transport.write(answer(413, f"a request takes at most {self.site.limits.request_bytes} bytes"))
            self.loseConnection()
        else:
            super().dataReceived(data)  # type: ignore[no-untyped-call]

    def checkPersistence(self, request: Request, version: bytes) -> bool:  # noqa: ARG002 -- Twisted's
        """Ends the connection after the answer, and says so."""
        request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
        return False

    def allContentReceived(self) -> None:
        """The request is complete; whatever else comes is not for us."""
        self._deaf = True
        super().allContentReceived()  # type: ignore[no-untyped-call]

    def resetTimeout(self) -> None:
        """The limit is on the whole request: a byte now and then does not extend it."""

    def timeoutConnection(self) -> None:
        """The request did not come in time."""
        self.loseConnection()

    def loseConnection(self) -> None:
        """Sends what is unsent and closes, within the limit."""
        super().loseConnection()  # type: ignore[no-untyped-call]
        if self._watchdog is None:
            self._watchdog = self.site.reactor.callLater(
                self.site.limits.close_timeout_s, self.transport.abortConnection
            )

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See `IProtocol`."""
        if self._watchdog is not None and self._watchdog.active():
            self._watchdog.cancel()
        super().connectionLost(reason)  # type: ignore[no-untyped-call]


# Twisted's own would look for HTTP/2, which the front does not let in.
ClosingSite.protocol = ClosingChannel  # type: ignore[assignment]
