"""`pulsetw.transport.websocket`: coming in, and what clients send."""

import re

from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from pulsetw.hub.arrival import Arrival
from pulsetw.interfaces import IConnection, ITransport, Wire
from pulsetw.transport.frame import text_frame
from pulsetw.transport.options import Silence, WebSocketLimits
from tests.unit.transport.doubles import ACCEPT, close_frame, frame, read_close, request
from tests.unit.transport.websocket_case import BAD_REQUEST, INTERNAL, KICKED, WebSocketTestCase


class HandshakeTests(WebSocketTestCase):
    def test_answer(self) -> None:
        """RFC 6455 4.2.2, and nothing that tells what we run."""
        answer = self.handshake(request()).take().decode()
        self.assertTrue(answer.startswith("HTTP/1.1 101 Switching Protocols\r\n"), answer)
        self.assertIn(f"\r\nSec-WebSocket-Accept: {ACCEPT}\r\n", answer)
        self.assertNotIn("server:", answer.lower())
        self.assertNotIn("sec-websocket-protocol", answer.lower())
        self.assertNotIn("sec-websocket-extensions", answer.lower())

    def test_transport(self) -> None:
        """What the hub gets keeps the contract."""
        _, connection = self.connect()
        verifyObject(ITransport, connection.transport)

    def test_arrival(self) -> None:
        """The hub is told what the URL says."""
        self.handshake(request("/ws?user=J%C3%BCrgen&channels=a,b"))
        self.assertEqual(self.arrivals, [Arrival("192.168.1.1:54321", "Jürgen", ("a", "b"))])
        self.assertEqual(self.opened[0].transport.peer, "192.168.1.1:54321")

    def test_bad_parameters(self) -> None:
        """They are refused before anybody hears of the client, and the socket is not kept."""
        socket = self.handshake(request("/ws?user=secret&user=secret"))
        answer = socket.take().decode()
        self.assertTrue(answer.startswith("HTTP/1.1 400 Bad Request\r\n"), answer)
        self.assertTrue(answer.endswith("\r\n\r\nthe parameter user stands more than once in the URL\n"), answer)
        self.assertEqual(self.opened, [])
        self.assertEqual(socket.ends, ["close"])
        self.clock.advance(2)
        self.assertEqual(socket.ends, ["close", "abort"])

    def test_bad_handshakes(self) -> None:
        """What only concerns WebSockets is refused by Autobahn, and the socket is not kept either."""
        for headers in (
            {"Sec-WebSocket-Key": None},
            {"Sec-WebSocket-Key": "short"},
            {"Sec-WebSocket-Version": None},
            {"Sec-WebSocket-Version": "8"},
            {"Sec-WebSocket-Version": "x"},
            {"Sec-WebSocket-Protocol": "a, a"},
        ):
            socket = self.handshake(request(**headers))
            self.assertTrue(socket.take().startswith(b"HTTP/1.1 400 Bad Request\r\n"), headers)
            self.assertEqual(socket.ends, ["close"])
            self.clock.advance(2)
            self.assertEqual(socket.ends, ["close", "abort"])
        self.assertEqual(self.opened, [])

    def test_version_is_named(self) -> None:
        """RFC 6455 4.4."""
        answer = self.handshake(request(**{"Sec-WebSocket-Version": "12"})).take()
        self.assertIn(b"\r\nSec-WebSocket-Version: 13\r\n", answer)

    def test_subprotocols(self) -> None:
        """The client's first that is known; else none, and the first of ours is spoken."""
        for offer, chosen, name in (
            (None, None, "pulse.v1"),
            ("pulse.v1", "pulse.v1", "pulse.v1"),
            ("new, other, pulse.v1", "other", "other"),
            ("new, Pulse.V1", None, "pulse.v1"),
        ):
            answer = self.handshake(request(**{"Sec-WebSocket-Protocol": offer})).take().decode()
            self.assertEqual(re.findall(r"Sec-WebSocket-Protocol: (.*)\r\n", answer), [chosen] if chosen else [])
            self.assertIs(self.opened[-1].wire, self.factory.wire(name, takes_deflate=False))
        self.assertIsNot(
            self.factory.wire("other", takes_deflate=False), self.factory.wire("pulse.v1", takes_deflate=False)
        )
        self.assertIs(self.factory.wire("other", takes_deflate=False).frame, text_frame)

    def test_compression_is_off(self) -> None:
        """Whoever offers it is let in without."""
        answer = self.handshake(request(**{"Sec-WebSocket-Extensions": "permessage-deflate"})).take()
        self.assertTrue(answer.startswith(b"HTTP/1.1 101 "), answer)
        self.assertNotIn(b"Extensions", answer)

    def test_autobahn_is_silent(self) -> None:
        """Its log would repeat URLs, and keys, to whoever turned it on."""
        self.assertIsInstance(self.factory.protocol.log, Silence)
        self.assertIsInstance(self.factory.log, Silence)

    def test_origins_are_the_fronts(self) -> None:
        """Nobody is refused here whom the front has let in."""
        for origin in ("https://app.test", "http://[::1]:8080", "capacitor://localhost"):
            self.assertIn(b" 101 ", self.handshake(request(Origin=origin)).take())

    def test_glued_frames(self) -> None:
        """What came with the head is read after the hub knows of the client."""
        _, connection = self.connect(rest=frame(b"one") + frame(b"two"))
        self.assertEqual(connection.calls, [("received", b"one"), ("received", b"two")])

    def test_unsent_limit(self) -> None:
        """It is the transport's."""
        self.make(unsent_bytes=1234)
        socket, _ = self.connect()
        self.assertEqual(socket.bufferSize, 1234)
        self.assertRaises(ValueError, WebSocketLimits, unsent_bytes=0)

    def test_a_hub_that_closes_at_once(self) -> None:
        """Refusing a client needs no special path."""

        def refuse(transport: ITransport, wire: Wire, arrival: Arrival) -> IConnection:
            connection = self.open(transport, wire, arrival)
            transport.close(KICKED)
            return connection

        self.factory.open = refuse
        socket = self.handshake(request() + frame(b"too late"))
        answer = socket.take().partition(b"\r\n\r\n")[2]
        self.assertEqual(read_close(answer), (3500, "bye"))
        self.assertEqual(self.opened[0].calls, [])

    def test_a_hub_that_fails(self) -> None:
        """The client is told so, the log has it once, and nobody is told of a loss."""

        def fail(*_: object) -> IConnection:
            raise ZeroDivisionError

        self.factory.open = fail
        socket = self.handshake(request() + frame(b"too late"))
        self.assertEqual(read_close(socket.take().partition(b"\r\n\r\n")[2]), INTERNAL)
        socket.lose()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class MessageTests(WebSocketTestCase):
    def test_messages(self) -> None:
        """One call for each, in any pieces of frames and reads."""
        socket, connection = self.connect()
        data = frame("ä".encode()) + frame(b"a", fin=False) + frame(b"", 0, fin=False) + frame(b"b", 0) + frame()
        for index in range(len(data)):
            socket.feed(data[index : index + 1])
        self.assertEqual(connection.calls, [("received", "ä".encode()), ("received", b"ab"), ("received", b"")])
        self.assertEqual(socket.take(), b"")

    def test_largest_message(self) -> None:
        """65 536 bytes are a message."""
        socket, connection = self.connect()
        socket.feed(frame(b"x" * 65536))
        self.assertEqual(connection.calls, [("received", b"x" * 65536)])

    def test_too_large(self) -> None:
        """A byte more closes with 1009 as soon as it is announced, in one frame or in many."""
        for data in (
            frame(length=65537),
            frame(length=300_000_000),
            frame(length=2**62),
            frame(b"x" * 65536, fin=False) + frame(b"", 0, fin=False) + frame(b"x", 0),
        ):
            socket, connection = self.connect()
            socket.feed(data)
            self.assertEqual(read_close(socket.take())[0], 1009)
            self.assertEqual(connection.calls, [])

    def test_too_many_fragments(self) -> None:
        """1 000 are a message, one more closes with 1008, empty as they may be."""
        socket, connection = self.connect()
        socket.feed(frame(fin=False) + frame(b"", 0, fin=False) * 998 + frame(b"end", 0))
        self.clock.advance(0)
        self.assertEqual(connection.calls, [("received", b"end")])
        socket.feed(frame(fin=False) + frame(b"", 0, fin=False) * 2000)
        self.clock.advance(0)
        self.assertEqual(read_close(socket.take()), (1008, "a message takes at most 1000 frames"))

    def test_fragments_of_each_message(self) -> None:
        """They are counted for one message, not for a connection."""
        socket, connection = self.connect()
        socket.feed((frame(fin=False) + frame(b"", 0, fin=False) * 598 + frame(b"", 0)) * 3)
        self.clock.advance(0)
        self.assertEqual(connection.names(), ["received"] * 3)

    def test_one_reason_is_enough(self) -> None:
        """A frame that is too much in two ways fails the connection once."""
        self.make(message_bytes=10, message_frames=1)
        socket, _ = self.connect()
        socket.feed(frame(b"x", fin=False) + frame(b"x" * 10, 0))
        self.assertEqual(read_close(socket.take())[0], 1009)
        self.assertEqual(socket.ends, ["half"])

    def test_no_limits(self) -> None:
        """0 takes them away."""
        self.make(message_bytes=0, message_frames=0)
        socket, connection = self.connect()
        socket.feed(frame(b"x" * 100_000, fin=False) + frame(b"", 0, fin=False) * 1500 + frame(b"", 0))
        self.clock.advance(0)
        self.assertEqual(connection.calls, [("received", b"x" * 100_000)])

    def test_binary(self) -> None:
        """No dialect has binary messages."""
        for data in (frame(b"x", 2), frame(b"x", 2, fin=False) + frame(b"y", 0)):
            socket, connection = self.connect()
            socket.feed(data + frame(b"text"))
            self.assertEqual(read_close(socket.take()), BAD_REQUEST)
            self.assertEqual(connection.calls, [])

    def test_not_utf8(self) -> None:
        """RFC 6455 8.1, also where a character is cut at the end of the message."""
        for payload in (b"\xff", b"\xc3"):
            socket, connection = self.connect()
            socket.feed(frame(payload))
            self.assertEqual(read_close(socket.take())[0], 1007)
            self.assertEqual(connection.calls, [])

    def test_broken_frames(self) -> None:
        """Whatever breaks the protocol is closed with 1002, and what follows is not read."""
        for data in (
            b"\x81\x01x",  # not masked
            b"\xc1" + frame(b"x")[1:],  # a reserved bit
            frame(b"x", 3),  # a reserved opcode
            frame(b"x", 11),
            frame(b"x", 9, fin=False),  # a control frame in pieces
            frame(b"x" * 126, 9),  # or too large
            frame(b"", 9, length=2**40),
            frame(b"x", 0),  # a continuation of nothing
            frame(b"x", fin=False) + frame(b"y"),  # a message within a message
            b"\x81\xfe\x00\x01" + bytes(4) + b"x",  # a length that could be shorter
            frame(b"\x00", 8),  # half a code
            close_frame(999),
            close_frame(1005),
        ):
            socket, connection = self.connect()
            socket.feed(data + frame(b"text") + frame(b"", 9))
            self.assertEqual(read_close(socket.take())[0], 1002, data)
            self.assertEqual(connection.calls, [])

    def test_after_a_failure_nothing_is_kept(self) -> None:
        """A peer that goes on is not listened to: half-closed, then cut off."""
        socket, _ = self.connect()
        socket.feed(b"\x81\x01x" + frame(b"", 9, length=2**40))
        for _ in range(100):
            socket.feed(b"x" * 1000)
        self.assertEqual(socket.protocol.data, b"")
        self.assertEqual(socket.ends, ["half"])
        self.clock.advance(2)
        self.assertEqual(socket.ends, ["half", "abort"])

    def test_ping(self) -> None:
        """It is answered, and a sign of life; so is a pong."""
        socket, connection = self.connect()
        socket.feed(frame(b"are you there", 9))
        self.assertEqual(socket.take(), b"\x8a\x0dare you there")
        socket.feed(frame(b"", 9))
        self.assertEqual(socket.take(), b"\x8a\x00")
        socket.feed(frame(b"", 10))
        self.assertEqual(connection.names(), ["heard"] * 3)

    def test_turns(self) -> None:
        """A read full of frames is parsed in turns: others wait for 200 frames at most."""
        socket, connection = self.connect()
        socket.feed(frame() * 450)
        self.assertEqual(len(connection.calls), 200)
        self.assertEqual(socket.producerState, "paused")
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.advance(0)  # This clock has no turns: what is due at once is done at once.
        self.assertEqual(len(connection.calls), 450)
        self.assertEqual(socket.producerState, "producing")

    def test_lost_between_turns(self) -> None:
        """What was not parsed is not delivered to the dead."""
        socket, connection = self.connect()
        socket.feed(frame() * 450)
        socket.lose()
        self.clock.advance(0)
        self.assertEqual(connection.names(), ["received"] * 200 + ["lost"])

    @given(st.lists(st.binary(), min_size=1), st.booleans())
    def test_only_closes(self, pieces: list[bytes], framed: bool) -> None:
        """Any bytes, in any pieces: no exception, and never more than a message is kept."""
        socket, _ = self.connect()
        for piece in pieces:
            if socket.ends:
                break
            socket.feed(frame(piece, piece[0] & 15, fin=piece[0] > 99) if framed and piece else piece)
        socket.lose()
