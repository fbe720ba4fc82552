"""Bookkeeping of subscriptions, against a model of what Redis would send."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.broker.redis.subscriptions import Subscriptions
from pulsetw.catalogue.names import is_pattern, matcher

NAMES = ["a", "ab", "b", "a*", "*b", "*"]
STEPS = ["ask", "take back", "answer", "answer", "message", "message"]


class SubscriptionsTests(SynchronousTestCase):
    def confirmed(self, *names: str) -> Subscriptions:
        subscriptions = Subscriptions()
        for name in names:
            subscriptions.wanted.add(name)
            subscriptions.sent(name)
            subscriptions.acknowledged(name, subscribed=True)
        return subscriptions

    def test_the_exact_name_before_patterns(self) -> None:
        """Of three copies the one by the exact name is taken."""
        subscriptions = self.confirmed("*", "a", "a*")
        assert [by for by in ("a", "*", "a*") if subscriptions.takes(by, "a")] == ["a"]

    def test_always_the_same_pattern(self) -> None:
        """Of two patterns one is chosen, whichever Redis names first."""
        subscriptions = self.confirmed("a*", "*")
        assert [by for by in ("a*", "*") if subscriptions.takes(by, "ab")] == ["*"]
        assert [by for by in ("a*", "*") if subscriptions.takes(by, "x")] == ["*"]

    def test_stands_after_its_last_acknowledgement(self) -> None:
        """Subscribed, taken back and subscribed again, it stands after the third answer."""
        subscriptions = Subscriptions()
        subscriptions.wanted.add("a")
        for _ in range(3):
            subscriptions.sent("a")
        stands = []
        for subscribed in (True, False, True):
            subscriptions.acknowledged("a", subscribed=subscribed)
            stands.append(subscriptions.stands("a"))
        assert stands == [False, False, True]

    def test_a_copy_by_a_name_just_taken_back(self) -> None:
        """While Redis still sends by it, a pattern that asks for the same channel gets the message all the same."""
        subscriptions = self.confirmed("a", "a*")
        subscriptions.wanted.discard("a")
        subscriptions.sent("a")
        assert [by for by in ("a", "a*") if subscriptions.takes(by, "a")] == ["a"]
        subscriptions.acknowledged("a", subscribed=False)
        assert [by for by in ("a", "a*") if subscriptions.takes(by, "a")] == ["a*"]

    def test_nothing_is_left_of_a_connection(self) -> None:
        """What was confirmed and what was unanswered ends with it; what is wanted stays."""
        subscriptions = self.confirmed("a", "a*")
        subscriptions.sent("b")
        subscriptions.forget_connection()
        assert not subscriptions.stands("a")
        assert not subscriptions.takes("a*", "ab")
        assert subscriptions.wanted == {"a", "a*"}

    @settings(max_examples=300)
    @given(st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from(NAMES)), min_size=15, max_size=40))
    def test_each_message_once_or_not_at_all(self, steps: list[tuple[str, str]]) -> None:
        """Whatever is asked and answered in between: at most one copy is taken, and one if a standing name wants it."""
        subscriptions = Subscriptions()
        commands: list[tuple[bool, str]] = []
        server: set[str] = set()
        for step, name in steps:
            if step == "ask" and name not in subscriptions.wanted:
                subscriptions.wanted.add(name)
                subscriptions.sent(name)
                commands.append((True, name))
            elif step == "take back" and name in subscriptions.wanted:
                subscriptions.wanted.remove(name)
                subscriptions.sent(name)
                commands.append((False, name))
            elif step == "answer" and commands:
                subscribed, answered = commands.pop(0)
                (server.add if subscribed else server.discard)(answered)
                subscriptions.acknowledged(answered, subscribed=subscribed)
            elif step == "message" and not is_pattern(name):
                copies = [by for by in server if by == name or (is_pattern(by) and matcher(by)(name))]
                taken = [by for by in copies if subscriptions.takes(by, name)]
                wanted = any(matcher(each)(name) for each in subscriptions.wanted)
                stands = any(subscriptions.stands(by) and by in subscriptions.wanted for by in copies)
                assert len(taken) <= 1
                assert bool(taken) <= wanted
                assert stands <= bool(taken)
