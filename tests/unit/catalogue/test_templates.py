"""Patterns in which {user} stands for the caller."""

import re

from hypothesis import assume, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.catalogue.names import matcher
from pulsetw.catalogue.templates import check_template, fits, pattern_of
from pulsetw.errors import ChannelError

# Few characters, so that names meet: separators, another case, what patterns and templates are made of.
USERS = st.text("abA:*{}", max_size=4) | st.sampled_from(["{user}", "a:b", "*"])
NAMES = st.text("abA:", min_size=1, max_size=8)
WITHOUT_STAR = st.text("ab:", max_size=3)


class CheckTests(SynchronousTestCase):
    def test_names_patterns_and_the_user_in_them(self):
        for template in (
            "inbox:ann",
            "inbox:*",
            "inbox:{user}",
            "{user}",
            "dm:{user}:*",
            "dm:*:{user}",
            "{user}:{user}",
        ):
            self.assertEqual(check_template(template), template)

    def test_what_could_be_anybodys_or_nobodys_is_refused(self):
        for template in (
            "inbox:{user}*",
            "inbox:*{user}",
            "inbox:{user}{user}",
            "inbox:{name}",
            "inbox:{User}",
            "inbox:{user",
            "inbox:{{user}}",
            "a b:{user}",
            "pulsetw:{user}",
            "",
            "x" * 201,
        ):
            with self.assertRaises(ChannelError) as caught:
                check_template(template)
            self.assertEqual(caught.exception.channel, template)

    def test_as_a_pattern_it_is_everybodys(self):
        self.assertEqual(pattern_of("inbox:{user}:log"), "inbox:*:log")
        self.assertEqual(pattern_of("inbox:*"), "inbox:*")


class FitTests(SynchronousTestCase):
    def test_a_user_has_only_what_is_called_as_he_is(self):
        for template, user, name, is_theirs in (
            ("inbox:{user}", "ann", "inbox:ann", True),
            ("inbox:{user}", "ann", "inbox:anna", False),
            ("inbox:{user}", "ann", "inbox:ANN", False),
            ("inbox:{user}", "ann", "inbox:ann:x", False),
            ("inbox:{user}", "", "inbox:", False),
            ("inbox:{user}", "*", "inbox:ann", False),
            ("inbox:{user}", ".*", "inbox:ann", False),
            ("inbox:{user}", "{user}", "inbox:ann", False),
            ("inbox:{user}", "a:b", "inbox:a:b", True),
            ("inbox:{user}", "a", "inbox:a:b", False),
            ("{user}", "ann", "ann", True),
            ("a*a", "ann", "a", False),
            ("ab*ba", "ann", "aba", False),
            ("ab*ba", "ann", "abba", True),
            ("{user}:{user}", "ann", "ann:ann", True),
            ("{user}:{user}", "ann", "ann:bob", False),
            ("dm:{user}:*", "ann", "dm:ann:bob", True),
            ("dm:{user}:*", "ann", "dm:anna:bob", False),
            ("dm:{user}:*", "a:b", "dm:a:b:c", False),
            ("dm:*:{user}", "bob", "dm:ann:bob", True),
            ("dm:*:{user}", "a:b", "dm:x:a:b", False),
            ("dm:{user}/*", "a:b", "dm:a:b/c", False),
            ("dm-{user}/*", "a:b", "dm-a:b/c", True),
        ):
            self.assertIs(fits(template, user, name), is_theirs, (template, user, name))

    @given(st.text("ab*", max_size=6), NAMES | st.text("ab", max_size=8), USERS)
    def test_without_a_user_in_it_it_is_the_pattern(self, pattern, name, user):
        """Whoever asks."""
        self.assertEqual(fits(pattern, user, name), bool(matcher(pattern)(name)))

    def test_stars_take_no_time(self):
        """A pattern comes in a token, and the name from its holder."""
        self.assertFalse(fits("*a" * 99 + "*b", "ann", "a" * 200))

    @given(st.lists(st.text("ab:*", max_size=3), min_size=2, max_size=3).map("{user}".join), USERS, NAMES)
    def test_nobody_gets_more_than_everybody_together(self, template, user, name):
        """What fits one user fits the template's pattern, and has the user's whole name in it."""
        if fits(template, user, name):
            self.assertTrue(matcher(pattern_of(template))(name))
            self.assertTrue(user and user in name)

    @given(WITHOUT_STAR, WITHOUT_STAR, USERS, USERS, NAMES)
    def test_a_channel_of_a_template_without_a_star_is_one_users(self, before, after, user, other, name):
        assume(user != other)
        template = before + "{user}" + after
        name = template.replace("{user}", user) if "*" not in user else name
        self.assertFalse(fits(template, user, name) and fits(template, other, name))

    @given(WITHOUT_STAR, st.sampled_from("ab:"), WITHOUT_STAR, USERS, USERS, NAMES, st.booleans())
    def test_so_is_one_with_a_star_on_one_side(self, before, beside, after, user, other, rest, star_is_last):
        assume(user != other)
        template = f"{before}{{user}}{beside}{after}*" if star_is_last else f"*{after}{beside}{{user}}{before}"
        name = re.sub(r"\*", rest, template).replace("{user}", user)
        self.assertFalse(fits(template, user, name) and fits(template, other, name), (template, name))
