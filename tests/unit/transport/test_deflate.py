"""One deflated frame for all clients that take it, and no compressor for any of them."""

import zlib

from hypothesis import given
from hypothesis import strategies as st

from pulsetw.errors import Disconnect, DisconnectCode
from pulsetw.transport.deflate import smaller_frame
from pulsetw.transport.frame import text_frame
from pulsetw.transport.options import WebSocketLimits
from pulsetw.transport.websocket import WebSocketFactory
from tests.unit.transport.doubles import close_frame, frame, request
from tests.unit.transport.websocket_case import Dialect, WebSocketTestCase

OFFER = "permessage-deflate; client_max_window_bits"
TEXT = b'{"data":"' + b"much the same, " * 40 + b'"}'


def deflated(text: bytes) -> bytes:
    """As a client does it."""
    deflater = zlib.compressobj(wbits=-15)
    return (deflater.compress(text) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]


def payload_of(data: bytes) -> bytes:
    """Of one server's frame."""
    length = data[1]
    return data[2:] if length < 126 else data[4:] if length == 126 else data[10:]


class FrameTests(WebSocketTestCase):
    @given(st.text(max_size=3000), st.text(max_size=3000))
    def test_any_two_in_a_row_are_inflated(self, first: str, second: str) -> None:
        """By a client that begins anew each time, and by one that keeps its window."""
        keeping = zlib.decompressobj(wbits=-15)
        for text in (first.encode() * 3, second.encode() * 3):
            data = smaller_frame(text)
            if data[0] == 0x81:
                self.assertEqual(data, text_frame(text))
                continue
            self.assertLess(len(data), len(text_frame(text)))
            payload = payload_of(data) + b"\x00\x00\xff\xff"
            self.assertEqual(zlib.decompressobj(wbits=-15).decompress(payload), text)
            self.assertEqual(keeping.decompress(payload), text)

    def test_what_does_not_get_smaller_stays_as_it_is(self) -> None:
        """Short ones are not even tried."""
        noise = bytes(range(0x20, 0x7F)) * 3
        self.assertEqual(smaller_frame(TEXT)[0], 0xC1)
        self.assertEqual(smaller_frame(noise[:255]), text_frame(noise[:255]))
        self.assertEqual(smaller_frame(b"a" * 255), text_frame(b"a" * 255))


class DeflateTestCase(WebSocketTestCase):
    compress = True

    def make(self, **limits: int) -> None:
        wires = {"pulse.v1": Dialect()}
        self.factory = WebSocketFactory(self.clock, wires, self.open, WebSocketLimits(**limits), compress=self.compress)

    def extension(self, offer: str) -> str | None:
        """What the handshake's answer agrees to."""
        answer = self.handshake(request(Sec_WebSocket_Extensions=offer)).take().decode()
        lines = [line for line in answer.split("\r\n") if line.lower().startswith("sec-websocket-extensions:")]
        return lines[0].partition(": ")[2] if lines else None


class NegotiationTests(DeflateTestCase):
    def test_no_side_keeps_a_window(self) -> None:
        """Whatever is offered; but one that asks for a smaller window than the others' is sent nothing compressed."""
        both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        for offer in (OFFER, "permessage-deflate", both, "x-unknown, permessage-deflate"):
            self.assertEqual(self.extension(offer), both, offer)
        self.assertIsNone(self.extension("permessage-deflate; server_max_window_bits=10"))
        self.assertEqual(self.extension("permessage-deflate; server_max_window_bits=10, permessage-deflate"), both)
        self.assertIsNone(self.extension("x-webkit-deflate-frame"))

    def test_those_who_take_it_share_a_wire(self) -> None:
        """And those who do not share another."""
        for offer in (OFFER, "permessage-deflate", None, "x-unknown"):
            self.handshake(request(Sec_WebSocket_Extensions=offer))
        takes, also, does_not, neither = [connection.wire for connection in self.opened]
        self.assertIs(takes, also)
        self.assertIs(does_not, neither)
        self.assertIsNotNone(takes.smaller)
        self.assertIsNone(does_not.smaller)

    def test_what_a_client_compresses_is_read(self) -> None:
        """Message by message, in fragments, mixed with what it does not compress; no inflater is left."""
        client = self.handshake(request(Sec_WebSocket_Extensions=OFFER))
        connection, half = self.opened[0], deflated(TEXT)
        client.feed(frame(half, 0x41) + frame(b"plain") + frame(half[:9], 0x41, fin=False) + frame(half[9:], 0))
        got = [call[1] for call in connection.calls if call[0] == "received"]
        self.assertEqual(got, [TEXT, b"plain", TEXT])
        compression = connection.transport._perMessageCompress
        self.assertEqual((compression._compressor, compression._decompressor), (None, None))
        connection.transport.close(Disconnect(DisconnectCode.KICKED))
        client.feed(close_frame(3503))
        self.assertEqual(client.ends, ["close"])

    def test_a_bomb_is_too_long(self) -> None:
        """It is inflated as far as a message may be, and no further."""
        self.make(message_bytes=1000)
        client = self.handshake(request(Sec_WebSocket_Extensions=OFFER))
        client.take()
        client.feed(frame(deflated(b"x" * 1_000_000)[:990], 0x41))
        self.assertEqual(client.take()[2:4], b"\x03\xf1")
        self.assertEqual(self.opened[0].calls, [])

    def test_what_cannot_be_inflated_is_invalid(self) -> None:
        """RFC 6455 7.4.1: 1007."""
        client = self.handshake(request(Sec_WebSocket_Extensions=OFFER))
        client.take()
        client.feed(frame(b"\xff\xff\xff\xff", 0x41))
        self.assertEqual(client.take()[2:4], b"\x03\xef")


class OffTests(DeflateTestCase):
    """Where no rule compresses."""

    compress = False

    def test_nothing_is_agreed_to(self) -> None:
        """Clients get plain frames."""
        self.assertIsNone(self.extension(OFFER))
        self.assertIsNone(self.opened[0].wire.smaller)

    def test_what_a_client_compresses_all_the_same_is_an_error(self) -> None:
        """RFC 6455 5.2: a reserved bit without a meaning; 1002."""
        client = self.handshake(request(Sec_WebSocket_Extensions=OFFER))
        client.take()
        client.feed(frame(deflated(TEXT), 0x41))
        self.assertEqual(client.take()[2:4], b"\x03\xea")
