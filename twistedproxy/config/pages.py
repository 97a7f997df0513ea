"""Values that speak of error pages and of maintenance; pages are read with the site."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final

from twistedproxy.config import files
from twistedproxy.config.http import status
from twistedproxy.config.problems import BadValue, Problem
from twistedproxy.config.reader import Section
from twistedproxy.config.scalars import Context, boolean
from twistedproxy.settings.pages import ErrorPage, PageFile
from twistedproxy.settings.route_knobs import RouteKnobs

_STATUS: Final = re.compile(r"[0-9]{3}|[0-9][xX]{2}", re.ASCII)
#: Bytes of a page: all of them are kept in memory.
LARGEST: Final = 256 * 1024
_TYPES: Final = {
    ".html": "text/html",
    ".htm": "text/html",
    ".json": "application/json",
    ".txt": "text/plain",
    ".xml": "application/xml",
}


def error_page(text: str, at: Context) -> ErrorPage:
    """``STATUS… [=STATUS] FILE…``, or ``STATUS… default``; the files are read."""
    words = text.split()
    statuses: list[str] = []
    while words and _STATUS.fullmatch(words[0]):
        statuses.append(_error_status(words.pop(0)))
    if not statuses:
        raise BadValue(f"{text!r} names no status", "write for instance 502 503 504 pages/down.html, or 5xx pages/down.html")
    instead = 0
    if words and words[0].startswith("="):
        word = words.pop(0).removeprefix("=")
        if not word:
            raise BadValue(f"{text!r} has a blank behind the =", "write for instance 404 =200 index.html")
        instead = status(word, 200)
        if instead in (204, 205, 304) or 300 <= instead < 400:
            raise BadValue(f"an answer with {instead} has no page", "write for instance 404 =200 index.html")
    if not words:
        raise BadValue(f"{text!r} names no file", f"write {' '.join(statuses)} FILE, or default for the proxy's own words")
    if words == ["default"]:
        if instead:
            raise BadValue("the proxy's own words have the error's own status", f"write {' '.join(statuses)} default")
        return ErrorPage(tuple(statuses))
    pages = tuple(_page_file(word, at) for word in words)
    kinds = [page.media_type for page in pages]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise BadValue(f"{text!r} names two files of the type {kind}", "write one of each type")
    return ErrorPage(tuple(statuses), pages, instead)


def _error_status(word: str) -> str:
    word = word.lower()
    if word[0] not in "45":
        raise BadValue(f"{word} is not an error", "write 400 to 599, 4xx or 5xx")
    return word


def _page_file(word: str, at: Context) -> PageFile:
    if word.startswith(("http://", "https://")):
        raise BadValue(f"{word} is not a file", "to send clients elsewhere, let the page say <meta http-equiv=refresh …>")
    name = files.path(word, at)
    kind = _TYPES.get(os.path.splitext(name)[1].lower())
    if kind is None:
        raise BadValue(f"{word} does not say by its name what it is", f"name it {', '.join(_TYPES)}")
    if os.path.isfile(name) and os.path.getsize(name) > LARGEST:
        raise BadValue(f"{name} is larger than {LARGEST // 1024} KiB", "move images and the like elsewhere")
    try:
        text = files.contents(name).decode("utf-8")
    except UnicodeDecodeError:
        raise BadValue(f"{name} is not UTF-8", "save the file as UTF-8") from None
    return PageFile(name, kind, text.removeprefix("\ufeff"))


def write_error_page(page: ErrorPage) -> str:
    """As :func:`error_page` reads it."""
    names = [file.path for file in page.files] or ["default"]
    return " ".join([*page.statuses, *([f"={page.status}"] if page.status else []), *names])


def maintenance(text: str, at: Context) -> str | None:
    """``yes``, ``no``, or a path; nothing need be there."""
    if "/" not in text and "." not in text:
        try:
            return "yes" if boolean(text, at) else None
        except BadValue:
            raise BadValue(f"{text!r} is neither yes, nor no, nor a file", f"write ./{text} for a file of that name") from None
    name = files.path(text, at)
    if os.path.isdir(name):
        raise BadValue(f"{name} is a directory", "name a file in it, which is made when maintenance begins")
    return name


def warnings(section: Section, knobs: RouteKnobs, *, elsewhere: bool) -> Iterator[Problem]:
    """What has no effect; *elsewhere*: listeners, or [site], have error pages."""
    if section.kind == "defaults":
        return
    if section.gives("intercept_errors") and knobs.intercept_errors and not (knobs.error_page or elsewhere):
        yield section.problem(
            "intercept_errors", "has no effect without error_page", "add error_page = 5xx FILE, or remove the line"
        )
    for key in ("maintenance_allow", "maintenance_retry_after"):
        if section.gives(key) and knobs.maintenance is None:
            yield section.problem(key, "has no effect without maintenance", "add maintenance = FILE, or remove the line")
