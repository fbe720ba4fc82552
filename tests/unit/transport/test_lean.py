"""Trimmed connections behave as untrimmed ones do, whatever Autobahn keeps in them."""

from pulsetw.errors import Disconnect, DisconnectCode
from pulsetw.transport.lean import _PAST, LeanServerProtocol
from tests.unit.transport.doubles import close_frame, frame, request
from tests.unit.transport.websocket_case import WebSocketTestCase

# What an open connection that is idle keeps.
KEPT = {"factory", "transport", "_connection", "_is_producer"}


class LeanTests(WebSocketTestCase):
    def test_an_idle_connection_keeps_little(self) -> None:
        """After its handshake, and after messages and control frames of all kinds."""
        client, connection = self.connect()
        protocol = connection.transport
        self.assertEqual(set(protocol.__dict__), KEPT)
        for data in (frame(b"hi"), frame(b"", 9), frame(b"", 10), frame(b"a", 1, fin=False) + frame(b"b", 0)):
            client.feed(data)
            self.assertEqual(set(protocol.__dict__), KEPT, data)

    def test_what_is_in_the_middle_is_kept(self) -> None:
        """Half a frame, and half a message."""
        client, connection = self.connect()
        whole = frame(b"hello")
        client.feed(whole[:4])
        client.feed(whole[4:])
        client.feed(frame(b"wor", 1, fin=False))
        client.feed(frame(b"ld", 0))
        self.assertEqual([call[1] for call in connection.calls if call[0] == "received"], [b"hello", b"world"])

    def test_what_is_dropped_is_as_autobahn_left_it(self) -> None:
        """An Autobahn that keeps something new, or begins with another value, shows here."""
        self.patch(LeanServerProtocol, "trim", lambda protocol: None)
        _, connection = self.connect()
        untrimmed = connection.transport.__dict__
        self.assertGreater(len(untrimmed), 40)
        for name, value in untrimmed.items():
            if name not in KEPT | _PAST:
                self.assertIs(getattr(LeanServerProtocol, name), value, name)


class SameTests(WebSocketTestCase):
    """The same conversations, with and without."""

    def converse(self, *steps: object) -> tuple[object, ...]:
        """What the hub heard, what the client got, and how the socket ended."""
        self.setUp()
        client, connection = self.connect()
        got = [client.take()]
        for step in steps:
            if isinstance(step, bytes):
                client.feed(step)
            elif isinstance(step, float):
                self.clock.advance(step)
            elif isinstance(step, Disconnect):
                connection.transport.close(step)
            elif step == "lost":
                client.lose()
            got.append(client.take())
        return connection.calls, got, client.ends

    def test_conversations(self) -> None:
        """Text, fragments, ping, pong, both closes, broken rules, timeouts, loss."""
        kick = Disconnect(DisconnectCode.KICKED)
        conversations: list[tuple[object, ...]] = [
            (frame(b"text"), frame("ü".encode()), frame(b"")),
            (frame(b"a", 1, fin=False), frame(b"ping", 9), frame(b"b", 0, fin=False), frame(b"c", 0), frame(b"next")),
            (frame(b"ping", 9), frame(b"pong", 10), frame(b"x") + frame(b"y") + frame(b"", 9)),
            (frame(b"one")[:3], frame(b"one")[3:], frame(b"two")),
            (close_frame(1000), "lost"),
            (frame(b"last") + close_frame(1000) + frame(b"late"), 2.5),
            (kick, close_frame(3503), "lost"),
            (kick, frame(b"late"), 2.5, "lost"),
            (kick, "lost"),
            ("lost",),
            (frame(b"half")[:3], "lost"),
            (frame(b"\xff\xfe"), 2.5, "lost"),
            (frame(b"binary", 2), close_frame(3501), "lost"),
            (frame(b"x", 3), 2.5),
            (frame(b"x", 0), 2.5),
            (frame(b"x" * 70_000), 2.5),
            (frame(b"x" * 126, 9), 2.5),
        ]
        trimmed = [self.converse(*steps) for steps in conversations]
        self.patch(LeanServerProtocol, "trim", lambda protocol: None)
        untrimmed = [self.converse(*steps) for steps in conversations]
        for steps, one, other in zip(conversations, trimmed, untrimmed, strict=True):
            self.assertEqual(one, other, steps)
        self.assertEqual(len({repr(conversation) for conversation in trimmed}), len(trimmed))

    def test_what_is_glued_to_the_handshake_is_kept(self) -> None:
        """It is read when the connection is open."""
        client = self.handshake(request() + frame(b"early"))
        self.assertEqual(self.opened[0].calls, [("received", b"early")])
        client.feed(frame(b"later"))
        self.assertEqual(self.opened[0].calls[1:], [("received", b"later")])
