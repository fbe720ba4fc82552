"""Publishing and looking inside over HTTP: bytes in, bytes out."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.catalogue import Catalogue
from pulsetw.catalogue.builtin import builtin_channels
from pulsetw.errors import ChannelError, EventError, PublishError, TooManyWaiting, UnknownEventType
from pulsetw.model import Degraded, Event, Position
from tests.unit.web.wire import Connection, Relay, request

EVENT = {"channel": "match:events", "type": "match_created", "data": {"matchId": "m1"}}
AWAY = PublishError("match:events", "id-7", "not sent", "not connected", 4)
UNKNOWN = PublishError("match:events", "id-8", "unknown", "no answer", 4)


def batch(*events):
    return {"events": list(events)}


class PublishTests(SynchronousTestCase):
    """POST /api/v1/publish."""

    def post(self, document, *results):
        self.relay = Relay(results)
        return self.relay.post("/api/v1/publish", document)

    def test_an_event_that_waits_for_the_broker_says_so(self):
        """Not the same answer as on a channel without history: it is in this relay's memory only."""
        response = self.post(EVENT, Degraded())
        self.assertEqual((response.status, response.json), (200, {"degraded": True}))

    def test_the_answer_is_the_position(self):
        response = self.post(EVENT, Position(41, "k3"))
        self.assertEqual((response.status, response.json), (200, {"offset": 41, "epoch": "k3"}))

    def test_without_history_there_is_none(self):
        response = self.post(EVENT, None)
        self.assertEqual((response.status, response.json), (200, {}))

    def test_everything_reaches_the_publisher(self):
        self.post({**EVENT, "id": "i1", "tags": {"a": "b"}, "exclude": "c1"})
        event = Event("match_created", {"matchId": "m1"}, tags={"a": "b"})
        self.assertEqual(self.relay.publisher.calls, [("match:events", event, "i1", "c1")])

    def test_what_is_left_out_or_empty_is_none(self):
        event = Event("match_created", {"matchId": "m1"})
        for more in ({}, {"id": "", "exclude": ""}, {"id": None, "exclude": None, "tags": None}):
            self.post({**EVENT, **more})
            self.assertEqual(self.relay.publisher.calls, [("match:events", event, None, None)])

    def test_the_answer_waits_for_the_broker(self):
        published = Deferred()
        relay = Relay([published])
        connection = relay.connect()
        connection.send(request("POST", "/api/v1/publish", json.dumps(EVENT).encode()))
        self.assertEqual(connection.responses(), [])
        published.callback(Position(1, "e"))
        self.assertEqual(connection.responses()[0].json, {"offset": 1, "epoch": "e"})

    def test_a_client_that_left_costs_no_line_in_the_log(self):
        published = Deferred()
        connection = Relay([published]).connect()
        connection.send(request("POST", "/api/v1/publish", json.dumps(EVENT).encode()))
        connection.lose()
        published.errback(Failure(UNKNOWN))
        self.assertEqual(self.flushLoggedErrors(), [])


class MalformedTests(SynchronousTestCase):
    """What is no request is a 400 that names the member."""

    def refused(self, document, path="/api/v1/publish"):
        relay = Relay()
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        response = relay.ask("POST", path, body)
        self.assertEqual((response.status, response.error["code"]), (400, 107))
        self.assertEqual(relay.publisher.calls, [])
        return response.error

    def test_bodies_that_are_no_json(self):
        for body in (b"", b"{", b"{}{}", b'"\xff"', b"[" * 100_000, b"NaN", b"\xef\xbb\xbf{}", b'{"a":"\\ud800"}'):
            error = self.refused(body)
            self.assertNotIn("field", error, body[:10])
            self.assertIn("JSON", error["message"])

    def test_json_that_is_no_object(self):
        for document in ([], "x", 3, None, True, [EVENT]):
            error = self.refused(document)
            self.assertNotIn("field", error)
            self.assertIn("Expected object", error["message"])

    def test_a_member_that_is_missing(self):
        for name in ("channel", "type", "data"):
            error = self.refused({key: value for key, value in EVENT.items() if key != name})
            self.assertEqual(error["field"], name)

    def test_a_member_of_the_wrong_kind(self):
        for name, value in (
            ("channel", 3),
            ("type", None),
            ("data", []),
            ("data", "x"),
            ("id", 7),
            ("tags", []),
            ("exclude", False),
        ):
            error = self.refused({**EVENT, name: value})
            self.assertEqual(error["field"], name)
            self.assertIn("Expected", error["message"])

    def test_a_member_that_is_unknown(self):
        error = self.refused({**EVENT, "chanel": "x"})
        self.assertEqual(error["field"], "chanel")
        self.assertIn("channel, data, exclude, id, tags, type", error["message"])

    def test_a_batch_is_refused_as_a_whole(self):
        for document, field in (
            ({}, "events"),
            ({"events": {}}, "events"),
            (batch(EVENT, 3), "events[1]"),
            (batch(EVENT, {**EVENT, "type": 3}), "events[1].type"),
            (batch(EVENT, {"channel": "a", "data": {}}), "events[1].type"),
            (batch(EVENT, EVENT, {**EVENT, "x": 3}), "events[2].x"),
            ({**batch(EVENT), "more": 1}, "more"),
        ):
            self.assertEqual(self.refused(document, "/api/v1/batch")["field"], field)

    def test_a_member_deep_inside_tags(self):
        self.assertEqual(self.refused({**EVENT, "tags": {"a": 1}})["field"], "tags[...]")


class RefusedTests(SynchronousTestCase):
    """Each error of the publisher has its status."""

    def refused(self, error, status, code):
        response = Relay([error]).post("/api/v1/publish", EVENT)
        self.assertEqual((response.status, response.error["code"]), (status, code))
        self.assertEqual(response.error["message"], str(error))
        return response

    def test_a_channel_that_there_is_not(self):
        response = self.refused(ChannelError("no:such", "is not in the catalogue"), 404, 102)
        self.assertEqual(response.error["field"], "channel")

    def test_data_that_is_wrong(self):
        error = EventError("leaderboard_update", "data.rankChanges[0].oldRank", "Expected int, got str")
        response = self.refused(error, 400, 107)
        self.assertEqual(response.error["field"], "data.rankChanges[0].oldRank")

    def test_a_type_that_there_is_not(self):
        response = self.refused(UnknownEventType("x", "type", "match:events has no such event type"), 400, 107)
        self.assertEqual(response.error["field"], "type")

    def test_an_event_that_is_wrong_as_a_whole(self):
        self.assertNotIn("field", self.refused(EventError("x", "", "too large"), 400, 107).error)

    def test_the_broker_is_away(self):
        response = self.refused(AWAY, 503, 108)
        self.assertEqual(response.headers["retry-after"], "1")
        self.assertEqual((response.error["outcome"], response.error["id"]), ("not sent", "id-7"))

    def test_nobody_knows_what_became_of_it(self):
        """A backend that tries again with this id can never make a second event of it."""
        response = self.refused(UNKNOWN, 503, 108)
        self.assertEqual((response.error["outcome"], response.error["id"]), ("unknown", "id-8"))

    def test_too_many_wait(self):
        response = self.refused(TooManyWaiting("match:events", "id-9", 1000), 429, 106)
        self.assertEqual(response.headers["retry-after"], "1")
        self.assertEqual((response.error["outcome"], response.error["id"]), ("not sent", "id-9"))

    def test_our_own_mistake_is_logged_and_not_told(self):
        response = Relay([ValueError("secret")]).post("/api/v1/publish", EVENT)
        self.assertEqual(response.status, 500)
        self.assertEqual(response.error, {"code": 100, "message": "internal error"})
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)


class BatchTests(SynchronousTestCase):
    """POST /api/v1/batch."""

    def post(self, document, *results, **options):
        self.relay = Relay(results, **options)
        return self.relay.post("/api/v1/batch", document)

    def test_nothing_is_a_batch_too(self):
        response = self.post(batch())
        self.assertEqual((response.status, response.json), (200, {"results": []}))

    def test_all_are_started_in_order_before_the_first_is_done(self):
        waiting = [Deferred(), Deferred(), Deferred()]
        relay = Relay(list(waiting))
        connection = relay.connect()
        events = batch(*({**EVENT, "id": f"i{number}"} for number in range(3)))
        connection.send(request("POST", "/api/v1/batch", json.dumps(events).encode()))
        self.assertEqual([call[2] for call in relay.publisher.calls], ["i0", "i1", "i2"])
        for number in (2, 0, 1):
            self.assertEqual(connection.responses(), [])
            waiting[number].callback(Position(number + 1, "e"))
        results = connection.responses()[0].json["results"]
        self.assertEqual([result["offset"] for result in results], [1, 2, 3])

    def test_one_that_fails_keeps_no_other_back(self):
        response = self.post(
            batch(EVENT, EVENT, EVENT, EVENT), None, AWAY, EventError("t", "data.matchId", "missing"), Position(1, "e")
        )
        first, away, wrong, last = response.json["results"]
        self.assertEqual((response.status, first, last), (200, {}, {"offset": 1, "epoch": "e"}))
        self.assertEqual((away["error"]["code"], away["error"]["id"]), (108, "id-7"))
        self.assertEqual((wrong["error"]["code"], wrong["error"]["field"]), (107, "events[2].data.matchId"))

    def test_a_channel_that_there_is_not_is_named(self):
        response = self.post(batch(EVENT, EVENT), None, ChannelError("x", "is not in the catalogue"))
        self.assertEqual(response.json["results"][1]["error"]["field"], "events[1].channel")

    def test_an_event_that_is_wrong_as_a_whole_is_named(self):
        response = self.post(batch(EVENT), EventError("t", "", "too large"))
        self.assertEqual(response.json["results"][0]["error"]["field"], "events[0]")

    def test_our_own_mistake_with_one_is_no_other_ones(self):
        response = self.post(batch(EVENT, EVENT), ValueError("secret"), None)
        self.assertEqual(response.json["results"], [{"error": {"code": 100, "message": "internal error"}}, {}])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_too_many_are_refused_as_a_whole(self):
        response = self.post(batch(EVENT, EVENT, EVENT), batch_events=2)
        self.assertEqual((response.status, response.error["code"]), (413, 106))
        self.assertEqual((response.error["field"], self.relay.publisher.calls), ("events", []))
        self.assertEqual(self.post(batch(EVENT, EVENT), batch_events=2).status, 200)


class StatsTests(SynchronousTestCase):
    def test_each_part_tells_its_numbers(self):
        stats = {"publisher": lambda: {"total_published": 3}, "health": lambda: {"is_healthy": True}}
        response = Relay(stats=stats).ask("GET", "/api/v1/stats")
        self.assertEqual(response.json, {"publisher": {"total_published": 3}, "health": {"is_healthy": True}})

    def test_numbers_are_not_posted(self):
        response = Relay().post("/api/v1/stats", {})
        self.assertEqual((response.status, response.headers["allow"]), (405, "GET, HEAD"))


class CheckingPublisher:
    """Publishes nowhere, but checks as the manager does."""

    def __init__(self):
        self.catalogue = Catalogue(builtin_channels(), {})

    def publish(self, channel, event, *, id=None, exclude=None):
        try:
            self.catalogue.channel(channel).prepare(event)
        except (ChannelError, EventError) as error:
            return fail(error)
        return succeed(None)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
channels = st.sampled_from([channel.name for channel in builtin_channels()]) | st.text(max_size=10)
types = st.sampled_from(["match_created", "leaderboard_update", "match_result", "x"])
nearly_events = st.fixed_dictionaries(
    {"channel": channels, "type": types | json_values, "data": json_values},
    optional={"id": st.text(max_size=4) | json_values, "tags": json_values, "exclude": json_values},
)
documents = json_values | nearly_events | st.fixed_dictionaries({"events": st.lists(nearly_events, max_size=3)})


class AnyBodyTests(SynchronousTestCase):
    """No body that anybody can send is an internal error."""

    def setUp(self):
        self.relay = Relay(publisher=CheckingPublisher())

    def answered(self, body):
        for path in ("/api/v1/publish", "/api/v1/batch"):
            connection = Connection(self.relay.site)
            connection.send(request("POST", path, body))
            (response,) = connection.responses()
            connection.lose()
            self.assertIn(response.status, (200, 400, 404))
            self.assertNotIn(b'"code":100,', response.body)

    @given(documents)
    @settings(max_examples=300, deadline=None)
    def test_json(self, document):
        self.answered(json.dumps(document).encode())

    @given(st.binary(max_size=200))
    @settings(max_examples=200, deadline=None)
    def test_bytes(self, body):
        self.answered(body)
