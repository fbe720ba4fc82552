"""Who listens to what."""

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.pubsub.listeners import Listeners
from tests.doubles import FakeFollower


def callback(channel, event):
    """Never called here."""


class ListenersTests(SynchronousTestCase):
    def setUp(self):
        self.listeners = Listeners()

    def test_a_callback_with_several_names_stands_once_in_a_route(self):
        """And wants its own server's events if any of them does."""
        self.listeners.add_callback("match:*", callback, own=False)
        self.listeners.add_callback("match:events", callback, own=True)
        self.listeners.add_callback("*", callback, own=False)
        self.assertEqual(self.listeners.route("match:events").callbacks, ((callback, True),))
        self.assertEqual(self.listeners.route("match:other").callbacks, ((callback, False),))

    def test_the_first_and_the_last_of_a_name_are_told(self):
        """So that the broker is asked once."""
        follower = FakeFollower()
        self.assertTrue(self.listeners.add_callback("a", callback, own=False))
        self.assertFalse(self.listeners.add_follower("a", follower))
        self.assertFalse(self.listeners.remove_callbacks("a", None))
        self.assertTrue(self.listeners.remove_follower("a", follower))
        self.assertFalse(self.listeners.has("a"))

    def test_a_route_follows_every_change(self):
        """It is kept, but never stale."""
        follower = FakeFollower()
        self.assertEqual(self.listeners.route("a").followers, ())
        self.listeners.add_follower("a", follower)
        self.assertEqual(self.listeners.route("a").followers, (follower,))
        self.listeners.remove_follower("a", follower)
        self.assertEqual(self.listeners.route("a").followers, ())

    def test_routes_are_bounded(self):
        """Strangers choose names."""
        for number in range(25_000):
            self.listeners.route(str(number))
        self.assertLessEqual(len(self.listeners._routes), 10_000)
