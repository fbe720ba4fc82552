"""Who may use the operator's port: decisions, and the same over the wire."""

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from pulsetw.web.guard import Asked, Guard, content_type_refusal, is_loopback, read_asked
from tests.unit.web.wire import LOOPBACK, STRANGER, Relay

EVENT = {"channel": "match:events", "type": "match_created", "data": {}}
KEY = "k3y-of-the-backend"


def asked(**facts):
    return Asked(**{"from_loopback": True, "hosts": ["localhost:8081"], **facts})


class HostTests(SynchronousTestCase):
    """The Host names the operator's port."""

    def refused(self, host, *, open=False, **settings):
        guard = Guard(settings.get("api_keys", ()), settings.get("hosts", ()))
        return guard.refusal(asked(hosts=[host]), open=open)

    def test_loopback_names_are_its_own(self):
        for host in ("localhost", "LOCALHOST:8081", "127.0.0.1:8081", "127.9.9.9", "[::1]:8081", "[::ffff:127.0.0.1]"):
            self.assertIsNone(self.refused(host), host)

    def test_any_other_name_is_refused_and_the_setting_named(self):
        for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.5:8081", "[fe80::1]"):
            refusal = self.refused(host)
            self.assertEqual(refusal.status, 403, host)
            self.assertIn("server.admin_hosts", refusal.message)

    def test_configured_names_are_its_own(self):
        for host in ("relay.internal:80", "RELAY.internal", "[2001:db8:0::1]:8081"):
            self.assertIsNone(self.refused(host, hosts=["Relay.internal", "2001:DB8::1"]), host)

    def test_what_is_no_host_is_a_bad_request(self):
        for host in ("", "a b", "localhost:", "localhost:x", "user@localhost", "[::1", "localhost/x", "local\xadhost"):
            self.assertEqual(self.refused(host).status, 400, host)

    def test_two_hosts_are_a_bad_request(self):
        refusal = Guard((), ()).refusal(asked(hosts=["localhost", "localhost"]), open=True)
        self.assertEqual(refusal.status, 400)

    def test_a_key_does_not_excuse_a_foreign_name(self):
        guard = Guard([KEY], ())
        self.assertEqual(guard.refusal(asked(hosts=["evil.example"], keys=[KEY.encode()]), open=False).status, 403)

    def test_health_may_be_asked_by_address_as_probes_do(self):
        self.assertIsNone(self.refused("10.0.0.5:8081", open=True))
        self.assertEqual(self.refused("evil.example", open=True).status, 403)

    def test_health_may_be_asked_without_a_host_as_http_1_0_does(self):
        self.assertIsNone(Guard((), ()).refusal(asked(hosts=[]), open=True))
        self.assertEqual(Guard((), ()).refusal(asked(hosts=[]), open=False).status, 400)


class OriginTests(SynchronousTestCase):
    """No page from elsewhere gets in."""

    def refused(self, *origins, host="localhost:8081", open=False, **facts):
        return Guard((), ()).refusal(asked(hosts=[host], origins=origins, **facts), open=open)

    def test_its_own_page_gets_in(self):
        self.assertIsNone(self.refused("http://localhost:8081"))
        self.assertIsNone(self.refused("http://localhost", host="localhost"))
        self.assertIsNone(self.refused("https://localhost:8081", secure=True))

    def test_other_pages_are_refused_even_health(self):
        for origin in ("http://localhost:8080", "http://localhost", "https://localhost:8081", "http://127.0.0.1:8081"):
            self.assertEqual(self.refused(origin).status, 403, origin)
            self.assertEqual(self.refused(origin, open=True).status, 403, origin)
        for origin in ("null", "", "file://", "http://localhost:8081.evil.example", "http://evil.example"):
            self.assertEqual(self.refused(origin).status, 403, origin)

    def test_two_origins_are_refused(self):
        self.assertEqual(self.refused("http://localhost:8081", "http://localhost:8081").status, 403)

    def test_without_a_host_no_page_gets_in(self):
        self.assertEqual(Guard((), ()).refusal(asked(hosts=[], origins=["http://a"]), open=True).status, 403)


class KeyTests(SynchronousTestCase):
    """With keys one of them is needed; without, only the same machine gets in."""

    def test_the_same_machine_needs_no_key_where_none_is_configured(self):
        self.assertIsNone(Guard((), ()).refusal(asked(), open=False))

    def test_others_are_told_to_configure_one(self):
        for facts in ({"from_loopback": False}, {"forwarded": True}):
            refusal = Guard((), ()).refusal(asked(**facts), open=False)
            self.assertEqual(refusal.status, 403)
            self.assertIn("auth.api_keys", refusal.message)

    def test_health_needs_no_key(self):
        self.assertIsNone(Guard((), ()).refusal(asked(from_loopback=False, forwarded=True), open=True))
        self.assertIsNone(Guard([KEY], ()).refusal(asked(from_loopback=False), open=True))

    def test_with_keys_the_same_machine_needs_one_too(self):
        refusal = Guard([KEY], ()).refusal(asked(), open=False)
        self.assertEqual((refusal.status, refusal.headers), (401, {"WWW-Authenticate": 'Bearer realm="pulsetw"'}))

    def test_a_wrong_key_is_refused_and_said_to_be_wrong(self):
        for key in (b"", b"k3y", KEY.encode() + b"x", KEY.upper().encode(), b"\xff"):
            refusal = Guard([KEY], ()).refusal(asked(keys=[key]), open=False)
            self.assertEqual(refusal.status, 401, key)
            self.assertIn("invalid_token", refusal.headers["WWW-Authenticate"])

    def test_any_of_the_keys_opens_to_anybody(self):
        guard = Guard(["another", KEY], ())
        for key in (b"another", KEY.encode()):
            self.assertIsNone(guard.refusal(asked(from_loopback=False, forwarded=True, keys=[key]), open=False))

    def test_keys_are_in_no_repr(self):
        self.assertNotIn(KEY, repr(asked(keys=[KEY.encode()])))


class FactsTests(SynchronousTestCase):
    """What is read from a request."""

    def facts(self, peer=LOOPBACK, secure=False, **headers):
        names = {name.replace("_", "-"): [value] for name, value in headers.items()}
        return read_asked(Headers(names), peer, secure=secure)

    def test_both_ways_to_offer_a_key(self):
        self.assertEqual(self.facts(Authorization=f"Bearer {KEY}").keys, [KEY.encode()])
        self.assertEqual(self.facts(Authorization=f"bEARER  {KEY} ").keys, [KEY.encode()])
        self.assertEqual(self.facts(X_API_Key=KEY).keys, [KEY.encode()])

    def test_other_schemes_offer_none(self):
        for value in ("Basic abc", "Bearer", "Bearer ", f"Bearer{KEY}", "Bearer a b", KEY):
            self.assertEqual(self.facts(Authorization=value).keys, [], value)

    def test_every_sign_of_a_proxy_counts(self):
        for name in ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "CF-Connecting-IP"):
            self.assertTrue(read_asked(Headers({name: [""]}), LOOPBACK, secure=False).forwarded, name)
        self.assertFalse(self.facts(Host="localhost", Accept="*/*").forwarded)

    def test_the_peers_of_the_same_machine(self):
        near = [IPv4Address("TCP", "127.3.2.1", 1), IPv6Address("TCP", "::1", 1), UNIXAddress(b"socket")]
        near.append(IPv6Address("TCP", "::ffff:127.0.0.1", 1))
        far = [STRANGER, IPv6Address("TCP", "2001:db8::1", 1), IPv6Address("TCP", "::ffff:192.0.2.7", 1), None]
        far.append(IPv4Address("TCP", "no address", 1))
        self.assertEqual([is_loopback(peer) for peer in near], [True] * 4)
        self.assertEqual([is_loopback(peer) for peer in far], [False] * 5)


class ContentTypeTests(SynchronousTestCase):
    """Nothing is taken that a page could send without being asked first."""

    def test_json_is_taken(self):
        for value in (b"application/json", b"Application/JSON; charset=UTF-8", b'application/json;charset="utf-8"'):
            self.assertIsNone(content_type_refusal([value]), value)

    def test_the_rest_is_not(self):
        for value in (
            b"text/plain",
            b"application/x-www-form-urlencoded",
            b"multipart/form-data",
            b"application/jsonp",
        ):
            self.assertEqual(content_type_refusal([value]).status, 415, value)
        self.assertEqual(content_type_refusal([]).status, 415)
        self.assertEqual(content_type_refusal([b"application/json; charset=latin-1"]).status, 415)
        self.assertEqual(content_type_refusal([b"application/json, text/plain"]).status, 415)
        self.assertEqual(content_type_refusal([b"application/json", b"text/plain"]).status, 415)


class WireTests(SynchronousTestCase):
    """The same over real HTTP: refused requests publish nothing."""

    def refused(self, relay, status, **more):
        response = relay.post("/api/v1/publish", EVENT, **more)
        self.assertEqual(response.status, status)
        self.assertEqual(relay.publisher.calls, [])
        return response

    def test_dns_rebinding_is_refused(self):
        self.refused(Relay(), 403, headers={"Host": "evil.example:8081"})

    def test_a_form_post_is_refused(self):
        self.refused(Relay(), 415, headers={"Content-Type": "text/plain"})
        self.refused(Relay(), 415, headers={"Content-Type": None})

    def test_a_cross_origin_fetch_is_refused_and_gets_no_cors_headers(self):
        response = self.refused(Relay(), 403, headers={"Origin": "https://evil.example"})
        self.assertFalse([name for name in response.headers if name.startswith("access-control")])

    def test_a_preflight_is_refused(self):
        headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        response = Relay().ask("OPTIONS", "/api/v1/publish", headers=headers)
        self.assertEqual(response.status, 403)
        self.assertFalse([name for name in response.headers if name.startswith("access-control")])

    def test_a_stranger_is_refused(self):
        self.refused(Relay(), 403, peer=STRANGER)
        self.refused(Relay(), 403, headers={"X-Forwarded-For": "127.0.0.1"})

    def test_without_the_key_nothing_is_published(self):
        response = self.refused(Relay(api_keys=(KEY,)), 401)
        self.assertEqual(response.headers["www-authenticate"], 'Bearer realm="pulsetw"')
        self.assertEqual(response.error["code"], 101)

    def test_with_the_key_a_stranger_publishes_by_a_configured_name(self):
        relay = Relay(api_keys=(KEY,), hosts=("relay.internal",))
        headers = {"Host": "relay.internal:8081", "X-API-Key": KEY, "X-Forwarded-For": "192.0.2.9"}
        self.assertEqual(relay.post("/api/v1/publish", EVENT, peer=STRANGER, headers=headers).status, 200)
        self.assertEqual(len(relay.publisher.calls), 1)

    def test_stats_are_guarded_like_publishing(self):
        self.assertEqual(Relay().ask("GET", "/api/v1/stats", peer=STRANGER).status, 403)
        self.assertEqual(Relay().ask("GET", "/api/v1/stats", headers={"Host": "evil.example"}).status, 403)
        self.assertEqual(Relay(api_keys=(KEY,)).ask("GET", "/api/v1/stats").status, 401)

    def test_other_spellings_of_a_path_are_other_paths(self):
        for path in (
            "/api/v1/%70ublish",
            "//api/v1/publish",
            "/api/v1/publish/",
            "/./api/v1/publish",
            "/API/v1/publish",
        ):
            self.assertEqual(Relay().post(path, EVENT).status, 404, path)
