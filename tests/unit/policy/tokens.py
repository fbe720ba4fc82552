"""Tokens of every kind that somebody may send: good ones, mistakes and forgeries, each with the reason of its refusal.

They are put together by hand: a library would refuse to make most of them.
"""

import base64
import hmac
import json

from attrs import frozen
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from pulsetw.policy.keys import Keys, public_key, secret_key

NOW = 1_800_000_000
SECRET = b"a secret of sixty-four bytes, long enough for HS256 up to HS512!"
RSA = rsa.generate_private_key(65537, 2048)
P256, P384, P521 = (ec.generate_private_key(curve) for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()))
ED25519 = ed25519.Ed25519PrivateKey.generate()
STRANGER = rsa.generate_private_key(65537, 2048)
CLAIMS = {"sub": "ann", "exp": NOW + 600, "aud": "relay", "iss": "https://login.example"}

_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_EC = {"ES256": P256, "ES384": P384, "ES512": P521}


def keys():
    """One key for each algorithm; the RSA ones, and one secret, have ids."""
    return Keys(
        [
            *(secret_key(SECRET, algorithm) for algorithm in ("HS256", "HS384", "HS512")),
            secret_key(SECRET[::-1], "HS256", "second"),
            *(
                public_key(RSA.public_key(), f"{family}{size}", f"rsa-{family}{size}")
                for family in ("RS", "PS")
                for size in _HASHES
            ),
            *(public_key(key.public_key()) for key in (P256, P384, P521, ED25519)),
        ]
    )


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(algorithm, text, key=None):
    """The signature of a text, by the key of the algorithm unless another is given."""
    size = algorithm[2:]
    if algorithm.startswith("HS"):
        return hmac.new(SECRET if key is None else key, text, f"sha{size}").digest()
    if algorithm.startswith("RS"):
        return (key or RSA).sign(text, padding.PKCS1v15(), _HASHES[size])
    if algorithm.startswith("PS"):
        digest = _HASHES[size]
        return (key or RSA).sign(text, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    if algorithm.startswith("ES"):
        key = key or _EC[algorithm]
        width = (key.curve.key_size + 7) // 8
        numbers = decode_dss_signature(key.sign(text, ec.ECDSA(_HASHES[size])))
        return b"".join(number.to_bytes(width, "big") for number in numbers)
    return (key or ED25519).sign(text)


def raw(header, payload, algorithm="HS256", key=None):
    """A token of any bytes, signed."""
    signed = f"{base64url(header)}.{base64url(payload)}"
    return f"{signed}.{base64url(sign(algorithm, signed.encode(), key))}"


def token(claims=None, algorithm="HS256", key=None, header=None, **changed):
    """A signed token.

    Args:
        claims: those of a good one by default.
        algorithm: signs it, and stands in the header unless that says something else.
        key: another one than the algorithm's own.
        header: members besides.
        changed: claims that are different, or besides.
    """
    claims = {**(CLAIMS if claims is None else claims), **changed}
    head = {"alg": algorithm, "typ": "JWT", **(header or {})}
    return raw(json.dumps(head).encode(), json.dumps(claims).encode(), algorithm, key)


def without(name):
    return token({claim: value for claim, value in CLAIMS.items() if claim != name})


def spelled(algorithm):
    """A token that claims an algorithm and has no signature."""
    head = base64url(json.dumps({"alg": algorithm}).encode())
    return f"{head}.{base64url(json.dumps(CLAIMS).encode())}."


def with_signature(good, change):
    """The same token with its signature changed."""
    signed, _, signature = good.rpartition(".")
    return f"{signed}.{change(signature)}"


def public_pem():
    return RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private_pem(key=RSA):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_jwk(key, **members):
    numbers = key.public_key().public_numbers()
    parts = {"n": numbers.n, "e": numbers.e}
    encoded = {
        name: base64url(number.to_bytes((number.bit_length() + 7) // 8, "big")) for name, number in parts.items()
    }
    return {"kty": "RSA", **encoded, **members}


def json_form(good):
    """The JSON serialization of the same token; RFC 7515 7.2."""
    protected, payload, signature = good.split(".")
    return json.dumps({"payload": payload, "protected": protected, "signature": signature})


def _deep_header(depth):
    return b'{"alg":"HS256","x":%s}' % (b"[" * depth + b"]" * depth)


def _nested(depth):
    return b'{"sub":"ann","exp":%d,"deep":%s}' % (NOW + 600, b"[" * depth + b"]" * depth)


GOOD = token()
_HEAD = b'{"alg":"HS256"}'
_BODY = json.dumps(CLAIMS).encode()


@frozen
class Case:
    """One token.

    Attributes:
        name: what is wrong with it.
        token: the token.
        reason: of the `TokenError`.
        words: the error has them.
    """

    name: str
    token: str
    reason: str
    words: str = ""


def corpus():
    """All that are refused."""
    return [*_forged(), *_malformed(), *_in_time(), *_claims()]


def _forged():
    rs256 = token(algorithm="RS256", header={"kid": "rsa-RS256"})
    es256, eddsa = token(algorithm="ES256"), token(algorithm="EdDSA")
    as_ps256 = token(algorithm="RS256", header={"alg": "PS256", "kid": "rsa-PS256"})
    stranger = {"algorithm": "RS256", "key": STRANGER}
    embedded = {"jwk": public_jwk(STRANGER)}
    return [
        *(
            Case(f"alg {name}", spelled(name), "algorithm", "expected one of ES256")
            for name in ("none", "None", "NONE", "nOnE")
        ),
        Case("alg none with a signature", token(header={"alg": "none"}), "algorithm"),
        Case("alg is empty", token(header={"alg": ""}), "algorithm"),
        Case("alg is null", token(header={"alg": None}), "algorithm"),
        Case("alg is a list", token(header={"alg": ["HS256"]}), "algorithm"),
        Case("no alg", raw(b'{"typ":"JWT"}', _BODY), "algorithm"),
        Case("alg in lower case", token(header={"alg": "hs256"}), "algorithm"),
        Case("alg ES256K", token(header={"alg": "ES256K"}), "algorithm"),
        Case("RS256 to HS256, by the public key as the secret", token(key=public_pem()), "signature"),
        Case(
            "RS256 to HS256, by the public key, with its kid",
            token(key=public_pem(), header={"kid": "rsa-RS256"}),
            "algorithm",
        ),
        Case("HS256 to RS256", token(header={"alg": "RS256"}), "signature"),
        Case("HS256 to RS256, with the secret's kid", token(header={"alg": "RS256", "kid": "second"}), "algorithm"),
        Case("HS256 said to be HS512", token(header={"alg": "HS512"}), "signature"),
        Case("RS256 said to be PS256", as_ps256, "signature"),
        Case("a P-256 signature said to be ES384", token(algorithm="ES256", header={"alg": "ES384"}), "signature"),
        Case("signed on P-384 and said to be ES256", token(algorithm="ES384", header={"alg": "ES256"}), "signature"),
        Case(
            "ECDSA with r = s = 0",
            with_signature(es256, lambda _: base64url(bytes(64))),
            "signature",
        ),
        Case(
            "Ed25519 with a signature of zeros",
            with_signature(eddsa, lambda _: base64url(bytes(64))),
            "signature",
        ),
        Case("RSA with a signature of zeros", with_signature(rs256, lambda _: base64url(bytes(256))), "signature"),
        Case("another secret", token(key=b"x" * 64), "signature"),
        Case("another RSA key", token(**stranger, header={"kid": "rsa-RS256"}), "signature"),
        Case("kid of another key that is of the same algorithm", token(header={"kid": "second"}), "signature"),
        Case("kid that nobody has", token(header={"kid": "third"}), "unknown key"),
        Case("kid is empty", token(header={"kid": ""}), "unknown key"),
        Case("kid is a path", token(key=b"", header={"kid": "../../../../dev/null"}), "unknown key"),
        Case("kid is SQL", token(header={"kid": "x' UNION SELECT 'secret'; --"}), "unknown key"),
        Case("kid is a command", token(header={"kid": "|/bin/id"}), "unknown key"),
        Case("kid of 3000 characters", token(header={"kid": "k" * 3000}), "unknown key"),
        Case("kid is a number", token(header={"kid": 7}), "malformed"),
        Case("kid is null", token(header={"kid": None}), "malformed"),
        Case("jku", token(**stranger, header={"jku": "https://evil.example/keys"}), "signature"),
        Case("x5u", token(**stranger, header={"x5u": "https://evil.example/chain.pem"}), "signature"),
        Case("jwk embedded", token(**stranger, header=embedded), "signature"),
        Case(
            "jwk embedded, and its kid",
            token(**stranger, header={**embedded, "kid": "e"}),
            "unknown key",
        ),
        Case("x5c embedded", token(**stranger, header={"x5c": ["MIIB"]}), "signature"),
        Case("empty signature", with_signature(GOOD, lambda _: ""), "signature"),
        Case("truncated signature", with_signature(GOOD, lambda text: text[:-11]), "signature"),
        Case("truncated ECDSA signature", with_signature(es256, lambda text: text[:44]), "signature"),
        Case("signature longer by bytes", with_signature(GOOD, lambda text: text + "AAAA"), "signature"),
        Case("claims of another token", _mixed(token(sub="root"), GOOD), "signature"),
    ]


def _malformed():
    return [
        Case("crit", token(header={"crit": ["exp"], "exp": NOW}), "malformed", "crit"),
        Case("crit is empty", token(header={"crit": []}), "malformed", "crit"),
        Case("b64=false", token(header={"b64": False, "crit": ["b64"]}), "malformed"),
        Case("b64=false, not in crit", token(header={"b64": False}), "malformed", "b64"),
        Case("1 MB", "a" * 1_000_000, "malformed", "8192"),
        Case("1 MB of claims, signed", token(fill="x" * 1_000_000), "malformed", "8192"),
        Case("1 MB of dots", "." * 1_000_000, "malformed", "8192"),
        Case("deep header", raw(_deep_header(2500), b"{}"), "malformed", "deeper"),
        Case("deep claims", raw(_HEAD, _nested(2500)), "malformed", "deeper"),
        Case("claims one too deep", raw(_HEAD, _nested(32)), "malformed", "deeper"),
        Case("empty", "", "malformed"),
        Case("two dots only", "..", "malformed"),
        Case("one dot", GOOD.rpartition(".")[0], "malformed"),
        Case("no dot", GOOD.replace(".", ""), "malformed"),
        Case("five parts, as of an encrypted one", f"{GOOD}.AAAA.AAAA", "malformed"),
        Case("trailing data", f"{GOOD}.AAAA", "malformed"),
        Case("leading space", f" {GOOD}", "malformed"),
        Case("trailing newline", f"{GOOD}\n", "malformed"),
        Case("space inside", GOOD.replace(".", ". ", 1), "malformed"),
        Case("padding", raw(_HEAD, _BODY).replace(".", "=.", 1), "malformed"),
        Case("padding behind", f"{GOOD}=", "malformed"),
        Case("not base64", GOOD.replace(".", ".!!!", 1), "malformed"),
        Case("base64 of the other alphabet", GOOD.replace(".", ".+/", 1), "malformed"),
        Case("base64 of an impossible length", "AAAAA." + GOOD.partition(".")[2], "malformed"),
        Case("bits behind the signature's end", with_signature(GOOD, _with_bits_behind), "malformed"),
        Case("unicode digits and letters", GOOD.replace("e", "\u0435"), "malformed"),
        Case("NUL", f"{GOOD}\0", "malformed"),
        Case("lone surrogate", f"{GOOD}\ud800", "malformed"),
        Case("JSON serialization", json_form(GOOD), "malformed"),
        Case("Bearer before it", f"Bearer {GOOD}", "malformed"),
        Case("header is no JSON", raw(b"{alg:HS256}", _BODY), "malformed"),
        Case("header is a list", raw(b'["HS256"]', _BODY), "malformed"),
        Case("header is UTF-16", raw(_HEAD.decode().encode("utf-16"), _BODY), "malformed"),
        Case("alg twice", raw(b'{"alg":"none","alg":"HS256"}', _BODY), "malformed", "once"),
        Case("alg twice, once escaped", raw(b'{"alg":"none","\\u0061lg":"HS256"}', _BODY), "malformed", "once"),
        Case("sub twice", raw(_HEAD, b'{"sub":"ann","sub":"bob","exp":%d}' % (NOW + 60)), "malformed", "once"),
        Case("a twin further in", raw(_HEAD, _BODY[:-1] + b',"a":{"b":1,"b":2}}'), "malformed", "once"),
        Case("claims are no JSON", raw(_HEAD, b"sub=ann"), "malformed"),
        Case("claims are a list", raw(_HEAD, b"[]"), "malformed"),
        Case("claims are a text", raw(_HEAD, b'"ann"'), "malformed"),
        Case("claims are not UTF-8", raw(_HEAD, _BODY.replace(b"ann", b"\xff")), "malformed"),
        Case("claims with data behind", raw(_HEAD, _BODY + b"{}"), "malformed"),
        Case("claims with a lone surrogate", raw(_HEAD, _BODY.replace(b"ann", b"\\ud800 ann")), "malformed"),
        Case("a number of 5000 digits", raw(_HEAD, b'{"sub":"ann","exp":%s}' % (b"9" * 5000)), "malformed"),
        Case("exp NaN", token(exp=float("nan")), "malformed"),
        Case("exp Infinity", token(exp=float("inf")), "malformed"),
    ]


def _in_time():
    return [
        Case("expired", token(exp=NOW - 60), "expired", "60 s ago"),
        Case("expired this moment", token(exp=NOW - 10), "expired"),
        Case("exp 0", token(exp=0), "expired"),
        Case("no exp", without("exp"), "claims", "exp: missing"),
        Case("exp is a text", token(exp=str(NOW + 600)), "claims", "exp"),
        Case("exp is true", token(exp=True), "claims", "exp"),
        Case("exp is null", token(exp=None), "claims", "exp"),
        Case("exp is a list", token(exp=[NOW + 600]), "claims", "exp"),
        Case("exp is huge", token(exp=10**300), "claims", "exp"),
        Case("exp is a huge float", token(exp=1e300), "claims", "exp"),
        Case("exp is negative", token(exp=-1), "claims", "exp"),
        Case("exp in milliseconds", token(exp=(NOW + 600) * 1000), "claims", "milliseconds"),
        Case("exp in a year", token(exp=NOW + 366 * 86400), "claims", "may be good for"),
        Case("a year between iat and exp", token(iat=NOW - 360 * 86400), "claims", "may be good for"),
        Case("nbf ahead", token(nbf=NOW + 60), "not yet", "nbf"),
        Case("nbf is a text", token(nbf="now"), "claims", "nbf"),
        Case("iat ahead", token(iat=NOW + 60), "not yet", "iat"),
        Case("iat is a text", token(iat="now"), "claims", "iat"),
    ]


def _claims():
    return [
        Case("no aud", without("aud"), "audience"),
        Case("wrong aud", token(aud="other"), "audience"),
        Case("aud as a list of others", token(aud=["other", "third"]), "audience"),
        Case("aud as an object", token(aud={"relay": 1}), "audience"),
        Case("aud as part of ours", token(aud="rela"), "audience"),
        Case("aud in a nested list", token(aud=[["relay"]]), "audience"),
        Case("no iss", without("iss"), "issuer"),
        Case("wrong iss", token(iss="https://evil.example"), "issuer"),
        Case("iss as a list", token(iss=["https://login.example"]), "issuer"),
        Case("no sub", without("sub"), "claims", "sub: missing"),
        Case("sub is a number", token(sub=7), "claims", "sub"),
        Case("sub is null", token(sub=None), "claims", "sub"),
        Case("sub is empty", token(sub=""), "claims", "sub"),
        Case("sub of 201 characters", token(sub="x" * 201), "claims", "1 to 200"),
        Case("sub with a newline", token(sub="ann\nroot"), "claims", "printable"),
        Case("sub with an escape", token(sub="\x1b[2J"), "claims", "printable"),
        Case("sub with 0x85", token(sub="ann\x85"), "claims", "printable"),
        Case("sub that turns the line round", token(sub="\u202enna"), "claims", "printable"),
        Case("jti is a number", token(jti=7), "claims", "jti"),
        Case("jti is empty", token(jti=""), "claims", "jti"),
        Case("can is a list", token(can=["match:*"]), "claims", "can"),
        Case("can is null", token(can=None), "claims", "can"),
        Case("can of an unknown operation", token(can={"subscirbe": ["a"]}), "claims", "can"),
        Case("can of a text", token(can={"subscribe": "a"}), "claims", "can.subscribe"),
        Case("can of numbers", token(can={"subscribe": [1]}), "claims", "can.subscribe"),
        Case("can of no channel", token(can={"subscribe": ["a b"]}), "claims", "can.subscribe"),
        Case("can of the relay's own", token(can={"publish": ["pulsetw:*"]}), "claims", "can.publish"),
        Case("can of another variable", token(can={"publish": ["inbox:{role}"]}), "claims", "can.publish"),
        Case("a filter that is none", token(filter=7), "claims", "filter"),
        Case("a subscription token", token(channel="match:events"), "kind", "subscription token"),
        Case("a subscription token of null", token(channel=None), "kind", "subscription token"),
    ]


def _mixed(claims_of, signature_of):
    return f"{claims_of.rpartition('.')[0]}.{signature_of.rpartition('.')[2]}"


def _with_bits_behind(signature):
    """Another spelling of the same 32 bytes: two bits of the last letter mean nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return signature[:-1] + alphabet[alphabet.index(signature[-1]) + 1]
