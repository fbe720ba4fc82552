"""The house keeps its order: imports go down only, each library has its room, files and functions stay small.

The table is the one of `docs/explanation/architecture.md`; it is read from the code's imports, not from its promises.
"""

import ast
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

PACKAGE = Path(__file__).parents[2] / "pulsetw"

# From the ground up. Rooms in one row do not see each other.
FLOORS = [
    {"version"},
    {"errors"},
    {"model"},
    {"codec"},
    {"commands"},
    {"catalogue"},
    {"interfaces"},
    {"policy", "dialects"},
    {"session"},
    {"pubsub", "hub"},
    {"broker", "transport", "web"},
    {"config"},
    {"servers", "ports", "garbage"},
    {"service", "client"},
    {"workers"},
    {"tap", "cli"},
]

# Who may import what; everything else of the stack is for everybody from `pubsub` and `hub` upwards.
LIBRARIES = {
    "txredisapi": {"broker"},
    "hiredis": {"broker"},
    "autobahn": {"transport", "client", "cli"},
    "twisted.web": {"web", "transport", "cli"},
    "twisted.internet.reactor": {"tap", "cli", "workers"},
    "tomllib": {"config"},
    "jwt": {"policy", "cli"},
    "cryptography": {"policy", "cli"},
    "click": {"cli"},
    "rich": {"cli"},
    "time": {"service", "cli"},
    "random": {"service", "workers", "broker", "client"},
    "secrets": {"service", "cli"},
    "os": {"service", "workers", "tap", "cli"},
}
DECIDING = {"errors", "model", "codec", "commands", "catalogue", "policy", "dialects", "session"}

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50


def modules():
    """From module name to its path."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path):
    """Every module that a file imports, also inside of functions, but not for type checking only."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert all(alias.name != "*" for alias in node.names), f"{path}: import *"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(name):
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


def floor(name):
    return next(index for index, rooms in enumerate(FLOORS) if name in rooms)


def wrong_imports(name, imported):
    """What is wrong with one module's imports; each in words."""
    here = room(name)
    problems = []
    for target in imported:
        if target.startswith("pulsetw."):
            there = room(target)
            if there != here and floor(there) >= floor(here):
                problems.append(f"{name} imports {target}, which is not below it")
        for library, rooms in LIBRARIES.items():
            if (target == library or target.startswith(library + ".")) and here not in rooms:
                problems.append(f"{name} imports {target}, which belongs to {sorted(rooms)}")
        if here in DECIDING and target.startswith("twisted"):
            problems.append(f"{name} decides, and imports {target}")
    return problems


class LayerTests(SynchronousTestCase):
    def test_every_room_has_its_floor(self):
        """A new folder is put somewhere on purpose."""
        rooms = {room(name) for name in modules()} - {""}
        self.assertEqual(rooms, set().union(*FLOORS))

    def test_imports_go_down_only(self):
        """Each file, function-level imports included."""
        problems = [
            problem for name, path in modules().items() if room(name) for problem in wrong_imports(name, imports(path))
        ]
        self.assertEqual(problems, [])

    def test_there_is_no_cycle(self):
        """Inside of rooms neither."""
        known = modules()
        graph = {}
        for name, path in known.items():
            targets = {t if t in known else t.rpartition(".")[0] for t in imports(path)}
            # A package's __init__ names what its files have; a file is below it.
            graph[name] = {t for t in targets if t in known and t != name}
        done, path = set(), []

        def visit(name):
            self.assertNotIn(name, path, f"a cycle: {[*path, name]}")
            if name not in done:
                path.append(name)
                for target in sorted(graph[name]):
                    visit(target)
                done.add(path.pop())

        for name in graph:
            visit(name)

    def test_the_check_itself_sees_a_wrong_import(self):
        """It is no check that cannot fail."""
        for name, target in (
            ("pulsetw.policy.backoff", "pulsetw.hub.hub"),
            ("pulsetw.pubsub.manager", "pulsetw.hub.hub"),
            ("pulsetw.session", "twisted.internet.defer"),
            ("pulsetw.hub.hub", "txredisapi"),
            ("pulsetw.service", "twisted.internet.reactor"),
        ):
            self.assertEqual(len(wrong_imports(name, {target})), 1, (name, target))


class SizeTests(SynchronousTestCase):
    def test_files_and_functions_stay_small(self):
        """Towards 400 lines a file is split by subject; no function is longer than 50."""
        too_long = []
        for name, path in modules().items():
            text = path.read_text()
            if text.count("\n") > MAX_FILE_LINES:
                too_long.append(f"{name}: {text.count(chr(10))} lines")
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    length = (node.end_lineno or node.lineno) - node.lineno + 1
                    if length > MAX_FUNCTION_LINES:
                        too_long.append(f"{name}.{node.name}: {length} lines")
        self.assertEqual(too_long, [])
