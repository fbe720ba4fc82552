"""Events over the operator's HTTP."""

import json

from twisted.internet.error import ConnectError
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseNeverReceived

from pulsetw.cli.load.ledger import Ledger
from pulsetw.cli.load.marks import Marks
from pulsetw.cli.load.pace import Rate, Window
from pulsetw.cli.load.publisher import Publisher, Target
from tests.unit.cli.load.relay import FakeAgent, Response, accepted, refused


class PublisherTests(SynchronousTestCase):
    def setUp(self):
        self.clock = Clock()
        self.agent = FakeAgent()
        self.ledger = Ledger(2, lambda: None)
        self.places = self.ledger.join()
        self.publisher = self.make()

    def tearDown(self):
        self.publisher.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def make(self, key=""):
        target = Target("http://relay.example:8081/", key, ("bench:a", "bench:b"))
        return Publisher(self.clock, self.now_us, self.agent, target, Marks("r", 100), self.ledger)

    def now_us(self):
        return round(self.clock.seconds() * 1_000_000)

    def test_it_says_who_it_is_and_where_events_go(self):
        """Round the channels, each with its number and time."""
        self.publisher = self.make("k")
        self.publisher.start(Window(3))
        method, uri, headers = self.agent.requests[0]
        self.assertEqual((method, uri), (b"POST", b"http://relay.example:8081/api/v1/batch"))
        self.assertEqual((headers[b"Content-Type"], headers[b"Authorization"]), ([b"application/json"], [b"Bearer k"]))
        events = self.agent.batches[0]
        self.assertEqual([event["channel"] for event in events], ["bench:a", "bench:b", "bench:a"])
        self.assertEqual([event["data"]["bench"] for event in events], ["r.0.0", "r.1.0", "r.2.0"])
        self.assertEqual(self.publisher.published, 3)

    def test_a_rate_is_kept(self):
        """One by one; what is due while an answer is awaited goes in the next request, with the time when it was."""
        self.publisher.start(Rate(10, 0))
        self.clock.pump([0.1] * 3)
        self.assertEqual([len(batch) for batch in self.agent.batches], [1, 1, 1, 1])
        self.agent.hold = True
        self.clock.pump([0.1] * 4)
        self.agent.answer()
        self.assertEqual(
            [event["data"]["bench"] for event in self.agent.batches[-1]], ["r.5.500000", "r.6.600000", "r.7.700000"]
        )
        self.agent.answer()
        self.assertEqual(self.publisher.published, 8)

    def test_a_window_is_kept(self):
        """Nothing more goes out before an event has come to its listener."""
        self.publisher.start(Window(2))
        self.publisher.look()
        self.assertEqual(len(self.agent.batches), 1)
        self.ledger.come(self.places, [(0, 0)], 0)
        self.publisher.look()
        self.assertEqual([len(batch) for batch in self.agent.batches], [2, 1])

    def test_one_request_at_a_time(self):
        """Also where there is room for more, so that the order is known."""
        self.agent.hold = True
        self.publisher.start(Window(2))
        self.ledger.come(self.places, [(0, 0)], 0)
        self.publisher.look()
        self.assertEqual(len(self.agent.batches), 1)
        self.agent.answer()
        self.assertEqual([len(batch) for batch in self.agent.batches], [2, 1])
        self.agent.answer()

    def test_what_passes_is_tried_again(self):
        """It is counted, nobody needs to get it, and after a pause the next event is published."""
        self.agent.answering = lambda _: refused(503, code=108, message="event 1 to a: not sent")
        self.publisher.start(Window(2))
        self.assertEqual(self.publisher.failures, {"108 not available": 2})
        self.assertEqual((self.publisher.published, self.ledger.expected, self.publisher.error), (0, 0, ""))
        self.agent.answering = accepted
        self.clock.advance(0.2)
        self.assertEqual((self.publisher.published, self.publisher.failures.total()), (2, 2))

    def test_one_of_a_batch_fails(self):
        """The others are published."""
        self.agent.answering = lambda _: Response(
            200, json.dumps({"results": [{}, {"error": {"code": 108, "message": "m"}}, {"offset": 1}]}).encode()
        )
        self.publisher.start(Window(3))
        self.assertEqual((self.publisher.published, self.publisher.failures), (2, {"108 not available": 1}))
        self.assertEqual(list(self.ledger.awaited), [0, 2])

    def test_what_does_not_pass_ends_it(self):
        """With the relay's own words."""
        for status, code, message in (
            (401, 101, "unauthorized"),
            (404, 102, "channel 'bench:a' is not in the catalogue"),
            (413, 106, "the event has too many bytes"),
        ):
            self.agent.answering = lambda _, s=status, c=code, m=message: refused(s, code=c, message=m)
            publisher = self.make()
            publisher.start(Window(1))
            self.assertEqual((publisher.error, publisher.is_over), (f"{code} {message}", True))
        self.assertEqual(len(self.agent.batches), 3)

    def test_a_full_relay_passes_where_it_was_not_full_before(self):
        """Error 106 after the first success is no end."""
        self.publisher.start(Window(1))
        self.agent.answering = lambda _: refused(429, code=106, message="too many wait")
        self.ledger.come(self.places, [(0, 0)], 0)
        self.publisher.look()
        self.assertEqual((self.publisher.error, self.publisher.is_over), ("", False))

    def test_nobody_is_there(self):
        """At the start it is a mistake; later it is counted."""
        self.agent.hold = True
        publisher = self.make()
        publisher.start(Window(1))
        self.agent.held.pop().errback(ConnectError())
        self.assertIn("connecting", publisher.error)
        self.publisher.start(Window(1))
        self.agent.answer()
        self.ledger.come(self.places, [(0, 0)], 0)
        self.publisher.look()
        self.agent.held.pop().errback(ResponseNeverReceived([Failure(ConnectError())]))
        self.assertEqual(self.publisher.error, "")
        self.assertEqual(self.publisher.failures, {"An error occurred while connecting.": 1})

    def test_another_server_is_none(self):
        """It answers, but not as a relay: no JSON, another JSON, too few results."""
        for body in (b"<html>", b"[]", b'{"results":[]}', b'{"results":7}', b'{"error":7}'):
            self.agent.answering = lambda _, body=body: Response(200, body)
            publisher = self.make()
            publisher.start(Window(1))
            self.assertEqual(publisher.error, "HTTP 200, and no answer that a relay's operator port gives")

    def test_no_answer_is_not_waited_for_without_end(self):
        """After 10 s the events count as failed."""
        self.agent.hold = True
        self.publisher.start(Window(1))
        self.clock.advance(10)
        self.assertEqual((self.publisher.is_over, self.publisher.failures.total()), (True, 1))
        self.assertNotEqual(self.publisher.error, "")

    def test_stopped_it_is_over_when_all_is_answered(self):
        """And publishes nothing more."""
        self.publisher.start(Rate(10, 0))
        self.agent.hold = True
        self.clock.advance(0.1)
        self.publisher.stop()
        self.assertFalse(self.publisher.is_over)
        self.agent.answer()
        self.clock.advance(1)
        self.assertEqual((self.publisher.is_over, self.publisher.published), (True, 2))
