"""Publishing again what failed."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.errors import BrokerAway, BrokerRefused, OutcomeUnknown, PublishError, TooManyWaiting
from pulsetw.pubsub.retry import Retries, RetryOptions
from tests.doubles import FakeBroker


class RetriesTests(SynchronousTestCase):
    def setUp(self):
        self.broker = FakeBroker()
        self.clock = Clock()
        self.retries = Retries(self.broker.publish, self.clock, RetryOptions(max_waiting=3))

    def tearDown(self):
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.retries._lanes, {})

    def publish(self, event_id, channel="a"):
        return self.retries.publish(channel, event_id, b"")

    def tried(self):
        return [event_id for _, event_id, _ in self.broker.published]

    def test_it_fails_after_three_retries_and_700_ms(self):
        """At 100, 200 and 400 ms, each with the same id."""
        self.broker.is_away = True
        outcome = self.publish("1")
        times = [0.0]
        for step in (0.1, 0.2, 0.4):
            self.assertEqual(len(self.tried()), len(times))
            self.assertNoResult(outcome)
            self.clock.advance(step - 0.001)
            self.assertEqual(len(self.tried()), len(times))
            self.clock.advance(0.001)
            times.append(self.clock.seconds())
        error = self.failureResultOf(outcome, PublishError).value
        self.assertAlmostEqual(self.clock.seconds(), 0.7)
        self.assertEqual(self.tried(), ["1"] * 4)
        self.assertEqual((error.outcome, error.attempts, error.event_id), ("not sent", 4, "1"))

    def test_a_retry_that_works_is_a_success(self):
        """Nobody hears of the failures before."""
        self.broker.answers = [BrokerAway("x"), OutcomeUnknown("y")]
        outcome = self.publish("1")
        self.clock.pump([0.1, 0.2])
        self.assertIsNone(self.successResultOf(outcome))

    def test_what_cannot_pass_is_not_tried_again(self):
        """The broker said no."""
        self.broker.answers = [BrokerRefused("NOPERM", temporary=False)]
        error = self.failureResultOf(self.publish("1"), PublishError).value
        self.assertEqual((error.outcome, error.attempts, error.cause), ("refused", 1, "NOPERM"))

    def test_an_unknown_outcome_stays_unknown(self):
        """A later refusal does not make it certain that nobody got the first try."""
        self.broker.answers = [OutcomeUnknown("lost"), *[BrokerRefused("OOM", temporary=True)] * 3]
        outcome = self.publish("1")
        self.clock.pump([0.1, 0.2, 0.4])
        self.assertEqual(self.failureResultOf(outcome, PublishError).value.outcome, "unknown")

    def test_later_publishes_wait_behind_a_retried_one(self):
        """They go out in order, and other channels do not wait."""
        self.broker.answers = [BrokerAway("x")]
        outcomes = [self.publish("1"), self.publish("2"), self.publish("3")]
        self.successResultOf(self.publish("other", "b"))
        self.assertEqual(self.retries.waiting, 3)
        self.assertEqual(self.tried(), ["1", "other"])
        self.clock.advance(0.1)
        self.assertEqual(self.tried(), ["1", "other", "1", "2", "3"])
        for outcome in outcomes:
            self.successResultOf(outcome)

    def test_what_was_in_flight_together_is_retried_in_order(self):
        """A lost connection fails all of them at once."""
        self.broker.hold = True
        outcomes = [self.publish(event_id) for event_id in "123"]
        self.broker.hold = False
        for held in self.broker.held:
            held.errback(OutcomeUnknown("lost"))
        self.clock.advance(0.1)
        self.assertEqual(self.tried(), ["1", "2", "3", "1", "2", "3"])
        for outcome in outcomes:
            self.successResultOf(outcome)

    def test_those_that_waited_fail_together(self):
        """After an outage longer than the delays nobody waits for the delays of those before."""
        self.broker.is_away = True
        outcomes = [self.publish(event_id) for event_id in "123"]
        self.clock.pump([0.1, 0.2, 0.4, 0, 0])
        for outcome in outcomes:
            self.failureResultOf(outcome, PublishError)
        self.assertAlmostEqual(self.clock.seconds(), 0.7)

    def test_only_so_many_wait(self):
        """More are refused at once: memory stays flat while the broker is away."""
        self.broker.is_away = True
        outcomes = [self.publish(str(number)) for number in range(50_000)]
        self.assertEqual(self.retries.waiting, 3)
        error = self.failureResultOf(outcomes[3], TooManyWaiting).value
        self.assertEqual((error.outcome, error.attempts), ("not sent", 0))
        self.clock.pump([0.1, 0.2, 0.4, 0, 0])
        for outcome in outcomes:
            if outcome is not outcomes[3]:
                self.failureResultOf(outcome, PublishError)
        self.broker.is_away = False
        tries = len(self.tried())
        self.clock.pump([1, 10, 100])
        self.assertEqual(len(self.tried()), tries)

    def test_a_crash_of_the_broker_is_no_hang(self):
        """An error of no known kind fails the publish, with an unknown outcome."""
        self.broker.answers = [RuntimeError("bug")]
        self.assertEqual(self.failureResultOf(self.publish("1"), PublishError).value.outcome, "unknown")

    def test_publishing_from_a_callback(self):
        """The lane may have ended just then."""
        outcome = self.publish("1")
        outcome.addCallback(lambda _: self.publish("2"))
        self.assertIsNone(self.successResultOf(outcome))
        self.broker.answers = [BrokerRefused("no", temporary=False)]
        again = self.publish("3").addErrback(lambda _: self.publish("4"))
        self.assertIsNone(self.successResultOf(again))

    def test_publishing_from_a_callback_keeps_the_order(self):
        """Also while those that waited are sent, one after the other."""
        self.broker.answers = [BrokerAway("x")]
        first = self.publish("1")
        second = self.publish("2").addCallback(lambda _: self.publish("4"))
        self.publish("3")
        self.clock.advance(0.1)
        self.assertEqual(self.tried(), ["1", "1", "2", "3", "4"])
        for outcome in (first, second):
            self.successResultOf(outcome)

    def test_when_idle(self):
        """A shutdown waits for what is on its way."""
        self.successResultOf(self.retries.when_idle())
        self.broker.answers = [BrokerAway("x")]
        self.publish("1")
        idle = self.retries.when_idle()
        self.assertNoResult(idle)
        self.clock.advance(0.1)
        self.successResultOf(idle)


class OrderTests(SynchronousTestCase):
    @given(
        st.lists(
            st.tuples(st.sampled_from(["publish", "answer", "lose", "advance"]), st.floats(0.01, 0.5)), max_size=60
        )
    )
    @settings(max_examples=200, derandomize=True)
    def test_successes_keep_the_order_of_publishing(self, steps):
        """Whatever fails and whenever, what the broker took last of each event is in order; each ends exactly once."""
        broker, clock = FakeBroker(), Clock()
        broker.hold = True
        retries = Retries(broker.publish, clock, RetryOptions())
        taken, ended, number = [], [], 0

        def settle(kind):
            for held, (_, event_id, _) in list(zip(broker.held, broker.published, strict=True)):
                if not held.called:
                    if kind == "answer":
                        taken.append(int(event_id))
                        held.callback(None)
                    else:
                        held.errback(OutcomeUnknown("lost"))

        for kind, seconds in steps:
            if kind == "publish":
                number += 1
                retries.publish("a", str(number), b"").addBoth(ended.append)
            elif kind == "advance":
                clock.advance(seconds)
            else:
                settle(kind)
        for _ in range(10):
            settle("answer")
            clock.advance(1)
        self.assertEqual(taken, sorted(taken))
        self.assertEqual(len(ended), number)
        self.assertEqual((retries.waiting, clock.getDelayedCalls()), (0, []))
