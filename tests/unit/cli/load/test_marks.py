"""How a run's events are known among all that comes."""

import json

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.cli.load.marks import MAX_FRAME_BYTES, Marks
from pulsetw.transport.frame import text_frame

PING = b"\x89\x01p"


def event(marks, number, time_us=7, **more):
    return text_frame(
        json.dumps({"type": "bench", "data": marks.data((number, time_us)), **more}, separators=(",", ":")).encode()
    )


class MarksTests(SynchronousTestCase):
    def setUp(self):
        self.marks = Marks("r1", 200)

    def test_data_has_its_size(self):
        """As JSON; where that is less than a mark takes, it is a mark."""
        for size in (60, 200, 70_000):
            data = Marks("r1", size).data((12, 345))
            self.assertEqual(len(json.dumps(data, separators=(",", ":"))), size)
        self.assertEqual(Marks("r1", 0).data((12, 345)), {"bench": "r1.12.345", "padding": ""})

    def test_events_are_found(self):
        """Of all lengths of frames; what is not an event of this run comes out whole, for Autobahn."""
        strange = event(Marks("r2", 200), 5)
        said = text_frame(b'{"op":"gap"}')
        for size in (0, 200, 70_000):
            marks = Marks("r1", size)
            data = event(marks, 1, 10) + PING + strange + event(marks, 2, 20) + said
            received = marks.read(data)
            self.assertEqual(received.events, [(1, 10), (2, 20)])
            self.assertEqual(received.others, [PING, strange, said])
            self.assertEqual(received.rest, b"")

    def test_a_cut_frame_waits(self):
        """Wherever it is cut, nothing is lost and nothing comes twice."""
        for marks in (self.marks, Marks("r1", 70_000)):
            data = event(marks, 1) + PING + event(marks, 2)
            for cut in (*range(20), len(data) // 2, *range(len(data) - 300, len(data))):
                first = marks.read(data[:cut])
                second = marks.read(first.rest + data[cut:])
                self.assertEqual(first.events + second.events, [(1, 7), (2, 7)], cut)
                self.assertEqual((first.others + second.others, second.rest), ([PING], b""), cut)

    def test_the_same_bytes_are_read_once(self):
        """Thousands of listeners get them."""
        data = event(self.marks, 1)
        first = self.marks.read(data)
        self.assertIs(self.marks.read(bytes(bytearray(data))), first)
        self.assertEqual(self.marks.read(event(self.marks, 2)).events, [(2, 7)])

    def test_too_long_a_frame_is_not_waited_for(self):
        """Autobahn gets its begin, and refuses it."""
        head = b"\x81\x7f" + (MAX_FRAME_BYTES + 1).to_bytes(8, "big") + b"x"
        received = self.marks.read(head)
        self.assertEqual((received.others, received.rest), ([head], b""))

    def test_fragments_are_autobahns(self):
        """Also where a part looks like an event."""
        part = b"\x01" + event(self.marks, 1)[1:]
        self.assertEqual(self.marks.read(part).others, [part])
