"""`pulsetw.transport.head`."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.transport.head import BadHead, HeadReader, RequestHead, parse_head

GOOD = (
    b"GET /ws?token=secret HTTP/1.1\r\nHost: relay.test\r\n"
    b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"
)


def with_lines(*lines: bytes, request_line: bytes = b"POST / HTTP/1.1") -> bytes:
    return b"\r\n".join([request_line, b"Host: relay.test", *lines, b"", b""])


def with_request_line(line: bytes) -> bytes:
    return with_lines(request_line=line)


# SECURITY.md rows 11 and 12: what two parsers could read in two ways.
SMUGGLING: dict[str, tuple[bytes, int]] = {
    "TE and CL": (with_lines(b"Content-Length: 5", b"Transfer-Encoding: chunked"), 400),
    "CL and TE": (with_lines(b"Transfer-Encoding: chunked", b"Content-Length: 5"), 400),
    "two lengths": (with_lines(b"Content-Length: 5", b"Content-Length: 6"), 400),
    "the same length twice": (with_lines(b"Content-Length: 5", b"Content-Length: 5"), 400),
    "a list of lengths": (with_lines(b"Content-Length: 5, 5"), 400),
    "a signed length": (with_lines(b"Content-Length: +5"), 400),
    "a negative length": (with_lines(b"Content-Length: -5"), 400),
    "a hexadecimal length": (with_lines(b"Content-Length: 0x5"), 400),
    "an underscored length": (with_lines(b"Content-Length: 1_0"), 400),
    "an empty length": (with_lines(b"Content-Length:"), 400),
    "a length that Python cannot read": (with_lines(b"Content-Length: " + b"9" * 5000), 400),
    "two codings": (with_lines(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), 501),
    "a list of codings": (with_lines(b"Transfer-Encoding: chunked, identity"), 501),
    "an unknown coding": (with_lines(b"Transfer-Encoding: xchunked"), 501),
    "a quoted coding": (with_lines(b'Transfer-Encoding: "chunked"'), 501),
    "a coding in HTTP/1.0": (with_lines(b"Transfer-Encoding: chunked", request_line=b"POST / HTTP/1.0"), 400),
    "space before the colon": (with_lines(b"Transfer-Encoding : chunked"), 400),
    "tab before the colon": (with_lines(b"Content-Length\t: 5"), 400),
    "a folded line": (with_lines(b"X-A: b", b" c"), 400),
    "a line folded by a tab": (with_lines(b"X-A: b", b"\tTransfer-Encoding: chunked"), 400),
    "a first line that is folded": (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    "a bare LF between headers": (b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400),
    "a bare CR in a value": (with_lines(b"X-A: b\rTransfer-Encoding: chunked"), 400),
    "a bare CR in a name": (with_lines(b"X\rA: b"), 400),
    "NUL in a value": (with_lines(b"X-A: b\x00"), 400),
    "NUL in a name": (with_lines(b"Content-Length\x00: 5"), 400),
    "0x85 in a value": (with_lines(b"X-A: b\x85X-Forwarded-For: 127.0.0.1"), 400),
    "0x0b in a value": (with_lines(b"X-A: b\x0bX-Forwarded-For: 127.0.0.1"), 400),
    "0x0c in a value": (with_lines(b"X-A: b\x0cX-Forwarded-For: 127.0.0.1"), 400),
    "0x1c in a value": (with_lines(b"X-A: b\x1cX-Forwarded-For: 127.0.0.1"), 400),
    "0x1e in a value": (with_lines(b"X-A: b\x1eX-Forwarded-For: 127.0.0.1"), 400),
    "DEL in a value": (with_lines(b"X-A: b\x7f"), 400),
    "0x85 in a name": (with_lines(b"X\x85: b"), 400),
    "no name": (with_lines(b": b"), 400),
    "no colon": (with_lines(b"X-A"), 400),
    "no Host": (b"GET / HTTP/1.1\r\nX: y\r\n\r\n", 400),
    "no header at all": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (with_lines(b"host: relay.test"), 400),
    "a list of Hosts": (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    "an empty Host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "a Host with a path": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "a Host with a user": (b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    "two Hosts in HTTP/1.0": (with_lines(b"Host: b", request_line=b"GET / HTTP/1.0"), 400),
    "HTTP/0.9": (with_request_line(b"GET /"), 400),
    "HTTP/1.2": (with_request_line(b"GET / HTTP/1.2"), 505),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\n", 505),
    "lower case version": (with_request_line(b"GET / http/1.1"), 400),
    "a version with a space": (with_request_line(b"GET / HTTP/1.1 "), 400),
    "two spaces": (with_request_line(b"GET  / HTTP/1.1"), 400),
    "a tab for a space": (with_request_line(b"GET\t/ HTTP/1.1"), 400),
    "a space in the target": (with_request_line(b"GET /a b HTTP/1.1"), 400),
    "a request in the target": (with_request_line(b"GET / HTTP/1.1 HTTP/1.1"), 400),
    "no target": (with_request_line(b"GET HTTP/1.1"), 400),
    "a whole URL": (with_request_line(b"GET http://evil.test/ws HTTP/1.1"), 400),
    "an asterisk": (with_request_line(b"OPTIONS * HTTP/1.1"), 400),
    "an authority": (with_request_line(b"CONNECT evil.test:443 HTTP/1.1"), 400),
    "a fragment": (with_request_line(b"GET /a#b HTTP/1.1"), 400),
    "a target beyond ASCII": (with_request_line("GET /ä HTTP/1.1".encode()), 400),
    "a control byte in the target": (with_request_line(b"GET /\x0b HTTP/1.1"), 400),
    "a bad method": (with_request_line(b"G(T / HTTP/1.1"), 400),
    "no method": (with_request_line(b" / HTTP/1.1"), 400),
    "an empty line first": (b"\r\n" + GOOD, 400),
}


class ParseHeadTests(SynchronousTestCase):
    def refusal(self, data: bytes) -> BadHead:
        error: BadHead = self.assertRaises(BadHead, parse_head, data)
        return error

    def test_good(self) -> None:
        """A usual head gives its parts."""
        head = parse_head(GOOD)
        self.assertEqual((head.method, head.target, head.version), ("GET", "/ws?token=secret", "1.1"))
        self.assertEqual((head.path, head.query, head.size), ("/ws", "token=secret", len(GOOD)))
        self.assertEqual(head.first("host"), "relay.test")
        self.assertEqual(head.tokens("connection"), {"keep-alive", "upgrade"})
        self.assertIsNone(head.first("origin"))

    def test_values(self) -> None:
        """Names lose their case, values the white space around them; order and repetition stay."""
        head = parse_head(with_lines(b"X-A:b", b"x-a: \t c \t", b"X-B:", b"X-C: J\xfcrgen\ti"))
        self.assertEqual(head.values("x-a"), ["b", "c"])
        self.assertEqual(head.first("x-b"), "")
        self.assertEqual(head.first("x-c"), "Jürgen\ti")

    def test_good_framing(self) -> None:
        """One length, or chunks."""
        self.assertEqual(parse_head(with_lines(b"Content-Length: 5")).first("content-length"), "5")
        self.assertEqual(parse_head(with_lines(b"Transfer-Encoding: Chunked")).values("content-length"), [])

    def test_good_hosts(self) -> None:
        """Names and addresses, with and without a port."""
        for host in (b"a", b"a.test:8080", b"127.0.0.1", b"[::1]", b"[::1]:8080", b"my_host"):
            parse_head(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")

    def test_http_1_0_without_host(self) -> None:
        """Load balancers ask so."""
        self.assertEqual(parse_head(b"GET /health/live HTTP/1.0\r\n\r\n").version, "1.0")

    def test_smuggling(self) -> None:
        """Each vector is refused, with its status."""
        outcome = {name: self.refusal(data).status for name, (data, _) in SMUGGLING.items()}
        self.assertEqual(outcome, {name: status for name, (_, status) in SMUGGLING.items()})

    def test_too_many_fields(self) -> None:
        """Their number is bounded, too."""
        parse_head(with_lines(*[b"a: b"] * 99))
        self.assertEqual(self.refusal(with_lines(*[b"a: b"] * 100)).status, 431)

    def test_no_secrets(self) -> None:
        """Neither a head nor a refusal shows what may be a token."""
        self.assertNotIn("secret", repr(parse_head(GOOD)))
        self.assertNotIn("secret", str(self.refusal(GOOD.replace(b"Host: relay.test", b"Host: secret/"))))

    @given(st.binary())
    def test_only_refusals(self, junk: bytes) -> None:
        """Any bytes are a head or a refusal that HTTP has a status for."""
        for data in (junk, junk + b"\r\n\r\n", GOOD[:-2] + junk + b"\r\n\r\n", GOOD.replace(b"Upgrade", junk)):
            try:
                self.assertIsInstance(parse_head(data), RequestHead)
            except BadHead as error:
                self.assertIn(error.status, {400, 431, 501, 505})

    @given(st.binary(max_size=40))
    def test_agrees_with_autobahn(self, junk: bytes) -> None:
        """No value starts a new line for a parser that splits at all that Python calls the end of a line."""
        data = GOOD[:-2] + b"X-Junk: a" + junk + b"b\r\n\r\n"
        try:
            head = parse_head(data)
        except BadHead:
            return
        self.assertEqual(len(data.decode("latin-1").splitlines()), len(head.headers) + 2)


class HeadReaderTests(SynchronousTestCase):
    def test_byte_by_byte(self) -> None:
        """A head may come in any pieces."""
        reader = HeadReader(1000)
        for index in range(len(GOOD) - 1):
            self.assertIsNone(reader.feed(GOOD[index : index + 1]))
        head = reader.feed(GOOD[-1:])
        self.assertEqual(head, parse_head(GOOD))
        self.assertEqual(reader.data, GOOD)

    def test_what_follows_is_kept(self) -> None:
        """Bytes that came with the head go on with it."""
        reader = HeadReader(len(GOOD))
        head = reader.feed(GOOD + b"\r\n\r\nmore" * 1000)
        assert head is not None
        self.assertEqual(reader.data[head.size :], b"\r\n\r\nmore" * 1000)

    def test_exact_bound(self) -> None:
        """The bound is on the head, its empty line included."""
        self.assertIsNotNone(HeadReader(len(GOOD)).feed(GOOD))
        self.assertEqual(self.assertRaises(BadHead, HeadReader(len(GOOD) - 1).feed, GOOD).status, 431)

    def test_endless_head(self) -> None:
        """It is refused as soon as it cannot become one within the bound."""
        reader = HeadReader(1000)
        self.assertIsNone(reader.feed(b"GET / HTTP/1.1\r\nX: " + b"y" * 980))
        self.assertEqual(self.assertRaises(BadHead, reader.feed, b"y").status, 431)

    def test_bare_line_feeds(self) -> None:
        """Who ends lines with LF alone is told at once, and does not wait for the end of time."""
        for pieces in ([b"GET / HTTP/1.1\nHost: a\n\n"], [b"GET / HTTP/1.1", b"\n"], [b"G", b"E\nT"]):
            reader = HeadReader(1000)
            for piece in pieces[:-1]:
                self.assertIsNone(reader.feed(piece))
            self.assertEqual(self.assertRaises(BadHead, reader.feed, pieces[-1]).status, 400)

    def test_a_line_end_in_two_pieces(self) -> None:
        """CR and LF may come apart."""
        reader = HeadReader(1000)
        self.assertIsNone(reader.feed(b"GET / HTTP/1.1\r"))
        self.assertIsNone(reader.feed(b"\nHost: a\r"))
        self.assertIsNone(reader.feed(b"\n\r"))
        self.assertIsNotNone(reader.feed(b"\n"))

    def test_another_protocol(self) -> None:
        """TLS on a plain port, and anything else that no method begins with, is told at once."""
        for data in (b"\x16\x03\x01", b"\r\n", b"\x00", b" GET"):
            self.assertEqual(self.assertRaises(BadHead, HeadReader(1000).feed, data).status, 400)

    @given(st.lists(st.binary(min_size=1)))
    def test_only_refusals(self, pieces: list[bytes]) -> None:
        """Any pieces are waited for, read, or refused; never more is kept than the bound and a piece."""
        reader = HeadReader(100)
        try:
            for piece in pieces:
                if reader.feed(piece) is not None:
                    break
                self.assertLess(len(reader.data), 100)
        except BadHead as error:
            self.assertIn(error.status, {400, 431, 501, 505})
