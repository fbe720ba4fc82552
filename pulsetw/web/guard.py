"""Who may use the operator's port.

A web page in an operator's browser can reach loopback, and a name of the page's own can be made to point there (DNS
rebinding). So the port answers only to its own names, to no page from elsewhere, and takes nothing that a page could
send without being asked first (`content_type_refusal`). Beyond the same machine a key is needed.
"""

import hmac
import ipaddress
import re
from collections.abc import Iterable, Sequence

from attrs import field, frozen
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.web.http_headers import Headers

from pulsetw.errors import ErrorCode
from pulsetw.policy.origin import origin_allowed
from pulsetw.web.answer import Refusal

_host = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{1,5})?")
_bearer = re.compile(rb"bearer +(?P<key>[^ ]+) *", re.IGNORECASE)
_json_type = re.compile(rb'application/json *(?:; *charset *= *"?utf-8"? *)?', re.IGNORECASE)

# One of these says that the peer only passes on what somebody else asks.
_FORWARDING = frozenset({b"forwarded", b"via", b"x-real-ip", b"x-client-ip", b"true-client-ip", b"cf-connecting-ip"})


@frozen
class Asked:
    """The part of a request that decides whether it is let in.

    Attributes:
        from_loopback: the peer is on the same machine.
        hosts: the values of Host.
        origins: the values of Origin.
        secure: whether it came over TLS.
        forwarded: somebody passed it on.
        keys: the keys that it offers.
    """

    from_loopback: bool
    hosts: Sequence[str]
    origins: Sequence[str] = ()
    secure: bool = False
    forwarded: bool = False
    keys: Sequence[bytes] = field(default=(), repr=False)


def read_asked(headers: Headers, peer: object, *, secure: bool) -> Asked:
    """The facts of a request.

    Args:
        headers: the request's.
        peer: the address that the connection comes from.
        secure: whether it is a TLS connection.
    """
    names = {name.lower() for name, _ in headers.getAllRawHeaders()}
    bearers = [_bearer.fullmatch(value) for value in headers.getRawHeaders(b"Authorization", [])[:1]]
    return Asked(
        from_loopback=is_loopback(peer),
        hosts=_texts(headers.getRawHeaders(b"Host", [])),
        origins=_texts(headers.getRawHeaders(b"Origin", [])),
        secure=secure,
        forwarded=any(name in _FORWARDING or name.startswith(b"x-forwarded-") for name in names),
        keys=[*headers.getRawHeaders(b"X-Api-Key", [])[:1], *(bearer["key"] for bearer in bearers if bearer)],
    )


def _texts(values: Sequence[bytes]) -> list[str]:
    return [value.decode("latin-1") for value in values]


def is_loopback(peer: object) -> bool:
    """Whether a connection from this address comes from the same machine."""
    if isinstance(peer, IPv4Address | IPv6Address):
        address = _address(peer.host)
        return address is not None and _is_loopback_address(address)
    return isinstance(peer, UNIXAddress)


class Guard:
    """Decides about each request on the operator's port."""

    def __init__(self, api_keys: Iterable[str], hosts: Iterable[str]) -> None:
        """Takes the settings.

        Args:
            api_keys: each of them opens the port; none = only the same machine may use it.
            hosts: names and addresses besides loopback's that a request's Host may have.
        """
        self._api_keys = [key.encode() for key in api_keys]
        self._hosts = frozenset(_canonical(host) for host in hosts)

    def refusal(self, asked: Asked, *, open: bool) -> Refusal | None:
        """Why the request is not let in; None where it is.

        Args:
            asked: the request.
            open: it asks for what needs no key and changes nothing. Any address may then stand in its Host, as in the
                probes of Kubernetes: a page from elsewhere has a name there.
        """
        if refusal := self._host_refusal(asked.hosts, open):
            return refusal
        if asked.origins and not self._is_own_page(asked):
            return _forbidden("a page of another origin may not use the operator's port")
        return None if open else self._key_refusal(asked)

    def _host_refusal(self, hosts: Sequence[str], open: bool) -> Refusal | None:
        if not hosts and open:  # HTTP/1.0, as some load balancers ask for the health
            return None
        match = _host.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if match is None:
            return Refusal(400, ErrorCode.BAD_REQUEST, "expected one Host")
        name = _canonical(match["v6"] or match["name"])
        address = _address(name)
        known = name == "localhost" or name in self._hosts
        if known or (address is not None and (open or _is_loopback_address(address))):
            return None
        return _forbidden(f"{name!r} is not a name of the operator's port; server.admin_hosts may add it")

    def _is_own_page(self, asked: Asked) -> bool:
        # Browsers send no cookies of ours: there are none, so that those of other programs on the host do not count.
        return len(asked.origins) == 1 and origin_allowed(
            asked.origins[0], asked.hosts[0] if asked.hosts else "", secure=asked.secure, has_cookies=False, allowed=()
        )

    def _key_refusal(self, asked: Asked) -> Refusal | None:
        if not self._api_keys:
            if asked.from_loopback and not asked.forwarded:
                return None
            return _forbidden("without a key only this machine may use the operator's port; configure auth.api_keys")
        matches = False
        for offered in asked.keys:
            for key in self._api_keys:  # all of them, so that the time does not tell which one was nearly right
                matches |= hmac.compare_digest(offered, key)
        if matches:
            return None
        challenge = 'Bearer realm="pulsetw"' + (', error="invalid_token"' if asked.keys else "")
        return Refusal(
            401, ErrorCode.UNAUTHORIZED, "expected a key of auth.api_keys", headers={"WWW-Authenticate": challenge}
        )


def content_type_refusal(values: Sequence[bytes]) -> Refusal | None:
    """Why a body of this type is not taken; None for JSON.

    Pages may send forms and plain text to any host. For JSON their browser asks first, and gets no.

    Args:
        values: the values of Content-Type.
    """
    if len(values) == 1 and _json_type.fullmatch(values[0].strip()):
        return None
    return Refusal(415, ErrorCode.BAD_REQUEST, "expected Content-Type: application/json")


def _forbidden(message: str) -> Refusal:
    return Refusal(403, ErrorCode.PERMISSION_DENIED, message)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _canonical(host: str) -> str:
    address = _address(host)
    return host.lower() if address is None else str(address)


def _is_loopback_address(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
