"""The head of an HTTP/1.1 request (RFC 9112), read strictly and bounded.

Whatever two programs could read in two ways is refused: the head goes on to parsers that are more patient than this
one, and proxies in front may be so, too.
"""

import re

from attrs import field, frozen

MAX_FIELDS = 100

_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*)", re.DOTALL)
# RFC 9112 3.2.1, the origin form only. What is no URI character, but harmless and sent by some, passes.
_TARGET = re.compile(rb"/[!\"$-~]*")
# RFC 9110 5.5 without 0x85, which `str.splitlines` takes for the end of a line, as it does 0x0b, 0x0c, 0x1c-0x1e.
_FORBIDDEN = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f\x85]")
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
# Fifteen digits are a petabyte; Python refuses to read thousands of them with an exception of its own.
_LENGTH = re.compile(r"[0-9]{1,15}")
_BARE_LF = re.compile(rb"(?<!\r)\n")
_LETTER = re.compile(rb"[A-Za-z]")


class BadHead(ValueError):
    """A request that is answered by the front itself, and the connection closed.

    Attributes:
        status: of the answer.
        problem: in words; repeats nothing that the client sent.
    """

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(status, problem)
        self.status = status
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.status} {self.problem}"


@frozen
class RequestHead:
    """A request without its body.

    Attributes:
        method: as sent; case matters.
        target: path and query as sent, no escape resolved.
        version: ``1.1`` or ``1.0``.
        headers: names in lower case, with values without white space around them, in their order.
        size: bytes of the head, with the empty line at its end.
    """

    method: str
    target: str = field(repr=False)  # may hold a token
    version: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    size: int

    @property
    def path(self) -> str:
        """The target up to the question mark."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The target after the question mark; "" where there is none."""
        return self.target.partition("?")[2]

    def values(self, name: str) -> list[str]:
        """All values of a header; `name` in lower case."""
        return [value for known, value in self.headers if known == name]

    def first(self, name: str) -> str | None:
        """The first value of a header; None where there is none."""
        return next(iter(self.values(name)), None)

    def tokens(self, name: str) -> set[str]:
        """The words of a header that is a list, in lower case (RFC 9110 5.6.1)."""
        return {word.strip(" \t").lower() for value in self.values(name) for word in value.split(",")}


class HeadReader:
    """Collects a request's head.

    Attributes:
        data: all that was fed, the head and what follows it.
    """

    def __init__(self, max_bytes: int) -> None:
        """`max_bytes` bounds the head; what one `feed` brings after it is kept, however much."""
        self.data = b""
        self._max_bytes = max_bytes

    def feed(self, data: bytes) -> RequestHead | None:
        """The head, once it is there; None = more is needed.

        Raises:
            BadHead: it will not become one.
        """
        # Four bytes of the end may have come before; looking at all of them again would be quadratic.
        seen = max(0, len(self.data) - 3)
        self.data += data
        end = self.data.find(b"\r\n\r\n", seen)
        if end < 0 and (_BARE_LF.search(self.data, seen) or not _LETTER.match(self.data)):
            raise BadHead(400, "this is no HTTP/1.1 request")
        if end + 4 > self._max_bytes or (end < 0 and len(self.data) >= self._max_bytes):
            raise BadHead(431, f"a request's head takes at most {self._max_bytes} bytes")
        return None if end < 0 else parse_head(self.data[: end + 4])


def parse_head(data: bytes) -> RequestHead:
    """Reads a whole head, from the method to the empty line.

    Raises:
        BadHead: whatever is wrong with it.
    """
    request_line, *lines = data.removesuffix(b"\r\n\r\n").split(b"\r\n")
    method, target, version = _parse_request_line(request_line)
    if len(lines) > MAX_FIELDS:
        raise BadHead(431, f"a request takes at most {MAX_FIELDS} header fields")
    head = RequestHead(method, target, version, tuple(_parse_field(line) for line in lines), len(data))
    _check_host(head)
    _check_framing(head)
    return head


def _parse_request_line(line: bytes) -> tuple[str, str, str]:
    method, _, rest = line.partition(b" ")
    target, _, version = rest.rpartition(b" ")
    if not _METHOD.fullmatch(method) or not version.startswith(b"HTTP/"):
        raise BadHead(400, "the request line is not METHOD SP target SP HTTP/1.1")
    if version not in {b"HTTP/1.1", b"HTTP/1.0"}:
        raise BadHead(505, "HTTP/1.1 is spoken here")
    if not _TARGET.fullmatch(target):
        raise BadHead(400, "the request's target is not a path of visible ASCII, or has a fragment")
    return method.decode("ascii"), target.decode("ascii"), version[5:].decode("ascii")


def _parse_field(line: bytes) -> tuple[str, str]:
    match = _FIELD.fullmatch(line)
    if match is None:
        raise BadHead(400, "a header line is not NAME: value, or goes on in a second line")
    name, value = match[1], match[2].rstrip(b" \t")
    if _FORBIDDEN.search(value):
        raise BadHead(400, "a header's value holds a control character")
    return name.decode("ascii").lower(), value.decode("latin-1")


def _check_host(head: RequestHead) -> None:
    """RFC 9112 3.2. HTTP/1.0 may do without: load balancers ask so whether we live."""
    hosts = head.values("host")
    if len(hosts) > 1 or (not hosts and head.version == "1.1"):
        raise BadHead(400, "there must be exactly one Host header")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise BadHead(400, "the Host header is not a host with a port")


def _check_framing(head: RequestHead) -> None:
    """RFC 9112 6: where the body ends must be certain."""
    lengths, codings = head.values("content-length"), head.values("transfer-encoding")
    if lengths and codings:
        raise BadHead(400, "Content-Length and Transfer-Encoding exclude each other")
    if len(lengths) > 1 or (lengths and not _LENGTH.fullmatch(lengths[0])):
        raise BadHead(400, "Content-Length is not one number")
    if codings and head.version == "1.0":
        raise BadHead(400, "HTTP/1.0 knows no Transfer-Encoding")
    if codings and [coding.lower() for coding in codings] != ["chunked"]:
        raise BadHead(501, "chunked is the only Transfer-Encoding understood here")
