"""The league's own web server: its page, and the table as JSON."""

import json
from pathlib import Path

from season import Season
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import File

PAGE = Path(__file__).parent / "page"
HEADERS = {
    # The relay may be anywhere (--ws, ?relay=); everything else comes from here, and nothing is inline.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def website(season: Season, relay: str) -> Site:
    """Serves the page and ``/league.json``.

    Args:
        season: what is played.
        relay: the WebSocket address that the page connects to.
    """
    root = _Page(str(PAGE))
    root.putChild(b"league.json", _League(season, relay))
    return Site(root)


class _Page(File):
    def render_GET(self, request: Request) -> bytes | int:  # noqa: N802  # Twisted's name
        _set_headers(request)
        answer: bytes | int = super().render_GET(request)
        return answer


class _League(Resource):
    def __init__(self, season: Season, relay: str) -> None:
        super().__init__()
        self._season = season
        self._relay = relay

    def render_GET(self, request: Request) -> bytes:  # noqa: N802  # Twisted's name
        _set_headers(request)
        request.setHeader("Content-Type", "application/json")
        return json.dumps({"relay": self._relay, **self._season.snapshot()}).encode()


def _set_headers(request: Request) -> None:
    for name, value in HEADERS.items():
        request.setHeader(name, value)
