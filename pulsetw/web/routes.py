# ruff: noqa: N802, N815 -- Twisted calls us by its names
"""From a request to a method, and from its answer back to the wire."""

from collections.abc import Callable, Mapping
from typing import BinaryIO, Protocol

from attrs import field, frozen
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from pulsetw.errors import ErrorCode
from pulsetw.web.answer import Answer, Refusal
from pulsetw.web.guard import Guard, content_type_refusal, read_asked


class WebRequest(Protocol):
    """What is used of `twisted.web.server.Request`."""

    method: bytes
    path: bytes
    content: BinaryIO
    client: object
    requestHeaders: Headers
    responseHeaders: Headers

    def isSecure(self) -> bool:
        """Whether it came over TLS."""

    def notifyFinish(self) -> Deferred[None]:
        """Fires when the answer is out, fails when the client has gone before."""

    def setResponseCode(self, code: int) -> None:
        """Sets the status."""

    def write(self, data: bytes) -> None:
        """Sends the head, if it is not out yet, and a part of the body."""

    def finish(self) -> None:
        """Ends the answer."""


Method = Callable[[WebRequest], Answer | Deferred[Answer]]


@frozen
class Route:
    """What is at one path.

    Attributes:
        methods: from ``GET`` and ``POST`` to what answers; HEAD is answered as GET without the body.
        open: needs no key. Nothing that takes a body may be open: strangers' bodies are dropped.
    """

    methods: Mapping[bytes, Method]
    open: bool = False

    @property
    def allowed(self) -> list[bytes]:
        """The methods that the path takes."""
        return [*self.methods, *([b"HEAD"] if b"GET" in self.methods else [])]


class Routes(Resource):
    """All paths of one port.

    Every answer leaves through here: an unknown exception becomes a status, and one line in the log with its traceback.
    """

    isLeaf = True
    _log = Logger()

    def __init__(
        self, routes: Mapping[bytes, Route], errors: Callable[[Refusal], Answer], guard: Guard | None = None
    ) -> None:
        """Takes the table.

        Args:
            routes: from exact path to what is there.
            errors: how refusals are told.
            guard: decides who may come in; None = everybody may.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        self._routes = routes
        self._errors = errors
        self._guard = guard

    def render(self, request: WebRequest) -> int:
        """Answers, now or later; twisted.web calls it."""
        exchange = _Exchange(request)
        # Twisted has no type for a function that may do either.
        answer: Deferred[Answer] = maybeDeferred(self._answer, request)  # type: ignore[call-overload]
        answer.addErrback(self._failed, request)
        answer.addCallback(exchange.send)
        answer.addErrback(lambda failure: self._log.failure("an answer could not be sent", failure))
        return NOT_DONE_YET

    def _answer(self, request: WebRequest) -> Answer | Deferred[Answer]:
        route = self._routes.get(request.path)
        refusal = self._refusal(request, route)
        if refusal is not None or route is None:
            return self._errors(refusal or Refusal(404, ErrorCode.BAD_REQUEST, "there is nothing at this path"))
        return route.methods[b"GET" if request.method == b"HEAD" else request.method](request)

    def _refusal(self, request: WebRequest, route: Route | None) -> Refusal | None:
        """Why a request is not carried out; None also where there is no such path."""
        if self._guard is not None:
            asked = read_asked(request.requestHeaders, request.client, secure=request.isSecure())
            if refusal := self._guard.refusal(asked, open=route is None or route.open):
                return refusal
        if route is None:
            return None
        if request.method not in route.allowed:
            allowed = b", ".join(route.allowed).decode()
            return Refusal(405, ErrorCode.BAD_REQUEST, f"this path takes: {allowed}", headers={"Allow": allowed})
        if request.method == b"POST":
            return content_type_refusal(request.requestHeaders.getRawHeaders(b"Content-Type", []))
        return None

    def _failed(self, failure: Failure, request: WebRequest) -> Answer:
        self._log.failure("answering {path!r} failed", failure, path=request.path.decode("latin-1"))
        return self._errors(Refusal(500, ErrorCode.INTERNAL, "internal error"))


@frozen
class _Exchange:
    """One request whose answer is still out."""

    request: WebRequest
    _gone: list[Failure] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.request.notifyFinish().addErrback(self._gone.append)

    def send(self, answer: Answer) -> None:
        """Sends the answer, unless the client has gone."""
        if not self._gone:
            send(self.request, answer)


def head(answer: Answer) -> Headers:
    """The headers of an answer."""
    headers = {
        "Content-Type": answer.content_type,
        "Content-Length": str(len(answer.body)),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        **answer.headers,
    }
    return Headers({name: [value] for name, value in headers.items()})


def send(request: WebRequest, answer: Answer) -> None:
    """Sends a whole answer."""
    request.setResponseCode(answer.status)
    request.responseHeaders.removeHeader(b"Server")
    for name, values in head(answer).getAllRawHeaders():
        request.responseHeaders.setRawHeaders(name, values)
    if request.method != b"HEAD":
        request.write(answer.body)
    request.finish()
