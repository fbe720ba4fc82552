"""What many keep, within one bound."""

from attrs import define
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.policy.memory import Memory


@define(eq=False)
class Keeper:
    """Keeps what it is given."""

    kept_bytes: int = 0

    def forget(self):
        self.kept_bytes = 0


class MemoryTests(SynchronousTestCase):
    def setUp(self):
        self.memory = Memory(1000)
        self.keepers = [Keeper() for _ in range(3)]

    def keep(self, keeper, more_bytes):
        keeper.kept_bytes += more_bytes
        self.memory.used(keeper)

    def kept(self):
        return [keeper.kept_bytes for keeper in self.keepers]

    def test_the_idlest_is_emptied_first(self):
        """What all keep together stays within the bound."""
        first, second, third = self.keepers
        self.keep(first, 400)
        self.keep(second, 500)
        self.keep(first, 100)
        self.keep(third, 300)
        self.assertEqual((self.kept(), self.memory.bytes), ([500, 0, 300], 800))
        self.keep(second, 100)
        self.assertEqual(self.memory.bytes, 900)

    def test_one_that_is_no_more_makes_room(self):
        """Also where it never kept anything."""
        first, second, third = self.keepers
        self.keep(first, 600)
        self.memory.remove(first)
        self.memory.remove(third)
        self.keep(second, 600)
        self.assertEqual((self.kept(), self.memory.bytes), ([600, 600, 0], 600))

    def test_one_alone_may_be_too_large(self):
        """Then it keeps nothing."""
        self.keep(self.keepers[0], 1001)
        self.assertEqual((self.kept(), self.memory.bytes), ([0, 0, 0], 0))
