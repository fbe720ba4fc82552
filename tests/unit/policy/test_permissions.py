"""What a client may do with a channel."""

from attrs import frozen
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.catalogue import Audience, Channel, Rule
from pulsetw.errors import CommandError, ErrorCode
from pulsetw.policy.permissions import check_publish, check_subscribe


@frozen
class Told:
    user: str


ALL = Channel("a", others=dict)
USER = Channel("b", others=Told, audience=Audience.USER, user_field="user")
SERVERS = Channel("c", others=dict, audience=Audience.SERVERS)


class PermissionTests(SynchronousTestCase):
    def code(self, check, user, channel, rule):
        try:
            check(user, channel, rule)
        except CommandError as error:
            return error.code
        return None

    def test_subscribing(self):
        """Each kind of rule against an anonymous client and a user."""
        denied = ErrorCode.PERMISSION_DENIED
        for who, anonymous, user in (("nobody", denied, denied), ("everybody", None, None), ("users", denied, None)):
            rule = Rule(subscribe=who)
            self.assertEqual(self.code(check_subscribe, "", ALL, rule), anonymous)
            self.assertEqual(self.code(check_subscribe, "ann", ALL, rule), user)

    def test_a_channel_with_an_audience_needs_no_subscription(self):
        """Its user has it already, others never, and nobody the servers' own."""
        rule = Rule(subscribe="everybody")
        self.assertEqual(self.code(check_subscribe, "ann", USER, rule), ErrorCode.ALREADY_SUBSCRIBED)
        self.assertEqual(self.code(check_subscribe, "", USER, rule), ErrorCode.PERMISSION_DENIED)
        self.assertEqual(self.code(check_subscribe, "ann", SERVERS, rule), ErrorCode.PERMISSION_DENIED)

    def test_publishing_is_off_unless_a_rule_allows_it(self):
        """And never possible where the servers speak to each other."""
        denied = ErrorCode.PERMISSION_DENIED
        self.assertEqual(self.code(check_publish, "ann", ALL, Rule()), denied)
        self.assertEqual(self.code(check_publish, "", ALL, Rule(publish="users")), denied)
        self.assertIsNone(self.code(check_publish, "ann", ALL, Rule(publish="users")))
        self.assertIsNone(self.code(check_publish, "", ALL, Rule(publish="everybody")))
        self.assertEqual(self.code(check_publish, "ann", SERVERS, Rule(publish="everybody")), denied)
