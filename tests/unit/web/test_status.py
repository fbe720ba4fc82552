"""Health: with reasons for operators, in a word for the public."""

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.interfaces import BrokerStatus
from pulsetw.web.sites import public_resource
from pulsetw.web.status import Readiness, broker_document
from tests.unit.web.wire import STRANGER, Relay, ask, plain_site

AWAY = Readiness(ready=False, reasons=["the broker is away: refused"], broker={"url": "redis://secret-host"})


class OperatorHealthTests(SynchronousTestCase):
    def test_live(self):
        response = Relay(readiness=AWAY).ask("GET", "/health/live")
        self.assertEqual((response.status, response.json), (200, {"live": True}))

    def test_ready(self):
        response = Relay(readiness=Readiness(ready=True, broker={"url": "memory://"})).ask("GET", "/health/ready")
        self.assertEqual(response.status, 200)
        self.assertEqual(
            response.json, {"ready": True, "reasons": [], "broker": {"url": "memory://"}, "directSend": "yes"}
        )

    def test_a_relay_that_does_not_send_directly_is_ready_and_says_why_not(self):
        """Slower is better than away."""
        state = Readiness(ready=True, why_not_direct="what was sent still shows")
        response = Relay(readiness=state).ask("GET", "/health/ready")
        self.assertEqual((response.status, response.json["directSend"]), (200, "what was sent still shows"))

    def test_not_ready_says_why(self):
        response = Relay(readiness=AWAY).ask("GET", "/health/ready")
        self.assertEqual(response.status, 503)
        self.assertEqual(response.json["reasons"], ["the broker is away: refused"])
        self.assertFalse(response.json["ready"])

    def test_no_key_is_needed(self):
        for path in ("/", "/health/live", "/health/ready"):
            self.assertEqual(Relay(api_keys=("a-key",)).ask("GET", path, peer=STRANGER).status, 200)

    def test_the_root_is_an_index(self):
        paths = Relay().ask("GET", "/").json["paths"]
        self.assertEqual(paths, ["/api/v1/batch", "/api/v1/publish", "/api/v1/stats", "/health/live", "/health/ready"])


class PublicHealthTests(SynchronousTestCase):
    def ask(self, path, readiness=AWAY, **more):
        return ask(plain_site(public_resource(lambda: readiness)), more.pop("method", "GET"), path, peer=STRANGER)

    def test_a_status_and_a_word(self):
        self.assertEqual((self.ask("/health/live").status, self.ask("/health/live").body), (200, b"live\n"))
        ready = self.ask("/health/ready", Readiness(ready=True))
        self.assertEqual((ready.status, ready.body), (200, b"ready\n"))
        self.assertEqual(ready.headers["content-type"], "text/plain; charset=utf-8")

    def test_no_reason_is_given_away(self):
        response = self.ask("/health/ready")
        self.assertEqual((response.status, response.body), (503, b"not ready\n"))

    def test_head_has_no_body(self):
        response = self.ask("/health/ready", method="HEAD")
        self.assertEqual((response.status, response.body), (503, b""))

    def test_there_is_nothing_else(self):
        for path in ("/", "/health", "/health/", "/api/v1/publish", "/api/v1/stats", "/metrics", "/health/ready/x"):
            response = self.ask(path)
            self.assertEqual((response.status, response.body), (404, b"not found\n"), path)

    def test_nothing_can_be_posted(self):
        response = self.ask("/health/ready", method="POST")
        self.assertEqual((response.status, response.headers["allow"], response.body), (405, "GET, HEAD", b"refused\n"))

    def test_any_host_may_ask(self):
        site = plain_site(public_resource(lambda: AWAY))
        headers = {"Host": "relay.example.com", "Origin": "https://elsewhere.example"}
        self.assertEqual(ask(site, "GET", "/health/live", headers=headers).status, 200)


class BrokerDocumentTests(SynchronousTestCase):
    def test_what_is_known(self):
        status = BrokerStatus(
            "redis://db",
            True,
            False,
            "lost",
            reconnect_attempts=3,
            round_trip_ms=0.43219,
            last_round_trip=99.88,
            window_events=10_000,
            window_full=True,
        )
        self.assertEqual(
            broker_document(status, 100.0),
            {
                "url": "redis://db",
                "publisherReady": True,
                "subscriberReady": False,
                "reconnectAttempts": 3,
                "gaveUp": False,
                "roundTripMs": 0.432,
                "ageMs": 120,
                "windowEvents": 10_000,
                "windowFull": True,
            },
        )

    def test_what_is_not_known_yet(self):
        document = broker_document(BrokerStatus("redis://db", False, False), 100.0)
        self.assertEqual((document["roundTripMs"], document["ageMs"]), (None, None))
