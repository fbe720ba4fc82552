"""`docs/reference/permissions.md` says what is done: each of its examples is asked here."""

import json
import re
from html import unescape
from pathlib import Path

from attrs import frozen
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.catalogue import who
from pulsetw.catalogue.templates import check_template
from pulsetw.model import Event
from pulsetw.policy import conditions, fields, filters, permissions

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "permissions.md"


@frozen
class Asking:
    user: str
    claims: dict[str, object]
    can: dict[str, tuple[str, ...]] | None


class PermissionsReferenceTests(SynchronousTestCase):
    def setUp(self):
        self.text = PAGE.read_text(encoding="utf-8")

    def rows(self, *titles):
        """The cells of the tables with this head, without the marks of code."""
        head = "| " + " | ".join(titles) + " |\n"
        tables = self.text.split(head)[1:]
        self.assertTrue(tables, titles)
        rows = [line for table in tables for line in table.partition("\n\n")[0].splitlines()[1:]]
        return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in rows]

    def may(self, rule, operation, allowed, token, channel):
        claims = dict(token or {})
        user = claims.pop("sub", "")
        can = claims.pop("can", None)
        identity = Asking(user, claims, None if can is None else permissions.parse_can(can))
        allows = who.parse_who(json.loads(allowed))
        said = permissions.permits(identity, operation, channel, allows, check_template(rule))
        return "yes" if said else "no"

    def test_the_operations_are_those_that_there_are(self):
        told = [row[0] for row in self.rows("operation", "what it covers")]
        self.assertEqual(sorted(told), sorted(permissions.OPERATIONS))

    def test_every_word_of_a_rule_is_one(self):
        for word, _ in self.rows("word", "who"):
            who.parse_who(json.loads(word.replace("<name>", "role").replace("<value>", "admin")))

    def test_rules(self):
        rows = self.rows("rule", "allows", "the client's token", "channel", "may it?")
        self.assertEqual(len(rows), 11)
        for rule, allows, token, channel, told in rows:
            claims = None if token == "none" else json.loads(token)
            self.assertEqual(self.may(rule, "subscribe", allows, claims, channel), told, (rule, allows, token))

    def test_lists_of_tokens(self):
        rows = self.rows("rule", "operation", "allows", "`can`", "channel", "may it?")
        self.assertEqual(len(rows), 13)
        for rule, operation, allows, can, channel, told in rows:
            token = {"sub": "ann", "can": json.loads(can)}
            self.assertEqual(self.may(rule, operation, allows, token, channel), told, (operation, allows, can))

    def test_the_token_that_is_shown_is_one(self):
        (shown,) = re.findall(r"^    (\{.*\})$", self.text, re.MULTILINE)
        permissions.parse_can(json.loads(shown)["can"])

    def test_user(self):
        rows = self.rows("rule", "user", "channel", "may it?")
        self.assertEqual(len(rows), 9)
        for rule, user, channel, told in rows:
            self.assertEqual(self.may(rule, "subscribe", '"everybody"', {"sub": user}, channel), told, (rule, user))

    def test_filters(self):
        rows = self.rows("filter", "event", "seen?")
        self.assertEqual(len(rows), 15)
        for document, event, told in rows:
            given = json.loads(event)
            seen = filters.Filter.parse(json.loads(document)).matches(
                Event(given.get("type", "t"), given.get("data", {}), tags=given.get("tags"))
            )
            self.assertEqual("yes" if seen else "no", told, (document, event))

    def test_every_operator_is_written_up(self):
        for operator in ("eq", *conditions.OPERATORS):
            self.assertIn(f'`{{"{operator}": ', self.text)

    def test_mistakes_are_told_in_these_words(self):
        readers = {"rule": who.parse_who, "can": permissions.parse_can, "filter": filters.Filter.parse}
        rows = self.rows("what", "text", "is told as")
        self.assertEqual({row[0] for row in rows}, set(readers))
        for what, text, told in rows:
            with self.assertRaises(ValueError) as caught:
                readers[what](json.loads(text))
            self.assertEqual(str(caught.exception), unescape(told))

    def test_bounds(self):
        told = [int(row[1]) for row in self.rows("bound", "at most")]
        self.assertEqual(
            told,
            [
                who.MAX_WORDS,
                who.MAX_WORD_CHARACTERS,
                permissions.MAX_PATTERNS,
                conditions.MAX_CONDITIONS,
                filters.MAX_DEPTH,
                fields.MAX_STEPS,
                fields.MAX_FIELD_CHARACTERS,
                conditions.MAX_TEXT_CHARACTERS,
            ],
        )
