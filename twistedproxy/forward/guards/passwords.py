"""
Password files as htpasswd(1) makes them: lines of ``name:hash``.

Hashes may be bcrypt (``htpasswd -B``), SHA-512 and SHA-256 crypt (``htpasswd -5 -2``, ``openssl passwd -6 -5``), MD5 crypt in
Apache's form and in crypt's (``$apr1$``, ``$1$``), and SHA-1, plain or salted (``{SHA}``, ``{SSHA}``).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import bcrypt
from passlib.hash import apr_md5_crypt, md5_crypt, sha256_crypt, sha512_crypt

#: Bytes of a password; longer ones are nobody's, and cost time.
LONGEST: Final = 1024
#: What bcrypt looks at (as in Apache, what is beyond does not count).
_BCRYPT_BYTES: Final = 72

_FORMS: Final[dict[str, re.Pattern[str]]] = {
    "bcrypt": re.compile(r"\$2[aby]\$(?:0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}"),
    "apr1": re.compile(r"\$apr1\$[./A-Za-z0-9]{0,8}\$[./A-Za-z0-9]{22}"),
    "md5": re.compile(r"\$1\$[./A-Za-z0-9]{0,8}\$[./A-Za-z0-9]{22}"),
    "sha256": re.compile(r"\$5\$(?:rounds=[0-9]{4,6}\$)?[./A-Za-z0-9]{0,16}\$[./A-Za-z0-9]{43}"),
    "sha512": re.compile(r"\$6\$(?:rounds=[0-9]{4,6}\$)?[./A-Za-z0-9]{0,16}\$[./A-Za-z0-9]{86}"),
    "sha1": re.compile(r"\{SHA\}[+/A-Za-z0-9]{27}="),
    "salted sha1": re.compile(r"\{SSHA\}[+/A-Za-z0-9]{28,}={0,2}"),
}

#: Forms that are quickly guessed by whoever gets hold of the file.
WEAK: Final = frozenset(("apr1", "md5", "sha1", "salted sha1"))


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no entry."""

    number: int
    reason: str


def form_of(stored: str) -> str | None:
    """What *stored* is hashed by; None for what is not known here."""
    return next((form for form, pattern in _FORMS.items() if pattern.fullmatch(stored)), None)


def parse(data: bytes) -> tuple[dict[bytes, str], list[BadLine]]:
    """The hashes of a password file by name, and the lines that cannot be used."""
    users: dict[bytes, str] = {}
    bad: list[BadLine] = []
    for number, raw in enumerate(data.split(b"\n"), 1):
        line = raw.strip(b"\r\t ")
        if not line or line.startswith(b"#"):
            continue
        name, colon, rest = line.partition(b":")
        stored = rest.partition(b":")[0].decode("latin-1")
        if not colon or not name:
            bad.append(BadLine(number, "is not NAME:HASH"))
        elif form_of(stored) is None:
            bad.append(BadLine(number, "has a password in plain text, or in a form that is not known"))
        elif name in users:
            bad.append(BadLine(number, "names somebody who stands further up"))
        else:
            users[name] = stored
    return users, bad


def verify(stored: str, password: bytes) -> bool:
    """Whether *password* is the one that *stored* was made of.  Takes as long as whoever made it wanted: milliseconds or more."""
    if len(password) > LONGEST or b"\0" in password:
        return False
    form = form_of(stored)
    return form is not None and _VERIFY[form](stored, password)


def _bcrypt(stored: str, password: bytes) -> bool:
    return bcrypt.checkpw(password[:_BCRYPT_BYTES], stored.encode("ascii"))


def _sha1(stored: str, password: bytes) -> bool:
    return hmac.compare_digest(base64.b64decode(stored[5:]), hashlib.sha1(password, usedforsecurity=False).digest())


def _salted_sha1(stored: str, password: bytes) -> bool:
    try:
        made = base64.b64decode(stored[6:], validate=True)
    except ValueError:
        return False
    digest, salt = made[:20], made[20:]
    return hmac.compare_digest(digest, hashlib.sha1(password + salt, usedforsecurity=False).digest())


def _by(scheme: type) -> Callable[[str, bytes], bool]:
    def check(stored: str, password: bytes) -> bool:
        return bool(scheme.verify(password, stored))  # type: ignore[attr-defined]

    return check


_VERIFY: Final[dict[str, Callable[[str, bytes], bool]]] = {
    "bcrypt": _bcrypt,
    "apr1": _by(apr_md5_crypt),
    "md5": _by(md5_crypt),
    "sha256": _by(sha256_crypt),
    "sha512": _by(sha512_crypt),
    "sha1": _sha1,
    "salted sha1": _salted_sha1,
}
