"""Finding declarations and rules."""

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.catalogue import Catalogue, Channel, Rule
from pulsetw.catalogue.builtin import builtin_channels
from pulsetw.errors import ChannelError

CLOSED = Rule(subscribe="nobody")
USERS = Rule(subscribe="users")


class CatalogueTests(SynchronousTestCase):
    def setUp(self):
        channels = [Channel("a:one", others=dict), Channel("a:*", others=dict), Channel("a:b:*", others=dict)]
        self.catalogue = Catalogue(channels, {"a:*": CLOSED, "a:b:two": USERS, "open:*": USERS, "single": Rule()})

    def test_exact_names_go_before_patterns_and_long_ones_before_short_ones(self):
        """Declaration and rule are found each by itself."""
        found = {
            name: (self.catalogue.channel(name).name, self.catalogue.rule(name))
            for name in ("a:one", "a:x", "a:b:x", "a:b:two")
        }
        self.assertEqual(
            found,
            {
                "a:one": ("a:one", CLOSED),
                "a:x": ("a:*", CLOSED),
                "a:b:x": ("a:b:*", CLOSED),
                "a:b:two": ("a:b:*", USERS),
            },
        )

    def test_a_rule_alone_opens_a_channel_for_any_events(self):
        """A channel needs no Python."""
        self.assertEqual(self.catalogue.channel("open:1").others, dict)
        self.assertEqual(self.catalogue.rule("open:1"), USERS)
        self.assertEqual(self.catalogue.channel("single").name, "single")

    def test_what_is_in_no_declaration_and_no_rule_is_refused(self):
        """Names are not made by asking for them."""
        for name in ("b", "open", "a", "a,b"):
            self.assertRaises(ChannelError, self.catalogue.channel, name)
            self.assertRaises(ChannelError, self.catalogue.rule, name)

    def test_names_and_patterns_are_told_apart(self):
        """Fixed names can be subscribed at start."""
        self.assertEqual(set(self.catalogue.names), {"a:one", "single"})
        self.assertEqual(set(self.catalogue.patterns), {"a:*", "a:b:*", "open:*"})

    def test_mistakes_are_found_when_it_is_made(self):
        """Twice the same name, or a rule for a name that cannot be."""
        self.assertRaises(ChannelError, Catalogue, [Channel("a"), Channel("a")], {})
        self.assertRaises(ChannelError, Catalogue, [], {"a b": Rule()})

    def test_a_channel_with_an_audience_keeps_no_history(self):
        """A rule of its own that asks for one is a mistake; a pattern's history leaves it out."""
        self.assertRaises(ChannelError, Catalogue, builtin_channels(), {"player:notifications": Rule(history_size=1)})
        catalogue = Catalogue(builtin_channels(), {"*": Rule(history_size=9)})
        kept = {name: catalogue.rule(name).history_size for name in ("player:notifications", "match:events", "else")}
        self.assertEqual(kept, {"player:notifications": 0, "match:events": 9, "else": 9})

    def test_whether_a_pattern_may_meet_a_history(self):
        """It is said of one that meets such a rule, or that may meet another pattern's."""
        catalogue = Catalogue([], {"a:one": Rule(history_size=9), "b:*": Rule()})
        found = {pattern: catalogue.has_history(pattern) for pattern in ("a:*", "*:one", "b:*", "c:*")}
        self.assertEqual(found, {"a:*": True, "*:one": True, "b:*": False, "c:*": False})
        self.assertTrue(Catalogue([], {"b:*": Rule(history_size=9)}).has_history("*:x"))

    def test_strangers_cannot_fill_the_memory(self):
        """Found names are kept, but not without end."""
        for number in range(25_000):
            self.catalogue.channel(f"open:{number}")
        self.assertLessEqual(len(self.catalogue._found), 10_000)
