"""`docs/reference/configuration.md` and `docs/reference/http.md` say what is there."""

import re
import tomllib
from pathlib import Path

import attrs
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.catalogue import Rule
from pulsetw.config import load
from pulsetw.config.settings import SECTIONS
from pulsetw.errors import ErrorCode
from tests.unit.web.wire import Relay

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
_row = re.compile(r"^\| `(?P<key>[a-z_.]+)` \| (?P<type>[^|]+) \| `(?P<default>[^`]+)` \|(?P<rest>.*)$", re.MULTILINE)


class ConfigurationTests(SynchronousTestCase):
    def setUp(self):
        self.text = (REFERENCE / "configuration.md").read_text(encoding="utf-8")
        rows = _row.finditer(self.text)
        self.defaults = {row["key"]: tomllib.loads(f"x = {row['default']}")["x"] for row in rows}

    def test_every_setting_is_listed_with_its_default_and_no_other_is(self):
        there = {}
        for section, kind in SECTIONS.items():
            for attribute in attrs.fields(kind):
                default = attribute.default
                there[f"{section}.{attribute.name}"] = list(default) if isinstance(default, tuple) else default
        there.update({attribute.name: attribute.default for attribute in attrs.fields(Rule)})
        self.assertEqual(self.defaults, there)

    def test_the_example_is_a_file_that_loads(self):
        (example,) = re.findall(r"```toml\n(.*?)```", self.text, re.DOTALL)
        path = Path(self.mktemp())
        path.write_text(example, encoding="utf-8")
        self.assertEqual(load(str(path), {}, {}).limits.connections, 20000)


class HttpTests(SynchronousTestCase):
    def setUp(self):
        self.text = (REFERENCE / "http.md").read_text(encoding="utf-8")

    def test_every_path_is_listed_with_its_method_and_whether_it_needs_a_key(self):
        rows = re.findall(r"^\| `(/[^`]*)` \| (GET|POST) \| (yes|no) \|", self.text, re.MULTILINE)
        relay = Relay(api_keys=("a-key",))
        self.assertEqual(sorted(row[0] for row in rows), sorted(["/", *relay.ask("GET", "/").json["paths"]]))
        for path, method, key in rows:
            self.assertEqual(relay.ask(method, path).status == 401, key == "yes", path)
            keyed = relay.ask("PUT", path, headers={"X-API-Key": "a-key"})
            self.assertEqual((keyed.status, keyed.headers["allow"].split(", ")[0]), (405, method))

    def test_every_code_is_one_that_there_is(self):
        rows = re.findall(r"^\| (\d{3}) \| (\d{3}) \|", self.text, re.MULTILINE)
        self.assertEqual(len(rows), 11)
        for _, code in rows:
            ErrorCode(int(code))
