"""Driving the consumers."""

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.errors import BrokerAway, BrokerRefused
from pulsetw.model import Branch, Entry, Lineage, Notice, Page
from pulsetw.pubsub.recovery import Recovery

LINE = Lineage("e", (Branch("b", 0),))


def entry(offset):
    return Entry(LINE.at(offset), f"i{offset}", b"")


class Recorder:
    """Notes each call."""

    def __init__(self):
        self.calls = []
        self.again = []
        self.notices = []

    def entry(self, channel, entry, *, again):
        self.again.append(again)
        self.calls.append((channel, entry.position.offset))

    def past(self, channel, entries):
        self.calls.append((channel, "past", len(entries)))

    def noticed(self, channel, notice):
        self.notices.append(notice)
        self.calls.append((channel, notice.reason))

    def cut(self, channel, notice):
        self.calls.append((channel, notice.reason))

    def placed(self, channel, lineage, top):
        self.calls.append((channel, "placed", top))


class RecoveryTests(SynchronousTestCase):
    def setUp(self):
        self.clock = Clock()
        self.recorder = Recorder()
        self.asked = []
        self.answer = lambda channel, position, limit: succeed(Page(LINE, 0, 0, ()))
        self.is_up = False
        self.recovery = Recovery(self.sync, self.recorder, self.clock, lambda: self.is_up, 3000)

    def tearDown(self):
        self.recovery.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def ready(self):
        self.is_up = True
        return self.recovery.ready()

    def lost(self):
        self.is_up = False
        self.recovery.lost()

    def is_known(self, name, count=0):
        """Whether a channel's first id is known there, after `count` more entries."""
        if not self.recovery.reads(name):
            self.recovery.add(name, strict=True)
            self.recovery.subscribed(name)
        top = self.recovery.place(name)[1]
        for offset in range(top + 1, top + 1 + count):
            self.recovery.appended(name, entry(offset))
        self.recovery.appended(name, Entry(LINE.at(top + count + 1), "i1", b""))
        return self.recorder.again[-1]

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
        caught_up = self.ready()
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
        caught_up = self.ready()
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
        self.ready()
        self.recovery.add("a", strict=True)
        live = self.recovery.subscribed("a")
        self.assertNoResult(live)
        self.clock.advance(0.25)
        self.successResultOf(live)
        self.assertEqual(self.recorder.calls, [("a", "past", 1), ("a", "placed", 2)])
        self.assertEqual(self.recovery.place("a"), (LINE, 2))

    def test_a_question_that_failed_with_the_link_is_not_asked_twice(self):
        """The next `ready` asks; the late second try is none."""
        answers = [fail(BrokerAway("lost")), succeed(Page(LINE, 0, 0, ()))]
        self.answer = lambda *_: answers.pop(0)
        self.ready()
        self.recovery.add("a", strict=True)
        live = self.recovery.subscribed("a")
        self.lost()
        self.ready()
        self.successResultOf(live)
        self.clock.advance(1)
        self.assertEqual(len(self.asked), 2)

    def test_a_hole_is_read(self):
        """Its entries come in order, each once."""
        self.ready()
        self.recovery.add("a", strict=True)
        self.recovery.subscribed("a")
        self.answer = lambda *_: succeed(Page(LINE, 3, 0, (entry(1), entry(2), entry(3))))
        self.assertTrue(self.recovery.appended("a", entry(3)))
        self.assertEqual(self.recorder.calls[1:], [("a", 1), ("a", 2), ("a", 3), ("a", "placed", 3)])
        self.assertFalse(self.recovery.appended("b", entry(1)))

    def damage(self, *names):
        """From now on the logs of these channels cannot be read."""

        def answer(channel, position, limit):
            if channel in names:
                return fail(BrokerRefused("WRONGTYPE", temporary=False))
            return succeed(Page(LINE, 0, 0, ()))

        self.answer = answer

    def test_a_damaged_log_keeps_nobody_waiting(self):
        """Those on its own channel have been told, so that a relay can start, and clients get what comes live."""
        self.damage("bad")
        for name in ("good", "bad"):
            self.recovery.add(name, strict=True)
        live = [self.recovery.subscribed(name) for name in ("good", "bad")]
        self.successResultOf(self.ready())
        self.successResultOf(live[0])
        self.clock.advance(0.25)
        self.successResultOf(live[1])
        self.successResultOf(self.recovery.subscribed("bad"))
        self.assertEqual(self.recovery.damaged, {"bad"})
        self.damage()
        self.clock.advance(0.5)
        self.successResultOf(live[1])
        self.assertEqual((self.recovery.damaged, self.recovery.damages), (set(), 1))

    def test_a_damaged_log_is_told_once(self):
        """From where everybody stands; and once more when it is mended, before what comes then."""
        self.ready()
        self.recovery.add("a", strict=True)
        self.recovery.subscribed("a")
        self.recovery.appended("a", entry(1))
        self.recorder.calls.clear()
        self.damage("a")
        self.recovery.appended("a", entry(3))
        self.clock.pump([0.25, 0.5, 1])
        self.lost()
        self.ready()
        self.assertEqual(self.recorder.calls, [("a", "dropped")])
        self.assertEqual(self.recorder.notices, [Notice("dropped", LINE.at(1))])
        self.answer = lambda *_: succeed(Page(LINE, 2, 1, (entry(2),)))
        self.clock.advance(8)
        self.assertEqual(self.recorder.calls, [("a", "dropped"), ("a", "dropped"), ("a", 2), ("a", "placed", 2)])
        self.assertEqual(self.recorder.notices[1:], [Notice("dropped", LINE.at(1), LINE.at(1))])

    def test_a_damaged_log_is_asked_less_and_less_often(self):
        """Up to 8 s apart; the next time it is asked soon again."""
        self.damage("a")
        self.ready()
        self.recovery.add("a", strict=True)
        self.recovery.subscribed("a")
        waits = (0.25, 0.5, 1, 2, 4, 8, 8)
        for number, wait_s in enumerate(waits, 1):
            self.clock.advance(wait_s - 0.01)
            self.assertEqual(len(self.asked), number)
            self.clock.advance(0.01)
            self.assertEqual(len(self.asked), number + 1)
        self.damage()
        self.clock.advance(8)
        self.damage("a")
        self.recovery.appended("a", entry(2))
        self.asked.clear()
        self.clock.advance(0.25)
        self.assertEqual(len(self.asked), 1)

    def test_a_damaged_channel_that_is_removed_is_not_named(self):
        """Nobody here wants it."""
        self.damage("a")
        self.ready()
        self.recovery.add("a", strict=True)
        self.recovery.subscribed("a")
        self.recovery.remove("a")
        self.assertEqual(self.recovery.damaged, set())

    def test_one_that_cannot_be_read_for_the_moment_is_waited_for(self):
        """Nothing is fresh before it has been read."""
        answers = [fail(BrokerRefused("BUSY", temporary=True)), succeed(Page(LINE, 0, 0, ()))]
        self.answer = lambda *_: answers.pop(0)
        self.recovery.add("a", strict=True)
        self.recovery.subscribed("a")
        caught_up = self.ready()
        self.assertNoResult(caught_up)
        self.clock.advance(0.25)
        self.successResultOf(caught_up)

    def test_a_removed_channel_waits_for_nothing(self):
        """Its subscribers are answered, and the others are not kept waiting."""
        self.answer = lambda *_: Deferred()
        caught_up = self.ready()
        self.successResultOf(caught_up)
        self.recovery.add("a", strict=True)
        live = self.recovery.subscribed("a")
        self.lost()
        caught_up = self.ready()
        self.assertNoResult(caught_up)
        self.recovery.remove("a")
        self.successResultOf(live)
        self.successResultOf(caught_up)

    def test_windows_are_bounded_together(self):
        """The idlest channel forgets: an id of before counts as new there."""
        self.ready()
        self.assertEqual(
            [self.is_known("idle", 7), self.is_known("busy", 15), self.is_known("idle")], [True, True, False]
        )

    def test_a_removed_channel_makes_room(self):
        """At once."""
        self.ready()
        self.is_known("idle", 7)
        self.is_known("gone", 10)
        self.recovery.remove("gone")
        self.is_known("busy", 7)
        self.assertTrue(self.is_known("idle"))

    def test_a_question_that_fails_after_the_end_is_not_asked_again(self):
        """The broker's own end makes it fail."""
        waiting = Deferred()
        self.answer = lambda *_: waiting
        self.ready()
        self.recovery.add("a", strict=True)
        live = self.recovery.subscribed("a")
        self.recovery.stop()
        waiting.errback(BrokerAway("stopped"))
        self.failureResultOf(live, BrokerAway)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopping_fails_what_waits(self):
        """With `BrokerAway`."""
        self.recovery.add("a", strict=True)
        live = self.recovery.subscribed("a")
        self.recovery.stop()
        self.failureResultOf(live, BrokerAway)
