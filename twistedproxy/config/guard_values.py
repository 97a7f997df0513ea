"""Values that speak of who may in, and how often."""

from __future__ import annotations

import re
from typing import Final

from twistedproxy.addresses import UNIX_CLIENTS
from twistedproxy.config import files
from twistedproxy.config.http import FRAMING_FIELDS
from twistedproxy.config.network import authority, network
from twistedproxy.config.problems import BadValue
from twistedproxy.config.scalars import Context, size, write_size
from twistedproxy.forward.guards import passwords
from twistedproxy.templates import REQUEST_NAMES, Template

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_URL: Final = re.compile(r"(https?)://([^/?#@\\]+)(/[!-~]*)?", re.ASCII)
_BITS: Final = re.compile(r"[0-9]+[kKmMgG]?(?:bit|bps|b)/?s?")


def client(text: str, at: Context) -> str:
    """A network in CIDR, ``unix:`` or ``all``."""
    return text if text in ("all", UNIX_CLIENTS) else network(text, at)


def bandwidth(text: str, at: Context) -> int:
    """Bytes a second: ``500k/s``."""
    number, slash, unit = text.partition("/")
    if not slash or unit != "s":
        remedy = "write bytes a second, for instance 500k/s or 1m/s"
        raise BadValue(f"{text!r} is not a bandwidth", remedy if slash or _BITS.fullmatch(text) else f"write {text}/s")
    value = size(number, Context(at.directory, {}))
    if value < 256:
        raise BadValue(f"{text} is next to nothing", "write at least 256/s")
    return value


def write_bandwidth(value: int) -> str:
    """As :func:`bandwidth` reads it."""
    return f"{write_size(value)}/s"


def limit_key(text: str, at: Context) -> str:
    """A template by whose result requests are counted."""
    try:
        Template.parse(text, REQUEST_NAMES)
    except ValueError as bad:
        raise BadValue(str(bad)) from None
    return text


def password_file(text: str, at: Context) -> str:
    """A path to a file of names and passwords, each of which can be checked."""
    name = files.path(text, at)
    users, bad = passwords.parse(files.contents(name))
    if bad:
        raise BadValue(f"{name}: line {bad[0].number} {bad[0].reason}", "let htpasswd -B write it (bcrypt)")
    if not users:
        raise BadValue(f"{name} names nobody", f"add somebody with htpasswd -B {name} NAME")
    return name


def realm(text: str, at: Context) -> str:
    """Text that can stand in quotes."""
    if not text.isprintable() or len(text) > 200:
        raise BadValue(f"{text[:40]!r} cannot be shown", "write a few words")
    return text


def key_source(text: str, at: Context) -> str:
    """A URL, or a path to a file of keys; whether they serve is known with the algorithms."""
    if text.startswith(("http://", "https://")):
        return url(text, at)
    name = files.path(text, at)
    files.contents(name)
    return name


def url(text: str, at: Context) -> str:
    """``http://HOST[:PORT][/PATH]``, or with https."""
    found = _URL.fullmatch(text)
    if found is None:
        raise BadValue(f"{text!r} is not a URL", "write for instance http://127.0.0.1:9000/verify")
    authority(found[2])
    return text


def field_name(text: str, at: Context) -> str:
    """The name of a header field that may go from one message to another."""
    if not _TOKEN.fullmatch(text):
        raise BadValue(f"{text!r} is not the name of a header field", "letters, digits and hyphens only")
    if text.lower() in FRAMING_FIELDS or text.lower() == "host":
        raise BadValue(f"{text} says how the message travels", "leave it to the proxy")
    return text


def word(text: str, at: Context) -> str:
    """Text without blanks."""
    if len(text.split()) != 1:
        raise BadValue(f"{text!r} are several words", "write one")
    return text


def token_place(text: str, at: Context) -> str:
    """``bearer``, ``cookie NAME`` or ``header NAME``."""
    kind, *names = text.split()
    if kind == "bearer" and not names:
        return text
    if kind not in ("cookie", "header") or len(names) != 1 or not _TOKEN.fullmatch(names[0]):
        raise BadValue(f"{text!r} is no place of a token", "write bearer, cookie NAME or header NAME")
    return f"{kind} {names[0]}"


def claim_header(text: str, at: Context) -> tuple[str, str]:
    """``CLAIM HEADER``."""
    words = text.split()
    if len(words) != 2:
        raise BadValue(f"{text!r} is not CLAIM HEADER", "write for instance sub X-User")
    return words[0], field_name(words[1], at)


def write_claim_header(value: tuple[str, str]) -> str:
    """As :func:`claim_header` reads it."""
    return " ".join(value)
