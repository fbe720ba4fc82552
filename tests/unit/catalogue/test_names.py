"""Names of channels, and patterns."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.catalogue.names import check_name, check_pattern, is_pattern, matcher
from pulsetw.errors import ChannelError


class NameTests(SynchronousTestCase):
    def test_names_of_the_field_pass(self):
        """What Centrifugo's users call their channels, they can call them here."""
        for name in ("match:events", "inbox:user@example.com", "$private:a-b_c=1", "a/b;c#d!", "x" * 200):
            self.assertEqual(check_name(name), name)

    def test_what_could_mean_something_else_is_refused(self):
        """No commas, globs, braces, blanks, control or foreign characters; nothing of the relay's own keys."""
        for name in ("", "a,b", "a*", "a?", "a[b]", "{a}", "a b", "a\n", "ä", "a\x00", "pulsetw:x", "x" * 201):
            with self.assertRaises(ChannelError, msg=repr(name)):
                check_name(name)

    @given(st.text(max_size=8))
    def test_no_name_is_a_redis_pattern(self, text):
        """Whatever a client sends, it can never become a PSUBSCRIBE."""
        with contextlib.suppress(ChannelError):
            self.assertFalse(set(check_name(text)) & set("*?[]^\\{}"))


class PatternTests(SynchronousTestCase):
    def test_a_star_stands_for_any_characters(self):
        """Also for none, and anywhere; everything else stands for itself."""
        self.assertTrue(is_pattern("match:*"))
        self.assertFalse(is_pattern("match:events"))
        for pattern, name, matches in (
            ("match:*", "match:", True),
            ("match:*", "match:events", True),
            ("match:*", "matchless:events", False),
            ("*:events", "match:events", True),
            ("a.c", "abc", False),
            ("a*c*e", "abcde", True),
        ):
            self.assertEqual(bool(matcher(pattern)(name)), matches, (pattern, name))

    def test_patterns_are_checked_like_names(self):
        """A pattern that no name could match is a mistake."""
        self.assertEqual(check_pattern("match:*"), "match:*")
        for pattern in ("", "a b*", "pulsetw:*", "a,*"):
            with self.assertRaises(ChannelError):
                check_pattern(pattern)
