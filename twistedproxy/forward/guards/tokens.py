"""
JSON Web Tokens (RFC 7519), checked as RFC 8725 advises: pure, by joserfc.

The site says which algorithms count; the token's own word only chooses among them.  A key belongs to algorithms of its kind: a
public key is never taken for a shared secret.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey, import_key

from twistedproxy.settings.tokens import JWT_SHARED

Claims = Mapping[str, Any]
Key = RSAKey | ECKey | OKPKey | OctKey

_KINDS: Final = {"HS": "oct", "RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
#: Bytes of a token; longer ones are nobody's.
LONGEST: Final = 16 * 1024
#: Keys that are tried for a token that does not say which.
_TRIED: Final = 8
#: Bytes of a shared secret, at least (RFC 7518 §3.2).
_SECRET: Final = 32
#: Tokens whose signature is remembered as good.
_REMEMBERED: Final = 2048


class BadKeys(ValueError):
    """A file or an answer holds no keys that can be used; the text says why."""


class BadToken(Exception):
    """
    A token that does not count; the text says why.

    :ivar unknown_key: it names a key that is not known (yet)
    """

    def __init__(self, why: str, *, unknown_key: bool = False) -> None:
        super().__init__(why)
        self.unknown_key = unknown_key


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key, and what it says of itself: a name, and the one algorithm that it is for; empty for none."""

    key: Key
    name: str
    algorithm: str

    def serves(self, algorithm: str) -> bool:
        """Whether it may be used for *algorithm*."""
        return self.key.key_type == _KINDS[algorithm[:2]] and self.algorithm in ("", algorithm)


def read_keys(data: bytes, algorithms: Sequence[str]) -> tuple[KnownKey, ...]:
    """
    The keys in a file, or in what a server answered: a JWK set or a JWK (RFC 7517), a public key or a certificate in PEM,
    or, where *algorithms* are those of shared secrets only, the secret itself.

    :raises BadKeys: there is none that can be used
    """
    shared = all(algorithm in JWT_SHARED for algorithm in algorithms)
    text = data.strip()
    try:
        if text.startswith(b"{"):
            keys = _of_json(text)
        elif text.startswith(b"-----BEGIN"):
            keys = [_of_pem(text)]
        elif shared:
            if len(text) < _SECRET:
                raise BadKeys(f"the secret has {len(text)} bytes, fewer than {_SECRET} (RFC 7518 §3.2)")
            keys = [KnownKey(OctKey.import_key(text), "", "")]
        else:
            raise BadKeys("it is neither PEM nor JSON")
    except BadKeys:
        raise
    except (ValueError, TypeError, KeyError, JoseError) as problem:
        raise BadKeys(f"a key cannot be read: {problem}") from None
    usable = tuple(key for key in keys if any(key.serves(algorithm) for algorithm in algorithms))
    if not usable:
        raise BadKeys(f"none of its keys is for {', '.join(algorithms)}")
    return usable


def _of_pem(text: bytes) -> KnownKey:
    if b"PRIVATE KEY" in text:
        raise BadKeys("it holds a private key; the public one is enough, and safer here")
    if text.startswith(b"-----BEGIN CERTIFICATE"):
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = x509.load_pem_x509_certificate(text).public_key()
        text = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for kind in ("RSA", "EC", "OKP"):
        try:
            return KnownKey(import_key(text, kind), "", "")
        except (ValueError, TypeError, JoseError):
            continue
    raise BadKeys("the PEM holds no public key of RSA, an elliptic curve, or Ed25519")


def _of_json(text: bytes) -> list[KnownKey]:
    said = json.loads(text)
    found: list[KnownKey] = []
    for each in said.get("keys", [said]) if isinstance(said, dict) else ():
        if not isinstance(each, dict) or each.get("use", "sig") != "sig":
            continue
        try:
            key = import_key(each)
        except (ValueError, TypeError, KeyError, JoseError):
            # RFC 7517 §5: what is not understood is passed over.
            continue
        found.append(KnownKey(key, str(each.get("kid", "")), str(each.get("alg", ""))))
    return found


@dataclass(frozen=True, slots=True)
class Expected:
    """
    What a token must say.

    :ivar algorithms: that count
    :ivar issuers: of which one must have issued it; any for none
    :ivar audiences: of which it must be for one; any for none
    :ivar leeway: seconds by which clocks may differ
    :ivar expires: it must say until when it counts
    """

    algorithms: tuple[str, ...]
    issuers: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    leeway: float = 0.0
    expires: bool = True


class Checker:
    """Checks tokens; of those that it has seen it remembers that their signature is good."""

    def __init__(self, expected: Expected) -> None:
        self._expected = expected
        self._signed: OrderedDict[bytes, tuple[object, Mapping[str, Any]]] = OrderedDict()

    def check(self, token: bytes, keys: Sequence[KnownKey], now: float) -> Mapping[str, Any]:
        """
        The claims of *token*.

        :param now: seconds since 1970
        :raises BadToken: it does not count
        """
        if len(token) > LONGEST:
            raise BadToken("it is too long")
        digest = sha256(token).digest()
        known = self._signed.get(digest)
        if known is not None and known[0] is keys:
            claims = known[1]
        else:
            claims = self._claims(token, keys)
            if len(self._signed) >= _REMEMBERED:
                self._signed.popitem(last=False)
            self._signed[digest] = (keys, claims)
        self._hold(claims, now)
        return claims

    def _claims(self, token: bytes, keys: Sequence[KnownKey]) -> Mapping[str, Any]:
        try:
            said = jws.extract_compact(token).headers()
        except (ValueError, TypeError, JoseError):
            raise BadToken("it is no signed token") from None
        algorithm, name = said.get("alg"), said.get("kid")
        if algorithm not in self._expected.algorithms:
            raise BadToken(f"it is signed by {str(algorithm)[:20]!r}")
        fitting = [key for key in keys if key.serves(algorithm)]
        if isinstance(name, str) and any(key.name for key in fitting):
            fitting = [key for key in fitting if key.name in (name, "")]
        if not fitting:
            raise BadToken(f"it is signed by a key that is not known, {str(name)[:80]!r}", unknown_key=True)
        for key in fitting[:_TRIED]:
            try:
                return jwt.decode(token, key.key, algorithms=[algorithm]).claims
            except (ValueError, TypeError, JoseError):
                continue
        # A server may have changed its key under the same name, or under none.
        raise BadToken("its signature is not good", unknown_key=True)

    def _hold(self, claims: Mapping[str, Any], now: float) -> None:
        expected = self._expected
        wanted: dict[str, Any] = {}
        if expected.expires:
            wanted["exp"] = {"essential": True}
        if expected.issuers:
            wanted["iss"] = {"essential": True, "values": list(expected.issuers)}
        if expected.audiences:
            wanted["aud"] = {"essential": True, "values": list(expected.audiences)}
        registry = jwt.JWTClaimsRegistry(now=int(now), leeway=int(expected.leeway), **wanted)
        try:
            registry.validate(dict(claims))
        except (ValueError, TypeError, JoseError) as problem:
            raise BadToken(getattr(problem, "description", "") or str(problem)) from None
