"""JSON: shapes of data, the envelope, what a stranger may send."""

import contextlib
import json

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.codec import (
    AnyObject,
    Member,
    Shape,
    convert,
    decode,
    decode_envelope,
    encode_envelope,
    text_of,
)
from pulsetw.errors import EventError
from pulsetw.model import Event, Position


@attrs.frozen
class Line:
    line_no: int
    item: str


@attrs.frozen
class Order:
    order_id: str
    lines: list[Line] = attrs.field(factory=list)
    paid_at: int | None = None
    weights: dict[str, float] | None = None


class ShapeTests(SynchronousTestCase):
    def setUp(self):
        self.shape = Shape(Order)

    def encoded(self, data):
        return json.loads(bytes(self.shape.encode(data, "order_placed")))

    def problem(self, data):
        with self.assertRaises(EventError) as caught:
            self.shape.encode(data, "order_placed")
        return caught.exception.field, caught.exception.problem

    def test_snake_case_here_is_camel_case_on_the_wire(self):
        """Python's names and the wire's both stay natural, in nested classes too."""
        wire = {"orderId": "7", "lines": [{"lineNo": 1, "item": "tea"}], "weights": {"a": 1.5}}
        order = Order("7", [Line(1, "tea")], weights={"a": 1.5})
        self.assertEqual(self.encoded(order), wire)
        self.assertEqual(self.encoded(wire), wire)
        self.assertEqual(self.encoded(Raw(json.dumps(wire).encode())), wire)
        self.assertEqual(self.shape.decode(self.shape.encode(order, "")), order)

    def test_what_is_left_out_stays_out(self):
        """Optional members that have their default take no bytes."""
        self.assertEqual(self.encoded(Order("7")), {"orderId": "7"})

    def test_a_wrong_member_is_named_as_the_wire_names_it(self):
        """Whoever sent it finds the place, whichever way it was given."""
        by_class = self.problem(Order("7", [Line("one", "tea")]))
        by_mapping = self.problem({"orderId": "7", "lines": [{"lineNo": "one", "item": "tea"}]})
        self.assertEqual(by_class, ("data.lines[0].lineNo", "Expected int, got str"))
        self.assertEqual(by_mapping, by_class)
        self.assertEqual(self.problem({}), ("data.orderId", "missing"))
        self.assertEqual(self.problem({"orderId": "7", "lines": [{"lineNo": 1}]}), ("data.lines[0].item", "missing"))
        self.assertEqual(self.problem([]), ("data", "Expected object, got array"))
        self.assertEqual(self.problem(Line(1, "x"))[0], "data")
        self.assertEqual(self.problem(Raw(b'{"orderId":'))[0], "data")

    def test_an_unknown_member_is_refused_from_us_and_passes_from_others(self):
        """Ours is a typing mistake; another server may be newer."""
        self.assertEqual(self.problem({"orderId": "7", "orderID": 7}), ("data.orderID", "unknown member"))
        self.shape.check(Raw(b'{"orderId":"7","orderID":7}'), "order_placed")
        with self.assertRaisesRegex(EventError, r"order_placed data.orderId: Expected str, got int"):
            self.shape.check(Raw(b'{"orderId":7}'), "order_placed")

    def test_only_attrs_classes_have_a_shape(self):
        """A mistake in a declaration is found when it is made."""
        self.assertRaises(TypeError, Shape, dict)


class AnyObjectTests(SynchronousTestCase):
    def test_any_object_passes_and_nothing_else(self):
        """Data is always an object, also where no class describes it."""
        shape = AnyObject()
        self.assertEqual(bytes(shape.encode({"a": [1, None]}, "t")), b'{"a":[1,null]}')
        self.assertEqual(shape.decode(shape.encode(Raw(b'{"a": 1}'), "t")), {"a": 1})
        for bad in ([], "x", 1, None, {"a": object()}, {1, 2}, Raw(b"[]"), Raw(b"{")):
            with self.assertRaises(EventError):
                shape.encode(bad, "t")
        with self.assertRaises(EventError):
            shape.check(Raw(b"[1]"), "t")


class MemberTests(SynchronousTestCase):
    def test_one_member_is_read(self):
        """The user of an event is found without decoding all of it."""
        self.assertEqual(Member("playerId").read(Raw(b'{"x":[1],"playerId":"p1"}'), "t"), "p1")
        with self.assertRaisesRegex(EventError, "t data.playerId: missing"):
            Member("playerId").read(Raw(b"{}"), "t")


class EnvelopeTests(SynchronousTestCase):
    def test_there_and_back(self):
        """An event arrives as it was published."""
        event = Event("t", Raw(b'{"a":1}'), 5, "s", "i", {"k": "v"})
        text = encode_envelope(event, exclude="c9")
        self.assertEqual(
            json.loads(text),
            {
                "type": "t",
                "timestamp": 5,
                "serverId": "s",
                "id": "i",
                "data": {"a": 1},
                "tags": {"k": "v"},
                "exclude": "c9",
            },
        )
        back = decode_envelope("a:b", text, Position(3, "e"))
        self.assertEqual((back.channel, back.position, back.exclude), ("a:b", Position(3, "e"), "c9"))
        self.assertEqual(replace(back.event, data=event.data), event)
        self.assertEqual(bytes(text_of(back.event)), b'{"a":1}')

    def test_other_languages_have_only_floats(self):
        """A stranger's timestamp may be 1e12; ids and the like may be left out."""
        event = decode_envelope("c", b'{"type":"t","data":{},"timestamp":1.5e3}').event
        self.assertEqual((event.timestamp, event.id, event.server_id), (1500, "", ""))

    def test_a_stranger_cannot_smuggle_members(self):
        """Only the known members survive: no op, no offset, no epoch."""
        text = b'{"type":"t","data":{},"op":"disconnect","offset":9,"epoch":"x","channel":"y"}'
        publication = decode_envelope("c", text)
        self.assertIsNone(publication.position)
        self.assertEqual(publication.channel, "c")

    def test_what_is_bad_is_named(self):
        """Each with the member, or what was wrong with the whole."""
        cases = {
            b"{": "truncated",
            b"[]": "Expected object, got array",
            b'"x"': "Expected object, got str",
            b'{"data":{}}': "type: missing",
            b'{"type":"t"}': "data: missing",
            b'{"type":1,"data":{}}': "type: Expected str, got int",
            b'{"type":"t","data":{},"tags":{"a":1}}': r"tags\[...\]: Expected str, got int",
            b'{"type":"t","data":{"a":"\xff"}}': "utf-8",
            b'{"type":"t","data":{"a":"\x01"}}': "malformed",
            b'{"type":"t","data":NaN}': "malformed",
            b'{"type":"t","data":' + b"[" * 100_000: "nested too deeply",
        }
        for text, words in cases.items():
            with self.assertRaisesRegex(EventError, words):
                decode_envelope("c", text)

    def test_line_breaks_between_members_are_taken_out(self):
        """A publication is one line: event streams frame by lines."""
        event = decode_envelope("c", b'{"type":"t","data":{\r\n"a":\n1}}').event
        self.assertEqual(bytes(text_of(event)), b'{"a":1}')

    @given(st.binary(max_size=200))
    @settings(max_examples=300, derandomize=True)
    def test_bytes_of_any_kind_are_an_event_or_an_event_error(self, text):
        """Nothing that Redis delivers raises anything else."""
        with contextlib.suppress(EventError):
            decode_envelope("c", text)

    def test_our_own_mistake_is_a_type_error(self):
        """Data that was never checked is not taken for JSON text."""
        self.assertRaises(TypeError, encode_envelope, Event("t", {"a": 1}))


class PlainTests(SynchronousTestCase):
    def test_decode_says_what_is_wrong(self):
        """One kind of error for all bad JSON."""
        self.assertEqual(decode('{"a":[1]}'), {"a": [1]})
        for text, words in ((b"{", "truncated"), (b'"\xff"', "utf-8"), (b"[" * 100_000, "nested too deeply")):
            with self.assertRaisesRegex(ValueError, words):
                decode(text)

    def test_convert_names_the_path(self):
        """Settings and requests are checked by it."""
        self.assertEqual(convert({"line_no": 1, "item": "x"}, Line), Line(1, "x"))
        self.assertEqual(convert({"line_no": "1", "item": "x"}, Line, lax=True), Line(1, "x"))
        with self.assertRaises(EventError) as caught:
            convert({"line_no": "1", "item": "x"}, Line)
        self.assertEqual((caught.exception.field, caught.exception.problem), ("line_no", "Expected int, got str"))
