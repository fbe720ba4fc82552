"""Keys that others publish (RFC 7517 5): from where, when they are asked for again, and which are believed."""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from attrs import define, frozen

from pulsetw.policy.keys import Key, read_jwks

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@frozen
class JwksRules:
    """How often, and for how long.

    Attributes:
        refresh_s: keys are asked for again when they are so old, in seconds.
        min_interval_s: between two requests to one URL, in seconds: tokens with invented ids cause no more than that.
        keep_s: keys are believed for so long after they came, in seconds, if no newer ones do.
    """

    refresh_s: float = 3600
    min_interval_s: float = 30
    keep_s: float = 86_400


@define
class _Source:
    keys: tuple[Key, ...] = ()
    asked_at: float | None = None
    answered_at: float | None = None


class JwksCache:
    """The keys of some URLs. All times are seconds of one clock that never goes back."""

    def __init__(self, urls: Iterable[str], rules: JwksRules) -> None:
        """Nothing was asked for yet.

        Args:
            urls: checked by `check_jwks_url`.
            rules: see there.
        """
        self._rules = rules
        self._sources = {url: _Source() for url in urls}

    def due(self, now: float) -> list[str]:
        """The URLs that are to be asked: never asked, without a good answer, or with an old one."""
        return [
            url
            for url in self.askable(now)
            if (answered_at := self._sources[url].answered_at) is None or now - answered_at >= self._rules.refresh_s
        ]

    def askable(self, now: float) -> list[str]:
        """The URLs that may be asked, as when a token names a key that nobody knows (reason ``unknown key``)."""
        return [
            url
            for url, source in self._sources.items()
            if source.asked_at is None or now - source.asked_at >= self._rules.min_interval_s
        ]

    def asked(self, url: str, now: float) -> None:
        """A request goes out. Nothing need be said if it fails."""
        self._sources[url].asked_at = now

    def answered(self, url: str, document: object, now: float) -> None:
        """An answer came: its keys take the place of those that the URL had.

        Args:
            url: who was asked.
            document: the answer's JSON.
            now: the time.

        Raises:
            ValueError: it holds no keys; those that the URL had stay.
        """
        keys = read_jwks(document)
        source = self._sources[url]
        source.keys, source.answered_at = keys, now

    def keys(self, now: float) -> list[Key]:
        """Those that are believed now, of all URLs."""
        return [
            key
            for source in self._sources.values()
            if source.answered_at is not None and now - source.answered_at < self._rules.keep_s
            for key in source.keys
        ]


def check_jwks_url(url: str) -> str:
    """The URL itself.

    Raises:
        ValueError: it is no plain https URL.
    """
    expected = f"expected a URL such as https://login.example.com/.well-known/jwks.json, found {url[:200]!r}"
    try:
        parts = urlsplit(url)
        is_plain = parts.scheme == "https" and parts.hostname and parts.port != 0
    except ValueError:
        raise ValueError(expected) from None
    if not is_plain or not url.isascii() or not url.isprintable() or " " in url or "@" in parts.netloc or "#" in url:
        raise ValueError(expected)
    return url


def is_public(address: str) -> bool:
    """Whether an IP address is one of the Internet: not of this machine, its network, or its cloud's own services.

    Raises:
        ValueError: it is no IP address.
    """
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        # Ways to write an IPv4 address: what it stands for counts.
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            found = inner
    return found.is_global and not found.is_multicast
