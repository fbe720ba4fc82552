"""What a request is answered with, as values; `pulsetw.web.routes` sends them."""

from collections.abc import Mapping

from attrs import field, frozen

from pulsetw import codec
from pulsetw.errors import ErrorCode


@frozen
class Answer:
    """A whole answer.

    Attributes:
        status: of HTTP.
        body: all of it.
        content_type: of the body.
        headers: more headers.
    """

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(factory=dict)


@frozen
class Refusal:
    """Why a request was not carried out.

    Attributes:
        status: of HTTP.
        code: what went wrong.
        message: in words.
        headers: headers that belong to it, such as ``Retry-After``.
        details: more members of the error on the wire, such as ``field``.
    """

    status: int
    code: ErrorCode
    message: str
    headers: Mapping[str, str] = field(factory=dict)
    details: Mapping[str, object] = field(factory=dict)

    @property
    def document(self) -> dict[str, object]:
        """The error as it stands on the wire."""
        return {"error": {"code": int(self.code), "message": self.message, **self.details}}


def json_answer(status: int, document: object) -> Answer:
    """A JSON document; it ends with a newline, for people with a terminal."""
    return Answer(status, codec.encode(document) + b"\n")


def json_error(refusal: Refusal) -> Answer:
    """The refusal with all that is known of it."""
    return Answer(refusal.status, codec.encode(refusal.document) + b"\n", headers=refusal.headers)


def bare_answer(status: int, word: str) -> Answer:
    """One word for strangers."""
    return Answer(status, f"{word}\n".encode(), content_type="text/plain; charset=utf-8")


def bare_error(refusal: Refusal) -> Answer:
    """The refusal's status, and no more than everybody knows."""
    word = "not found" if refusal.status == 404 else "refused"
    return Answer(refusal.status, f"{word}\n".encode(), "text/plain; charset=utf-8", refusal.headers)
