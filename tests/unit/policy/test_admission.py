"""`pulsetw.policy.admission`."""

from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.policy.admission import (
    Admission,
    AdmissionLimits,
    Admit,
    Counters,
    Pending,
    PendingLimits,
    Refuse,
    Wait,
)
from pulsetw.policy.buckets import Rate

START = 1_800_000_000.0

# Ten a second, two at once; four seconds are forty places, and ten for an address.
LIMITS = AdmissionLimits(Rate(10, 2), Rate(100, 1000), max_wait_s=4, share=0.25, max_addresses=100)

# A client comes, from one of a few addresses; or one of those that came leaves; or time passes.
STEPS = st.lists(
    st.tuples(st.just("come"), st.sampled_from("abcd"))
    | st.tuples(st.just("leave"), st.integers(0, 60))
    | st.tuples(st.just("pass"), st.floats(0, 1)),
    max_size=200,
)


class AdmissionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.make()

    def make(self, **changes: Any) -> None:
        self.admission = Admission[Any](evolve(LIMITS, **changes))
        self.came = 0

    def come(self, now: float = START, address: str = "") -> Admit | Wait | Refuse:
        """A client comes; from an address of its own unless it is given."""
        self.came += 1
        return self.admission.arrive(now, address or f"address {self.came}", self.came)

    def test_calm(self) -> None:
        """Nobody waits."""
        for number in range(100):
            self.assertEqual(self.come(START + number / 9), Admit())
        self.assertEqual(
            (self.admission.next_s(START), self.admission.due(START), self.admission.waited), (None, [], 0)
        )

    def test_a_storm(self) -> None:
        """Is slowed down: each is told when, and comes in by then, in order, at the pace that was set."""
        outcome = [self.come() for _ in range(12)]
        self.assertEqual(outcome[:2], [Admit(), Admit()])
        untils = [wait.until - START for wait in outcome[2:] if isinstance(wait, Wait)]
        for place, until in enumerate(untils):
            self.assertAlmostEqual(until, 0.1 * (place + 1), places=3)
        self.assertEqual(len(untils), 10)
        self.assertEqual(self.admission.due(START + 0.05), [])
        self.assertAlmostEqual(self.admission.next_s(START + 0.05) or 0, 0.05, places=3)
        self.assertEqual(self.admission.due(START + 0.1001), [3])
        self.assertEqual(self.admission.due(START + 0.3001), [4, 5])
        # Nobody gets past those who wait.
        self.assertIsInstance(self.come(START + 0.4001), Wait)
        self.assertEqual(self.admission.due(START + 0.4001), [6])
        self.assertEqual((len(self.admission), self.admission.waited), (7, 11))

    def test_a_late_look(self) -> None:
        """A relay that was busy does no more than a burst at once."""
        for _ in range(12):
            self.come()
        self.assertEqual(len(self.admission.due(START + 60)), 2)

    def test_a_full_queue(self) -> None:
        """Forty places are four seconds; the others are told when one is free."""
        outcome = [self.come() for _ in range(50)]
        self.assertEqual([type(each) for each in outcome], [Admit] * 2 + [Wait] * 40 + [Refuse] * 8)
        refused = outcome[-1]
        assert isinstance(refused, Refuse)
        self.assertEqual((refused.reason, self.admission.refusals), ("queue full", {"queue full": 8}))
        self.assertAlmostEqual(refused.retry_after_s, 4.1, places=3)

    def test_a_share(self) -> None:
        """One address does not fill the queue; others find a place."""
        self.come(), self.come()
        outcome = [self.come(address="a") for _ in range(30)]
        self.assertEqual([type(each) for each in outcome], [Wait] * 10 + [Refuse] * 20)
        self.assertEqual(self.admission.refusals, {"queue share": 20})
        self.assertIsInstance(self.come(address="b"), Wait)
        # Whoever of it has come in makes room.
        self.admission.due(START + 0.2001)
        self.assertIsInstance(self.come(START + 0.2001, "a"), Wait)
        self.assertIsInstance(self.come(START + 0.2001, "a"), Wait)
        self.assertIsInstance(self.come(START + 0.2001, "a"), Refuse)

    def test_an_address_that_comes_too_often(self) -> None:
        """Is told when it may; others are none the worse."""
        self.make(per_address=Rate(1, 2))
        outcome = [self.come(address="a") for _ in range(3)]
        self.assertEqual(outcome, [Admit(), Admit(), Refuse("address rate", 1.0)])
        self.assertIsInstance(self.come(), Wait)
        self.assertIsInstance(self.come(START + 1, "a"), Wait)

    def test_leaving(self) -> None:
        """Those behind move up, the address has its place back, and who did not wait is no trouble."""
        self.come(), self.come()
        for _ in range(10):
            self.come(address="a")
        for who in (1, 3, 3, 99):
            self.admission.leave(who)
        self.assertEqual(len(self.admission), 9)
        self.assertIsInstance(self.come(address="a"), Wait)
        self.assertEqual(self.admission.due(START + 0.1001), [4])

    def test_no_limits(self) -> None:
        """A rate of 0 is none."""
        self.make(handshakes=Rate(0, 1), per_address=Rate(0, 1))
        self.assertEqual([self.come(address="a") for _ in range(1000)], [Admit()] * 1000)

    def test_a_slow_door(self) -> None:
        """Where nobody can have a turn in time nobody waits."""
        self.make(handshakes=Rate(0.1, 1))
        self.assertEqual(self.come(), Admit())
        refused = self.come()
        assert isinstance(refused, Refuse)
        self.assertAlmostEqual(refused.retry_after_s, 10, places=3)

    @given(STEPS)
    def test_promises(self, steps: list[tuple[str, Any]]) -> None:
        """In any storm: in order, by the time that was said, no faster than was set, within the places."""
        self.make()
        now = START
        untils: dict[int, float] = {}
        admitted, waiting = [], []
        for what, value in steps:
            if what == "come":
                outcome = self.come(now, value)
                if outcome == Admit():
                    admitted.append(now)
                elif isinstance(outcome, Wait):
                    untils[self.came] = outcome.until
                    waiting.append(self.came)
            elif what == "leave":
                self.admission.leave(value)
                waiting = [who for who in waiting if who != value]
            end = now + (value if what == "pass" else 0)
            while (soon := self.admission.next_s(now)) is not None and now + soon <= end:
                now += soon + 1e-6
                for who in self.admission.due(now):
                    self.assertEqual(who, waiting.pop(0))
                    self.assertLess(now, untils[who] + 1e-3)
                    admitted.append(now)
            now = max(now, end)
            self.assertEqual(len(self.admission), len(waiting))
            self.assertLessEqual(len(waiting), 40)
        for first in range(len(admitted)):
            for count, at in enumerate(admitted[first:], 1):
                self.assertLessEqual(count, (at - admitted[first]) * 10 + 2.001)


class CountersTests(SynchronousTestCase):
    def test_a_limit(self) -> None:
        """For each key by itself; what was closed may be opened again."""
        counters = Counters(2)
        self.assertEqual([counters.open(key) for key in ("a", "a", "a", "b")], [True, True, False, True])
        counters.close("a")
        self.assertEqual((counters.open("a"), counters.open("a"), counters.refusals), (True, False, 2))

    def test_nothing_is_left(self) -> None:
        """Keys without any take no memory."""
        counters = Counters(0)
        for _ in range(1000):
            self.assertTrue(counters.open("a"))
        self.assertEqual((len(counters), counters["a"], counters["b"]), (1, 1000, 0))
        for _ in range(1000):
            counters.close("a")
        self.assertEqual((len(counters), counters["a"]), (0, 0))

    def test_a_close_too_many(self) -> None:
        """Is a mistake of ours, and told."""
        self.assertRaises(KeyError, Counters(1).close, "a")


class PendingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.pending = Pending[str](PendingLimits(per_address=2, input_bytes=100, time_s=10))

    def test_few_of_an_address(self) -> None:
        """Until somebody says who it is, or goes."""
        outcome = [self.pending.enter(START, "a", who) for who in "xyz"]
        self.assertEqual(outcome, [None, None, "pending per address"])
        self.assertIsNone(self.pending.enter(START, "b", "z"))
        self.pending.leave("x")
        self.pending.leave("x")
        self.assertIsNone(self.pending.enter(START, "a", "x"))
        self.assertEqual((len(self.pending), self.pending.refusals), (3, {"pending per address": 1}))

    def test_little_input(self) -> None:
        """However it is cut; who said who it is may send what it likes."""
        self.pending.enter(START, "a", "x")
        self.assertEqual([self.pending.fed("x", 50) for _ in range(3)], [None, None, "pending input"])
        self.pending.leave("x")
        self.assertIsNone(self.pending.fed("x", 1_000_000))
        self.assertEqual(self.pending.refusals, {"pending input": 1})

    def test_a_short_time(self) -> None:
        """Each is told once, in order; those in time are not."""
        for number, who in enumerate("xyz"):
            self.pending.enter(START + number, who, who)
        self.pending.leave("y")
        self.assertEqual(self.pending.overdue(START + 9.9), [])
        self.assertEqual(self.pending.overdue(START + 10), ["x"])
        self.assertEqual(self.pending.overdue(START + 100), ["z"])
        self.assertEqual((len(self.pending), self.pending.refusals), (0, {"pending time": 2}))
        self.assertIsNone(self.pending.enter(START + 100, "x", "x"))
