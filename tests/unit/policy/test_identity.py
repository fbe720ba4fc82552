"""Who a client is."""

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.errors import Disconnect
from pulsetw.policy.identity import identify


class IdentityTests(SynchronousTestCase):
    def test_a_claimed_user_is_believed_only_where_that_is_set(self):
        """Nobody gets another one's notifications by a parameter in a URL."""
        self.assertEqual(identify("named", "ann"), "ann")
        self.assertEqual(identify("named", None), "")
        self.assertEqual(identify(True, None), "")
        self.assertEqual(identify(True, ""), "")
        for anonymous, user in ((True, "ann"), (False, "ann"), (False, None)):
            with self.assertRaises(Disconnect) as caught:
                identify(anonymous, user)
            self.assertFalse(caught.exception.reconnect)

    def test_a_name_is_printable_and_short(self):
        """It stands in logs and answers."""
        for user in ("x" * 201, "a\nb", "a\x1b[0m"):
            with self.assertRaises(Disconnect):
                identify("named", user)
