"""What filters see of an event's data: what its subscribers get."""

import json

from attrs import field, frozen
from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.model import Event
from pulsetw.policy.filters import Filter


class DataTests(SynchronousTestCase):
    def test_data_may_be_in_any_form_that_an_event_has(self):
        """What counts is the wire: its names, and what it leaves out."""

        @frozen
        class Inner:
            best_of: int

        @frozen
        class Played:
            match_id: str
            winner_id: str | None = None
            mode: Inner = field(default=Inner(3))

        seen = Filter.parse({"data.matchId": "m7"})
        self.assertTrue(seen.matches(Event("t", Played("m7"))))
        self.assertTrue(seen.matches(Event("t", {"matchId": "m7"})))
        self.assertTrue(seen.matches(Event("t", Raw(b'{"matchId":"m7"}'))))
        self.assertFalse(Filter.parse({"data.match_id": "m7"}).matches(Event("t", Played("m7"))))
        best_of = Filter.parse({"data.mode.bestOf": 5})
        self.assertTrue(best_of.matches(Event("t", Played("m7", mode=Inner(5)))))
        self.assertTrue(Filter.parse({"data.winnerId": {"exists": False}}).matches(Event("t", Played("m7"))))

    def test_data_that_nobody_can_read_is_seen_by_nobody(self):
        """Never an exception: the hub has others to serve."""

        @frozen
        class One:
            a: int

        @frozen
        class Other:
            a: int

        @frozen
        class Unwritable:
            a: One | Other

        cyclic = {}
        cyclic["a"] = cyclic
        for data in (
            Raw(b""),
            Raw(b"{"),
            Raw(b"[1]"),
            Raw(b'"a"'),
            Raw(b'{"a":1e999}'),
            Raw(b'{"a":"\xff"}'),
            Raw(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
            cyclic,
            {"a": object()},
            Unwritable(One(1)),
            {(1, 2): "a"},
            None,
            object(),
        ):
            for document in ({"data.a": 1}, {"not": {"data.a": 1}}, {"data.a": {"exists": True}}):
                self.assertFalse(Filter.parse(document).matches(Event("t", data)), document)

    def test_the_last_of_two_members_counts_as_it_does_for_clients(self):
        """However its name is written: nothing can be shown under another member's name."""
        for text in ('{"a":"x","a":"y"}', '{"a":"x","\\u0061":"y"}', '{"\\u0061":"x","a":"y"}'):
            self.assertEqual(json.loads(text), {"a": "y"})
            event = Event("t", Raw(text.encode()))
            self.assertFalse(Filter.parse({"data.a": "x"}).matches(event))
            self.assertTrue(Filter.parse({"data.a": "y"}).matches(event))
