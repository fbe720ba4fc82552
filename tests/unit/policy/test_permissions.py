"""What a client may do with a channel."""

from attrs import evolve, field, frozen
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.catalogue import Audience, Channel, Rule
from pulsetw.catalogue.who import parse_who
from pulsetw.errors import CommandError, ErrorCode
from pulsetw.policy.permissions import (
    MAX_PATTERNS,
    OPERATIONS,
    check,
    check_publish,
    check_subscribe,
    parse_can,
    permits,
)


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


@frozen
class Asking:
    """An identity, as far as permissions look at it."""

    user: str = ""
    claims: dict[str, object] = field(factory=dict)
    can: dict[str, tuple[str, ...]] | None = None


ANN = Asking("ann", {"role": "admin"})
RULES = st.sampled_from(
    ["nobody", "everybody", "users", "token", "claim:role=admin", ("token", "claim:role=admin")]
).map(parse_who)
TEMPLATES = st.sampled_from(["*", "a:*", "a:ann", "a:{user}"])
ASKING = st.builds(
    Asking,
    user=st.sampled_from(["", "ann", "bob", "*", "a:b"]),
    claims=st.sampled_from([{}, {"role": "admin"}]),
    can=st.none()
    | st.dictionaries(st.sampled_from(OPERATIONS), st.lists(TEMPLATES, max_size=2).map(tuple), max_size=4),
)
ASKED = st.sampled_from(["a:ann", "a:bob", "a:", "a:a:b", "b"])


class DecisionTests(SynchronousTestCase):
    def may(self, identity, who, operation="subscribe", name="a:x", template="a:*"):
        return permits(identity, operation, name, parse_who(who), template)

    def test_rules_say_who(self):
        bob = Asking("bob")
        for who, expected in (
            ("nobody", (False, False, False)),
            ("everybody", (True, True, True)),
            ("users", (False, True, True)),
            ("token", (False, False, False)),
            ("claim:role=admin", (False, True, False)),
            (["token", "claim:role=admin"], (False, True, False)),
        ):
            self.assertEqual(tuple(self.may(each, who) for each in (Asking(), ANN, bob)), expected, who)

    def test_a_tokens_list_opens_what_rules_leave_to_tokens(self):
        listed = Asking("ann", can={"subscribe": ("a:x",)})
        self.assertTrue(self.may(listed, "token"))
        self.assertTrue(self.may(listed, ["token", "claim:role=admin"]))
        self.assertFalse(self.may(listed, "token", name="a:y"))
        self.assertFalse(self.may(listed, "token", "publish"))
        self.assertFalse(self.may(listed, "nobody"))
        self.assertFalse(self.may(listed, "claim:role=admin"))

    def test_a_tokens_list_is_all_that_its_holder_may_do(self):
        """Also where a claim would do; other operations are not bound by it."""
        listed = Asking("ann", {"role": "admin"}, {"subscribe": ("a:x",), "publish": ()})
        for who in ("everybody", "users", "claim:role=admin"):
            self.assertTrue(self.may(listed, who))
            self.assertFalse(self.may(listed, who, name="a:y"))
            self.assertFalse(self.may(listed, who, "publish"))
        self.assertTrue(self.may(Asking("ann", can={"subscribe": ("a:x",)}), "users", "publish", name="a:y"))

    def test_who_may_not_subscribe_sees_nothing_by_other_ways(self):
        """History and presence are bound by the list for subscribe, unless they have their own."""
        listed = Asking("ann", can={"subscribe": ("a:x",)})
        for operation in ("history", "presence"):
            self.assertTrue(self.may(listed, "everybody", operation))
            self.assertFalse(self.may(listed, "everybody", operation, name="a:y"))
        own = Asking("ann", can={"subscribe": ("a:x",), "history": ("a:y",)})
        self.assertTrue(self.may(own, "everybody", "history", name="a:y"))
        self.assertFalse(self.may(own, "everybody", "history", name="a:x"))

    def test_a_list_for_subscribe_opens_the_history_too_but_no_presence(self):
        listed = Asking("ann", can={"subscribe": ("a:x",)})
        self.assertTrue(self.may(listed, "token", "history"))
        self.assertFalse(self.may(listed, "token", "presence"))
        self.assertTrue(self.may(Asking("ann", can={"presence": ("a:x",)}), "token", "presence"))

    def test_the_user_in_a_rules_name_is_the_one_who_asks(self):
        for who in ("everybody", "users", "claim:role=admin"):
            self.assertTrue(self.may(ANN, who, name="a:ann", template="a:{user}"))
            self.assertFalse(self.may(ANN, who, name="a:bob", template="a:{user}"))
        self.assertFalse(self.may(Asking(), "everybody", name="a:ann", template="a:{user}"))
        everything = Asking("ann", can={"subscribe": ("*",)})
        self.assertFalse(self.may(everything, "token", name="a:bob", template="a:{user}"))

    @given(ASKING, st.sampled_from(OPERATIONS), ASKED, RULES, TEMPLATES)
    def test_nothing_opens_what_is_nobodys_or_anothers(self, identity, operation, name, who, template):
        self.assertFalse(permits(identity, operation, name, parse_who("nobody"), template))
        if permits(identity, operation, name, who, template) and template == "a:{user}":
            self.assertEqual(name, f"a:{identity.user}")

    @given(ASKING, st.sampled_from(OPERATIONS), ASKED, RULES, TEMPLATES)
    def test_without_its_list_a_token_may_only_lose_what_the_word_token_gave(
        self, identity, operation, name, who, template
    ):
        """A list adds where the rule says so, and nowhere else."""
        bare = evolve(identity, can=None)
        if permits(identity, operation, name, who, template) and not who.token:
            self.assertTrue(permits(bare, operation, name, who, template))

    @given(ASKING, st.sampled_from(OPERATIONS), ASKED, RULES, TEMPLATES)
    def test_one_more_pattern_never_takes_anything_away(self, identity, operation, name, who, template):
        if identity.can and permits(identity, operation, name, who, template):
            wider = {asked: (*listed, "b*") for asked, listed in identity.can.items()}
            self.assertTrue(permits(evolve(identity, can=wider), operation, name, who, template))


class CheckTests(SynchronousTestCase):
    def code(self, identity, operation, channel, who="everybody"):
        try:
            check(identity, operation, channel.name, channel, parse_who(who), channel.name)
        except CommandError as error:
            return error.code
        return None

    def test_who_may_not_is_told_so(self):
        self.assertIsNone(self.code(ANN, "subscribe", ALL))
        self.assertEqual(self.code(ANN, "subscribe", ALL, "nobody"), ErrorCode.PERMISSION_DENIED)

    def test_an_audience_stays_what_it_is(self):
        """Whatever a rule says: no history and no presence, and servers speak among themselves."""
        denied = ErrorCode.PERMISSION_DENIED
        for operation, to_user, to_servers in (
            ("subscribe", ErrorCode.ALREADY_SUBSCRIBED, denied),
            ("history", denied, denied),
            ("presence", denied, denied),
            ("publish", None, denied),
        ):
            self.assertEqual(self.code(ANN, operation, USER), to_user, operation)
            self.assertEqual(self.code(ANN, operation, SERVERS), to_servers, operation)
        self.assertEqual(self.code(Asking(), "subscribe", USER), denied)
        self.assertEqual(self.code(ANN, "publish", USER, "nobody"), denied)


class ParseCanTests(SynchronousTestCase):
    def problem(self, document):
        with self.assertRaises(ValueError) as caught:
            parse_can(document)
        return str(caught.exception)

    def test_operations_and_their_patterns(self):
        self.assertEqual(
            parse_can({"subscribe": ["a:*", "inbox:{user}"], "publish": []}),
            {"subscribe": ("a:*", "inbox:{user}"), "publish": ()},
        )
        self.assertEqual(parse_can({}), {})

    def test_a_mistake_is_told(self):
        for document, said in (
            (["a:*"], "can: expected an object from operations to patterns, found a list of 1"),
            ({"subscribes": []}, "found 'subscribes'"),
            ({5: []}, "found number"),
            ({"subscribe": "a:*"}, "can.subscribe: expected a list of at most 100 patterns, found 'a:*'"),
            ({"subscribe": ["x"] * (MAX_PATTERNS + 1)}, "found a list of 101"),
            ({"publish": ["x", 5]}, "can.publish[1]: expected a channel's name or pattern, found number"),
            ({"publish": ["a b"]}, "can.publish[0]: channel 'a b'"),
            ({"publish": ["x:{user}*"]}, "right beside"),
        ):
            self.assertIn(said, self.problem(document))
