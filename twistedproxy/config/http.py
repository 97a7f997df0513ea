"""Values that speak of HTTP: statuses, redirects, templates."""

from __future__ import annotations

import re
from typing import Final

from twistedproxy.config.problems import BadValue
from twistedproxy.config.scalars import Context, duration, whole_number, write_duration
from twistedproxy.settings.answers import FixedAnswer, RedirectAnswer
from twistedproxy.templates import REQUEST_NAMES, Template

# RFC 9110 §5.6.2.
TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_LOCATION = re.compile(r"[!-~]+")

#: Fields that say how a message travels: the proxy writes them itself (RFC 9110 §7.6.1, RFC 9112 §6).
FRAMING_FIELDS: Final = frozenset(
    ("connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
)
REDIRECT_STATUSES: Final = (301, 302, 303, 307, 308)


def status(text: str, minimum: int = 100) -> int:
    """A status of three digits."""
    number = whole_number(text, "a status")
    if not minimum <= number <= 599:
        raise BadValue(f"{text} is not a status", f"write {minimum} to 599")
    return number


def status_range(text: str, at: Context) -> tuple[int, int]:
    """``200`` or ``200-299``."""
    first, dash, last = text.partition("-")
    low = status(first)
    high = status(last) if dash else low
    if high < low:
        raise BadValue(f"{text!r} runs backwards", f"write {last}-{first}")
    return low, high


def write_status_range(value: tuple[int, int]) -> str:
    """As :func:`status_range` reads it."""
    low, high = value
    return str(low) if low == high else f"{low}-{high}"


def cache_valid(text: str, at: Context) -> tuple[frozenset[int], float]:
    """``200 301 10m``: statuses, and how long their answers are fresh."""
    *statuses, seconds = text.split()
    if not statuses:
        raise BadValue(f"{text!r} names no status or no duration", "write for instance 200 301 10m")
    return frozenset(status(word, 200) for word in statuses), duration(seconds, at)


def write_cache_valid(value: tuple[frozenset[int], float]) -> str:
    """As :func:`cache_valid` reads it."""
    statuses, seconds = value
    return " ".join([*map(str, sorted(statuses)), write_duration(seconds)])


def cache_key(text: str, at: Context) -> str:
    """A template by whose result answers are found."""
    if _of_request(text).is_constant:
        raise BadValue(f"{text!r} is the same for every request", "write for instance {scheme}://{host}{uri}")
    return text


def condition(text: str, at: Context) -> str:
    """A template that holds, or not, by what the request says."""
    if _of_request(text).is_constant:
        raise BadValue(f"{text!r} is the same for every request", "write for instance {cookie.session}, {arg.nocache}")
    return text


def _of_request(text: str) -> Template:
    try:
        return Template.parse(text, REQUEST_NAMES)
    except ValueError as bad:
        raise BadValue(str(bad)) from None


def redirect(text: str, at: Context) -> RedirectAnswer:
    """``STATUS TEMPLATE``; the template knows what the request says."""
    first, *rest = text.split(None, 1)
    if not first.isdigit() or not rest:
        raise BadValue(f"{text!r} is not STATUS LOCATION", "write for instance 301 https://{host}{uri}")
    number = whole_number(first, "a status")
    if number not in REDIRECT_STATUSES:
        raise BadValue(f"{number} is not a redirect", f"write one of {', '.join(map(str, REDIRECT_STATUSES))}")
    location = rest[0]
    if not _LOCATION.fullmatch(location):
        raise BadValue(f"{location!r} has a blank or a character beyond ASCII", "write it percent-encoded")
    try:
        Template.parse(location, REQUEST_NAMES)
    except ValueError as bad:
        raise BadValue(str(bad)) from None
    return RedirectAnswer(number, location)


def respond(text: str, at: Context) -> FixedAnswer:
    """``STATUS TEXT``; the template knows what the request says."""
    first, *rest = text.split(None, 1)
    if not first.isdigit():
        raise BadValue(f"{text!r} is not STATUS TEXT", "write for instance 410 this page is gone")
    number = status(first, 200)
    words = rest[0] if rest else ""
    if number in REDIRECT_STATUSES:
        raise BadValue(f"{number} sends clients elsewhere", f"write redirect = {number} LOCATION")
    if words and number in (204, 304):
        raise BadValue(f"{number} has no text", f"write respond = {number}")
    _of_request(words)
    return FixedAnswer(number, words)


def write_respond(answer: FixedAnswer) -> str:
    """As :func:`respond` reads it."""
    return f"{answer.status} {answer.text}".rstrip()


def write_redirect(answer: RedirectAnswer) -> str:
    """As :func:`redirect` reads it."""
    return f"{answer.status} {answer.location}"
