# ruff: noqa: N802, N815 -- Twisted calls us by its names
"""HTTP connections on the operator's port: bounded, and strict about where a request ends."""

from io import BytesIO
from typing import Any

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.web.http import RESPONSES, HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from pulsetw.errors import ErrorCode
from pulsetw.web.answer import Refusal, json_error
from pulsetw.web.guard import Guard, read_asked
from pulsetw.web.routes import head

IDLE_S = 60
"""After so many seconds of silence a connection is closed."""

_MAX_LENGTH_DIGITS = 18

LINGER_S = 5
"""For so many seconds a client that was turned away may go on sending. Closed at once, it would see a reset connection
and never the answer."""


class OperatorChannel(HTTPChannel):
    """A connection.

    Twisted refuses a request with two lengths and bytes that no header may have; this refuses what it still takes.
    """

    guard: Guard
    max_body_bytes: int
    transport: Any
    _deaf = False

    def lineReceived(self, line: bytes) -> None:
        """Called with each line of a head."""
        if line[:1] in (b" ", b"\t"):  # RFC 9112 5.2: a folded header, which proxies read in different ways
            self.turn_away(Refusal(400, ErrorCode.BAD_REQUEST, "a header stands in one line"))
        elif _too_long_a_length(line):
            bound = self.max_body_bytes
            self.turn_away(Refusal(413, ErrorCode.LIMIT_EXCEEDED, f"a body has at most {bound} bytes"))
        elif not self._deaf:
            super().lineReceived(line)  # type: ignore[no-untyped-call]

    def dataReceived(self, data: bytes) -> None:
        """Called with what arrives."""
        if not self._deaf:
            super().dataReceived(data)  # type: ignore[no-untyped-call]

    def rawDataReceived(self, data: bytes) -> None:
        """Called with what is no line."""
        if not self._deaf:
            super().rawDataReceived(data)

    def allContentReceived(self) -> None:
        """Called at the end of a request."""
        if not self._deaf:
            super().allContentReceived()  # type: ignore[no-untyped-call]

    def pauseProducing(self) -> None:
        """Called when the client does not read its answers: no more of its requests are read, either."""
        super().pauseProducing()  # type: ignore[no-untyped-call]
        self.transport.pauseProducing()

    def turn_away(self, refusal: Refusal) -> None:
        """Answers before the request is complete, and hears no more of this client."""
        if self._deaf:
            return
        self._deaf = True
        answer = json_error(refusal)
        headers = head(answer)
        headers.setRawHeaders("Connection", ["close"])
        self.writeHeaders(b"HTTP/1.1", b"%d" % answer.status, RESPONSES[answer.status], headers)  # type: ignore[no-untyped-call]
        self.write(answer.body)  # type: ignore[no-untyped-call]
        self.setTimeout(LINGER_S)  # type: ignore[no-untyped-call]

    def loseConnection(self) -> None:
        """Closes when all is sent."""
        self._deaf = True
        super().loseConnection()  # type: ignore[no-untyped-call]

    def timeoutConnection(self) -> None:
        """Called after silence, or when a client should have left and has not."""
        if self._deaf:
            self.transport.abortConnection()
        else:
            super().timeoutConnection()  # type: ignore[no-untyped-call]


def _too_long_a_length(line: bytes) -> bool:
    """Whether Twisted would stumble over the number."""
    name, _, value = line.partition(b":")
    return name.strip().lower() == b"content-length" and len(value.strip()) > _MAX_LENGTH_DIGITS


class OperatorRequest(Request):
    """A request whose body is kept within bounds, and only where its sender may come in."""

    channel: OperatorChannel
    content: BytesIO

    def gotLength(self, length: int | None) -> None:
        """Called with the whole head; `length` is None for a chunked body."""
        self.content = BytesIO()
        self._left_bytes = self.channel.max_body_bytes
        if self.requestHeaders.hasHeader(b"Transfer-Encoding") and self.requestHeaders.hasHeader(b"Content-Length"):
            self._turn_away(Refusal(400, ErrorCode.BAD_REQUEST, "expected one length of the body, found two"))
        elif length is not None and length > self._left_bytes:
            self._too_large()
        else:
            # What needs a body needs a key, so that the same decision is made about the request when it is complete.
            secure: bool = self.isSecure()  # type: ignore[no-untyped-call]
            asked = read_asked(self.requestHeaders, self.client, secure=secure)
            self._keep = self.channel.guard.refusal(asked, open=False) is None

    def handleContentChunk(self, data: bytes) -> None:
        """Called with each part of the body."""
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            self._too_large()
        elif self._keep:
            self.content.write(data)

    def _too_large(self) -> None:
        bound = self.channel.max_body_bytes
        self._turn_away(Refusal(413, ErrorCode.LIMIT_EXCEEDED, f"a body has at most {bound} bytes"))

    def _turn_away(self, refusal: Refusal) -> None:
        self.requestHeaders.removeHeader(b"Expect")  # or "100 Continue" would follow the answer
        self.channel.turn_away(refusal)


class OperatorSite(Site):
    """Makes the connections of the operator's port."""

    requestFactory = OperatorRequest
    noisy = False

    def __init__(
        self, resource: Resource, guard: Guard, *, reactor: IReactorTime, body_bytes: int, head_bytes: int
    ) -> None:
        """Serves a resource.

        Args:
            resource: what answers.
            guard: decides whose bodies are kept.
            reactor: gives the time for idle connections.
            body_bytes: a longer body is refused.
            head_bytes: a longer head is refused.
        """
        super().__init__(resource, reactor=reactor, timeout=IDLE_S, parsePOSTFormSubmission=False)  # type: ignore[no-untyped-call]
        self._guard = guard
        self._body_bytes = body_bytes
        self._head_bytes = head_bytes

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """One connection."""
        channel: Any = super().buildProtocol(addr)  # type: ignore[no-untyped-call]
        channel.guard = self._guard
        channel.max_body_bytes = self._body_bytes
        channel.totalHeadersSize = channel.MAX_LENGTH = self._head_bytes
        return channel

    def acceptableProtocols(self) -> list[bytes]:
        """What TLS offers to clients."""
        return [b"http/1.1"]

    # Twisted's access log would hold the query of each request, and its clock would tick for ever.
    def startFactory(self) -> None:
        """Opens no log."""

    def stopFactory(self) -> None:
        """Has none to close."""


# Twisted's own would look for HTTP/2, whose channel has none of these bounds.
OperatorSite.protocol = OperatorChannel  # type: ignore[assignment]
