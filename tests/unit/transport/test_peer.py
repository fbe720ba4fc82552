"""`pulsetw.transport.peer`."""

from attrs import define
from twisted.internet.address import HostnameAddress, IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.transport.peer import Peer, address_text, below_wrappers


@define(eq=False, slots=False)
class Someone:
    """What has a transport, and a peer."""

    peer = Peer()
    transport: StringTransport


def at(address: IAddress) -> StringTransport:
    return StringTransport(peerAddress=address)


class PeerTests(SynchronousTestCase):
    def test_the_transport_is_asked_each_time(self) -> None:
        """Nothing is kept of it."""
        someone = Someone(at(IPv4Address("TCP", "192.0.2.1", 7)))
        self.assertEqual(someone.peer, "192.0.2.1:7")
        someone.transport = at(IPv4Address("TCP", "192.0.2.2", 8))
        self.assertEqual(someone.peer, "192.0.2.2:8")

    def test_a_text_that_is_kept_stands(self) -> None:
        """As long as it is kept."""
        someone = Someone(at(IPv4Address("TCP", "192.0.2.1", 7)))
        someone.peer = "kept"
        self.assertEqual(someone.peer, "kept")
        del someone.peer
        self.assertEqual(someone.peer, "192.0.2.1:7")


class AddressTextTests(SynchronousTestCase):
    def test_every_kind_of_address(self) -> None:
        """A port can be told from an IPv6 address; what is strange has no text of its own."""
        addresses: tuple[tuple[IAddress, str], ...] = (
            (IPv4Address("TCP", "192.0.2.1", 7), "192.0.2.1:7"),
            (IPv6Address("TCP", "2001:db8::1", 7), "[2001:db8::1]:7"),
            (UNIXAddress(b"/run/pulsetw.sock"), "unix"),
            (UNIXAddress(None), "unix"),
            (HostnameAddress(b"relay.test", 7), "unknown"),
        )
        for address, text in addresses:
            self.assertEqual(address_text(address), text)


class BelowWrappersTests(SynchronousTestCase):
    def test_wrappers_are_passed_by(self) -> None:
        """However many there are."""
        socket = StringTransport()
        factory: WrappingFactory[ProtocolWrapper] = WrappingFactory(None)
        outer, inner = (ProtocolWrapper(factory, Protocol()) for _ in range(2))
        outer.transport, inner.transport = socket, outer
        self.assertIs(below_wrappers(inner), socket)
        self.assertIs(below_wrappers(socket), socket)
