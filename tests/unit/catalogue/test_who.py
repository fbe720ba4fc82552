"""Who may do something with a channel."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.catalogue.who import EVERYBODY, MAX_WORD_CHARACTERS, MAX_WORDS, NOBODY, Claim, Who, parse_who

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))


class ParseTests(SynchronousTestCase):
    def problem(self, value):
        with self.assertRaises(ValueError) as caught:
            parse_who(value)
        return str(caught.exception)

    def test_each_word_names_some_clients(self):
        for value, who in (
            ("nobody", NOBODY),
            ("everybody", EVERYBODY),
            ("users", Who(users=True)),
            ("token", Who(token=True)),
            ("claim:paid", Who(claims=frozenset({Claim("paid")}))),
            ("claim:role=admin", Who(claims=frozenset({Claim("role", "admin")}))),
            ("claim:formula=a=b", Who(claims=frozenset({Claim("formula", "a=b")}))),
        ):
            self.assertEqual(parse_who(value), who)
            self.assertEqual(parse_who([value]), who)

    def test_a_list_is_any_of_its_words_in_any_order(self):
        """Rules that say the same are equal, and can stand in dictionaries."""
        words = ["token", "users", "claim:paid", "claim:role=admin"]
        who = parse_who(words)
        self.assertEqual(who, Who(users=True, token=True, claims=frozenset({Claim("paid"), Claim("role", "admin")})))
        self.assertEqual(who, parse_who((*reversed(words), "token")))
        self.assertEqual(hash(who), hash(parse_who(words[::-1])))

    def test_a_mistake_names_the_word_and_what_was_expected(self):
        for value, said in (
            ("admins", "found 'admins'"),
            ("Users", "found 'Users'"),
            ("", "found ''"),
            (["users", "admins"], "found 'admins'"),
            (["users", 5], "found int"),
            (["users", ["token"]], "found list"),
            (5, "found int"),
            (None, "found NoneType"),
            ({"users": True}, "found dict"),
            ([], "expected 1 to 100 of"),
            (["users"] * (MAX_WORDS + 1), "found 101"),
            ("claim:", "expected a claim's name"),
            ("claim:=admin", "expected a claim's name"),
            ("claim:app..role", "expected a claim's name"),
            ("claim: role", "expected a claim's name"),
            ("claim:role=", "expected a value"),
            ("claim:role= admin", "expected a value"),
            ("claim:role=\x00", "printable"),
            ("claim:" + "x" * MAX_WORD_CHARACTERS, "at most 200"),
            (["nobody", "users"], '"nobody" stands alone'),
            (["everybody", "token"], '"everybody" stands alone'),
        ):
            self.assertIn(said, self.problem(value), value)

    def test_a_mistake_is_told_in_a_line(self):
        """However long the word was."""
        self.assertLess(len(self.problem("x" * 100_000)), 500)

    @given(JSON)
    def test_nothing_else_is_raised(self, value):
        with contextlib.suppress(ValueError):
            hash(parse_who(value))


class ClaimTests(SynchronousTestCase):
    def test_a_claim_without_a_value_has_to_say_something(self):
        """Languages without booleans say no in other ways."""
        for value, holds in (
            (True, True),
            (1, True),
            ("yes", True),
            (["x"], True),
            (False, False),
            (None, False),
            (0, False),
            ("", False),
            ([], False),
            ({}, False),
        ):
            self.assertIs(Claim("paid").holds({"paid": value}), holds, value)
        self.assertFalse(Claim("paid").holds({}))

    def test_values_are_compared_in_the_type_of_the_claim(self):
        for wanted, claimed, holds in (
            ("admin", "admin", True),
            ("admin", "Admin", False),
            ("admin", "admin ", False),
            ("3", 3, True),
            ("3", 3.0, True),
            ("3.5", 3.5, True),
            ("3.0", "3", False),
            ("3", "3", True),
            ("-2e3", -2000, True),
            ("9007199254740993", 9007199254740993, True),
            ("9007199254740993", 9007199254740992, False),
            ("true", True, True),
            ("true", "true", True),
            ("false", False, True),
            ("1", True, False),
            ("0", False, False),
            ("True", True, False),
            ("null", None, False),
            ("inf", float("inf"), False),
            ("٣", 3, False),
            ("x", {"x": True}, False),
        ):
            self.assertIs(Claim("level", wanted).holds({"level": claimed}), holds, (wanted, claimed))

    def test_a_list_has_to_have_the_value(self):
        claim = Claim("roles", "admin")
        self.assertTrue(claim.holds({"roles": ["author", "admin"]}))
        self.assertFalse(claim.holds({"roles": ["author"]}))
        self.assertFalse(claim.holds({"roles": [["admin"], {"admin": True}]}))

    def test_dots_lead_into_objects_unless_a_claim_is_called_so(self):
        self.assertTrue(Claim("app.role", "admin").holds({"app": {"role": "admin"}}))
        self.assertTrue(Claim("https://example.com/role", "admin").holds({"https://example.com/role": "admin"}))
        self.assertFalse(Claim("a.b", "x").holds({"a.b": "y", "a": {"b": "x"}}))
        for other in ("x", ["role"], None, 5):
            self.assertFalse(Claim("app.role").holds({"app": other}))

    @given(st.dictionaries(st.sampled_from(["a", "a.b", "b"]), JSON), st.sampled_from(["a", "a.b", "a.b.c"]), st.text())
    def test_any_claims_can_be_asked(self, claims, name, value):
        Claim(name).holds(claims)
        self.assertFalse(Claim(name, value).holds({}))
        Claim(name, value or "x").holds(claims)
