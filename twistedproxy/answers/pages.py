"""
Pages of the site's own for errors (``error_page``): which one a status has, and what is put into it.

In a page stand ``{status}``, ``{reason}``, ``{request_id}``, ``{host}`` and ``{path}``; all other braces stand for themselves,
as pages have style sheets.  Values are clients' words: they are escaped for what the page is.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Sequence
from typing import Final

from twistedproxy.answers import replies
from twistedproxy.answers.media_types import HTML, JSON, PLAIN, preferred
from twistedproxy.message import Field, Headers, ResponseHead
from twistedproxy.settings.pages import ErrorPage, PageFile

#: What is said in a page.
NAMES: Final = ("status", "reason", "request_id", "host", "path")
_NAME: Final = re.compile(f"{{({'|'.join(NAMES)})}}")

#: What is not true any more of an answer that gets another body.
_GONE: Final = frozenset(
    (
        b"accept-ranges",
        b"content-digest",
        b"content-disposition",
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-location",
        b"content-md5",
        b"content-type",
        b"digest",
        b"etag",
        b"last-modified",
        b"repr-digest",
        b"trailer",
    )
)

Lookup = Callable[[str], str]


def _in_json(value: str) -> str:
    return json.dumps(value)[1:-1]


_ESCAPES: Final[dict[str, Callable[[str], str]]] = {
    "text/html": html.escape,
    "application/xml": html.escape,
    "application/json": _in_json,
    "application/problem+json": _in_json,
    "text/plain": str,
}


class _Text:
    """One file: text, and the names in it."""

    __slots__ = ("_escape", "_pieces")

    def __init__(self, file: PageFile) -> None:
        # Every second piece is a name.
        self._pieces = _NAME.split(file.text)
        self._escape = _ESCAPES[file.media_type]

    def render(self, value: Lookup) -> bytes:
        pieces = self._pieces
        if len(pieces) > 1:
            escape = self._escape
            pieces = [escape(value(piece)) if place % 2 else piece for place, piece in enumerate(pieces)]
        return "".join(pieces).encode("utf-8", "replace")


class Page:
    """
    What takes the place of an error.

    :ivar status: of the answer, when it is another one than that of the error; 0 for the same
    """

    __slots__ = ("_offers", "_texts", "status")

    def __init__(self, settings: ErrorPage) -> None:
        self.status = settings.status
        self._texts = {file.media_type.encode("ascii"): _Text(file) for file in settings.files}
        own = tuple(self._texts)
        built_in = () if 0 < self.status < 400 else tuple(form for form in replies.FORMS if form not in own)
        if JSON in own:
            built_in = tuple(form for form in built_in if form in (HTML, PLAIN))
        # Pages come first: who takes anything gets the first of them.
        self._offers = (*own, *built_in)

    def in_place_of(self, head: ResponseHead, detail: str, accept: bytes | None, lookup: Lookup) -> tuple[ResponseHead, bytes]:
        """
        Head and body for whoever would get *head*; its fields stay that do not speak of its body.

        :param detail: what the proxy's own words say more, for those who want another form than there is a page in
        :param lookup: values of templates' names
        """
        status = self.status or head.status
        form = preferred(accept, self._offers)
        text = self._texts.get(form)
        if text is not None:
            body = text.render(lambda name: _value(name, status, lookup))
        else:
            body = replies.text_of(status, form, detail)
        fields = head.headers.fields_without(_GONE)
        fields += [(b"Content-Type", replies.CONTENT_TYPES[form]), (b"Content-Length", b"%d" % len(body))]
        if form != HTML and b"x-content-type-options" not in head.headers:
            fields.append((b"X-Content-Type-Options", b"nosniff"))
        if len(self._offers) > 1:
            fields = _varying(head.headers, fields)
        return ResponseHead(status, replies.phrase(status).encode("ascii"), Headers(fields), length=len(body)), body


def _varying(headers: Headers, fields: list[Field]) -> list[Field]:
    """*fields*, of *headers*, with Accept named by Vary."""
    if {b"*", b"accept"}.isdisjoint(headers.elements(b"vary")):
        fields.append(replies.VARIES)
    return fields


def _value(name: str, status: int, lookup: Lookup) -> str:
    if name == "status":
        return str(status)
    if name == "reason":
        return replies.phrase(status)
    # Values of templates are Latin-1 characters that stand for bytes.
    return lookup(name).encode("latin-1").decode("utf-8", "replace")


class Pages:
    """
    The lines of one ``error_page``, or of several, the nearest first.

    Of one the line that names a status wins over one that names its class.
    """

    __slots__ = ("_by_status",)

    def __init__(self, *levels: Sequence[ErrorPage]) -> None:
        self._by_status: dict[int, Page | None] = {}
        for lines in levels:
            found: dict[int, Page | None] = {}
            for by_class in (True, False):
                for line in lines:
                    page = Page(line) if line.files else None
                    for word in line.statuses:
                        if word.endswith("xx") is by_class:
                            first = int(word[0]) * 100
                            found.update(dict.fromkeys(range(first, first + 100) if by_class else (int(word),), page))
            self._by_status = {**found, **self._by_status}

    def of(self, status: int) -> Page | None:
        """The page for *status*; None for the proxy's own words."""
        return self._by_status.get(status)

    def says(self, status: int) -> bool:
        """Whether there is a line for *status*, be it ``default``."""
        return status in self._by_status

    def __bool__(self) -> bool:
        return bool(self._by_status)
