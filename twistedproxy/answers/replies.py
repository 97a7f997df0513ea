"""Replies that the proxy makes itself: errors and redirects, small and complete in one piece."""

from __future__ import annotations

import json
import re
from functools import cache
from http import HTTPStatus
from typing import Final

from twistedproxy.answers.media_types import HTML, JSON, PLAIN, PROBLEM
from twistedproxy.errors import FILE_METHOD, Reason, Whose
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
#: What may be asked of a file.
_READING: Final = b"GET, HEAD"


def phrase(status: int) -> str:
    """The standard reason phrase of *status*; empty for an unknown one."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


#: The forms in which an error is told, the usual first.
FORMS: Final = (HTML, PROBLEM, PLAIN)
CONTENT_TYPES: Final = {
    HTML: b"text/html; charset=utf-8",
    PROBLEM: PROBLEM,
    PLAIN: b"text/plain; charset=utf-8",
    JSON: JSON,
    b"application/xml": b"application/xml; charset=utf-8",
}
#: Which of them it is depends on the request (RFC 9110 §12.5.5).
VARIES: Final[Field] = (b"Vary", b"Accept")


@cache
def error(reason: Reason, form: bytes = HTML) -> tuple[ResponseHead, bytes]:
    """
    Head and body for *reason*, in one of :data:`FORMS`.

    The text names what the client did wrong; of what is wrong behind the proxy it tells nothing.
    """
    more: list[Field] = [VARIES]
    if reason.status in (503, 504):
        more.append((b"Retry-After", _RETRY_AFTER))
    elif reason.status == 405:
        more.append((b"Allow", _READING if reason is FILE_METHOD else _METHODS))
    return _whole(reason.status, form, text_of(reason.status, form, detail_of(reason)), more)


def detail_of(reason: Reason) -> str:
    """What a client hears of *reason*: what it did wrong."""
    return reason.text if reason.whose is Whose.DOWNSTREAM and 400 <= reason.status < 500 else ""


def text_of(status: int, form: bytes, detail: str = "") -> bytes:
    """What is said of an error with *status*, in one of :data:`FORMS`; *detail* is one sentence."""
    title = phrase(status)
    if form == PROBLEM:
        problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        return json.dumps({key: value for key, value in problem.items() if value}).encode("ascii") + b"\n"
    if form == PLAIN:
        return f"{status} {title}".rstrip().encode("ascii") + (f": {detail}\n" if detail else "\n").encode("utf-8")
    return _page(status, f"\n<p>{detail}</p>" if detail else "")


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
    return _whole(status, HTML, _page(status, ""), [(b"Location", _INVISIBLE.sub(_escape, location))])


def _escape(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found[0][0]


def _page(status: int, text: str) -> bytes:
    return _PAGE.format(status=status, phrase=phrase(status), text=text).encode("ascii", "xmlcharrefreplace")


def _whole(status: int, form: bytes, body: bytes, more: list[Field]) -> tuple[ResponseHead, bytes]:
    fields: list[Field] = [
        (b"Server", b"twistedproxy"),
        (b"Content-Type", CONTENT_TYPES[form]),
        (b"Content-Length", b"%d" % len(body)),
        *more,
    ]
    return ResponseHead(status, phrase(status).encode("ascii"), Headers(fields), length=len(body)), body
