"""The league's own web server: its page, and the table as JSON with the positions that belong to it."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from season import Season
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import File

PAGE = Path(__file__).parent / "page"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def website(season: Season, relay: str, positions: Mapping[str, object]) -> Site:
    """Serves the page, ``/league.json``, and ``/address.js``, which tells the page where the relay is.

    Args:
        season: what is played.
        relay: the WebSocket address that the page connects to; its ``/client.js`` is what the page listens with.
        positions: by channel, the relay's position of the last event that it has taken; read at each request.
    """
    headers = {"Content-Security-Policy": _policy(relay), **HEADERS}
    root = _Page(str(PAGE))
    root.headers = headers
    address = f"export const RELAY = {json.dumps(relay)};\n"
    root.putChild(b"address.js", _Answer("text/javascript", headers, lambda: address))
    # State and positions of one moment. Events that are on their way to the relay are in the state already: a page
    # gets them all the same, and knows them by their ids.
    root.putChild(
        b"league.json",
        _Answer("application/json", headers, lambda: json.dumps({**season.snapshot(), "positions": dict(positions)})),
    )
    return Site(root)


def _policy(relay: str) -> str:
    """Scripts are the league's own and the relay's, nothing is inline; connections may go anywhere (``?relay=``)."""
    address = urlsplit(relay)
    scheme = {"ws": "http", "wss": "https"}[address.scheme]
    return (
        f"default-src 'none'; script-src 'self' {scheme}://{address.netloc}; style-src 'self'; img-src 'self'; "
        "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


class _Page(File):
    headers: Mapping[str, str] = HEADERS

    def createSimilarFile(self, path: str) -> "_Page":  # noqa: N802  # Twisted's name
        page: _Page = super().createSimilarFile(path)
        page.headers = self.headers
        return page

    def render_GET(self, request: Request) -> bytes | int:  # noqa: N802  # Twisted's name
        _set_headers(request, self.headers)
        answer: bytes | int = super().render_GET(request)
        return answer


class _Answer(Resource):
    def __init__(self, content_type: str, headers: Mapping[str, str], text: Callable[[], str]) -> None:
        super().__init__()
        self._headers = {**headers, "Content-Type": content_type}
        self._text = text

    def render_GET(self, request: Request) -> bytes:  # noqa: N802  # Twisted's name
        _set_headers(request, self._headers)
        return self._text().encode()


def _set_headers(request: Request, headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        request.setHeader(name, value)
