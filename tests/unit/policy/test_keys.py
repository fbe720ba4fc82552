"""Keys: what is read, and what is refused before anything is believed."""

import json
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import get_algorithm_by_name
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.policy.keys import MAX_KEYS, public_key, read_jwks, read_keys, secret_key
from tests.unit.policy.tokens import ED25519, P256, P384, P521, RSA, SECRET, base64url, private_pem, public_pem, sign


def pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def jwk(key, **members):
    """The public JWK of a private key, by PyJWT."""
    reader = {"RSA": "RS256", "EllipticCurve": "ES256", "ECP": "ES256"}
    name = next((reader[word] for word in reader if word in type(key).__name__), "EdDSA")
    return {**get_algorithm_by_name(name).to_jwk(key.public_key(), as_dict=True), **members}


PRIVATE = {"RS256": RSA, "ES256": P256, "ES384": P384, "ES512": P521, "EdDSA": ED25519}
WEAK_RSA = rsa.generate_private_key(65537, 1024)  # noqa: S505 -- to be refused


class SecretTests(SynchronousTestCase):
    def test_a_secret_is_as_long_as_the_hash(self):
        """RFC 7518 3.2; the error says how to make one, and not what was found."""
        for algorithm, size in (("HS256", 32), ("HS384", 48), ("HS512", 64), ("", 32)):
            self.assertEqual(secret_key("x" * size, algorithm).algorithm, algorithm or "HS256")
            with self.assertRaisesRegex(ValueError, f"at least {size} bytes.*found {size - 1}.*openssl") as caught:
                secret_key("hunter2".ljust(size - 1, "!"), algorithm)
            self.assertNotIn("hunter2", str(caught.exception))
        self.assertTrue(secret_key("é" * 16).is_secret)

    def test_what_others_may_know_is_no_secret(self):
        """Public keys and JWKs, which a forger could sign with."""
        der = RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        ssh = RSA.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        for known in (public_pem(), private_pem(), der, ssh, json.dumps(jwk(RSA))):
            self.assertRaisesRegex(ValueError, "that others may know", secret_key, known)

    def test_other_algorithms_have_no_secrets(self):
        """The word is in the error."""
        self.assertRaisesRegex(ValueError, "not for RS256", secret_key, SECRET, "RS256")
        self.assertRaisesRegex(ValueError, "not for none", secret_key, SECRET, "none")


class PublicTests(SynchronousTestCase):
    def test_pem_and_jwk_are_the_same_key(self):
        """Of each type, and they check what the private one signs."""
        for algorithm, private in PRIVATE.items():
            signature = sign(algorithm, b"text", private)
            for text in (pem(private), json.dumps(jwk(private)), json.dumps({"keys": [jwk(private)]})):
                (key,) = read_keys(text)
                self.assertEqual((key.algorithm, key.id, key.is_secret), (algorithm, "", False))
                self.assertTrue(key.verify(b"text", signature))
                self.assertFalse(key.verify(b"other", signature))

    def test_the_algorithm_can_be_chosen_among_the_keys_own(self):
        """And no other."""
        (key,) = read_keys(pem(RSA), "PS512", "k1")
        self.assertEqual((key.algorithm, key.id), ("PS512", "k1"))
        for private, wrong in ((RSA, "HS256"), (RSA, "ES256"), (P256, "ES384"), (ED25519, "ES256"), (P256, "none")):
            with self.assertRaisesRegex(ValueError, f"{wrong} is no algorithm of this key"):
                read_keys(pem(private), wrong)

    def test_weak_and_unknown_keys_are_refused(self):
        """Each with what was expected."""
        self.assertRaisesRegex(ValueError, "2048 to 8192 bits, found 1024", read_keys, pem(WEAK_RSA))
        for private in (
            ec.generate_private_key(ec.SECP256K1()),
            ed448.Ed448PrivateKey.generate(),
            dsa.generate_private_key(2048),
        ):
            self.assertRaisesRegex(ValueError, "RSA, for EC on P-256", read_keys, pem(private))
        self.assertRaises(ValueError, public_key, b"bytes")

    def test_files_that_hold_something_else_are_named(self):
        """A private key above all: the relay must not have it."""
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(x509.Name([]))
            .public_key(P256.public_key())
            .serial_number(1)
            .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
            .not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
            .sign(P256, hashes.SHA256())
            .public_bytes(Encoding.PEM)
            .decode()
        )
        for private in PRIVATE.values():
            self.assertRaisesRegex(ValueError, "found a private key", read_keys, private_pem(private).decode())
        for text in ("", "secret", certificate, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"):
            self.assertRaisesRegex(ValueError, "expected a public key as PEM", read_keys, text)
        self.assertRaises(ValueError, read_keys, "{")
        self.assertRaisesRegex(ValueError, "in itself", read_keys, json.dumps(jwk(RSA)), "RS256")

    def test_an_id_is_short_and_printable(self):
        """It stands in logs."""
        for key_id in ("x" * 201, "a\nb"):
            self.assertRaisesRegex(ValueError, "key id", read_keys, pem(RSA), "", key_id)


class JwksTests(SynchronousTestCase):
    def read(self, *members, **options):
        return [(key.algorithm, key.id) for key in read_jwks({"keys": list(members)}, **options)]

    def test_a_set_may_have_members_that_are_not_for_us(self):
        """RFC 7517 5: they are left out, and the others are read."""
        strangers = (
            jwk(P256, use="enc"),
            jwk(P256, key_ops=["deriveKey"]),
            jwk(P256, key_ops="verify"),
            jwk(P256, alg="ECDH-ES"),
            jwk(WEAK_RSA),
            {"kty": "AKP", "alg": "ML-DSA-44"},
            {"kty": "RSA"},
            {"kty": "RSA", "n": 5, "e": []},
            {"kty": "EC", "crv": "P-256", "x": base64url(bytes(32)), "y": base64url(bytes(32))},
            {"kty": "OKP", "crv": "Ed448", "x": base64url(bytes(57))},
            {"kty": "OKP", "crv": "Ed25519", "x": "!"},
            {"kty": "EC", "crv": ["P-256"]},
            {"kty": ["RSA"]},
            {**jwk(RSA), "kid": 7},
            7,
            None,
        )
        good = jwk(RSA, kid="r", use="sig", key_ops=["verify"], alg="PS256", x5c=["MII"])
        self.assertEqual(self.read(*strangers, good), [("PS256", "r")])
        for stranger in strangers:
            self.assertRaisesRegex(ValueError, r"^keys\[0\]: ", self.read, stranger)

    def test_no_secret_and_no_private_key_is_fetched(self):
        """Whoever reads the page could make tokens."""
        secret = {"kty": "oct", "k": base64url(SECRET), "alg": "HS512", "kid": "s"}
        self.assertRaisesRegex(ValueError, "anybody can fetch", self.read, secret)
        self.assertEqual(self.read(secret, secrets_allowed=True), [("HS512", "s")])
        self.assertRaisesRegex(ValueError, "at least 32", self.read, {"kty": "oct", "k": "AAAA"}, secrets_allowed=True)
        self.assertRaisesRegex(ValueError, "missing", self.read, {"kty": "oct"}, secrets_allowed=True)
        private = get_algorithm_by_name("RS256").to_jwk(RSA, as_dict=True)
        self.assertRaisesRegex(ValueError, "private key", self.read, {**private, "key_ops": ["verify"]})

    def test_an_id_names_one_key(self):
        """A second one with the same id and algorithm makes the document wrong; keys without ids may be many."""
        first = jwk(RSA, kid="k")
        self.assertRaisesRegex(ValueError, r"keys\[1\]: another key has the same kid", self.read, first, first)
        self.assertEqual(self.read(first, jwk(P256, kid="k")), [("RS256", "k"), ("ES256", "k")])
        self.assertEqual(self.read(jwk(RSA), jwk(RSA)), [("RS256", ""), ("RS256", "")])

    def test_other_documents_are_refused(self):
        """Of any JSON, with what was expected."""
        for document in (None, [], 7, {}, {"keys": {}}, {"keys": None}, {"keys": [jwk(RSA)] * (MAX_KEYS + 1)}):
            self.assertRaisesRegex(ValueError, "the member keys, a list of at most 100", read_jwks, document)
        self.assertRaisesRegex(ValueError, "at least one key", read_jwks, {"keys": []})
