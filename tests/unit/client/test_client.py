"""The client with Autobahn's real protocol, on a socket and a clock in memory."""

import base64
import hashlib
import json
import re

import txaio
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionDone
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from pulsetw.client import Client, ClientOptions, Position
from pulsetw.commands import Gap
from pulsetw.model import Notice

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3


class NoClock(Clock):
    """Autobahn's timers would run on txaio's clock, which is not the one that was given."""

    def callLater(self, *arguments, **more):
        raise AssertionError(arguments)


class Socket(StringTransport):
    """The relay's end of a client's socket."""

    def __init__(self, protocol):
        super().__init__()
        self.was_aborted = False
        self.protocol = protocol
        protocol.makeConnection(self)

    def setTcpNoDelay(self, enabled):
        pass

    def abortConnection(self):
        self.was_aborted = True

    def unregisterProducer(self):
        """Autobahn calls it without a producer."""

    def answer(self):
        """The handshake's."""
        key = re.search(rb"Sec-WebSocket-Key: (\S+)", self.value())[1]
        self.clear()
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())  # noqa: S324 -- RFC 6455 4.2.2
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self.protocol.dataReceived(
            head + b"Sec-WebSocket-Protocol: pulse.v1\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )

    def frame(self, opcode, payload):
        length = len(payload)
        size = bytes([length]) if length < 126 else b"\x7e" + length.to_bytes(2, "big")
        self.protocol.dataReceived(bytes([0x80 | opcode]) + size + payload)

    def says(self, **members):
        self.frame(1, json.dumps({name.rstrip("_"): value for name, value in members.items()}).encode())

    def heard(self):
        """Opcodes and texts of what the client sent since the last time."""
        data, found = self.value(), []
        self.clear()
        while data:
            length, start = data[1] & 0x7F, 2
            if length == 126:
                length, start = int.from_bytes(data[2:4], "big"), 4
            mask, body = data[start : start + 4], data[start + 4 : start + 4 + length]
            found.append((data[0] & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(body))))
            data = data[start + 4 + length :]
        return found

    def commands(self):
        return [json.loads(text) for opcode, text in self.heard() if opcode == 1]

    def lose(self):
        self.protocol.connectionLost(Failure(ConnectionDone()))


@implementer(IStreamClientEndpoint)
class Endpoint:
    """Tries to connect that the test ends."""

    def __init__(self):
        self.tries = []

    def connect(self, factory):
        waited = Deferred()
        self.tries.append((factory, waited))
        return waited

    def accept(self):
        factory, waited = self.tries[-1]
        socket = Socket(factory.buildProtocol(None))
        waited.callback(socket.protocol)
        return socket


class ClientTests(SynchronousTestCase):
    def setUp(self):
        self.clock = Clock()
        self.patch(txaio.config, "loop", NoClock())
        self.endpoint = Endpoint()
        self.states, self.given, self.gaps, self.ends = [], [], [], []
        self.client = self.make()
        self.sockets = []

    def tearDown(self):
        """Whatever happened, stopping leaves nothing behind."""
        stopped = self.client.stop()
        for socket in self.sockets:
            if socket.connected:
                socket.lose()
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def make(self, **options):
        return Client(
            self.clock,
            "ws://relay.example/ws",
            token="t",
            options=ClientOptions(**options),
            on_state=lambda state: self.states.append(state.state),
            endpoint=self.endpoint,
            dice=lambda: 0.5,
        )

    def subscribe(self, channel, on_event=None):
        return self.client.subscribe(channel, on_event or self.given.append, self.gaps.append, on_end=self.ends.append)

    def connect(self):
        self.client.start()
        return self.accept()

    def accept(self):
        socket = self.endpoint.accept()
        self.sockets.append(socket)
        socket.answer()
        return socket

    def event(self, socket, id, **more):
        socket.says(type="t", channel="a", timestamp=1, serverId="s", id=id, data={}, **more)

    def test_it_asks_and_gives(self):
        """Greeting and subscriptions go out at once; an event reaches its callback, and the position moves."""
        subscription = self.subscribe("a")
        socket = self.connect()
        self.assertEqual([command["op"] for command in socket.commands()], ["connect", "subscribe"])
        socket.says(op="subscribed", id=2, channel="a", offset=1, epoch="k")
        self.event(socket, "e", offset=2, epoch="k")
        self.assertEqual([publication.event.id for publication in self.given], ["e"])
        self.assertEqual((subscription.position.offset, subscription.is_live), (2, True))

    def test_it_comes_back(self):
        """A lost connection and a refused one: each is followed by another try."""
        self.subscribe("a")
        self.connect().lose()
        self.clock.advance(0.25)
        self.endpoint.tries[-1][1].errback(ConnectError())
        self.clock.advance(0.5)
        self.assertEqual(len(self.endpoint.tries), 3)
        self.assertEqual([command["op"] for command in self.accept().commands()], ["connect", "subscribe"])
        self.assertEqual(self.states, ["connecting", "waiting"] * 2 + ["connecting"])

    def test_a_close_code_keeps_it_away(self):
        """What the close frame says reaches the state."""
        socket = self.connect()
        socket.frame(8, (3501).to_bytes(2, "big") + b"bad request")
        socket.lose()
        self.assertEqual(self.states[-1], "away")

    def test_a_relay_that_does_not_hang_up_is_cut_off(self):
        """After its own close frame, and after ours."""
        socket = self.connect()
        socket.frame(8, (3001).to_bytes(2, "big"))
        self.clock.advance(2)
        self.assertTrue(socket.was_aborted)
        socket.lose()
        self.clock.advance(0.25)
        socket = self.accept()
        stopped = self.client.stop()
        self.assertEqual([opcode for opcode, _ in socket.heard()][-1], 8)
        socket.frame(8, (1000).to_bytes(2, "big"))
        self.clock.advance(2)
        self.assertTrue(socket.was_aborted)
        self.assertNoResult(stopped)
        socket.lose()
        self.successResultOf(stopped)

    def test_a_relay_that_does_not_answer_our_good_bye_is_cut_off(self):
        """After two seconds."""
        socket = self.connect()
        self.client.stop()
        self.clock.advance(1)
        self.assertFalse(socket.was_aborted)
        self.clock.advance(1)
        self.assertTrue(socket.was_aborted)

    def test_a_try_is_given_up(self):
        """Stopping cancels a try to connect, and cuts off a handshake that is not done."""
        self.client.start()
        self.endpoint.tries[0][1].addErrback(lambda _: None)
        self.successResultOf(self.client.stop())
        self.client.start()
        socket = self.endpoint.accept()
        self.sockets.append(socket)
        self.client.stop()
        self.assertTrue(socket.was_aborted)

    def test_it_may_be_stopped_while_it_says_that_it_connects(self):
        """What a callback does comes in its turn: no connection is left."""
        told = []

        def state(now):
            told.append(now.state)
            if now.state == "connecting":
                self.client.stop()
            told.append("done")

        self.client.on_state = state
        self.client.start()
        self.assertEqual(told, ["connecting", "done", "closed", "done"])
        self.successResultOf(self.client.stop())

    def test_a_handshake_has_a_limit(self):
        """Of bytes, and of time."""
        self.client.start()
        socket = self.endpoint.accept()
        self.sockets.append(socket)
        for _ in range(17):
            socket.protocol.dataReceived(b"x" * 4096)
        self.assertTrue(socket.was_aborted)
        socket.lose()
        self.clock.advance(0.25)
        socket = self.endpoint.accept()
        self.sockets.append(socket)
        self.clock.advance(20)
        self.assertTrue(socket.was_aborted)

    def long_event(self, **more):
        members = {
            "type": "t",
            "channel": "a",
            "timestamp": 1,
            "serverId": "s",
            "id": "long",
            "data": {"b": "x" * 30_000},
        }
        return json.dumps({**members, **more}, separators=(",", ":")).encode()

    def test_a_gap_stands_for_an_event_that_is_too_long(self):
        """It is not kept; the connection and what comes behind go on."""
        self.client = self.make(max_message_bytes=20_000)
        subscription = self.subscribe("a")
        self.subscribe("b")
        socket = self.connect()
        socket.says(op="subscribed", id=2, channel="a", offset=1, epoch="k")
        socket.says(op="subscribed", id=3, channel="b", offset=1, epoch="k")
        socket.frame(1, self.long_event(tags={"k": "v"}, offset=2, epoch="k"))
        self.assertEqual(subscription.position, Position(2, "k"))
        self.event(socket, "e", offset=3, epoch="k")
        self.assertEqual(self.gaps, [Gap("a", Notice("dropped", Position(1, "k"), Position(2, "k")))])
        self.assertEqual([publication.event.id for publication in self.given], ["e"])
        self.assertEqual(self.states[-1], "connecting")

    def test_a_message_has_a_limit_of_fragments(self):
        """Each costs memory; the count begins anew with each message."""
        self.subscribe("a")
        socket = self.connect()
        socket.says(op="subscribed", id=2, channel="a")
        for _ in range(2):
            socket.protocol.dataReceived(b"\x01\x00" + b"\x00\x00" * 600 + b"\x80\x02{}")
        self.assertEqual(self.gaps, [])
        text = self.long_event()
        head, tail = (b"\x7e" + len(part).to_bytes(2, "big") + part for part in (text[:200], text[200:]))
        socket.protocol.dataReceived(b"\x01" + head + b"\x00\x00" * 1000 + b"\x80" + tail)
        self.assertEqual(self.gaps, [Gap("a", Notice("dropped"))])

    def test_a_long_message_on_a_slow_line_is_no_silence(self):
        """Each of its bytes is a sign of life."""
        socket = self.connect()
        socket.protocol.dataReceived(b"\x81\x7e\x10\x00")
        for _ in range(10):
            self.clock.advance(20)
            socket.protocol.dataReceived(b"x")
        self.assertEqual(socket.commands()[1:], [])

    def test_a_gap_stands_for_an_event_that_cannot_be_read(self):
        """A number or a depth that relays pass on, and that this program cannot have."""
        self.subscribe("a")
        socket = self.connect()
        socket.says(op="subscribed", id=2, channel="a", offset=1, epoch="k")
        for offset, data in ((2, b"1e999"), (3, b"[" * 2000 + b"]" * 2000)):
            text = b'{"type":"t","channel":"a","id":"","data":{"n":%s},"offset":%d,"epoch":"k"}' % (data, offset)
            socket.frame(1, text)
        self.assertEqual([gap.notice.end.offset for gap in self.gaps], [2, 3])
        self.assertEqual(self.states[-1], "connecting")

    def test_a_ping_is_a_sign_of_life(self):
        """And is answered; after silence the client asks, then gives up."""
        socket = self.connect()
        self.clock.advance(20)
        socket.frame(9, b"?")
        self.assertEqual(socket.heard()[-1], (10, b"?"))
        self.clock.advance(24)
        self.assertEqual(socket.heard(), [])
        self.clock.advance(1)
        self.assertEqual([command["op"] for command in socket.commands()], ["ping"])
        self.clock.advance(10)
        self.assertEqual(self.states[-1], "waiting")

    def test_a_relay_that_does_not_read_gets_no_pongs(self):
        """Else a flood of pings would fill our memory with answers."""
        socket = self.connect()
        socket.producer.pauseProducing()
        socket.frame(9, b"1")
        socket.producer.resumeProducing()
        socket.frame(9, b"2")
        self.assertEqual([payload for opcode, payload in socket.heard() if opcode == 10], [b"2"])

    def test_a_callback_that_fails_costs_nobody_else(self):
        """It is logged; the next event comes."""
        self.subscribe("a", lambda publication: self.given.append(1 // len(self.given)))
        socket = self.connect()
        socket.says(op="subscribed", id=2, channel="a")
        self.event(socket, "e1")
        self.given.append(1)
        self.event(socket, "e2")
        self.assertEqual(self.given, [1, 1])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_what_is_no_position_is_refused_at_once(self):
        """And costs the client nothing; a position is made of what HTTP calls offset and epoch."""
        place = {"offset": 3, "epoch": "k3.b"}
        self.assertRaises(TypeError, self.client.subscribe, "a", print, since=place)
        for last in (-1, 1001):
            self.assertRaises(ValueError, self.client.subscribe, "a", print, last=last)
        kept = Position.from_wire(place["offset"], place["epoch"])
        self.assertEqual(self.client.subscribe("a", print, since=kept).position, kept)
        self.assertEqual(kept.wire_epoch, "k3.b")

    def test_a_callback_may_unsubscribe_and_subscribe(self):
        """What it does comes in its turn."""

        def heard(publication):
            subscription.unsubscribe()
            subscription.unsubscribe()
            self.subscribe("a")

        subscription = self.subscribe("a", heard)
        socket = self.connect()
        socket.says(op="subscribed", id=2, channel="a")
        socket.heard()
        self.event(socket, "e1")
        self.assertEqual([command["op"] for command in socket.commands()], ["unsubscribe", "subscribe"])

    def test_a_subscription_that_is_refused_is_over(self):
        """Its callback is told, and the name is free again."""
        self.subscribe("a")
        socket = self.connect()
        socket.says(op="error", id=2, channel="a", code=103, message="permission denied", temporary=False)
        self.assertEqual([(end.channel, end.code) for end in self.ends], [("a", 103)])
        self.subscribe("a")

    def test_garbage_ends_the_connection(self):
        """No JSON, and no text: it cannot be known what was missed."""
        for opcode in (1, 2):
            socket = self.connect() if opcode == 1 else self.accept()
            socket.frame(opcode, b"{")
            self.assertEqual(self.states[-1], "waiting")
            self.clock.advance(1)
