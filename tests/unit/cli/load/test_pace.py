"""When events are due."""

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.cli.load.pace import MAX_BATCH, Rate, Window


class RateTests(SynchronousTestCase):
    def test_each_is_due_at_its_time(self):
        """However late it is asked for: its latency counts from then."""
        rate = Rate(1000, start_us=5000)
        self.assertEqual(rate.due(5000, 0), [5000])
        self.assertEqual(rate.due(5000, 0), [])
        self.assertEqual(rate.wait_us(5400), 600)
        self.assertEqual(rate.due(8500, 999), [6000, 7000, 8000])
        self.assertEqual(rate.wait_us(8500), 500)

    def test_who_lags_gets_all_of_it_in_parts(self):
        """Nothing is left out, and nothing is waited for."""
        rate = Rate(1000, start_us=0)
        first, second = rate.due(150_000, 0), rate.due(150_000, 0)
        self.assertEqual(first + second, list(range(0, 151_000, 1000)))
        self.assertEqual(len(first), MAX_BATCH)
        self.assertEqual(Rate(1000, start_us=0).wait_us(150_000), 0)


class WindowTests(SynchronousTestCase):
    def test_as_many_as_there_is_room_for(self):
        """From now on; then nothing, until one is done."""
        window = Window(3)
        self.assertEqual(window.due(7, 1), [7, 7])
        self.assertEqual((window.due(7, 3), window.due(7, 5), window.wait_us(7)), ([], [], None))
        self.assertEqual(len(Window(1000).due(7, 0)), MAX_BATCH)
