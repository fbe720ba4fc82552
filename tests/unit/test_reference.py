"""The tables of the reference, held against the code."""

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.errors import DISCONNECT_TEXTS, ERROR_TEXTS, TEMPORARY_ERRORS
from tests.unit.test_layers import FLOORS

DOCS = Path(__file__).parents[2] / "docs"


def rows(page):
    """The cells of each row of a page's tables."""
    lines = (DOCS / page).read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


class CodesTests(SynchronousTestCase):
    def test_every_code_is_written_up(self):
        """With its text, and nothing that is not there."""
        told = {int(row[0]): row[1:] for row in rows("reference/codes.md") if row[0].isdigit()}
        texts = {int(code): text for code, text in (*ERROR_TEXTS.items(), *DISCONNECT_TEXTS.items())}
        self.assertEqual({code: row[0] for code, row in told.items()}, texts)
        temporary = {code for code, row in told.items() if code < 200 and row[1] == "yes"}
        self.assertEqual(temporary, {int(code) for code in TEMPORARY_ERRORS})


class ArchitectureTests(SynchronousTestCase):
    def test_the_floors_are_those_that_the_code_keeps(self):
        """The page and the test of the imports have the same table."""
        told = [set(re.findall(r"`(\w+)`", row[1])) for row in rows("explanation/architecture.md") if row[0].isdigit()]
        self.assertEqual(told, FLOORS)
