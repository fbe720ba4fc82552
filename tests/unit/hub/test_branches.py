"""Which changes of branch are told to those who come back."""

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.hub.branches import Branches
from pulsetw.model import UNKNOWN_BRANCH, Branch, Lineage, Position

ONE = Lineage("e", (Branch("a", 0),))
TWO = Lineage("e", (Branch("a", 0), Branch("b", 5)))
THREE = Lineage("e", (*TWO.branches, Branch("c", 9)))


class BranchesTests(SynchronousTestCase):
    def setUp(self):
        self.branches = Branches(strict=True)

    def doubtful(self, branch):
        return set(self.branches.doubtful(Position(3, "e", branch)))

    def test_what_nobody_here_has_seen_is_doubtful(self):
        """A relay that was started after it cannot know what it was."""
        self.branches.placed(THREE)
        self.assertEqual([self.doubtful(branch) for branch in "abc"], [{"b", "c"}, {"c"}, set()])

    def test_a_change_without_a_notice_is_not(self):
        """On a link that lived: a replica was attached."""
        self.branches.placed(ONE)
        self.branches.placed(TWO)
        self.assertEqual(self.doubtful("a"), set())

    def test_a_change_that_was_told_is(self):
        """For those who were not there; one after it is judged by itself."""
        self.branches.placed(ONE)
        self.branches.told()
        self.branches.placed(TWO)
        self.branches.placed(THREE)
        self.assertEqual([self.doubtful(branch) for branch in "ab"], [{"b"}, set()])

    def test_a_branch_without_a_name_is(self):
        """It may have been another one, also where it came on a link that lived."""
        self.branches.placed(ONE)
        nameless = Lineage("e", (*ONE.branches, Branch(UNKNOWN_BRANCH, 5)))
        self.branches.placed(nameless)
        self.assertEqual([self.doubtful(branch) for branch in ("a", UNKNOWN_BRANCH)], [{UNKNOWN_BRANCH}] * 2)
        self.branches.placed(Lineage("e", (*nameless.branches, Branch("b", 9))))
        self.assertEqual([self.doubtful(branch) for branch in ("a", "b")], [{UNKNOWN_BRANCH}, set()])

    def test_what_the_log_does_not_know_is_told_by_itself(self):
        """So is another epoch."""
        self.branches.placed(TWO)
        self.assertEqual(self.doubtful("z"), set())

    def test_where_failovers_are_not_told_nothing_is_doubtful(self):
        """A replica has what was acknowledged, or nobody wants to know."""
        branches = Branches(strict=False)
        branches.placed(TWO)
        self.assertEqual(branches.doubtful(Position(3, "e", "a")), frozenset())
