"""Driving the consumers."""

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.errors import BrokerAway, BrokerRefused
from pulsetw.model import Branch, Entry, Lineage, Page
from pulsetw.pubsub.recovery import Recovery

LINE = Lineage("e", (Branch("b", 0),))


def entry(offset):
    return Entry(LINE.at(offset), f"i{offset}", b"")


class Recorder:
    """A reader that notes each call."""

    def __init__(self):
        self.calls = []

    def entry(self, channel, entry, *, again):
        self.calls.append((channel, entry.position.offset))

    def past(self, channel, entries):
        self.calls.append((channel, "past", len(entries)))

    def noticed(self, channel, notice):
        self.calls.append((channel, notice.reason))

    def cut(self, channel, notice):
        self.calls.append((channel, notice.reason))

    def placed(self, channel, lineage, top):
        self.calls.append((channel, "placed", top))


class RecoveryTests(SynchronousTestCase):
    def setUp(self):
        self.clock = Clock()
        self.reader = Recorder()
        self.asked = []
        self.answer = lambda channel, position, limit: succeed(Page(LINE, 0, 0, ()))
        self.recovery = Recovery(self.sync, self.reader, self.clock)

    def tearDown(self):
        self.recovery.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def sync(self, channel, position, limit):
        self.asked.append((channel, position.offset if position else None))
        return self.answer(channel, position, limit)

    def test_nothing_is_asked_while_the_broker_is_away(self):
        """When it comes, all channels are asked, and `ready` fires when all are caught up with."""
        self.recovery.add("a", strict=True)
        live = self.recovery.subscribed("a")
        self.assertEqual(self.asked, [])
        waiting = Deferred()
        self.answer = lambda *_: waiting
        caught_up = self.recovery.ready()
        self.assertEqual(self.asked, [("a", None)])
        self.assertNoResult(live)
        self.assertNoResult(caught_up)
        waiting.callback(Page(LINE, 0, 0, ()))
        self.successResultOf(live)
        self.successResultOf(caught_up)

    def test_ten_thousand_channels_are_not_asked_at_once(self):
        """Some are under way at any time, none waits for another one's round trip, each is asked once."""
        waiting = []

        def answer(*_):
            waiting.append(Deferred())
            return waiting[-1]

        self.answer = answer
        for number in range(10_000):
            self.recovery.add(str(number), strict=True)
            self.recovery.subscribed(str(number))
        caught_up = self.recovery.ready()
        most = 0
        while waiting:
            most = max(most, len(waiting))
            waiting.pop().callback(Page(LINE, 0, 0, ()))
        self.successResultOf(caught_up)
        self.assertEqual((most, len(self.asked), len(set(self.asked))), (64, 10_000, 10_000))

    def test_a_failed_question_is_asked_again(self):
        """A little later, as long as the broker is there."""
        answers = [fail(BrokerAway("full")), succeed(Page(LINE, 2, 1, (entry(2),)))]
        self.answer = lambda *_: answers.pop(0)
        self.recovery.ready()
        self.recovery.add("a", strict=True)
        live = self.recovery.subscribed("a")
        self.assertNoResult(live)
        self.clock.advance(0.25)
        self.successResultOf(live)
        self.assertEqual(self.reader.calls, [("a", "past", 1), ("a", "placed", 2)])
        self.assertEqual(self.recovery.place("a"), (LINE, 2))

    def test_a_question_that_failed_with_the_link_is_not_asked_twice(self):
        """The next `ready` asks; the late second try is none."""
        answers = [fail(BrokerAway("lost")), succeed(Page(LINE, 0, 0, ()))]
        self.answer = lambda *_: answers.pop(0)
        self.recovery.ready()
        self.recovery.add("a", strict=True)
        live = self.recovery.subscribed("a")
        self.recovery.lost()
        self.recovery.ready()
        self.successResultOf(live)
        self.clock.advance(1)
        self.assertEqual(len(self.asked), 2)

    def test_a_hole_is_read(self):
        """Its entries come in order, each once."""
        self.recovery.ready()
        self.recovery.add("a", strict=True)
        self.recovery.subscribed("a")
        self.answer = lambda *_: succeed(Page(LINE, 3, 0, (entry(1), entry(2), entry(3))))
        self.assertTrue(self.recovery.appended("a", entry(3)))
        self.assertEqual(self.reader.calls[1:], [("a", 1), ("a", 2), ("a", 3), ("a", "placed", 3)])
        self.assertFalse(self.recovery.appended("b", entry(1)))

    def test_a_damaged_log_keeps_only_its_own_channel_waiting(self):
        """The others have caught up; the damaged one is asked again, and stands when it is mended."""
        damaged = True

        def answer(channel, position, limit):
            if channel == "bad" and damaged:
                return fail(BrokerRefused("WRONGTYPE", temporary=False))
            return succeed(Page(LINE, 0, 0, ()))

        self.answer = answer
        for name in ("good", "bad"):
            self.recovery.add(name, strict=True)
        live = [self.recovery.subscribed(name) for name in ("good", "bad")]
        self.successResultOf(self.recovery.ready())
        self.successResultOf(live[0])
        self.clock.advance(0.25)
        self.assertNoResult(live[1])
        damaged = False
        self.clock.advance(0.25)
        self.successResultOf(live[1])

    def test_one_that_cannot_be_read_for_the_moment_is_waited_for(self):
        """Nothing is fresh before it has been read."""
        answers = [fail(BrokerRefused("BUSY", temporary=True)), succeed(Page(LINE, 0, 0, ()))]
        self.answer = lambda *_: answers.pop(0)
        self.recovery.add("a", strict=True)
        self.recovery.subscribed("a")
        caught_up = self.recovery.ready()
        self.assertNoResult(caught_up)
        self.clock.advance(0.25)
        self.successResultOf(caught_up)

    def test_a_removed_channel_waits_for_nothing(self):
        """Its subscribers are answered, and the others are not kept waiting."""
        self.answer = lambda *_: Deferred()
        caught_up = self.recovery.ready()
        self.successResultOf(caught_up)
        self.recovery.add("a", strict=True)
        live = self.recovery.subscribed("a")
        self.recovery.lost()
        caught_up = self.recovery.ready()
        self.assertNoResult(caught_up)
        self.recovery.remove("a")
        self.successResultOf(live)
        self.successResultOf(caught_up)

    def test_stopping_fails_what_waits(self):
        """With `BrokerAway`."""
        self.recovery.add("a", strict=True)
        live = self.recovery.subscribed("a")
        self.recovery.stop()
        self.failureResultOf(live, BrokerAway)
