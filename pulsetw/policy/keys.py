"""The keys by which tokens are believed: each for one algorithm, chosen when the key is read and never by a token."""

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import field, frozen
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt import PyJWTError, get_algorithm_by_name

from pulsetw import codec

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

# RFC 7518 3.2: a key as long as the hash, at least.
SECRET_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
"""The shortest secret for each algorithm."""

_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}

ALGORITHMS = frozenset((*SECRET_BYTES, *_RSA, *_CURVES.values(), "EdDSA"))
"""Those that a token may be signed with: HMAC, RSA, EC on NIST's curves, and Ed25519."""

MAX_KEY_ID_CHARACTERS = 200
MAX_KEYS = 100
"""In one document."""

MAX_TRIED = 4
"""Keys that one token is tried with."""

# Below, RFC 7518 3.3; above, one check would take milliseconds.
_RSA_BITS = range(2048, 8193)
# PyJWT reads a JWK by any algorithm of its type.
_READERS = {"oct": "HS256", "RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}


@frozen
class Key:
    """Checks signatures of one algorithm.

    Attributes:
        algorithm: one of `ALGORITHMS`.
        id: the ``kid`` of tokens that were signed by it; "" = it has none.
    """

    algorithm: str
    id: str
    _material: Any = field(repr=False)

    @property
    def is_secret(self) -> bool:
        """Whether who can check a token can also make one."""
        return self.algorithm in SECRET_BYTES

    def verify(self, signed: bytes, signature: bytes) -> bool:
        """Whether the owner of this key signed it."""
        return bool(get_algorithm_by_name(self.algorithm).verify(signed, self._material, signature))


class Keys:
    """The keys that are believed at one time."""

    def __init__(self, keys: Iterable[Key]) -> None:
        """Keys of several sources may have the same id: a token is tried with each of them."""
        self._by_id: dict[tuple[str, str], list[Key]] = {}
        self._by_algorithm: dict[str, list[Key]] = {}
        for key in keys:
            self._by_algorithm.setdefault(key.algorithm, []).append(key)
            if key.id:
                self._by_id.setdefault((key.id, key.algorithm), []).append(key)
        self._ids = frozenset(key_id for key_id, _ in self._by_id)

    def __bool__(self) -> bool:
        return bool(self._by_algorithm)

    def knows(self, key_id: str) -> bool:
        """Whether there is a key with this id, whatever its algorithm."""
        return key_id in self._ids

    def find(self, algorithm: str, key_id: str | None) -> list[Key]:
        """The keys that a token may have been signed with.

        Args:
            algorithm: what its header says; keys of other algorithms are never found.
            key_id: its ``kid``; None = it has none, and each key of the algorithm may be meant.
        """
        if key_id is None:
            return self._by_algorithm.get(algorithm, [])
        return self._by_id.get((key_id, algorithm), [])


def secret_key(secret: str | bytes, algorithm: str = "", key_id: str = "") -> Key:
    """The key that a shared secret is.

    Args:
        secret: at least as many bytes as the algorithm's hash, in UTF-8 where it is text.
        algorithm: HS256, HS384 or HS512; "" = HS256.
        key_id: see `Key`.

    Raises:
        ValueError: it is too short, or it looks like a public key: whoever knows that could make tokens. Other
            algorithms are none for secrets.
    """
    algorithm = algorithm or "HS256"
    if algorithm not in SECRET_BYTES:
        raise ValueError(f"a secret is for {', '.join(SECRET_BYTES)}, not for {algorithm[:20]}")
    material = secret.encode() if isinstance(secret, str) else secret
    if len(material) < SECRET_BYTES[algorithm]:
        raise ValueError(
            f"expected a secret of at least {SECRET_BYTES[algorithm]} bytes for {algorithm} (RFC 7518 3.2), "
            f"found {len(material)}: make one by `openssl rand -base64 {SECRET_BYTES[algorithm]}`"
        )
    try:
        material = get_algorithm_by_name(algorithm).prepare_key(material)
    except PyJWTError:
        raise ValueError("expected a secret, found a key or a certificate that others may know") from None
    return Key(algorithm, _checked_id(key_id), material)


def public_key(material: object, algorithm: str = "", key_id: str = "") -> Key:
    """The key that checks what its private twin signed.

    Args:
        material: RSA with 2048 to 8192 bits, EC on P-256, P-384 or P-521, Ed25519.
        algorithm: "" = RS256 for RSA; the others have one each.
        key_id: see `Key`.

    Raises:
        ValueError: another type, curve or size, or the algorithm is not the key's.
    """
    possible: tuple[str, ...] = ()
    if isinstance(material, RSAPublicKey):
        if material.key_size not in _RSA_BITS:
            raise ValueError(f"expected an RSA key of 2048 to 8192 bits, found {material.key_size}")
        possible = _RSA
    elif isinstance(material, EllipticCurvePublicKey) and material.curve.name in _CURVES:
        possible = (_CURVES[material.curve.name],)
    elif isinstance(material, Ed25519PublicKey):
        possible = ("EdDSA",)
    if not possible:
        raise ValueError("expected a key for RSA, for EC on P-256, P-384 or P-521, or for Ed25519")
    if algorithm and algorithm not in possible:
        raise ValueError(f"{algorithm[:20]} is no algorithm of this key: expected {' or '.join(possible)}")
    return Key(algorithm or possible[0], _checked_id(key_id), material)


def read_keys(text: str, algorithm: str = "", key_id: str = "") -> tuple[Key, ...]:
    """The keys in a file: one public key as PEM, one JWK, or a set of them (RFC 7517).

    Args:
        text: what the file holds.
        algorithm: see `public_key`; for PEM alone, a JWK has its own.
        key_id: the same.

    Raises:
        ValueError: what was wrong and what was expected; without the text.
    """
    if text.lstrip().startswith("{"):
        if algorithm or key_id:
            raise ValueError("a JWK has its algorithm (alg) and id (kid) in itself")
        return read_jwks(codec.decode(text), secrets_allowed=True)
    if "PRIVATE KEY" in text:
        raise ValueError("found a private key: a relay needs the public one alone (`openssl pkey -pubout`)")
    try:
        material = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("expected a public key as PEM (-----BEGIN PUBLIC KEY-----), a JWK, or a JWK set") from None
    return (public_key(material, algorithm, key_id),)


def read_jwks(document: object, *, secrets_allowed: bool = False) -> tuple[Key, ...]:
    """The keys of a JWK set, or of a single JWK. Those of other uses or types are left out (RFC 7517 5).

    Args:
        document: its JSON.
        secrets_allowed: whether HMAC keys may be in it: in a file, not in what anybody may fetch.

    Raises:
        ValueError: it is none, two keys have the same id and algorithm, or no key is left; what was wrong with the
            first that was left out.
    """
    members = None
    if isinstance(document, dict):
        members = [document] if "kty" in document else document.get("keys")
    if not isinstance(members, list) or len(members) > MAX_KEYS:
        raise ValueError(f"expected a JSON object with the member keys, a list of at most {MAX_KEYS}")
    found: dict[tuple[str, str], Key] = {}
    problems: list[str] = []
    for at, member in enumerate(members):
        try:
            key = _read_jwk(member, secrets_allowed=secrets_allowed)
        except ValueError as error:
            problems.append(f"keys[{at}]: {error}")
            continue
        if key.id and (key.id, key.algorithm) in found:
            raise ValueError(f"keys[{at}]: another key has the same kid and algorithm")
        found[key.id or f"\0{at}", key.algorithm] = key
    if not found:
        raise ValueError(problems[0] if problems else "expected at least one key")
    return tuple(found.values())


def _read_jwk(jwk: object, *, secrets_allowed: bool) -> Key:
    if not isinstance(jwk, Mapping) or not all(isinstance(jwk.get(name, ""), str) for name in ("kty", "alg", "kid")):
        raise ValueError("expected an object whose kty, alg and kid are texts")
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise ValueError("the key is not for signatures")
    kind, algorithm, key_id = (jwk.get(name, "") for name in ("kty", "alg", "kid"))
    if kind not in _READERS:
        raise ValueError(f"expected a kty of {', '.join(_READERS)}")
    if kind == "oct" and not secrets_allowed:
        raise ValueError("a secret that anybody can fetch is none")
    if "d" in jwk:
        raise ValueError("found a private key: expected the public part alone")
    try:
        material = get_algorithm_by_name(_READERS[kind]).from_jwk(dict(jwk))
    except (PyJWTError, ValueError, TypeError, LookupError, UnsupportedAlgorithm):
        raise ValueError("a member that such a key needs is missing or wrong") from None
    return (secret_key if kind == "oct" else public_key)(material, algorithm, key_id)


def _checked_id(key_id: str) -> str:
    if len(key_id) > MAX_KEY_ID_CHARACTERS or not key_id.isprintable():
        raise ValueError(f"expected a key id of at most {MAX_KEY_ID_CHARACTERS} printable characters")
    return key_id
