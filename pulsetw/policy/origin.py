"""Which web pages may open a connection (RFC 6454, RFC 6455 10.2)."""

import re
from collections.abc import Collection
from functools import lru_cache
from ipaddress import IPv6Address

from attrs import frozen

_DEFAULT_PORTS = {"http": 80, "https": 443}
_WORDS = "an origin is a scheme, a host and, where it is not the default, a port, such as https://app.example.com"

# Digits and letters are spelled out: `\d` and `\w` would take those of other scripts.
_AUTHORITY = r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?"
_authority = re.compile(_AUTHORITY)
_origin = re.compile(rf"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://{_AUTHORITY}")


@frozen
class Origin:
    """Where a page comes from.

    Attributes:
        scheme: such as ``https``; lower case.
        host: a name, or an address; lower case, IPv6 shortened and in brackets.
        port: the scheme's default where none was given; None where there is no default either.
    """

    scheme: str
    host: str
    port: int | None


@lru_cache(maxsize=1024)
def parse_origin(text: str) -> Origin:
    """The origin that a header's value or a setting's entry names.

    Raises:
        ValueError: it is none: ``null``, a path, a user, an empty host, a port beyond 65535, anything else.
    """
    match = _origin.fullmatch(text)
    if match is None:
        raise ValueError(_WORDS)
    return _compose(match["scheme"].lower(), match)


def check_origin(entry: str) -> None:
    """Checks one entry of the setting ``auth.origins``.

    Raises:
        ValueError: it could never match a page's origin; the text says what was expected.
    """
    if entry == "null":
        raise ValueError("null is every sandboxed page's origin, and can not be let in")
    if "*" in entry:
        raise ValueError(f"{entry!r}: origins are compared exactly, there are no wildcards")
    if entry.lower().startswith(("ws:", "wss:")):
        raise ValueError(f"{entry!r}: an origin is the page's address, so https:// or http://, not that of the socket")
    if not entry.isascii():
        raise ValueError(f"{entry!r}: a host is written as browsers send it, in ASCII (xn--…)")
    try:
        parse_origin(entry)
    except ValueError as error:
        raise ValueError(f"{entry!r}: {error}") from None


def origin_allowed(origin: str | None, host: str, *, secure: bool, has_cookies: bool, allowed: Collection[str]) -> bool:
    """Whether a handshake may go on. Scheme, host and port must be the same, nothing is a prefix or a suffix.

    Args:
        origin: the header's value; None = there was none, as with programs that are no browsers. They pass, but not
            with cookies: those are a browser's, and one that hides where it comes from is not believed.
        host: the value of the Host header.
        secure: whether the client came over TLS. Behind a proxy that ends TLS it did not, so that ``allowed`` must name
            the pages.
        has_cookies: whether the request has a Cookie header.
        allowed: the origins that may come in, checked by `check_origin`; empty = those of the same host.
    """
    if origin is None:
        return not has_cookies
    try:
        page = parse_origin(origin)
    except ValueError:
        return False
    if allowed:
        return any(page == parse_origin(entry) for entry in allowed)
    return page == _own_origin(host, secure)


def _own_origin(host: str, secure: bool) -> Origin | None:
    match = _authority.fullmatch(host)
    try:
        return None if match is None else _compose("https" if secure else "http", match)
    except ValueError:
        return None


def _compose(scheme: str, match: re.Match[str]) -> Origin:
    host = match["host"].lower()
    if host.startswith("["):
        host = f"[{IPv6Address(host[1:-1]).compressed}]"
    port = int(match["port"]) if match["port"] else _DEFAULT_PORTS.get(scheme)
    if port is not None and port > 65535:
        raise ValueError(f"there is no port {port}")
    return Origin(scheme, host, port)
