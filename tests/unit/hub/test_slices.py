"""Long work is done in slices, so that nothing waits behind it."""

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.hub.slices import SLICE_S, Slices


class Turns:
    """A reactor whose turns are taken one by one, and whose time passes while it works."""

    def __init__(self):
        self.now = 0.0
        self.planned = []

    def seconds(self):
        return self.now

    def callLater(self, delay_s, call):
        assert delay_s == 0
        self.planned.append(call)

    def turn(self):
        planned, self.planned = self.planned, []
        for call in planned:
            call()


class SlicesTests(SynchronousTestCase):
    def setUp(self):
        self.clock = Turns()
        self.slices = Slices(self.clock)
        self.done = []

    def work(self, steps):
        """A job of so many steps, each of which takes most of a slice."""

        def go_on(key, is_over):
            nonlocal steps
            while steps:
                steps -= 1
                self.done.append(key)
                self.clock.now += SLICE_S * 0.75
                if is_over():
                    break
            return not steps

        return go_on

    def turn(self):
        """What is done in one reactor turn."""
        self.done.clear()
        self.clock.turn()
        return "".join(self.done)

    def test_jobs_take_turns(self):
        """A slice each, and another turn of the reactor in between."""
        self.slices.add("a", self.work(5))
        self.slices.add("b", self.work(2))
        self.slices.add("c", self.work(1))
        self.assertEqual([self.turn() for _ in range(6)], ["aa", "bb", "ca", "aa", "", ""])
        self.assertEqual(self.clock.planned, [])

    def test_short_jobs_share_a_turn(self):
        """And what they bring about is done in the next."""
        self.slices.add("a", lambda key, _: self.slices.add("b", self.work(1)) is None)
        self.slices.add("c", self.work(1))
        self.assertEqual([self.turn(), self.turn()], ["c", "b"])

    def test_a_job_that_is_there_stays_where_it_is(self):
        """Adding it again is nothing new."""
        for key in ("a", "b", "a"):
            self.slices.add(key, self.work(1))
        self.slices.discard("b")
        self.assertEqual([self.turn(), self.turn()], ["a", ""])

    def test_finishing_does_all_at_once(self):
        """However long it takes; nothing is left for the next turn."""
        self.slices.add("a", self.work(3))
        self.slices.add("b", self.work(2))
        self.slices.finish()
        self.assertEqual("".join(self.done), "aaabb")
        self.assertEqual(self.turn(), "")

    def test_a_job_that_fails_costs_nobody_else(self):
        """It is logged and forgotten."""
        self.slices.add("a", lambda key, _: {}[key])
        self.slices.add("b", self.work(1))
        self.assertEqual(self.turn(), "b")
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.assertEqual(self.turn(), "")

    def test_what_is_gathered_begins_in_the_same_turn(self):
        """When all of it is there; what is left of it takes turns as ever."""
        self.slices.gather(is_on=True)
        self.slices.add("a", self.work(3))
        self.slices.add("b", self.work(1))
        self.assertEqual((self.clock.planned, self.done), ([], []))
        self.slices.gather(is_on=False)
        self.assertEqual("".join(self.done), "aa")
        self.slices.gather(is_on=True)
        self.slices.add("c", self.work(1))
        self.slices.gather(is_on=False)
        self.assertEqual([self.turn(), self.turn(), self.turn()], ["ba", "c", ""])

    def test_what_comes_between_gatherings_is_planned(self):
        """Nobody else would begin it."""
        self.slices.gather(is_on=True)
        self.slices.gather(is_on=False)
        self.slices.add("a", self.work(1))
        self.assertEqual(self.turn(), "a")

    def test_the_patient_have_what_the_others_leave(self):
        """One piece in each turn at least; and no other waits for more of it than that."""
        for key in "pqr":
            self.slices.add(key, self.work(1), is_patient=True)
        self.slices.add("a", self.work(4))
        self.assertEqual([self.turn() for _ in range(4)], ["aap", "aaq", "r", ""])
        self.slices.add("p", self.work(3), is_patient=True)
        self.slices.add("a", self.work(1))
        self.slices.discard("p")
        self.slices.add("q", self.work(1), is_patient=True)
        self.slices.finish()
        self.assertEqual(self.turn(), "")
