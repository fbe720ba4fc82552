"""Our client for browsers, served by the relay itself."""

from collections.abc import Mapping
from importlib.resources import files

from pulsetw.web.answer import Answer
from pulsetw.web.routes import Method, WebRequest

_FILES = {
    b"/client.js": ("client.js", "text/javascript; charset=utf-8"),
    b"/client.d.ts": ("client.d.ts", "application/typescript; charset=utf-8"),
}
# Pages of any origin may load it; what they may connect to is another question. A new release is seen at once.
_HEADERS = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-cache"}


def scripts() -> dict[bytes, Mapping[bytes, Method]]:
    """From path to method; the files are read once, here."""
    return {path: {b"GET": _served(name, kind)} for path, (name, kind) in _FILES.items()}


def _served(name: str, content_type: str) -> Method:
    answer = Answer(200, files("pulsetw.web").joinpath(name).read_bytes(), content_type, _HEADERS)

    def serve(_request: WebRequest) -> Answer:
        return answer

    return serve
