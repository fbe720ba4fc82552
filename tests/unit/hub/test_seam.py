"""Another transport beside WebSockets: an event stream shares their ring, their cursors and their flush.

It is a double: the bytes are those of Server-Sent Events (WHATWG HTML 9.2), the socket is a buffer. The WebSockets are
real ones, but for their sockets.
"""

import json

from twisted.internet.testing import StringTransport
from zope.interface import implementer

from pulsetw.dialects.native import NativeDialect
from pulsetw.hub.arrival import Arrival
from pulsetw.interfaces import ITransport, Wire
from pulsetw.model import Notice
from pulsetw.transport.websocket import WebSocketFactory
from tests.unit.hub.test_channel import kept
from tests.unit.hub.test_hub_history import ONE, KeptTests
from tests.unit.transport.doubles import FakeSocket, frame, request


class CountingNative(NativeDialect):
    """Counts what it encodes."""

    def __init__(self):
        self.encoded = 0

    def encode_publication(self, publication):
        self.encoded += 1
        return super().encode_publication(publication)


class EventStreamDialect(CountingNative):
    """The fields of Server-Sent Events: `id` is the position, for a client that comes back; JSON has no line breaks."""

    name = "sse"

    def encode(self, message):
        text = super().encode(message)
        return b"event: " + json.loads(text)["op"].encode() + b"\ndata: " + text

    def encode_publication(self, publication):
        place = publication.position
        field = f"id: {place.wire_epoch}/{place.offset}\n".encode() if place else b""
        return field + b"data: " + super().encode_publication(publication)


def end_event(fields):
    """An empty line dispatches an event."""
    return fields + b"\n\n"


@implementer(ITransport)
class EventStream:
    """The body of an answer that does not end; a client that does not read chokes it.

    Attributes:
        connection: what the hub made of it.
        sends: what was sent, one item for each send.
        last_id: of the last event that the client read.
    """

    peer = "192.0.2.7"
    unsent_bytes = 200

    def __init__(self, hub, wire, *channels):
        self._unsent = StringTransport()
        self._reads = True
        self.is_closed = False
        self.last_id = ""
        self.sends = []
        self.connection = hub.open(self, wire, Arrival(self.peer, None, channels))

    def send(self, data):
        if not self.is_closed:
            self.sends.append(data)
            self._unsent.write(data)
            if not self._reads and not self.connection.is_choked and self.unsent() > self.unsent_bytes:
                self.connection.choked()

    def ping(self):
        """A comment; no client answers it, and a socket that takes it is the sign of life that there is."""
        self.send(b":\n\n")
        if self._reads:
            self.connection.heard()

    def unsent(self):
        return 0 if self._reads else len(self._unsent.value())

    def pause(self):
        """A client of an event stream says nothing."""

    resume = pause

    def close(self, disconnect):
        self.abort()

    def abort(self):
        if not self.is_closed:
            self.is_closed = True
            self.connection.lost("closed")

    def stop_reading(self):
        """The client reads nothing, until it takes what there is."""
        self._reads = False

    def take(self):
        """The client reads what there is: its events, as 9.2.6 interprets them."""
        self._reads = True
        blocks = self._unsent.value().decode().split("\n\n")
        self._unsent.clear()
        if self.connection.is_choked:
            self.connection.drained()
        events = []
        for block in blocks[:-1]:
            fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
            if fields:
                self.last_id = fields.get("id", self.last_id)
                events.append(json.loads(fields["data"]))
        return events


class WebSocket:
    """A client of the real transport."""

    def __init__(self, factory, target="/ws"):
        self.socket = FakeSocket(factory.buildProtocol(None))
        self.socket.feed(request(target))
        assert self.socket.take().startswith(b"HTTP/1.1 101 ")
        self._is_choked = False

    def say(self, **command):
        self.socket.feed(frame(json.dumps(command).encode()))

    def stop_reading(self):
        self._is_choked = True
        self.socket.fill()

    def take(self):
        """The client reads what there is: the messages of its frames, none of which is longer than 64 KiB."""
        data = self.socket.take()
        if self._is_choked:
            self._is_choked = False
            self.socket.drain()
        messages = []
        while data:
            size, begin = (data[1], 2) if data[1] < 126 else (int.from_bytes(data[2:4], "big"), 4)
            if data[0] == 0x81:
                messages.append(json.loads(data[begin : begin + size]))
            data = data[begin + size :]
        return messages


class SeamTests(KeptTests):
    def setUp(self):
        super().setUp()
        self.native, self.sse = CountingNative(), EventStreamDialect()
        self.factory = WebSocketFactory(self.clock, {"pulse.v1": self.native}, self.hub.open)
        self.stream_wire = Wire(self.sse, end_event)

    def stream(self, *channels):
        return EventStream(self.hub, self.stream_wire, *channels)

    def both(self, channel, count):
        """Clients of both kinds, by turns, on one channel."""
        clients = []
        for _ in range(count):
            clients += [WebSocket(self.factory, f"/ws?channels={channel}"), self.stream(channel)]
        return clients

    def both_kept(self, count=1):
        """The same, on a channel with a history, whose log is empty."""
        clients = self.both("kept:1", count)
        self.placed()
        return clients

    def flushed(self, *offsets):
        for offset in offsets:
            self.append(offset)
            self.clock.advance(0)

    def took(self, *clients):
        """What each has got since the last time: offsets, or what else it was told."""
        self.clock.advance(0)
        return [[message.get("op") or message["offset"] for message in client.take()] for client in clients]

    def test_both_kinds_share_the_ring_and_each_event_is_encoded_once_for_each(self):
        """However many clients there are; the channel is followed once."""
        clients = self.both_kept(count=3)
        self.append(1, 2, 3)
        self.assertEqual(self.took(*clients), [[1, 2, 3]] * 6)
        self.assertEqual((self.native.encoded, self.sse.encoded), (3, 3))
        self.assertEqual(self.source.calls.count(("follow", "kept:1")), 1)
        self.assertEqual(kept(self.hub._channels["kept:1"].channel), 3)
        self.assertEqual(self.hub.stats()["deliveries"], 18)

    def test_the_bytes_are_those_of_each_transport(self):
        """All that came in a turn goes out joined, in one send."""
        socket, stream = self.both_kept()
        self.append(1, 2)
        self.clock.advance(0)
        texts = [
            b'{"type":"t","channel":"kept:1","timestamp":1,"serverId":"s","id":"%d","data":{},"offset":%d,"epoch":"e.b1"}'
            % (offset, offset)
            for offset in (1, 2)
        ]
        self.assertEqual(socket.socket.take(), b"".join(b"\x81" + bytes([len(text)]) + text for text in texts))
        self.assertEqual(
            stream.sends, [b"id: e.b1/1\ndata: " + texts[0] + b"\n\nid: e.b1/2\ndata: " + texts[1] + b"\n\n"]
        )

    def test_those_who_are_slow_catch_up_by_their_cursor(self):
        """Nobody waits for them, nothing is read from the broker, nothing is encoded for them again."""
        clients = slow_socket, slow_stream, socket, stream = self.both_kept(count=2)
        for slow in (slow_socket, slow_stream):
            slow.stop_reading()
        self.flushed(*range(1, 7))
        self.assertEqual(self.took(socket, stream), [[1, 2, 3, 4, 5, 6]] * 2)
        self.assertLess(slow_stream.unsent(), 2 * slow_stream.unsent_bytes)
        self.assertEqual(self.took(slow_socket, slow_stream), [[], [1, 2]])
        self.append(7)
        self.assertEqual(self.took(*clients), [[1, 2, 3, 4, 5, 6, 7], [3, 4, 5, 6, 7], [7], [7]])
        self.assertEqual((self.native.encoded, self.sse.encoded, self.source.reads), (7, 7, []))

    def test_those_who_come_back_are_served_from_the_same_ring(self):
        """A WebSocket names its place in a command; for a stream its transport does, by the last id."""
        socket, stream = self.both_kept()
        self.append(1)
        self.assertEqual(self.took(socket, stream), [[1], [1]])
        stream.abort()
        self.flushed(2, 3)
        again, later = WebSocket(self.factory), self.stream()
        again.say(op="subscribe", channel="kept:1", since={"offset": 1, "epoch": "e.b1"})
        epoch, offset = stream.last_id.split("/")
        self.command(later, op="subscribe", channel="kept:1", since={"offset": int(offset), "epoch": epoch})
        self.append(4)
        self.assertEqual(self.took(again, later), [["subscribed", 2, 3, 4]] * 2)
        self.assertEqual((later.last_id, self.source.reads), ("e.b1/4", []))
        self.assertEqual((self.native.encoded, self.sse.encoded), (4, 4))

    def test_gaps_stand_in_their_place_for_both(self):
        """Also for those who get there later."""
        clients = slow_socket, slow_stream, socket, stream = self.both_kept(count=2)
        for slow in (slow_socket, slow_stream):
            slow.stop_reading()
        self.flushed(1, 2, 3)
        self.hub.noticed("kept:1", Notice("trimmed", ONE.at(3), ONE.at(7)))
        self.flushed(8)
        self.assertEqual(self.took(socket, stream), [[1, 2, 3, "gap", 8]] * 2)
        self.assertEqual(self.took(slow_socket, slow_stream), [[], [1, 2]])
        self.assertEqual(self.took(*clients), [[1, 2, 3, "gap", 8], [3, "gap", 8], [], []])

    def test_what_does_not_fit_into_the_ring_is_a_gap_for_both(self):
        """A channel without a history keeps 64 KiB for those who are behind."""
        clients = slow_socket, slow_stream, *_ = self.both("open:1", 2)
        for slow in (slow_socket, slow_stream):
            slow.stop_reading()
        self.publish("open:1", {"text": "x" * 1000}, id="0")
        self.clock.advance(0)
        for number in range(1, 5):
            self.publish("open:1", {"text": "x" * 20_000}, id=str(number))
            self.clock.advance(0)
        told = [[message.get("op") or message["id"] for message in client.take()] for client in clients]
        self.clock.advance(0)
        told += [[message.get("op") or message["id"] for message in client.take()] for client in clients[:2]]
        self.assertEqual(told, [[], ["0"], list("01234"), list("01234"), ["gap", "4"], ["gap", "4"]])

    def test_a_stream_lives_as_long_as_it_takes_something(self):
        """No client of one answers a ping: its transport has to tell of the sign of life."""
        reader, dead = self.stream(), self.stream()
        dead.stop_reading()
        self.clock.pump([1] * 60)
        self.assertEqual((reader.is_closed, dead.is_closed), (False, True))

    def test_a_stream_is_told_to_leave_as_all_are(self):
        """When, and why; then it is closed."""
        stream = self.stream()
        self.hub.drain(10)
        self.clock.advance(0)
        [goodbye] = stream.take()
        self.assertEqual((goodbye["op"], goodbye["reconnectAfterMs"], stream.is_closed), ("disconnect", 5000, True))
