"""What is known of an event that is too long, from the two ends of its text."""

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.client.unread import Ends, outline
from pulsetw.codec import AnyObject
from pulsetw.dialects.native import NativeDialect
from pulsetw.model import Event, Position, Publication

PLACE = {"offset": 7, "epoch": "k.b"}


class OutlineTests(SynchronousTestCase):
    def outline(self, data, tags=None, position=None, step=1000):
        """Of an event as relays write it, that came in parts."""
        event = Event("t", AnyObject().encode(data, "t"), 1, "s", "e", tags)
        text = NativeDialect().encode_publication(Publication("a", event, position))
        ends = Ends()
        for start in range(0, len(text), step):
            ends.add(text[start : start + step])
        return ends.outline()

    def test_channel_id_and_place_are_known(self):
        """However long the data is, and in whatever parts it came."""
        for step in (1, 1000, 100_000):
            found = self.outline({"b": "x" * 30_000}, {"k": "v"}, Position(7, "k", "b"), step)
            members = {"type": "t", "channel": "a", "timestamp": 1, "serverId": "s", "id": "e", "data": None, **PLACE}
            self.assertEqual(found, members)

    def test_data_and_tags_do_not_pose_as_the_place(self):
        """Whatever an application writes there."""
        for data, tags in (({"x": 1, **PLACE}, None), ({}, {"x": "", "offset": "7", "epoch": "k"})):
            found = self.outline(data, tags)
            self.assertEqual((found["channel"], "offset" in found), ("a", False))

    def test_what_is_no_event_has_no_members(self):
        """It may be anything."""
        for text in (b"", b"{", b"x" * 9000, b'{"data":1}', b'{"channel":1,"data":1}', b'{"op":"gap","channel":"a"}'):
            self.assertEqual(outline(text, text), {})
