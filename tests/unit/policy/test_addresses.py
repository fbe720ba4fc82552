"""`pulsetw.policy.addresses`."""

from ipaddress import IPv6Address

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.policy.addresses import MAX_HOPS, Address, Proxies, forwarded, read_address

PROXIES = Proxies.parse(["10.0.0.0/8", "2001:db8:ffff::/48", "unix"])
SPEAKING = Proxies.parse(["10.0.0.0/8"], "forwarded")

# What follows the proxy's own address in X-Forwarded-For; None = the peer's own address stays.
CHAINS: dict[str, str | None] = {
    "198.51.100.7": "198.51.100.7",
    "198.51.100.7:50000": "198.51.100.7",
    " 198.51.100.7\t": "198.51.100.7",
    "203.0.113.9, 198.51.100.7": "198.51.100.7",
    "203.0.113.9, 198.51.100.7, 10.0.0.2": "198.51.100.7",
    "junk, 198.51.100.7": "198.51.100.7",
    '"quoted, 198.51.100.7': "198.51.100.7",
    "10.0.0.3, 10.0.0.2": "10.0.0.3",
    "10.0.0.2": "10.0.0.2",
    "2001:db8::1": "2001:db8::1",
    "[2001:db8::1]": "2001:db8::1",
    "[2001:db8::1]:50000": "2001:db8::1",
    "::ffff:198.51.100.7": "198.51.100.7",
    "203.0.113.9, ::ffff:10.0.0.2": "203.0.113.9",
    "203.0.113.9, 2001:db8:ffff::1": "203.0.113.9",
    "": None,
    ",": None,
    "198.51.100.7,": None,
    "198.51.100.7, junk": None,
    "198.51.100.7, junk, 10.0.0.2": None,
    "unknown": None,
    "198.51.100.7:": None,
    "198.51.100.7:x": None,
    "198.51.100.07": None,
    "198.51.100": None,
    "198.51.100.7/32": None,
    "198.51.100.7 203.0.113.9": None,
    "[198.51.100.7": None,
    "2001:db8::1]": None,
    "[]": None,
    "relay.test": None,
    "3325256711": None,
    "١٩٨.51.100.7": None,
    "1" * 5000: None,
    "fe80::1%" + "z" * 5000: None,
}

ELEMENTS: dict[str, str | None] = {
    "for=198.51.100.7": "198.51.100.7",
    "FOR=198.51.100.7;proto=https;by=10.0.0.1": "198.51.100.7",
    'proto=https; for="198.51.100.7:50000"': "198.51.100.7",
    'for="[2001:db8::1]:50000"': "2001:db8::1",
    "for=203.0.113.9, for=198.51.100.7": "198.51.100.7",
    "for=198.51.100.7, for=10.0.0.2": "198.51.100.7",
    # A quotation that the client began does not swallow what the proxy appended.
    'for="203.0.113.9, for=198.51.100.7': "198.51.100.7",
    # Neither does what a proxy quotes of the client become an element of its own.
    'for=198.51.100.7;host="a, for=203.0.113.9"': None,
    'for=198.51.100.7;host="a, for=203.0.113.9;b=\\""': None,
    "for=_hidden": None,
    "for=unknown": None,
    "proto=https": None,
    "for=203.0.113.9;for=198.51.100.7": None,
    "for=[2001:db8::1]": None,
    "for = 198.51.100.7": None,
    "for=198.51.100.7;": None,
    "198.51.100.7": None,
    "for=198.51.100.7;x=" + "y" * 2000: None,
    "": None,
}


class ReadAddressTests(SynchronousTestCase):
    def test_addresses(self) -> None:
        """IPv4 is counted as it is, IPv6 by /64; a zone is left out, and what is mapped is what it stands for."""
        outcome = {
            "192.0.2.1": Address("192.0.2.1", "192.0.2.1"),
            "2001:DB8:1:2:3:4:5:6": Address("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            "2001:db8:1:2:ffff::": Address("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
            "2001:db8:1:3::": Address("2001:db8:1:3::", "2001:db8:1:3::/64"),
            "::1": Address("::1", "::/64"),
            "::ffff:192.0.2.1": Address("192.0.2.1", "192.0.2.1"),
            "::ffff:c000:201": Address("192.0.2.1", "192.0.2.1"),
            "fe80::1%eth0": Address("fe80::1", "fe80::/64"),
            "fe80::1%\x1b[31m\r\n": Address("fe80::1", "fe80::/64"),
            "unix": Address("unix", "unix"),
        }
        self.assertEqual({host: read_address(host) for host in outcome}, outcome)

    def test_no_addresses(self) -> None:
        """Are all one, whatever a PROXY header says."""
        for host in ("", "x", "192.0.2.01", "192.0.2.1%eth0", "192.0.2.1\n", "\x1b[31m", "1" * 10_000):
            self.assertEqual(read_address(host), Address("unknown", "unknown"))

    @given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
    def test_a_customer_has_one_key(self, address: IPv6Address, other: int) -> None:
        """However many addresses of a /64 are used. In the first one those of IPv4 are mapped."""
        neighbour = IPv6Address(int(address) >> 64 << 64 | other)
        if int(address) >> 64:
            self.assertEqual(read_address(str(address)).key, read_address(str(neighbour)).key)


class ProxiesTests(SynchronousTestCase):
    def test_trusts(self) -> None:
        """Those in the networks, and nobody else."""
        trusted = ("10.0.0.1", "10.255.255.255", "::ffff:10.0.0.1", "2001:db8:ffff::1", "unix")
        strangers = ("11.0.0.1", "::10.0.0.1", "2001:db8::1", "", "unknown", "10.0.0.1.evil.test")
        self.assertEqual([PROXIES.trusts(peer) for peer in trusted], [True] * 5)
        self.assertEqual([PROXIES.trusts(peer) for peer in strangers], [False] * 6)
        self.assertFalse(SPEAKING.trusts("unix"))
        self.assertFalse(Proxies().trusts("127.0.0.1"))

    def test_one_address(self) -> None:
        """Is a network of its own."""
        self.assertEqual(
            [Proxies.parse(["10.0.0.1"]).trusts(f"10.0.0.{host}") for host in (0, 1, 2)], [False, True, False]
        )

    def test_bad_settings(self) -> None:
        """Are named; a network with more than its own part of an address may be one that was not meant."""
        for text in ("", "x", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/8 10.1.0.0/16", "::ffff:10.0.0.0/104"):
            error = self.assertRaises(ValueError, Proxies.parse, ["10.0.0.0/8", text])
            self.assertIn(repr(text)[1:-1], str(error))
            self.assertIn("expected", str(error))


class ForwardedTests(SynchronousTestCase):
    def outcome(self, name: str, value: str, proxies: Proxies) -> str | None:
        text = forwarded("10.0.0.1", [("host", "a"), (name, value)], proxies).text
        return None if text == "10.0.0.1" else text

    def test_x_forwarded_for(self) -> None:
        """The first from the right that is no proxy's; junk on the way leaves the peer's own."""
        self.assertEqual({value: self.outcome("x-forwarded-for", value, PROXIES) for value in CHAINS}, CHAINS)

    def test_forwarded(self) -> None:
        """RFC 7239, read just as strictly."""
        self.assertEqual({value: self.outcome("forwarded", value, SPEAKING) for value in ELEMENTS}, ELEMENTS)

    def test_strangers(self) -> None:
        """Nobody else is believed."""
        for peer in ("192.0.2.1", "2001:db8::1", "junk"):
            for name in ("x-forwarded-for", "forwarded"):
                headers = [(name, "for=198.51.100.7"), (name, "198.51.100.7")]
                for proxies in (PROXIES, SPEAKING, Proxies()):
                    self.assertEqual(forwarded(peer, headers, proxies), read_address(peer))

    def test_the_other_header(self) -> None:
        """A proxy passes on what it does not write itself: that is the client's word."""
        headers = [("x-forwarded-for", "198.51.100.7"), ("forwarded", "for=203.0.113.9"), ("x-real-ip", "192.0.2.1")]
        self.assertEqual(forwarded("10.0.0.1", headers, PROXIES).text, "198.51.100.7")
        self.assertEqual(forwarded("10.0.0.1", headers, SPEAKING).text, "203.0.113.9")
        self.assertEqual(forwarded("10.0.0.1", headers[2:], PROXIES).text, "10.0.0.1")

    def test_several_lines(self) -> None:
        """Are one list: HAProxy appends a line of its own."""
        headers = [("x-forwarded-for", "203.0.113.9, 10.0.0.2"), ("host", "a"), ("x-forwarded-for", "198.51.100.7")]
        self.assertEqual(forwarded("unix", headers, PROXIES).text, "198.51.100.7")

    def test_long_lists(self) -> None:
        """What a client puts in front costs nothing, and hides nothing; there is an end to proxies."""
        front = "203.0.113.9," * 100_000
        self.assertEqual(self.outcome("x-forwarded-for", front + "198.51.100.7", PROXIES), "198.51.100.7")
        proxies = ",".join(f"10.0.1.{hop}" for hop in range(MAX_HOPS))
        self.assertEqual(self.outcome("x-forwarded-for", front + proxies, PROXIES), "10.0.1.0")

    @given(st.text(), st.text())
    def test_what_a_client_made_up(self, made_up: str, also: str) -> None:
        """Changes nothing of what the proxy appended, in either header."""
        headers = [("x-forwarded-for", f"{made_up}, 198.51.100.7"), ("forwarded", f"{also},for=198.51.100.7")]
        for proxies in (PROXIES, SPEAKING):
            self.assertEqual(forwarded("10.0.0.1", headers, proxies).text, "198.51.100.7")

    @given(st.text(alphabet='for=_:[]";,%.0123456789abcdef \\', max_size=60))
    def test_junk(self, value: str) -> None:
        """Is an address or none, and never an error."""
        for name, proxies in (("x-forwarded-for", PROXIES), ("forwarded", SPEAKING)):
            address = forwarded("10.0.0.1", [(name, value)], proxies)
            self.assertEqual(address, read_address(address.text))
