"""Keys that others publish."""

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.policy.jwks import JwksCache, JwksRules, check_jwks_url, is_public
from tests.unit.policy.tokens import RSA, STRANGER, public_jwk

A, B = "https://a.example/jwks", "https://b.example/jwks"


class CacheTests(SynchronousTestCase):
    def setUp(self):
        self.cache = JwksCache([A, B], JwksRules(refresh_s=100, min_interval_s=10, keep_s=1000))

    def ids(self, now):
        return [key.id for key in self.cache.keys(now)]

    def answer(self, url, key_id, now, key=RSA):
        self.cache.asked(url, now)
        self.cache.answered(url, {"keys": [public_jwk(key, kid=key_id)]}, now)

    def test_keys_are_asked_for_at_once_and_when_they_are_old(self):
        """Each URL on its own."""
        self.assertEqual((self.cache.due(0), self.ids(0)), ([A, B], []))
        self.answer(A, "k1", 0)
        self.assertEqual((self.cache.due(0), self.ids(0)), ([B], ["k1"]))
        self.answer(B, "k2", 50)
        self.assertEqual((self.cache.due(99), self.cache.due(100), self.cache.due(150)), ([], [A], [A, B]))

    def test_a_failure_is_tried_again_after_the_interval(self):
        """The keys that are known stay good meanwhile, and no longer than they are kept."""
        self.answer(A, "k1", 0)
        self.answer(B, "k2", 90)
        self.cache.asked(A, 100)
        self.assertEqual((self.cache.due(109), self.cache.due(110)), ([], [A]))
        self.assertEqual((self.ids(999), self.ids(1000)), (["k1", "k2"], ["k2"]))

    def test_invented_ids_cause_one_request_in_an_interval(self):
        """However many tokens name them."""
        self.answer(A, "k1", 0)
        self.answer(B, "k2", 5)
        requests = 0
        for tenths in range(1000):
            for url in self.cache.askable(5 + tenths / 10):
                self.cache.asked(url, 5 + tenths / 10)
                requests += 1
        self.assertLessEqual(requests, 2 * 100 / 10)
        self.assertGreater(requests, 2 * 100 / 10 - 4)

    def test_a_url_changes_its_own_keys_only(self):
        """One with the same id at another URL stands beside it; what is not answered any more is not believed."""
        self.answer(A, "k", 0)
        self.answer(B, "k", 0, STRANGER)
        self.assertEqual(self.ids(0), ["k", "k"])
        self.answer(B, "other", 10, STRANGER)
        self.assertEqual(self.ids(10), ["k", "other"])

    def test_an_answer_without_keys_changes_nothing(self):
        """A page of somebody's login in place of the keys puts nobody out."""
        self.answer(A, "k1", 0)
        for document in (None, {}, {"keys": []}, {"keys": [{"kty": "oct", "k": "a" * 50}]}):
            self.assertRaises(ValueError, self.cache.answered, A, document, 500)
        self.assertEqual((self.ids(999), self.ids(1000)), (["k1"], []))


class AddressTests(SynchronousTestCase):
    def test_a_url_is_https_and_plain(self):
        """What was found and what is expected."""
        for url in (A, "https://a.example:8443/x?y=1", "https://[2001:db8::1]/"):
            self.assertEqual(check_jwks_url(url), url)
        for url in (
            "http://a.example/",
            "file:///etc/passwd",
            "https:///x",
            "https://u:p@a.example/",
            "https://a.example/#x",
            "https://a.example:0/",
            "https://a.example:x/",
            "https://ä.example/",
            "https://a.example/ x",
            "https://a.example/\r\nHost: b",
            "https://[::1",
            "",
        ):
            self.assertRaisesRegex(ValueError, "expected a URL such as https://", check_jwks_url, url)

    def test_private_addresses_are_known_in_all_their_spellings(self):
        """Loopback, the own network, the cloud's metadata service, and IPv4 inside of IPv6."""
        for address in (
            *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),  # noqa: S104
            *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff0e::1", "fd00:ec2::254"),
            *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"),
        ):
            self.assertFalse(is_public(address), address)
        for address in ("1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"):
            self.assertTrue(is_public(address), address)
        self.assertRaises(ValueError, is_public, "localhost")
