"""What waits for the broker."""

from twisted.internet.defer import fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.errors import PublishError, TooManyWaiting
from pulsetw.pubsub.outbox import Outbox, OutboxOptions


def failure(outcome, *, temporary):
    return fail(PublishError("a", "id", outcome, "cause", 1, temporary=temporary))


class OutboxTests(SynchronousTestCase):
    def setUp(self):
        self.sent = []
        self.answer = lambda event_id: succeed(None)
        self.outbox = Outbox(self.publish, OutboxOptions(max_events=3000, max_bytes=5000))

    def publish(self, channel, event_id, payload):
        self.sent.append(event_id)
        return self.answer(event_id)

    def test_it_sends_in_order(self):
        """However many there are: none is on the stack of the one before."""
        for number in range(3000):
            self.outbox.put("a", str(number), b"")
        self.assertTrue(self.outbox.holds("a"))
        self.outbox.flush()
        self.assertEqual(self.sent, [str(number) for number in range(3000)])
        self.assertFalse(self.outbox.holds("a"))
        self.outbox.flush()
        self.assertEqual(len(self.sent), 3000)

    def test_what_cannot_be_sent_now_stays_first(self):
        """The next flush begins with it."""
        for event_id in "xyz":
            self.outbox.put("a", event_id, b"")
        self.answer = lambda event_id: failure("unknown", temporary=True) if event_id == "y" else succeed(None)
        self.outbox.flush()
        self.assertEqual((self.sent, len(self.outbox)), (["x", "y"], 2))
        self.answer = lambda event_id: succeed(None)
        self.outbox.flush()
        self.assertEqual((self.sent, len(self.outbox)), (["x", "y", "y", "z"], 0))

    def test_what_is_refused_for_good_keeps_nobody_back(self):
        """It is dropped with a line in the log and a count."""
        self.outbox.put("a", "bad", b"")
        self.outbox.put("a", "good", b"")
        self.answer = lambda event_id: failure("refused", temporary=False) if event_id == "bad" else succeed(None)
        self.outbox.flush()
        self.assertEqual((self.sent, self.outbox.dropped, len(self.outbox)), (["bad", "good"], 1, 0))

    def test_it_is_bounded_in_events_and_bytes(self):
        """What is too much is refused; what was sent makes room."""
        for number in range(3000):
            self.outbox.put("a", str(number), b"")
        self.assertRaises(TooManyWaiting, self.outbox.put, "a", "x", b"")
        self.outbox.flush()
        self.outbox.put("a", "x", b"5" * 5000)
        self.assertRaises(TooManyWaiting, self.outbox.put, "b", "y", b"6")
        self.outbox.flush()
        self.outbox.put("b", "y", b"6")
