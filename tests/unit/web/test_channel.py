"""Connections on the operator's port: bounded, and strict about where a request ends."""

import json

from twisted.internet.interfaces import IProtocolNegotiationFactory
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.web.channel import IDLE_S, LINGER_S
from tests.unit.web.wire import STRANGER, Relay, request

EVENT = json.dumps({"channel": "match:events", "type": "match_created", "data": {}}).encode()
PATH = "/api/v1/publish"


def chunked(*chunks):
    """A POST whose body comes in chunks, without the last, empty one."""
    head = request("POST", PATH, headers={"Content-Length": None, "Transfer-Encoding": "chunked"})
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


class BodyBoundTests(SynchronousTestCase):
    """A body beyond `body_bytes` is refused before it is read."""

    def setUp(self):
        self.relay = Relay(body_bytes=2048)
        self.connection = self.relay.connect()

    def refused(self):
        (response,) = self.connection.responses()
        self.assertEqual((response.status, response.error["code"]), (413, 106))
        self.assertIn("2048", response.error["message"])
        self.assertEqual(response.headers["connection"], "close")
        self.assertEqual(self.relay.publisher.calls, [])

    def test_a_declared_length_is_refused_at_once(self):
        self.connection.send(request("POST", PATH, headers={"Content-Length": "2049"}))
        self.refused()

    def test_a_length_beyond_all_numbers_is_refused(self):
        self.connection.send(request("POST", PATH, headers={"Content-Length": "9" * 5000}))
        self.refused()

    def test_no_continue_is_sent_for_it(self):
        self.connection.send(request("POST", PATH, headers={"Content-Length": "2049", "Expect": "100-continue"}))
        self.assertNotIn(b"100 Continue", self.connection.transport.value())
        self.refused()

    def test_chunks_are_refused_where_they_pass_the_bound(self):
        self.connection.send(chunked(b"x" * 2048))
        self.assertEqual(self.connection.responses(), [])
        self.connection.send(b"1\r\nx\r\n")
        self.refused()

    def test_many_chunks_at_once_are_refused_once(self):
        self.connection.send(chunked(*[b"x" * 3000] * 5) + b"0\r\n\r\n" + request("GET", "/"))
        self.refused()

    def test_a_whole_body_in_one_piece_is_refused_too(self):
        self.connection.protocol.dataReceived(chunked(b"x" * 3000) + b"0\r\n\r\n")
        self.refused()

    def test_a_body_of_exactly_the_bound_is_read(self):
        body = EVENT + b" " * (2048 - len(EVENT))
        self.connection.send(request("POST", PATH, body))
        self.assertEqual(self.connection.responses()[0].status, 200)

    def test_a_chunked_body_within_the_bound_is_read(self):
        self.connection.send(chunked(EVENT[:20], EVENT[20:]) + b"0\r\n\r\n")
        self.assertEqual(self.connection.responses()[0].status, 200)
        self.assertEqual(len(self.relay.publisher.calls), 1)

    def test_the_client_may_finish_sending_and_read_the_answer(self):
        """Closed at once, a client that is still sending sees a reset and never the answer."""
        self.connection.send(request("POST", PATH, headers={"Content-Length": "5000"}))
        self.connection.send(b"x" * 5000 + request("POST", PATH, EVENT))
        self.refused()
        self.assertFalse(self.connection.transport.disconnecting)
        self.connection.lose()
        self.assertEqual(self.relay.clock.getDelayedCalls(), [])

    def test_a_client_that_does_not_leave_is_cut_off(self):
        self.connection.send(chunked(b"x" * 3000))
        for _ in range(LINGER_S):
            self.assertFalse(self.connection.transport.disconnecting)
            self.connection.send(b"x" * 100)
            self.relay.clock.advance(1)
        self.assertTrue(self.connection.transport.disconnecting)
        self.connection.lose()
        self.assertEqual(self.relay.clock.getDelayedCalls(), [])


class StrangersBodyTests(SynchronousTestCase):
    def test_the_body_of_one_who_may_not_come_in_is_not_kept(self):
        """Memory for bodies is for those with a key."""
        relay = Relay(body_bytes=100_000)
        connection = relay.connect(STRANGER)
        connection.send(request("POST", PATH, headers={"Content-Length": "50000"}) + b"x" * 40_000)
        (kept,) = connection.protocol.requests
        self.assertEqual(kept.content.getvalue(), b"")
        connection.send(b"x" * 10_000)
        self.assertEqual(connection.responses()[0].status, 403)

    def test_nor_is_more_of_it_read_than_of_any_other(self):
        connection = Relay(body_bytes=2048).connect(STRANGER)
        connection.send(chunked(b"x" * 3000))
        self.assertEqual(connection.responses()[0].status, 413)


class SmugglingTests(SynchronousTestCase):
    """What two parsers could read in two ways is refused, and the connection ends there."""

    HEADS = (
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        b"Transfer-Encoding: identity\r\nContent-Length: 5",
        b"Content-Length: 5\r\nContent-Length: 5",
        b"Content-Length: 5, 5",
        b"Content-Length: +5",
        b"Content-Length: 0x5",
        b"Content-Length: -5",
        b"Content-Length:",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunked, chunked",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding:\x0bchunked",
        b"Content-Length: 5\r\n X-Folded: yes",
        b"X-Folded: a\r\n\tb\r\nContent-Length: 5",
        b"X-Bare: a\nTransfer-Encoding: chunked\r\nContent-Length: 5",
        b"X-Bare: a\rb\r\nContent-Length: 5",
        b"X-Null: a\0b\r\nContent-Length: 5",
        b"no colon\r\nContent-Length: 5",
    )

    def test_each_is_refused_and_publishes_nothing(self):
        for head in self.HEADS:
            relay = Relay()
            connection = relay.connect()
            start = b"POST /api/v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            connection.send(start + head + b"\r\n\r\n0\r\n\r\n" + request("POST", PATH, EVENT))
            statuses = connection.transport.value().count(b"HTTP/1.1 ")
            self.assertTrue(connection.transport.value().startswith(b"HTTP/1.1 400"), head)
            self.assertEqual((statuses, relay.publisher.calls), (1, []), head)
            if not connection.transport.disconnecting:
                relay.clock.advance(LINGER_S)
            self.assertTrue(connection.transport.disconnecting, head)

    def test_a_folded_request_line_is_refused(self):
        connection = Relay().connect()
        connection.send(b" GET / HTTP/1.1\r\n\r\n")
        self.assertEqual(connection.responses()[0].status, 400)

    def test_pipelined_requests_are_answered_in_order(self):
        relay = Relay()
        connection = relay.connect()
        connection.send(request("GET", "/health/live") + request("POST", PATH, EVENT) + request("GET", "/nowhere"))
        self.assertEqual([response.status for response in connection.responses()], [200, 200, 404])


class ConnectionTests(SynchronousTestCase):
    def test_a_head_beyond_the_bound_ends_the_connection(self):
        for many in (1, 20):
            connection = Relay(head_bytes=4096).connect()
            lines = b"".join(b"X-%d: %s\r\n" % (number, b"x" * (8000 // many)) for number in range(many))
            connection.send(b"GET / HTTP/1.1\r\n" + lines)
            self.assertTrue(connection.transport.disconnecting)

    def test_an_idle_connection_is_closed(self):
        relay = Relay()
        connection = relay.connect()
        relay.clock.advance(IDLE_S)
        self.assertTrue(connection.transport.disconnecting)

    def test_there_is_no_http_2(self):
        """Its channel has none of the bounds."""
        site = Relay().site
        self.assertTrue(IProtocolNegotiationFactory.providedBy(site))
        self.assertEqual(site.acceptableProtocols(), [b"http/1.1"])

    def test_a_started_site_has_no_clock_and_no_access_log(self):
        events = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        relay = Relay()
        relay.site.doStart()
        self.assertEqual(relay.clock.getDelayedCalls(), [])
        relay.ask("GET", "/?token=canary")
        relay.site.doStop()
        self.assertNotIn("canary", repr(events))
