"""Replies that the proxy makes itself: errors and redirects, small and complete in one piece."""

from __future__ import annotations

import re
from functools import cache
from http import HTTPStatus
from typing import Final

from twistedproxy.errors import Reason
from twistedproxy.message import Field, Headers, ResponseHead

_INVISIBLE: Final = re.compile(rb"[^\x21-\x7e]")

_PAGE: Final = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{status} {phrase}</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"></head>
<body><h1>{status} {phrase}</h1>{text}</body>
</html>
"""

#: Seconds after which a client may come back when no peer is available.
_RETRY_AFTER: Final = b"5"

#: What may be asked of a server behind the proxy; what it really allows, only the server knows.
_METHODS: Final = b"GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"


def phrase(status: int) -> str:
    """The standard reason phrase of *status*; empty for an unknown one."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


@cache
def error(reason: Reason) -> tuple[ResponseHead, bytes]:
    """
    Head and body for *reason*.  The text names what the client did wrong; of what is wrong behind the proxy it tells nothing.
    """
    text = f"\n<p>{reason.text}</p>" if 400 <= reason.status < 500 else ""
    more: list[Field] = []
    if reason.status in (503, 504):
        more.append((b"Retry-After", _RETRY_AFTER))
    elif reason.status == 405:
        more.append((b"Allow", _METHODS))
    return _page(reason.status, text, more)


@cache
def options() -> tuple[ResponseHead, bytes]:
    """Head and body for OPTIONS that asks the proxy itself, by Max-Forwards: 0 (RFC 9110 §7.6.2, §9.3.7)."""
    fields = [(b"Server", b"twistedproxy"), (b"Allow", _METHODS), (b"Content-Length", b"0")]
    return ResponseHead(200, b"OK", Headers(fields), length=0), b""


def redirect(status: int, location: bytes) -> tuple[ResponseHead, bytes]:
    """
    Head and body that send the client to *location*.

    What of it is not visible ASCII is escaped (RFC 3986 §2.1): parts of it are a client's own words.
    """
    return _page(status, "", [(b"Location", _INVISIBLE.sub(_escape, location))])


def _escape(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found[0][0]


def _page(status: int, text: str, more: list[Field]) -> tuple[ResponseHead, bytes]:
    body = _PAGE.format(status=status, phrase=phrase(status), text=text).encode("ascii", "xmlcharrefreplace")
    fields: list[Field] = [
        (b"Server", b"twistedproxy"),
        (b"Content-Type", b"text/html; charset=utf-8"),
        (b"Content-Length", b"%d" % len(body)),
        *more,
    ]
    return ResponseHead(status, phrase(status).encode("ascii"), Headers(fields), length=len(body)), body
