# ruff: noqa: N803 -- Autobahn's names
"""Trimmed connections behave as Autobahn's own do, whatever Autobahn keeps in them."""

from collections.abc import Iterator
from typing import Any

from attrs import define, field, fields, frozen
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol

from pulsetw.errors import Disconnect, DisconnectCode
from pulsetw.transport.lean import _PAST, LeanServerProtocol
from pulsetw.transport.options import Silence, WebSocketLimits, protocol_options
from pulsetw.transport.websocket import WebSocketTransport
from tests.unit.transport.doubles import FakeSocket, close_frame, frame, request
from tests.unit.transport.websocket_case import WebSocketTestCase

# What an open connection that is idle keeps.
KEPT = {"factory", "transport", "_connection", "_is_producer"}
# What an open one of Autobahn's keeps and ours cannot: Deferreds that nobody waits for, and this test's list.
NOT_OURS = {"is_open", "is_closed", "calls"}

KICK = Disconnect(DisconnectCode.KICKED)

Step = bytes | float | Disconnect | str

# What a client sends, how long it waits, what we do, and how the connection is lost.
SCRIPTS: dict[str, tuple[Step, ...]] = {
    "text": (frame(b"text"), frame("ü".encode()), frame(b"")),
    "long text": (frame(b"x" * 200), frame(b"x" * 60_000)),
    "many in one read": (frame(b"x") + frame(b"y") + frame(b"", 9),),
    "fragments": (frame(b"a", 1, fin=False) + frame(b"b", 0, fin=False) + frame(b"c", 0), frame(b"next")),
    "a letter in two fragments": (frame(b"\xc3", 1, fin=False) + frame(b"\xbc", 0),),
    "a ping between fragments": (frame(b"a", 1, fin=False) + frame(b"ping", 9) + frame(b"b", 0), frame(b"next")),
    "ping": (frame(b"ping", 9), frame(b"", 9), frame(b"text")),
    "a pong that nobody asked for": (frame(b"pong", 10), frame(b"", 10), frame(b"text")),
    "the client closes": (close_frame(1000), "lost"),
    "the client closes with a reason": (frame((4321).to_bytes(2, "big") + b"bye", 8), "lost"),
    "the client closes without a code": (frame(b"", 8), "lost"),
    "the client sends after its close": (frame(b"last") + close_frame(1000) + frame(b"late"), "lost"),
    "the client closes and stays": (close_frame(1000), 2.5),
    "we close": (KICK, close_frame(3503), "lost"),
    "we close and the client is away": (KICK, 2.5, "lost"),
    "we close and the connection is lost": (KICK, "lost"),
    "the client sends after our close": (KICK, frame(b"late"), frame(b"late", 9), close_frame(3503), "lost"),
    "lost": ("lost",),
    "no UTF-8": (frame(b"\xff\xfe"), close_frame(1007), "lost"),
    "no UTF-8 in the first of two fragments": (frame(b"\xff", 1, fin=False), frame(b"", 0), 2.5, "lost"),
    "no such opcode": (frame(b"x", 3), close_frame(1002), "lost"),
    "a fragment of nothing": (frame(b"x", 0), 2.5, "lost"),
    "a message between fragments": (frame(b"a", 1, fin=False), frame(b"b"), 2.5, "lost"),
    "too long a message": (frame(b"x" * 70_000), 2.5, "lost"),
    "too long a ping": (frame(b"x" * 126, 9), 2.5, "lost"),
    "no such close code": (close_frame(1005), 2.5, "lost"),
    "binary": (frame(b"\x00", 2), 2.5, "lost"),
}


@frozen
class Different:
    """What differs on purpose; each of what is seen is a pair, ours and Autobahn's, None = it does not differ.

    Attributes:
        why: the reason.
    """

    why: str
    ends: tuple[list[str], list[str]] | None = None
    calls: tuple[list[tuple[object, ...]], list[tuple[object, ...]]] | None = None
    answers: tuple[list[bytes], list[bytes]] | None = None

    @property
    def seen(self) -> dict[str, object]:
        """As `SideBySideTestCase.differences` gives it."""
        pairs = {"calls": self.calls, "answers": self.answers, "ends": self.ends}
        return {name: pair for name, pair in pairs.items() if pair is not None}


_STAYS = "a peer that does not end its connection is cut off by a watchdog; Autobahn has no timer for it"
_READS = "what is unsent may still be read: the end is a close, and an abort only after the time for it"
_REASON = "ours shuts its sending side, so that the client reads why (RFC 6455 7.1.7), and reads nothing more"
_WHOLE = "UTF-8 is looked at when the message is whole, without a validator for each connection; and as above"
_AFTER = "after our close frame the hub is told nothing any more; and as the close above"
_BINARY = "a binary message breaks the dialects' rules: the hub is not told of it, and the client leaves with 3501"

_NO_UTF8 = b"\x88\x19\x03\xefa text message is UTF-8"
_NO_UTF8_AT_0 = b"\x88R\x03\xefencountered invalid UTF-8 while processing text message at payload octet index 0"
_LOST = ("closed", False, 1006)

DIFFERENCES = {
    "the client closes and stays": Different(_STAYS, ends=(["close", "abort"], ["close"])),
    "we close": Different(_READS, ends=(["close"], ["abort"])),
    "the client sends after our close": Different(
        _AFTER,
        ends=(["close"], ["abort"]),
        calls=([("closed", True, 3503)], [("received", b"late"), ("heard",), ("closed", True, 3503)]),
    ),
    "no such opcode": Different(_REASON, ends=(["half"], ["abort"]), calls=([_LOST], [("closed", True, 1002)])),
    "a fragment of nothing": Different(_REASON, ends=(["half", "abort"], ["abort"])),
    "a message between fragments": Different(_REASON, ends=(["half", "abort"], ["abort"])),
    "too long a message": Different(_REASON, ends=(["half", "abort"], ["abort"])),
    "too long a ping": Different(_REASON, ends=(["half", "abort"], ["abort"]), calls=([_LOST], [("heard",), _LOST])),
    "no such close code": Different(_REASON, ends=(["half", "close", "abort"], ["abort"])),
    "no UTF-8": Different(
        _WHOLE, ends=(["half"], ["close"]), answers=([_NO_UTF8, b"", b""], [_NO_UTF8_AT_0, b"", b""])
    ),
    "no UTF-8 in the first of two fragments": Different(
        _WHOLE,
        ends=(["half", "abort"], ["close"]),
        answers=([b"", _NO_UTF8, b"", b""], [_NO_UTF8_AT_0, b"", b"", b""]),
    ),
    "binary": Different(
        _BINARY,
        ends=(["abort"], []),
        calls=([_LOST], [("received", b"\0", "binary"), _LOST]),
        answers=([b"\x88\r\r\xadbad request", b"", b""], [b"", b"", b""]),
    ),
}

_SHORT_BYTES = 250


def alike() -> Iterator[tuple[str, tuple[Step, ...]]]:
    """The scripts that end alike, but for long ones."""
    for name, steps in SCRIPTS.items():
        if name not in DIFFERENCES and all(len(step) < _SHORT_BYTES for step in steps if isinstance(step, bytes)):
            yield name, steps


@define
class Course:
    """What can be seen of a conversation.

    Attributes:
        calls: `received` with the text, `heard` for ping and pong, `closed` with what Autobahn's `onClose` says.
        head: the answer to the handshake.
        answers: the bytes after each step.
        ends: how the socket was ended from here.
    """

    calls: list[tuple[object, ...]] = field(factory=list)
    head: bytes = b""
    answers: list[bytes] = field(factory=list)
    ends: list[str] = field(factory=list)


class UntrimmedProtocol(WebSocketServerProtocol):  # type: ignore[misc]  # Autobahn has no types
    """Autobahn's own, which writes down what it is told."""

    log = Silence()

    def __init__(self, calls: list[tuple[object, ...]]) -> None:
        super().__init__()
        self.calls = calls

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.calls.append(("received", payload, *(("binary",) if isBinary else ())))

    def onPing(self, payload: bytes) -> None:
        self.calls.append(("heard",))
        super().onPing(payload)

    def onPong(self, payload: bytes) -> None:
        self.calls.append(("heard",))

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self.calls.append(("closed", wasClean, code))


class UntrimmedSocket(FakeSocket):
    """Autobahn takes a producer back that it never gave, and Twisted's transports do not mind."""

    def unregisterProducer(self) -> None:
        if self.producer is not None:
            super().unregisterProducer()


def untrimmed_factory(clock: Any) -> Any:
    """Autobahn's own factory, with our options but those that stand for something that it does and ours does not."""
    factory = WebSocketServerFactory(reactor=clock, server="")
    factory.log = Silence()
    limits = WebSocketLimits()
    options = protocol_options(limits.message_bytes)
    ours = {
        "utf8validateIncoming": True,
        "closeHandshakeTimeout": limits.close_timeout_s,
        "perMessageCompressionAccept": factory.perMessageCompressionAccept,
    }
    for name in WebSocketServerProtocol.CONFIG_ATTRS:
        setattr(factory, name, (options | ours)[name])
    return factory


class SideBySideTestCase(WebSocketTestCase):
    """Has the same conversation with both."""

    def setUp(self) -> None:
        super().setUp()
        self.untrimmed = untrimmed_factory(self.clock)

        def closed(protocol: WebSocketTransport, was_clean: bool, code: int | None, reason: str | None) -> None:
            calls: list[Any] = self.opened[-1].calls
            calls.append(("closed", was_clean, code))

        self.patch(WebSocketTransport, "onClose", closed)

    def connect_untrimmed(self, head: bytes) -> tuple[FakeSocket, Course]:
        course = Course()
        protocol = UntrimmedProtocol(course.calls)
        protocol.factory = self.untrimmed
        socket = UntrimmedSocket(protocol)
        socket.feed(head)
        return socket, course

    def connect_trimmed(self, head: bytes) -> tuple[FakeSocket, Course]:
        return self.handshake(head), Course(calls=self.opened[-1].calls)  # type: ignore[arg-type]

    def converse(self, connect: Any, steps: tuple[Step, ...], *, rest: bytes = b"") -> Course:
        """What was seen, up to the loss of the connection."""
        socket, course = connect(request() + rest)
        course.head = socket.take()
        for step in steps:
            if isinstance(step, bytes):
                socket.feed(step)
            elif isinstance(step, float):
                self.clock.advance(step)
            elif isinstance(step, Disconnect):
                socket.protocol.sendCloseFrame(int(step.code), step.reason.encode())
            else:
                socket.lose()
            course.answers.append(socket.take())
        if socket.connected:
            socket.lose()
        course.ends = socket.ends
        course.calls = [call for call in course.calls if call[0] != "lost"]
        self.clock.advance(10)
        return course

    def differences(self, steps: tuple[Step, ...], *, rest: bytes = b"") -> dict[str, tuple[object, object]]:
        """By what is seen: how ours is, and how Autobahn's."""
        ours = self.converse(self.connect_trimmed, steps, rest=rest)
        theirs = self.converse(self.connect_untrimmed, steps, rest=rest)
        both = {each.name: (getattr(ours, each.name), getattr(theirs, each.name)) for each in fields(Course)}
        return {name: (one, other) for name, (one, other) in both.items() if one != other}


class SameTests(SideBySideTestCase):
    """The same conversations with ours and with Autobahn's own."""

    def test_conversations(self) -> None:
        """Text, fragments, ping, pong, closes from both sides, broken rules, timeouts, loss."""
        for name, steps in SCRIPTS.items():
            expected = DIFFERENCES[name].seen if name in DIFFERENCES else {}
            self.assertEqual(self.differences(steps), expected, name)
        self.assertLessEqual(DIFFERENCES.keys(), SCRIPTS.keys())

    def test_byte_by_byte(self) -> None:
        """However the client's bytes arrive."""
        for name, steps in alike():
            bytewise: list[Step] = []
            for step in steps:
                bytewise += [bytes([byte]) for byte in step] if isinstance(step, bytes) else [step]
            self.assertEqual(self.differences(tuple(bytewise)), {}, name)

    def test_loss_in_the_middle(self) -> None:
        """Of each step, after each byte."""
        for name, steps in alike():
            for done, step in enumerate(steps):
                if isinstance(step, bytes):
                    for cut in range(1, len(step)):
                        halved = (*steps[:done], step[:cut], "lost")
                        self.assertEqual(self.differences(halved), {}, (name, halved))

    def test_what_is_glued_to_the_handshake(self) -> None:
        """It is read when the connection is open; half of it is kept for the rest."""
        early = frame(b"early")
        self.assertEqual(self.differences((frame(b"later"),), rest=early), {})
        self.assertEqual(self.differences((early[3:], frame(b"later")), rest=early[:3]), {})

    def test_what_autobahn_keeps_is_known(self) -> None:
        """An Autobahn that keeps something new in an open connection shows, and one that begins with another value."""
        socket, _ = self.connect_untrimmed(request())
        options = set(WebSocketServerProtocol.CONFIG_ATTRS)
        self.assertGreater(len(socket.protocol.__dict__), 60)
        for name, value in socket.protocol.__dict__.items():
            if name not in KEPT | _PAST | options | NOT_OURS:
                self.assertEqual(getattr(LeanServerProtocol, name, "missing"), value, name)


class LeanTests(WebSocketTestCase):
    def test_an_idle_connection_keeps_little(self) -> None:
        """After its handshake, and after messages and control frames of all kinds."""
        client, connection = self.connect()
        protocol = connection.transport
        self.assertEqual(set(protocol.__dict__), KEPT)
        for data in (frame(b"hi"), frame(b"", 9), frame(b"", 10), frame(b"a", 1, fin=False) + frame(b"b", 0)):
            client.feed(data)
            self.assertEqual(set(protocol.__dict__), KEPT, data)

    def test_what_is_dropped_is_as_autobahn_left_it(self) -> None:
        """With our own options and our own way of connecting, too."""
        self.patch(LeanServerProtocol, "trim", lambda protocol: None)
        _, connection = self.connect()
        untrimmed = connection.transport.__dict__
        self.assertGreater(len(untrimmed), 40)
        for name, value in untrimmed.items():
            if name not in KEPT | _PAST:
                self.assertIs(getattr(LeanServerProtocol, name), value, name)
