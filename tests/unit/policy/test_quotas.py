"""`pulsetw.policy.quotas`."""

import math
from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.policy.buckets import Rate
from pulsetw.policy.quotas import QuotaLimits, Quotas, Refusal, Spent, Unsent

START = 1_800_000_000.0
NONE = Rate(0, 1)
UNLIMITED = QuotaLimits(NONE, NONE, NONE, NONE, NONE, NONE, NONE)

# Who of five, what it has unsent now; None = it is gone.
STEPS = st.lists(st.tuples(st.sampled_from("abcde"), st.none() | st.integers(0, 2000)), max_size=100)


class QuotasTests(SynchronousTestCase):
    def make(self, **limits: Rate) -> None:
        self.quotas = Quotas(evolve(UNLIMITED, **limits))
        self.spent = Spent()

    def command(self, now: float = START, *, size: int = 10, who: str = "a", spent: Spent | None = None) -> Any:
        refusal = self.quotas.command(spent or self.spent, who, size, now)
        return refusal and (refusal.limit, round(refusal.retry_after_s, 3), refusal.ends)

    def publish(self, now: float = START, *, who: str = "a", channel: str = "c", spent: Spent | None = None) -> Any:
        """A command that is a publish."""
        self.assertIsNone(self.command(now, who=who, spent=spent))
        refusal = self.quotas.publish(spent or self.spent, who, channel, now)
        return refusal and (refusal.limit, round(refusal.retry_after_s, 3), refusal.ends)

    def test_no_limits(self) -> None:
        """None of them has to be."""
        self.make()
        for _ in range(10_000):
            self.assertIsNone(self.publish())
        self.assertEqual((self.quotas.refusals, self.quotas.ended), ({}, {}))

    def test_commands(self) -> None:
        """A burst, then the rate. What is refused is owed, and who waits as long as was said is served."""
        self.make(commands=Rate(10, 3))
        self.assertEqual([self.command() for _ in range(3)], [None] * 3)
        self.assertEqual(self.command(), ("commands", 0.2, False))
        self.assertEqual(self.command(START + 0.1), ("commands", 0.2, False))
        self.assertIsNone(self.command(START + 0.3))
        self.assertEqual(self.quotas.refusals, {"commands": 2})

    def test_going_on_regardless(self) -> None:
        """Ends the connection, when it owes a burst."""
        self.make(commands=Rate(10, 3))
        ends = [refusal is not None and refusal[2] for refusal in (self.command() for _ in range(8))]
        self.assertEqual(ends, [False] * 6 + [True] * 2)
        self.assertEqual((self.quotas.refusals, self.quotas.ended), ({"commands": 5}, {"commands": 2}))

    def test_bytes(self) -> None:
        """Of the message that came, whatever is in it; one that is too long for any time is told so."""
        self.make(bytes=Rate(100, 1000))
        self.assertIsNone(self.command(size=1000))
        self.assertEqual(self.command(size=50), ("bytes", 1, False))
        self.assertEqual(self.command(START + 100, size=1001), ("bytes", math.inf, False))

    def test_publishes(self) -> None:
        """Are commands, too, and fewer may be; other commands are still done."""
        self.make(publishes=Rate(1, 2))
        self.assertEqual([self.publish(), self.publish(), self.publish()], [None, None, ("publishes", 2, False)])
        self.assertIsNone(self.command())
        self.assertIsNone(self.publish(START + 2))
        self.assertEqual([self.publish(START + 2)[2] for _ in range(3)], [False, False, True])

    def test_a_user(self) -> None:
        """Has no more for having more connections, nor less for what others do; none of them is ended for it."""
        self.make(user_commands=Rate(1, 2), user_bytes=Rate(0, 1))
        outcome = [self.command(spent=Spent()) for _ in range(3)]
        self.assertEqual(outcome, [None, None, ("user commands", 1, False)])
        self.assertIsNone(self.command(who="b"))
        self.make(user_bytes=Rate(10, 100))
        outcome = [self.command(size=60, spent=Spent()) for _ in range(2)]
        self.assertEqual(outcome, [None, ("user bytes", 2, False)])
        self.make(user_publishes=Rate(1, 1))
        outcome = [self.publish(spent=Spent()) for _ in range(2)]
        self.assertEqual(outcome, [None, ("user publishes", 1, False)])

    def test_a_channel(self) -> None:
        """Takes so many from all clients together."""
        self.make(channel_publishes=Rate(1, 2))
        outcome = [self.publish(who=who, spent=Spent()) for who in "abc"]
        self.assertEqual(outcome, [None, None, ("channel publishes", 1, False)])
        self.assertIsNone(self.publish(channel="d"))

    def test_what_is_told(self) -> None:
        """Codes and words of the field; a close reason fits its frame and is no JSON."""
        refusal = Refusal("commands", 0.2)
        self.assertEqual((refusal.code, refusal.text), (111, "too many commands: try again in 0.200 s"))
        self.assertEqual(Refusal("bytes", math.inf).text, "too many bytes at once")
        ended = Refusal("channel publishes", 5, ends=True)
        self.assertEqual((ended.code, ended.text), (3013, "too many channel publishes"))

    def test_defaults(self) -> None:
        """The longest message passes all of them; no part is narrower than what it is a part of allows."""
        self.quotas, self.spent = Quotas(QuotaLimits()), Spent()
        self.assertIsNone(self.command(size=65_536))
        limits = QuotaLimits()
        for own, user in (
            (limits.commands, limits.user_commands),
            (limits.bytes, limits.user_bytes),
            (limits.publishes, limits.user_publishes),
        ):
            self.assertLess((own.per_s, own.burst), (user.per_s, user.burst))

    @given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 2), st.integers(1, 100)), max_size=100))
    def test_never_more_than_was_promised(self, steps: list[tuple[float, int, int]]) -> None:
        """Whatever three connections of a user do."""
        self.quotas = Quotas(evolve(UNLIMITED, commands=Rate(5, 3), bytes=Rate(100, 200), user_commands=Rate(8, 4)))
        spents, now = [Spent() for _ in range(3)], START
        done: list[tuple[float, int, int]] = []
        for step, number, size in steps:
            now += step
            if self.command(now, size=size, spent=spents[number]) is None:
                done.append((now, number, size))
        elapsed_s = now - START + 1e-3
        self.assertLessEqual(len(done), elapsed_s * 8 + 4)
        for number in range(3):
            sizes = [size for _, who, size in done if who == number]
            self.assertLessEqual(len(sizes), elapsed_s * 5 + 3)
            self.assertLessEqual(sum(sizes), elapsed_s * 100 + 200)


class UnsentTests(SynchronousTestCase):
    def test_within_the_bound(self) -> None:
        """Nobody has to go; those who have drained count no more."""
        unsent = Unsent[str](1000)
        self.assertEqual([unsent.set(who, 500) for who in "ab"], [[], []])
        self.assertEqual((unsent.set("a", 0), unsent.set("c", 400), unsent.bytes), ([], [], 900))
        unsent.remove("b")
        unsent.remove("b")
        self.assertEqual((unsent.bytes, len(unsent), unsent.dropped), (400, 1, 0))

    def test_the_largest_goes(self) -> None:
        """Before those who have half of it, or less, however long they have it."""
        unsent = Unsent[str](1000)
        for who, size in (("old", 100), ("large", 600), ("new", 200)):
            self.assertEqual(unsent.set(who, size), [])
        self.assertEqual(unsent.set("last", 200), ["large"])
        self.assertEqual((unsent.bytes, unsent.dropped), (500, 1))

    def test_the_one_that_does_not_read_goes(self) -> None:
        """Of those who have much the same; having read something makes up for having come first."""
        unsent = Unsent[str](1000)
        for who, size in (("reads", 300), ("sleeps", 260), ("grows", 260), ("reads", 290), ("grows", 280)):
            self.assertEqual(unsent.set(who, size), [])
        self.assertEqual(unsent.set("new", 256), ["sleeps"])
        self.assertEqual(unsent.set("newer", 256), ["grows"])

    def test_one_alone_may_be_too_large(self) -> None:
        """Then it goes itself; as many as it takes do."""
        unsent = Unsent[str](1000)
        unsent.set("a", 400)
        self.assertEqual((unsent.set("b", 1001), unsent.bytes), (["b"], 400))
        unsent.set("c", 500)
        self.assertEqual((unsent.set("d", 1000), unsent.bytes), (["d"], 900))
        self.assertEqual((unsent.set("e", 400), unsent.bytes), (["a"], 900))

    def test_no_limit(self) -> None:
        """0 is none."""
        self.assertEqual(Unsent[str](0).set("a", 10**12), [])

    @given(STEPS)
    def test_the_account_is_right(self, steps: list[tuple[str, int | None]]) -> None:
        """Whatever is said of whom, the sum is that of those who are there, and within the bound."""
        unsent, known = Unsent[str](3000), dict[str, int]()
        for who, size in steps:
            known.pop(who, None)
            if size is None:
                unsent.remove(who)
            else:
                known[who] = size
                for dropped in unsent.set(who, size):
                    del known[dropped]
            self.assertEqual(unsent.bytes, sum(known.values()))
            self.assertEqual(len(unsent), sum(1 for size in known.values() if size))
            self.assertLessEqual(unsent.bytes, 3000)
