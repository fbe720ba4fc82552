"""The vocabulary."""

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.model import Event, Position, Publication


class ModelTests(SynchronousTestCase):
    def test_values_cannot_change(self):
        """What several connections share cannot be altered by one of them."""
        for value, name in (
            (Position(1, "e"), "offset"),
            (Event("t"), "type"),
            (Publication("c", Event("t")), "channel"),
        ):
            with self.assertRaises(AttributeError):
                setattr(value, name, "other")

    def test_an_event_needs_its_type_only(self):
        """An application gives type and data; the rest is filled in when it is published."""
        event = Event("news", {"text": "hi"})
        self.assertEqual((event.timestamp, event.server_id, event.id, event.tags), (0, "", "", None))
