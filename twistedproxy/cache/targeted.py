"""
``CDN-Cache-Control`` (RFC 9213): directives for caches that work for the origin, as this one does.

The field is a Dictionary of Structured Fields (RFC 9651 §3.2).  One that is not, to the last character, counts as absent,
as does an empty one; then Cache-Control and Expires hold.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from twistedproxy.cache.directives import Directives, cache_control
from twistedproxy.message import Headers

#: The fields that are aimed at this cache, the first that is there and sound holds (RFC 9213 §2.2).
TARGETED: Final = (b"cdn-cache-control",)

_KEY: Final = rb"[a-z*][a-z0-9_.*\-]*"
_INTEGER: Final = rb"-?[0-9]{1,15}"
_STRING: Final = rb'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"'
_TOKEN: Final = rb"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*"
# bare-item = decimal / integer / date / string / token / byte sequence / boolean / display string (RFC 9651 §3.3)
_BARE: Final = (
    rb"(?:-?[0-9]{1,12}\.[0-9]{1,3}|@?" + _INTEGER + rb"|" + _STRING + rb"|" + _TOKEN + rb"|:[A-Za-z0-9+/=]*:|\?[01]"
    rb'|%"(?:[\x20\x21\x23\x24\x26-\x7e]|%[0-9a-f]{2})*")'
)
_PARAMETERS: Final = rb"(?:; *" + _KEY + rb"(?:=" + _BARE + rb")?)*"
_ITEM: Final = _BARE + _PARAMETERS
_INNER: Final = rb"\( *(?:" + _ITEM + rb"(?: +" + _ITEM + rb")*)? *\)"
_MEMBER: Final = re.compile(
    rb"(?P<key>"
    + _KEY
    + rb")(?:=(?:(?P<inner>"
    + _INNER
    + rb")|(?P<bare>"
    + _BARE
    + rb")))?"
    + _PARAMETERS
    + rb"(?P<end>[ \t]*(?:,[ \t]*|\Z))"
)
_ESCAPED: Final = re.compile(rb"\\(.)", re.DOTALL)
_WHOLE_NUMBER: Final = re.compile(_INTEGER)

# Directives of a kind that a targeted field has no use for: what can only be understood as the most careful value.
_OTHER_TYPE: Final = b"?"


@lru_cache(maxsize=1024)
def parse_targeted(value: bytes) -> Directives | None:
    """
    The directives of a targeted field, its lines joined by commas; None when it is no Dictionary, or an empty one.

    A member that is ``?1`` is a directive without argument, one that is ``?0`` none.  A member of a type that its directive
    does not have is malformed, as it is in Cache-Control.  Parameters have no meaning (RFC 9213 §2.1).
    """
    value = value.strip(b" ")
    arguments: dict[bytes, tuple[tuple[bytes | None, bool], ...]] = {}
    position, end = 0, len(value)
    while position < end:
        found = _MEMBER.match(value, position)
        if found is None:
            return None
        position = found.end()
        if position == end and b"," in found["end"]:
            return None  # RFC 9651 §4.2.2: a comma with nothing behind it.
        bare = found["bare"]
        key = found["key"]
        # §4.2.2: of several members with one key the last counts.
        if bare == b"?0":
            arguments.pop(key, None)
        else:
            arguments[key] = (_argument(found["inner"], bare),)
    return Directives(arguments, malformed=False) if arguments else None


def _argument(inner: bytes | None, bare: bytes | None) -> tuple[bytes | None, bool]:
    if inner is not None:
        return _OTHER_TYPE, False
    if bare is None or bare == b"?1":
        return None, False
    if _WHOLE_NUMBER.fullmatch(bare):
        return bare, False
    if bare.startswith(b'"'):
        text = _ESCAPED.sub(rb"\1", bare[1:-1])
        # A string is a list of field names; never a number, which is an Integer here.
        return (_OTHER_TYPE, False) if text.isdigit() else (text, True)
    return _OTHER_TYPE, False


def targeted_control(headers: Headers) -> Directives | None:
    """The directives of a response's targeted field; None when it has none that is sound."""
    for name in TARGETED:
        value = headers.joined(name)
        if value is not None:
            found = parse_targeted(value)
            if found is not None:
                return found
    return None


def response_control(headers: Headers) -> tuple[Directives, bool]:
    """
    What a response says to this cache.

    :return: its directives, and whether they are targeted, so that Cache-Control, Expires and Pragma have no say
        (RFC 9213 §2.2)
    """
    found = targeted_control(headers)
    return (cache_control(headers), False) if found is None else (found, True)


def withheld_fields(headers: Headers) -> frozenset[bytes]:
    """
    Fields of a response that must not go to another client: those named by ``private="…"`` and ``no-cache="…"``
    (RFC 9111 §5.2.2.7, §5.2.2.4), in Cache-Control or in a targeted field.
    """
    names: frozenset[bytes] = frozenset()
    for said in (cache_control(headers), targeted_control(headers)):
        if said is not None:
            names |= said.fields(b"private") | said.fields(b"no-cache")
    return names
