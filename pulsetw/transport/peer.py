"""Who is at the other end of a transport."""

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.protocols.policies import ProtocolWrapper


class Peer:
    """The client's address, made anew each time, but where a protocol keeps it: during its handshake."""

    def __get__(self, protocol: Any, owner: type) -> str:
        return address_text(protocol.transport.getPeer())


def address_text(address: IAddress) -> str:
    """An address for people and logs."""
    match address:
        case IPv4Address(host=host, port=port):
            return f"{host}:{port}"
        case IPv6Address(host=host, port=port):
            return f"[{host}]:{port}"
        case UNIXAddress():
            return "unix"
        case _:
            return "unknown"


def below_wrappers(transport: Any) -> Any:
    """The transport below TLS and other wrappers."""
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    return transport
