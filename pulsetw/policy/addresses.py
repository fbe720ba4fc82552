"""Whose a connection is: the address that limits count.

A proxy's connections come from the proxy. What it says of the client is believed only where the settings name the proxy
(`Proxies`), and only the header that it writes itself: the other one of the two it passes on as the client sent it.
"""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal

from attrs import field, frozen

ForwardedHeader = Literal["x-forwarded-for", "forwarded"]

UNIX = "unix"
"""The peer at the other end of a UNIX socket, and the word for it among trusted networks."""

MAX_HOPS = 16
"""So many addresses of a header are looked at, from the right."""

# In a header; the longest is an IPv6 address in brackets with a port, with room for the name of a zone.
_MAX_ADDRESS_CHARACTERS = 80
_MAX_ELEMENT_CHARACTERS = 1024

_PORT = r"(?::[0-9]{1,5})?"
_NODE = re.compile(rf"(?P<v4>[0-9.]+){_PORT}|\[(?P<bracketed>[^\[\]]+)\]{_PORT}|(?P<v6>[^\[\]]+)")
# RFC 7239 4: pairs of a token and a token or quoted text. A comma in quotes cuts an element in two that are none.
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PAIR = rf'[ \t]*({_WORD})=({_WORD}|"(?:[^"\\\x00-\x1f\x7f]|\\[ -~])*")[ \t]*'
_ELEMENT = re.compile(rf"{_PAIR}(?:;{_PAIR})*")
_PAIRS = re.compile(_PAIR)

_Network = IPv4Network | IPv6Network
_Parsed = IPv4Address | IPv6Address


@frozen
class Address:
    """Where a client is.

    Attributes:
        text: for people and logs: an address in its shortest form, ``unix`` or ``unknown``.
        key: what limits count: an IPv4 address, or the /64 network of an IPv6 one: each customer has so many.
    """

    text: str
    key: str


_UNIX_ADDRESS = Address(UNIX, UNIX)
_UNKNOWN_ADDRESS = Address("unknown", "unknown")


def read_address(host: str) -> Address:
    """The address of a peer.

    Args:
        host: an address as the kernel or a PROXY header gives it, maybe with a zone (``fe80::1%eth0``), or ``unix``.
            Anything else makes an ``unknown`` one; all of these are counted together.
    """
    if host == UNIX:
        return _UNIX_ADDRESS
    parsed = _parse(host)
    return _UNKNOWN_ADDRESS if parsed is None else _address(parsed)


@frozen
class Proxies:
    """The peers that may speak for others.

    Attributes:
        networks: where they are.
        unix: whether programs on this machine that come by UNIX sockets are among them.
        header: the one that they write.
    """

    networks: tuple[_Network, ...] = ()
    unix: bool = False
    header: ForwardedHeader = field(default="x-forwarded-for")

    @classmethod
    def parse(cls, texts: Iterable[str], header: ForwardedHeader = "x-forwarded-for") -> "Proxies":
        """Reads the settings.

        Args:
            texts: addresses and networks such as ``10.0.0.0/8`` and ``2001:db8::/32``, and ``unix``.
            header: the one that they write.

        Raises:
            ValueError: one is none of these; the text says which, and what was expected.
        """
        wanted = list(texts)
        return cls(tuple(_parse_network(text) for text in wanted if text != UNIX), UNIX in wanted, header)

    def trusts(self, peer: str) -> bool:
        """Whether a peer may speak for others; `peer` as for `read_address`."""
        return self.unix if peer == UNIX else self._includes(_parse(peer))

    def _includes(self, address: _Parsed | None) -> bool:
        # An address is in no network of the other version.
        return address is not None and any(address in network for network in self.networks)


def forwarded(peer: str, headers: Sequence[tuple[str, str]], proxies: Proxies) -> Address:
    """Where a request comes from.

    The header is read from the right: what a proxy appended stands behind all that its client made up. The first
    address that is no proxy's is the client's; if all are proxies', the first of all is. What is no address on the way
    there (``unknown`` and hidden names of RFC 7239 among it) leaves the peer's own.

    Args:
        peer: who the connection is from; see `read_address`.
        headers: names in lower case and values, in their order.
        proxies: who is believed.
    """
    if not proxies.trusts(peer):
        return read_address(peer)
    client: _Parsed | None = None
    # RFC 9110 5.3: lines of one name are one list.
    value = ",".join(value for name, value in headers if name == proxies.header)
    for hop in reversed(value.rsplit(",", MAX_HOPS)[-MAX_HOPS:] if value else []):
        client = _parse_node(hop if proxies.header == "x-forwarded-for" else _for_value(hop))
        if not proxies._includes(client):
            break
    return read_address(peer) if client is None else _address(client)


def _parse(host: str) -> _Parsed | None:
    """An address without its zone; one of IPv4 that is mapped into IPv6 (``::ffff:192.0.2.1``) is one of IPv4."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))


def _address(address: _Parsed) -> Address:
    text = str(address)
    if isinstance(address, IPv4Address):
        return Address(text, text)
    return Address(text, f"{IPv6Address(int(address) >> 64 << 64)}/64")


def _parse_network(text: str) -> _Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ValueError(f'expected an address, a network such as "10.0.0.0/8", or "unix", found {error}') from None
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is not None:
        raise ValueError(f"expected IPv4 as such, found {text!r}: it is one of {mapped}, mapped into IPv6")
    return network


def _parse_node(text: str) -> _Parsed | None:
    """An address of a header, its port left out."""
    text = text.strip(" \t")
    match = _NODE.fullmatch(text) if len(text) <= _MAX_ADDRESS_CHARACTERS else None
    return None if match is None else _parse(match["v4"] or match["bracketed"] or match["v6"])


def _for_value(element: str) -> str:
    """What stands behind ``for=`` in an element of Forwarded; "" where that is not one value."""
    if len(element) > _MAX_ELEMENT_CHARACTERS or not _ELEMENT.fullmatch(element):
        return ""
    values = [value for name, value in _PAIRS.findall(element) if name.lower() == "for"]
    return values[0].strip('"') if len(values) == 1 else ""
