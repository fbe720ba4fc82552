"""The example league: publishing in order, and going on after the relay was away."""

import json

from publisher import ANSWER_WITHIN_S, CAPACITY, LONGEST_WAIT_S, Publisher
from season import Event
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import FileBodyProducer, ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse
from zope.interface import implementer


@implementer(IResponse)
class Answer:
    phrase = b""

    def __init__(self, code: int, body: bytes = b"{}", headers: dict[str, list[str]] | None = None) -> None:
        self.code = code
        self.headers = Headers(headers or {})
        self.body = body

    def deliverBody(self, protocol) -> None:
        protocol.dataReceived(self.body)
        protocol.connectionLost(Failure(ResponseDone()))


@implementer(IAgent)
class Relay:
    """Keeps the requests; a test answers the oldest that has no answer."""

    def __init__(self) -> None:
        self.requests: list[tuple[bytes, bytes, dict[str, object]]] = []
        self.open: list[Deferred[IResponse]] = []

    def request(self, method, uri, headers, body):
        assert isinstance(body, FileBodyProducer)
        assert headers.getRawHeaders("content-type") == ["application/json"]
        self.requests.append((method, uri, json.loads(body._inputFile.getvalue())))
        self.open.append(Deferred())
        return self.open[-1]

    def answer(self, code: int = 200, **more) -> None:
        self.open.pop(0).callback(Answer(code, **more))

    def refuse(self) -> None:
        self.open.pop(0).errback(Refused())

    @property
    def ids(self) -> list[object]:
        return [body["id"] for _, _, body in self.requests]


def event(number: int) -> Event:
    return Event("match:events", "match_created", {"matchId": f"m{number}"}, f"league-0-{number}")


class PublisherTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.relay = Relay()
        self.clock = Clock()
        self.told: list[str] = []
        self.losses = 0
        self.publisher = Publisher(self.relay, self.clock, "http://relay:8081/", self.told.append, self.lost)

    def lost(self) -> None:
        self.losses += 1

    def publish(self, *numbers: int) -> None:
        for number in numbers:
            self.publisher.publish(event(number))

    def test_an_event_is_posted_as_the_relay_documents_it(self) -> None:
        """POST /api/v1/publish with channel, type, data and id."""
        self.publish(1)
        body = {"channel": "match:events", "type": "match_created", "data": {"matchId": "m1"}, "id": "league-0-1"}
        self.assertEqual(self.relay.requests, [(b"POST", b"http://relay:8081/api/v1/publish", body)])
        self.relay.answer()
        self.assertEqual((self.told, self.clock.getDelayedCalls()), ([], []))

    def test_one_at_a_time_and_in_order(self) -> None:
        """The next event leaves when the one before has its answer."""
        self.publish(1, 2, 3)
        self.assertEqual(self.relay.ids, ["league-0-1"])
        for _ in range(3):
            self.relay.answer()
        self.publish(4)
        self.relay.answer()
        self.assertEqual(self.relay.ids, ["league-0-1", "league-0-2", "league-0-3", "league-0-4"])

    def test_a_failed_connection_is_tried_again_with_the_same_id(self) -> None:
        """Where only the answer was lost, the relay recognises the event; later ones wait behind it."""
        self.publish(1, 2)
        for _ in range(3):
            self.relay.refuse()
            self.clock.advance(LONGEST_WAIT_S)
        self.relay.answer()
        self.relay.answer()
        self.assertEqual(self.relay.ids, ["league-0-1"] * 4 + ["league-0-2"])

    def test_waits_grow_up_to_a_limit(self) -> None:
        """A relay that is away for long is asked rarely."""
        self.publish(1)
        waits = []
        for _ in range(7):
            self.relay.refuse()
            (call,) = self.clock.getDelayedCalls()
            waits.append(call.getTime() - self.clock.seconds())
            self.clock.advance(waits[-1])
        self.assertEqual(waits, [0.25, 0.5, 1, 2, 4, 5, 5])
        self.relay.answer()

    def test_503_says_when_to_come_back(self) -> None:
        """Retry-After is obeyed."""
        self.publish(1)
        self.relay.answer(503, headers={"Retry-After": ["3"]})
        self.clock.advance(2.9)
        self.assertEqual(len(self.relay.requests), 1)
        self.clock.advance(0.2)
        self.relay.answer()
        self.assertEqual(self.relay.ids, ["league-0-1"] * 2)

    def test_a_silent_relay_is_away(self) -> None:
        """A request without an answer ends after its time, and is tried again."""
        self.publish(1)
        self.clock.advance(ANSWER_WITHIN_S)
        self.clock.advance(1)
        self.assertEqual(self.relay.ids, ["league-0-1"] * 2)
        self.relay.open.pop(0)
        self.relay.answer()
        self.assertEqual(self.told[-1], "the relay is back")

    def test_people_are_told_once(self) -> None:
        """One line when the relay goes, one when it is back, each time."""
        for number in (1, 2):
            self.publish(number)
            for _ in range(4):
                self.relay.refuse()
                self.clock.advance(LONGEST_WAIT_S)
            self.relay.answer()
        away = "the relay is away (Connection was refused by other side); the league plays on"
        self.assertEqual(self.told, [away, "the relay is back"] * 2)
        self.assertEqual(self.losses, 0)

    def test_positions_are_those_of_the_last_events_taken(self) -> None:
        """Who reads the league's state goes on in the channel from there."""
        self.publish(1, 2, 3)
        self.assertEqual(self.publisher.positions, {})
        self.relay.answer(body=b'{"offset":41,"epoch":"k3"}')
        self.assertEqual(self.publisher.positions, {"match:events": {"offset": 41, "epoch": "k3"}})
        self.relay.answer(400)
        self.assertEqual(self.publisher.positions, {"match:events": {"offset": 41, "epoch": "k3"}})
        self.relay.answer(body=b'{"offset":42,"epoch":"k3"}')
        self.assertEqual(self.publisher.positions, {"match:events": {"offset": 42, "epoch": "k3"}})

    def test_no_position_without_a_history(self) -> None:
        """What is not a position is none."""
        for body in (b"{}", b"taken"):
            self.publish(1)
            self.relay.answer(body=body)
            self.assertEqual(self.publisher.positions, {"match:events": None})

    def test_a_refused_event_is_told_and_left(self) -> None:
        """An event that the relay will never take does not hold up the next."""
        self.publish(1, 2)
        self.relay.answer(400, body=b'{"error":{"field":"data.matchId"}}')
        self.relay.answer()
        self.assertEqual(self.relay.ids, ["league-0-1", "league-0-2"])
        refusal = 'the relay refused match_created: 400 {"error":{"field":"data.matchId"}}'
        self.assertEqual(self.told, [refusal])

    def test_the_queue_is_bounded(self) -> None:
        """While the relay is away the oldest events go, and viewers are told afterwards to load all of it."""
        self.publish(*range(CAPACITY + 3))
        self.relay.refuse()
        self.clock.advance(1)
        while self.relay.open:
            self.relay.answer()
        kept = [f"league-0-{number}" for number in range(3, CAPACITY + 3)]
        self.assertEqual(self.relay.ids, ["league-0-0", "league-0-0", *kept])
        self.assertEqual(self.told[-1], "the relay is back; 2 events were dropped")
        self.assertEqual(self.losses, 1)

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [])
