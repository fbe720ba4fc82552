"""`pulsetw.policy.origin`."""

from collections.abc import Collection

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.policy.origin import check_origin, origin_allowed, parse_origin

# SECURITY.md row 1: eight origins at a relay that lets in https://app.example.com.
EIGHT = {
    "https://app.example.com": True,
    "https://app.example.com.evil.test": False,
    "https://evil-app.example.com": False,
    "http://app.example.com": False,
    "https://app.example.com:8443": False,
    "https://example.com": False,
    "null": False,
    "file://": False,
}

NO_ORIGINS = (
    "",
    " ",
    "null",
    "NULL",
    "file:///etc/passwd",
    "https://",
    "https:///",
    "//app.example.com",
    "app.example.com",
    "https://app.example.com/",
    "https://app.example.com/path",
    "https://app.example.com?",
    "https://user@app.example.com",
    "https://app.example.com@evil.test",
    "https://app.example.com, https://evil.test",
    "https://app.example.com https://evil.test",
    "https://app.example.com\\@evil.test",
    "https://app.example.com:",
    "https://app.example.com:0",
    "https://app.example.com:0443",
    "https://app.example.com:65536",
    "https://app.example.com:443:443",
    "https://app.example.com:٤٤٣",
    "https://äpp.example.com",
    "https://app.example.com\n",
    "https://[::1",
    "https://[1:2]",
    "https://::1",
)


class OriginAllowedTests(SynchronousTestCase):
    def allowed(
        self,
        origin: str | None,
        host: str = "app.example.com",
        *,
        secure: bool = True,
        has_cookies: bool = False,
        allowed: Collection[str] = (),
    ) -> bool:
        return origin_allowed(origin, host, secure=secure, has_cookies=has_cookies, allowed=allowed)

    def test_one_of_eight_listed(self) -> None:
        """Of the eight only the listed origin comes in."""
        listed = ["https://app.example.com"]
        self.assertEqual({origin: self.allowed(origin, "relay.test", allowed=listed) for origin in EIGHT}, EIGHT)

    def test_one_of_eight_same_host(self) -> None:
        """Without a list only the relay's own host comes in."""
        self.assertEqual({origin: self.allowed(origin) for origin in EIGHT}, EIGHT)

    def test_list_replaces_own_host(self) -> None:
        """A list is the whole truth: the relay's own host is in it, or stays out."""
        self.assertFalse(self.allowed("https://app.example.com", allowed=["https://other.test"]))

    def test_any_of_the_list(self) -> None:
        """Each entry counts."""
        listed = ["https://one.test", "http://two.test:9000"]
        self.assertTrue(self.allowed("https://one.test", allowed=listed))
        self.assertTrue(self.allowed("http://two.test:9000", allowed=listed))
        self.assertFalse(self.allowed("http://two.test", allowed=listed))
        self.assertFalse(self.allowed("http://one.test:9000", allowed=listed))

    def test_default_ports(self) -> None:
        """A port that stands there and the scheme's default are the same, on each side."""
        for origin in ("https://a.test", "https://a.test:443"):
            for host in ("a.test", "a.test:443"):
                self.assertTrue(self.allowed(origin, host), (origin, host))
            self.assertTrue(self.allowed(origin, allowed=["https://a.test:443"]))
            self.assertFalse(self.allowed(origin, "a.test:80"))
        self.assertTrue(self.allowed("http://a.test", "a.test:80", secure=False))
        self.assertTrue(self.allowed("http://a.test:8080", "a.test:8080", secure=False))
        self.assertFalse(self.allowed("http://a.test:8080", "a.test", secure=False))

    def test_scheme_is_the_connections(self) -> None:
        """A page of plain HTTP does not reach a socket over TLS of the same host, nor the other way round."""
        self.assertFalse(self.allowed("http://a.test", "a.test", secure=True))
        self.assertFalse(self.allowed("https://a.test", "a.test", secure=False))
        self.assertFalse(self.allowed("http://a.test:443", "a.test:443", secure=True))

    def test_case_does_not_matter(self) -> None:
        """Schemes and hosts have no case."""
        self.assertTrue(self.allowed("HTTPS://App.Example.COM", "aPP.example.com"))
        self.assertTrue(self.allowed("https://app.example.com", allowed=["https://APP.example.com"]))

    def test_ipv6(self) -> None:
        """An address is the same however it is written."""
        self.assertTrue(self.allowed("http://[::1]:8080", "[0:0:0:0:0:0:0:1]:8080", secure=False))
        self.assertTrue(self.allowed("http://[::1]:8080", allowed=["http://[0::1]:8080"]))
        self.assertFalse(self.allowed("http://[::2]:8080", "[::1]:8080", secure=False))

    def test_no_origin(self) -> None:
        """Programs pass, a browser that hides its page does not."""
        for allowed in ([], ["https://app.example.com"]):
            self.assertTrue(self.allowed(None, allowed=allowed))
            self.assertFalse(self.allowed(None, has_cookies=True, allowed=allowed))

    def test_cookies_with_a_good_origin(self) -> None:
        """Cookies harm nobody whose page is known."""
        self.assertTrue(self.allowed("https://app.example.com", has_cookies=True))

    def test_null_is_refused_even_if_listed(self) -> None:
        """A list that was not checked does not let the nameless in."""
        self.assertFalse(self.allowed("null", "null"))
        self.assertFalse(self.allowed("null", allowed=["null"]))

    def test_what_is_no_origin_is_refused(self) -> None:
        """With and without a list."""
        for origin in NO_ORIGINS:
            self.assertFalse(self.allowed(origin), origin)
            self.assertFalse(self.allowed(origin, allowed=["https://app.example.com"]), origin)

    def test_bad_hosts_match_nothing(self) -> None:
        """A Host header that is none has no pages of its own."""
        for host in ("", "a b", "a:99999", "[1:2]", "a.test:", "a.test/"):
            self.assertFalse(self.allowed(f"https://{host}", host), host)
            self.assertFalse(self.allowed("https://a.test", host), host)

    @given(st.text(), st.text())
    def test_never_raises(self, origin: str, host: str) -> None:
        """Whatever a client sends there."""
        self.allowed(origin, host)
        self.allowed(origin, host, allowed=["https://app.example.com"])

    @given(st.text(alphabet="abc.:/@[]1", max_size=12))
    def test_nothing_around_an_origin(self, extra: str) -> None:
        """Neither a prefix nor a suffix of a listed origin is one, but for its default port."""
        origin = f"https://app.example.com{extra}"
        self.assertEqual(self.allowed(origin, allowed=["https://app.example.com"]), extra == "")


class CheckOriginTests(SynchronousTestCase):
    def problem(self, entry: str) -> str:
        return str(self.assertRaises(ValueError, check_origin, entry))

    def test_good_entries(self) -> None:
        """What browsers send as a page's origin."""
        for entry in (
            "https://app.example.com",
            "http://localhost:9000",
            "http://127.0.0.1:9000",
            "http://[::1]:9000",
            "https://xn--pp-via.example.com",
            "capacitor://localhost",
        ):
            check_origin(entry)

    def test_bad_entries(self) -> None:
        """Each is named, with what was expected."""
        for entry in NO_ORIGINS:
            if entry != "null":
                self.assertIn(repr(entry), self.problem(entry))
        self.assertIn("such as https://app.example.com", self.problem("https://app.example.com/"))

    def test_common_mistakes(self) -> None:
        """Those that people make have texts of their own."""
        self.assertIn("sandboxed", self.problem("null"))
        self.assertIn("no wildcards", self.problem("*"))
        self.assertIn("no wildcards", self.problem("https://*.example.com"))
        self.assertIn("not that of the socket", self.problem("wss://relay.example.com"))
        self.assertIn("xn--", self.problem("https://äpp.example.com"))

    def test_parts(self) -> None:
        """An origin without a default port has none."""
        self.assertEqual(parse_origin("https://a.test").port, 443)
        self.assertIsNone(parse_origin("capacitor://localhost").port)
