"""The example league: Elo's arithmetic."""

from elo import K, expected, gain
from twisted.trial.unittest import SynchronousTestCase


class EloTests(SynchronousTestCase):
    def test_two_players_expect_one_point_together(self) -> None:
        """What one may hope for is what the other must fear."""
        for own, other in ((1500, 1500), (1500, 1900), (900, 2400)):
            self.assertAlmostEqual(expected(own, other) + expected(other, own), 1)

    def test_a_lead_of_400_means_ten_to_one(self) -> None:
        """The scale is Elo's."""
        self.assertAlmostEqual(expected(1900, 1500), 10 / 11)

    def test_what_one_wins_the_other_loses(self) -> None:
        """No point is made or lost, whichever side is asked."""
        for own, other in ((1500, 1500), (1480, 1723), (2100, 1200)):
            for score in (0, 0.5, 1):
                self.assertEqual(gain(own, other, score), -gain(other, own, 1 - score))

    def test_an_upset_is_worth_more_than_the_expected(self) -> None:
        """Points follow surprise, up to K."""
        self.assertEqual(gain(1500, 1500, 1), K // 2)
        self.assertLess(gain(1700, 1500, 1), K // 2)
        self.assertGreater(gain(1500, 1700, 1), K // 2)
        self.assertEqual(gain(1000, 3000, 1), K)
