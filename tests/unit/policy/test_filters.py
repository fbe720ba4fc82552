"""Which events somebody may see."""

import contextlib
import json

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.model import Event, Position, Publication
from pulsetw.policy.conditions import MAX_CONDITIONS, MAX_TEXT_CHARACTERS
from pulsetw.policy.fields import MAX_FIELD_CHARACTERS, MAX_STEPS
from pulsetw.policy.filters import MAX_DEPTH, Filter, visible

FIELDS = st.sampled_from(["type", "data.a", "data.b", "data.a.b", "data.a.b.a", "tags.a", "tags.a.b"])
TEXTS = st.sampled_from(["", "a", "ab", "1", "true", "é"])
NUMBERS = st.sampled_from([-1, 0, 1, 1.0, 1.5, 2**53 + 1, 2.0**53])
VALUES = TEXTS | NUMBERS | st.booleans()
OPERATIONS = (
    st.fixed_dictionaries({"eq": VALUES})
    | st.fixed_dictionaries({"in": st.lists(VALUES, min_size=1, max_size=3)})
    | st.fixed_dictionaries({"exists": st.booleans()})
    | st.fixed_dictionaries({"prefix": TEXTS.filter(bool)})
    | st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte"]), NUMBERS, min_size=1, max_size=2)
)
CONDITIONS = st.dictionaries(
    FIELDS, VALUES | st.lists(VALUES, min_size=1, max_size=3) | OPERATIONS, min_size=1, max_size=2
)
FILTERS = st.recursive(
    CONDITIONS,
    lambda inner: (
        st.dictionaries(st.sampled_from(["all", "any"]), st.lists(inner, min_size=1, max_size=3), min_size=1)
        | st.fixed_dictionaries({"not": inner})
    ),
    max_leaves=6,
)
SCALARS = st.none() | VALUES
MEMBERS = st.dictionaries(st.sampled_from(["a", "b"]), SCALARS, max_size=2)
DATA = st.dictionaries(
    st.sampled_from(["a", "b"]),
    SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.sampled_from(["a", "b"]), SCALARS | MEMBERS),
)
TAGS = st.none() | st.dictionaries(st.sampled_from(["a", "a.b"]), TEXTS)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "data.a", "tags.a", "any", "all", "not", "in", "gt", "exists", "prefix"])
            | st.text(max_size=3)
            | st.integers(),
            inner,
            max_size=3,
        )
    ),
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "league"]) | st.text(max_size=3), inner, max_size=3)
    ),
)


def kind(value):
    return bool if isinstance(value, bool) else float if isinstance(value, int | float) else type(value)


def judged(document, event):
    """The same, without care for time: True, False, or None for neither."""

    def both(verdicts):
        return False if False in verdicts else None if None in verdicts else True

    def either(verdicts):
        return True if True in verdicts else None if None in verdicts else False

    def opposite(verdict):
        return None if verdict is None else not verdict

    def value_of(name):
        where, _, rest = name.partition(".")
        if where == "tags":
            return (event["tags"] or {}).get(rest)
        value = event
        for step in name.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        return value

    def compared(value, name, operand):
        if name == "exists":
            return (value is not None) == operand
        if name == "eq":
            return value == operand if kind(value) is kind(operand) else None
        if name == "in":
            return either([v for each in operand if (v := compared(value, "eq", each)) is not None] or [None])
        if name == "prefix":
            return value.startswith(operand) if isinstance(value, str) else None
        if kind(value) is not float:
            return None
        return {"gt": value > operand, "gte": value >= operand, "lt": value < operand, "lte": value <= operand}[name]

    def member(name, value):
        if name == "not":
            return opposite(judged(value, event))
        if name in ("all", "any"):
            return {"all": both, "any": either}[name]([judged(each, event) for each in value])
        said = value if isinstance(value, dict) else {"in" if isinstance(value, list) else "eq": value}
        return both([compared(value_of(name), operation, operand) for operation, operand in said.items()])

    return both([member(name, value) for name, value in document.items()])


def raw(data):
    return Raw(json.dumps(data).encode())


class MatchTests(SynchronousTestCase):
    def sees(self, document, data=None, **event):
        return Filter.parse(document).matches(Event(event.pop("type", "t"), raw(data or {}), **event))

    def test_a_field_equals_a_value_of_its_own_type(self):
        """Python takes True for 1; a filter does not."""
        for value, other in (
            ("eu", "EU"),
            (1, 2),
            (1, "1"),
            (1, True),
            (True, 1),
            (0, False),
            ("true", True),
            (1.5, 1),
        ):
            self.assertTrue(self.sees({"data.x": value}, {"x": value}))
            self.assertFalse(self.sees({"data.x": value}, {"x": other}), (value, other))
        self.assertTrue(self.sees({"data.x": 1}, {"x": 1.0}))
        self.assertFalse(self.sees({"data.x": 2**53}, {"x": 2**53 + 1}))

    def test_numbers_are_compared(self):
        for operator, seen in (("gt", [6]), ("gte", [5, 6]), ("lt", [4]), ("lte", [4, 5])):
            self.assertEqual([n for n in (4, 5, 6) if self.sees({"data.n": {operator: 5}}, {"n": n})], seen, operator)
        self.assertTrue(self.sees({"data.n": {"gt": 2**53}}, {"n": 2**53 + 1}))

    def test_what_is_not_there_or_of_another_type_matches_nothing(self):
        """Nor does it match the opposite."""
        for condition in ("x", 5, True, ["x", 6], {"prefix": "x"}, {"gt": 1}, {"lt": 1}):
            for data in ({}, {"a": None}, {"a": []}, {"a": {}}, {"a": ["x", 5, True]}):
                self.assertFalse(self.sees({"data.a": condition}, data))
                self.assertFalse(self.sees({"not": {"data.a": condition}}, data))
        self.assertFalse(self.sees({"not": {"data.a": "x"}}, {"a": 5}))
        self.assertTrue(self.sees({"not": {"data.a": "x"}}, {"a": "y"}))

    def test_exists_is_always_one_or_the_other(self):
        for data, there in (
            ({}, False),
            ({"a": None}, False),
            ({"a": False}, True),
            ({"a": []}, True),
            ({"a": {}}, True),
        ):
            self.assertIs(self.sees({"data.a": {"exists": True}}, data), there)
            self.assertIs(self.sees({"data.a": {"exists": False}}, data), not there)
            self.assertIs(self.sees({"not": {"data.a": {"exists": True}}}, data), not there)

    def test_type_and_tags(self):
        """A tag's name may have dots."""
        self.assertTrue(self.sees({"type": {"prefix": "match_"}}, type="match_started"))
        self.assertTrue(self.sees({"tags.a.b": "x"}, tags={"a.b": "x"}))
        self.assertFalse(self.sees({"tags.a": "x"}))

    @settings(max_examples=500)
    @given(FILTERS, TEXTS, DATA, TAGS)
    def test_it_says_what_the_plain_reading_says(self, document, event_type, data, tags):
        expected = judged(document, {"type": event_type, "data": data, "tags": tags}) is True
        with contextlib.suppress(_TooDeep):
            parsed = parse(document)
            for form in (raw(data), data):
                self.assertIs(parsed.matches(Event(event_type, form, tags=tags)), expected)

    @given(FILTERS, ANY_JSON)
    def test_it_raises_nothing_whatever_the_data(self, document, data):
        with contextlib.suppress(_TooDeep):
            parsed = parse(document)
            parsed.matches(Event("t", raw(data)))
            parsed.matches(Event("t", data))

    @given(FILTERS, st.binary(max_size=20))
    def test_nor_does_it_where_the_data_is_no_json(self, document, data):
        with contextlib.suppress(_TooDeep):
            parse(document).matches(Event("t", Raw(data)))


class _TooDeep(Exception):
    """Of the filters made here some are deeper than filters may be."""


def parse(document):
    try:
        return Filter.parse(document)
    except ValueError as error:
        if "objects in objects" in str(error):
            raise _TooDeep from None
        raise


class EqualityTests(SynchronousTestCase):
    def same(self, one, other):
        first, second = Filter.parse(one), Filter.parse(other)
        return first == second and hash(first) == hash(second)

    def test_filters_that_say_the_same_are_equal(self):
        """So that subscribers can be grouped by them, and each is asked once for an event."""
        for one, other in (
            ({"data.a": 1}, {"data.a": {"eq": 1.0}}),
            ({"data.a": 1}, {"data.a": [1, 1]}),
            ({"data.a": [1, "x", True]}, {"data.a": {"in": [True, "x", 1]}}),
            ({"data.a": 1, "type": "t"}, {"type": "t", "data.a": 1}),
            ({"data.a": 1, "type": "t"}, {"all": [{"type": "t"}, {"all": [{"data.a": 1}]}]}),
            ({"data.a": {"gt": 1, "lt": 5}}, {"all": [{"data.a": {"lt": 5}}, {"data.a": {"gt": 1}}]}),
            ({"any": [{"data.a": 1}, {"data.a": 1}]}, {"data.a": 1}),
            (
                {"any": [{"type": "t"}, {"any": [{"data.a": 1}, {"data.b": 1}]}]},
                {"any": [{"any": [{"data.b": 1}, {"type": "t"}]}, {"data.a": 1}]},
            ),
            ({"not": {"not": {"data.a": 1}}}, {"data.a": 1}),
            ({"data.a": 0}, {"data.a": -0.0}),
            ({"data.a": 2**60}, {"data.a": 2.0**60}),
        ):
            self.assertTrue(self.same(one, other), (one, other))

    def test_others_are_not(self):
        for one, other in (
            ({"data.a": 1}, {"data.a": True}),
            ({"data.a": 1}, {"data.a": "1"}),
            ({"data.a": 1}, {"tags.a": "1"}),
            ({"data.a": 1}, {"not": {"data.a": 1}}),
            ({"data.a": {"gt": 1}}, {"data.a": {"gte": 1}}),
            ({"all": [{"data.a": 1}, {"type": "t"}]}, {"any": [{"data.a": 1}, {"type": "t"}]}),
        ):
            self.assertNotEqual(Filter.parse(one), Filter.parse(other))

    @given(FILTERS, FILTERS, DATA)
    def test_equal_filters_see_the_same(self, one, other, data):
        with contextlib.suppress(_TooDeep):
            first, second = parse(one), parse(other)
            if first == second:
                event = Event("a", raw(data))
                self.assertIs(first.matches(event), second.matches(event))

    @given(FILTERS)
    def test_the_canonical_text_is_the_filter(self, document):
        with contextlib.suppress(_TooDeep):
            parsed = parse(document)
            self.assertEqual(parse(json.loads(parsed.text)), parsed)


class ParseTests(SynchronousTestCase):
    def problem(self, document):
        with self.assertRaises(ValueError) as caught:
            Filter.parse(document)
        return str(caught.exception)

    def test_a_mistake_names_its_place_and_what_was_expected(self):
        for document, said in (
            ({}, "filter: expected an object with a condition, found an empty object"),
            ([], "filter: expected an object with a condition, found a list of 0"),
            ("x", "filter: expected an object with a condition, found 'x'"),
            (None, "filter: expected an object with a condition, found null"),
            ({"league": "eu"}, "filter: expected type, data.<member> or tags.<tag>"),
            ({"data": "eu"}, "found 'data'"),
            ({"data.": "eu"}, "found 'data.'"),
            ({"data..a": "eu"}, "found 'data..a'"),
            ({"tags": "eu"}, "found 'tags'"),
            ({"type.x": "eu"}, "found 'type.x'"),
            ({"data.\n": "eu"}, "expected type"),
            ({'data."': "eu"}, "expected type"),
            ({"data.\\": "eu"}, "expected type"),
            ({"data." + "a" * MAX_FIELD_CHARACTERS: 1}, "of at most 200 characters"),
            ({"data" + ".a" * (MAX_STEPS + 1): 1}, "8 members in members"),
            ({5: 1}, "found number"),
            ({"data.a": {}}, "filter.data.a: expected eq, in, exists, prefix, gt, gte, lt, lte, found an empty object"),
            ({"data.a": {"$gt": 1}}, "filter.data.a: expected eq, in, exists, prefix, gt, gte, lt, lte, found '$gt'"),
            ({"data.a": {5: 1}}, "found number"),
            ({"data.a": None}, "expected a text, a number, true or false, found null"),
            ({"data.a": [["x"]]}, "filter.data.a.in[0]: expected a text, a number, true or false, found a list of 1"),
            ({"data.a": []}, "filter.data.a.in: expected a list of 1 to 100, found a list of 0"),
            ({"data.a": {"in": "x"}}, "filter.data.a.in: expected a list of 1 to 100, found 'x'"),
            ({"data.a": {"exists": 1}}, "filter.data.a.exists: expected true or false, found number"),
            ({"data.a": {"prefix": ""}}, "filter.data.a.prefix: expected at least one character"),
            ({"data.a": {"prefix": 5}}, "filter.data.a.prefix: expected a text"),
            ({"data.a": {"gt": True}}, "filter.data.a.gt: expected a number, found boolean"),
            ({"data.a": {"gt": "1"}}, "filter.data.a.gt: expected a number, found '1'"),
            ({"data.a": float("nan")}, "within 64 bits"),
            ({"data.a": float("inf")}, "within 64 bits"),
            ({"data.a": 10**5000}, "within 64 bits"),
            ({"data.a": "x" * (MAX_TEXT_CHARACTERS + 1)}, "at most 200 characters"),
            ({"data.a": "\ud800"}, "UTF-8"),
            ({"any": {"data.a": 1}}, "filter.any: expected a list of 1 to 100, found an object"),
            ({"any": [{"data.a": 1}, 5]}, "filter.any[1]: expected an object with a condition, found number"),
            ({"all": [{"not": []}]}, "filter.all[0].not: expected an object with a condition, found a list of 0"),
        ):
            self.assertIn(said, self.problem(document), document)

    def test_depth_and_size_are_bounded(self):
        """A filter comes in a token, and is asked for every event."""
        deepest = {"data.a": 1}
        for _ in range(MAX_DEPTH - 1):
            deepest = {"any": [deepest]}
        Filter.parse(deepest)
        self.assertIn("at most 8 objects in objects", self.problem({"not": deepest}))
        half = list(range(MAX_CONDITIONS // 2))
        Filter.parse({"data.a": half, "data.b": half})
        self.assertIn("at most 100 conditions", self.problem({"data.a": half, "data.b": half, "type": "t"}))
        self.assertIn("found a list of 101", self.problem({"data.a": list(range(MAX_CONDITIONS + 1))}))

    def test_a_document_of_any_depth_is_told_so(self):
        document = {"data.a": 1}
        for _ in range(100_000):
            document = {"not": document}
        self.assertIn("at most 8 objects", self.problem(document))

    @settings(max_examples=500)
    @given(JUNK | FILTERS)
    def test_a_document_is_a_filter_or_a_value_error(self, document):
        with contextlib.suppress(ValueError):
            self.assertIsInstance(Filter.parse(document), Filter)


class VisibleTests(SynchronousTestCase):
    def test_only_what_may_be_seen_in_order_and_with_its_place(self):
        """For histories, and for those who come back."""
        publications = [
            Publication("a", Event("t", raw({"n": number})), Position(number, "e")) for number in (3, 4, 5, 6)
        ]
        seen = visible(Filter.parse({"data.n": [6, 4]}), publications)
        self.assertEqual(seen, (publications[1], publications[3]))
        self.assertEqual(visible(None, publications), tuple(publications))
