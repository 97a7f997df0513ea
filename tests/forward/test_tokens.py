"""Tokens: which count, and which do not (RFC 7519, RFC 8725)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from twistedproxy.forward.guards.tokens import BadKeys, BadToken, Checker, Expected, read_keys
from twistedproxy.settings.tokens import JWT_PAIRS, JWT_SHARED

NOW = 1_800_000_000.0
RSA = RSAKey.generate_key(2048, parameters={"kid": "r"})
OTHER = RSAKey.generate_key(2048, parameters={"kid": "o"})
EC = ECKey.generate_key("P-256", parameters={"kid": "e"})
ED = OKPKey.generate_key("Ed25519", parameters={"kid": "d"})
SECRET = b"a secret of at least thirty-two bytes"
PUBLIC = json.dumps({"keys": [key.as_dict(private=False) for key in (RSA, EC, ED)]}).encode()
KEYS = read_keys(PUBLIC, JWT_PAIRS)
PAIRS = Expected(JWT_PAIRS)


def token(key: Any = RSA, algorithm: str = "RS256", head: dict[str, Any] | None = None, **claims: Any) -> bytes:
    """A signed token, good for a minute unless *claims* say otherwise."""
    said = {"sub": "anna", "exp": int(NOW) + 60, **claims}
    said = {name: value for name, value in said.items() if value is not None}
    header = {"alg": algorithm, **({"kid": key.kid} if key.kid else {}), **(head or {})}
    return jwt.encode(header, said, key, algorithms=[algorithm]).encode()


def why(data: bytes, expected: Expected = PAIRS, now: float = NOW, keys: Any = KEYS) -> str:
    """Why a token does not count; empty when it does."""
    try:
        Checker(expected).check(data, keys, now)
    except BadToken as bad:
        return str(bad) or "?"
    return ""


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(RSA, "RS256"), (RSA, "PS512"), (EC, "ES256"), (ED, "Ed25519")],
    ids=["RS256", "PS512", "ES256", "Ed25519"],
)
def test_a_token_that_a_known_key_has_signed_counts(key: Any, algorithm: str) -> None:
    assert why(token(key, algorithm)) == ""


def test_a_token_that_names_no_key_is_tried_with_those_that_fit() -> None:
    nameless = RSAKey.import_key(RSA.as_pem(private=True))
    data = jwt.encode({"alg": "RS256"}, {"exp": int(NOW) + 1}, nameless, algorithms=["RS256"]).encode()
    assert why(data) == ""
    several = read_keys(json.dumps({"keys": [key.as_dict(private=False) for key in (OTHER, RSA)]}).encode(), JWT_PAIRS)
    assert why(data, keys=several) == ""


def test_which_key_is_not_known_is_said() -> None:
    named = read_keys(json.dumps({"keys": [RSA.as_dict(private=False)]}).encode(), JWT_PAIRS)
    assert why(token(OTHER), keys=named) == "it is signed by a key that is not known, 'o'"


def raw(head: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> bytes:
    """A token as nobody would make it in good faith."""
    parts = [json.dumps(head).encode(), json.dumps(claims).encode(), signature]
    return b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)


CLAIMS = {"sub": "root", "exp": int(NOW) + 60}


@pytest.mark.parametrize(
    "data",
    [
        raw({"alg": "none"}, CLAIMS),
        raw({"alg": "None"}, CLAIMS),
        raw({"alg": "NONE", "typ": "JWT"}, CLAIMS, b"x"),
        raw({"alg": "RS256"}, CLAIMS),
        raw({"alg": "RS256", "kid": "r"}, CLAIMS, b"\0" * 256),
        raw({"alg": ["RS256"]}, CLAIMS, b"x"),
        raw({"alg": None}, CLAIMS, b"x"),
        raw({}, CLAIMS, b"x"),
        raw({"alg": "ES256", "kid": "e"}, CLAIMS, b"\0" * 64),
        raw({"alg": "RS256", "jwk": OTHER.as_dict(private=False), "kid": "o"}, CLAIMS, b"x" * 256),
        raw({"alg": "RS256", "kid": "../../etc/passwd"}, CLAIMS, b"x" * 256),
        raw({"alg": "RS256", "kid": 7}, CLAIMS, b"x" * 256),
        b"",
        b".",
        b"..",
        b"a.b.c",
        b"\xff\xfe",
        b"x" * 100_000,
        b"{}",
        token()[:-2],
        token()[:-8] + b"AAAAAAAA",
        token(OTHER),
        token(OTHER, head={"kid": "r"}),
    ],
)
def test_what_nobody_has_signed_does_not_count(data: bytes) -> None:
    assert why(data)


def test_a_public_key_is_no_shared_secret() -> None:
    # CVE-2015-9235: signed with the public key's text, as if that were the secret.
    import hashlib
    import hmac

    pem = RSA.as_pem(private=False)
    for secret in (pem, pem.strip(), PUBLIC):
        start = raw({"alg": "HS256", "kid": "r"}, CLAIMS).rpartition(b".")[0]
        signature = base64.urlsafe_b64encode(hmac.new(secret, start, hashlib.sha256).digest()).rstrip(b"=")
        for algorithms in (JWT_PAIRS, (*JWT_SHARED, *JWT_PAIRS)):
            assert why(start + b"." + signature, Expected(algorithms))


def test_only_the_algorithms_of_the_site_count() -> None:
    assert why(token(), Expected(("RS256",))) == ""
    assert why(token(algorithm="RS512"), Expected(("RS256",)))
    assert why(token(EC, "ES256"), Expected(("RS256",)))


def test_a_key_serves_only_the_algorithm_that_it_names() -> None:
    bound = json.dumps({**RSA.as_dict(private=False), "alg": "PS256"}).encode()
    keys = read_keys(bound, JWT_PAIRS)
    assert why(token(algorithm="PS256"), keys=keys) == ""
    assert why(token(algorithm="RS256"), keys=keys)


@pytest.mark.parametrize(
    ("claims", "counts"),
    [
        ({}, True),
        ({"exp": int(NOW) - 29}, True),
        ({"exp": int(NOW) - 31}, False),
        ({"exp": None}, False),
        ({"exp": "soon"}, False),
        ({"nbf": int(NOW) + 29}, True),
        ({"nbf": int(NOW) + 31}, False),
        ({"iss": "https://b"}, False),
        ({"iss": None}, False),
        ({"iss": ["https://a"]}, False),
        ({"aud": "me"}, True),
        ({"aud": ["you", "me"]}, True),
        ({"aud": "you"}, False),
        ({"aud": []}, False),
        ({"aud": None}, False),
    ],
)
def test_claims_hold_or_the_token_does_not_count(claims: dict[str, Any], counts: bool) -> None:
    expected = Expected(JWT_PAIRS, ("https://a",), ("me", "us"), 30.0)
    assert (why(token(**{"iss": "https://a", "aud": "us", **claims}), expected) == "") is counts


def test_a_token_that_was_good_is_looked_at_again() -> None:
    checker = Checker(PAIRS)
    data = token()
    assert checker.check(data, KEYS, NOW)["sub"] == "anna"
    assert checker.check(data, KEYS, NOW + 59)["sub"] == "anna"
    with pytest.raises(BadToken, match="expired"):
        checker.check(data, KEYS, NOW + 61)
    with pytest.raises(BadToken):
        checker.check(data, read_keys(OTHER.as_pem(private=False), JWT_PAIRS), NOW)


def test_a_shared_secret_serves_where_the_site_names_its_algorithms() -> None:
    keys = read_keys(SECRET + b"\n", ("HS256",))
    data = token(OctKey.import_key(SECRET), "HS256")
    assert why(data, Expected(("HS256",)), keys=keys) == ""
    assert why(data, PAIRS, keys=keys)


@pytest.mark.parametrize("key", [RSA, EC, ED], ids=["RSA", "EC", "Ed25519"])
def test_keys_come_in_pem_too(key: Any) -> None:
    algorithm = {"RSA": "RS256", "EC": "ES256", "OKP": "Ed25519"}[key.key_type]
    assert why(token(key, algorithm), keys=read_keys(key.as_pem(private=False), JWT_PAIRS)) == ""


@pytest.mark.parametrize(
    ("data", "algorithms", "reason"),
    [
        (b"", JWT_PAIRS, "neither PEM nor JSON"),
        (SECRET, JWT_PAIRS, "neither PEM nor JSON"),
        (b"short", ("HS256",), "fewer than 32"),
        (RSA.as_pem(private=True), JWT_PAIRS, "private key"),
        (RSA.as_pem(private=False), ("ES256",), "none of its keys is for ES256"),
        (RSA.as_pem(private=False), ("HS256",), "none of its keys is for HS256"),
        (b"-----BEGIN PUBLIC KEY-----\nxx\n-----END PUBLIC KEY-----", JWT_PAIRS, "holds no public key"),
        (b'{"keys": []}', JWT_PAIRS, "none of its keys"),
        (b'{"keys": 7}', JWT_PAIRS, "cannot be read"),
        (b"{", JWT_PAIRS, "cannot be read"),
        (b'{"keys": [{"kty": "new"}, 5, {"kty": "RSA", "n": 1}]}', JWT_PAIRS, "none of its keys"),
        (json.dumps({**RSA.as_dict(private=False), "use": "enc"}).encode(), JWT_PAIRS, "none of its keys"),
    ],
)
def test_what_holds_no_keys_is_told(data: bytes, algorithms: tuple[str, ...], reason: str) -> None:
    with pytest.raises(BadKeys, match=reason):
        read_keys(data, algorithms)
