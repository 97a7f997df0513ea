"""Values that speak of files which a route serves itself, and what is wrong, or odd, between them."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterator
from typing import Final

from twistedproxy.config.files import path
from twistedproxy.config.problems import BadValue, Problem
from twistedproxy.config.reader import Section
from twistedproxy.config.scalars import Context, duration, write_duration
from twistedproxy.settings.answers import Expiry, MimeType
from twistedproxy.settings.route_knobs import RouteKnobs
from twistedproxy.settings.routes import RouteSettings

#: Seconds of ``expires = max``: ten years, as nginx has it.
MAX: Final = 315_360_000.0
_OFF: Final = -1.0
_WORDS: Final = {"off": _OFF, "epoch": 0.0, "max": MAX}
_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/(?:[a-z0-9][a-z0-9!#$&^_.+-]*|\*)", re.ASCII | re.IGNORECASE)
_ENDING: Final = re.compile(r"[!-.0-~]+", re.ASCII)
_DIRECTIVES: Final = re.compile(r'[!#$%&\'*+.^_`|~0-9A-Za-z=", -]+', re.ASCII)
_TRIED: Final = re.compile(r"(?:/[^{}\x00\\]*(?:\{path\})?|\{path\})[^{}\x00\\]*")
_STATUS: Final = re.compile(r"=[45][0-9]{2}")

#: What has a meaning for files alone.
ONLY_WITH_STATIC: Final = (
    "try_files",
    "index",
    "listing",
    "dotfiles",
    "symlinks",
    "expires",
    "cache_control",
    "charset",
    "mime_types",
    "precompressed",
    "open_file_cache",
    "open_file_cache_valid",
)


def directory(text: str, at: Context) -> str:
    """A directory that is there and can be read, made absolute."""
    name = path(text, at)
    try:
        os.close(os.open(name, os.O_RDONLY | os.O_DIRECTORY))
    except FileNotFoundError:
        raise BadValue(f"there is no directory {name}", "create it, or correct the path") from None
    except NotADirectoryError:
        raise BadValue(f"{name} is not a directory", "name the directory that the file is in") from None
    except OSError as error:
        raise BadValue(f"{name} cannot be read: {error.strerror}", "check its permissions") from None
    return name


def file_name(text: str, at: Context) -> str:
    """The name of a file in any directory."""
    if "/" in text or text in (".", ".."):
        raise BadValue(f"{text!r} is not the name of a file", "write for instance index.html")
    return text


def tried(text: str, at: Context) -> str:
    """``{path}``, ``{path}/``, ``/index.html`` or ``=404``."""
    if text.startswith("="):
        if not _STATUS.fullmatch(text):
            raise BadValue(f"{text!r} is not = and a status of 400 to 599", "write for instance =404")
    elif not _TRIED.fullmatch(text):
        if text.startswith("$uri"):
            raise BadValue(f"{text!r} is nginx's", f"write {text.replace('$uri', '{path}')}")
        raise BadValue(f"{text!r} is not a path", "write {path}, {path}/, {path}.html, /index.html or =404")
    elif ".." in text.split("/"):
        raise BadValue(f"{text!r} leads upwards", "write a path below the directory of static")
    return text


def expiry(text: str, at: Context) -> Expiry:
    """``30d``, ``text/html epoch``: media types, and how long."""
    *types, last = text.split()
    for each in types:
        if not _TYPE.fullmatch(each):
            raise BadValue(f"{each!r} is not a media type", "write for instance text/html or image/*")
    seconds = _WORDS.get(last)
    if seconds is None:
        try:
            seconds = duration(last, at)
        except BadValue as bad:
            raise BadValue(bad.reason, "write for instance 1h, 30d, max, epoch or off") from None
    return Expiry(tuple(each.lower() for each in types), seconds)


def write_expiry(value: Expiry) -> str:
    """As :func:`expiry` reads it."""
    words = {seconds: word for word, seconds in _WORDS.items()}
    return " ".join([*value.types, words.get(value.seconds) or write_duration(value.seconds)])


def cache_control(text: str, at: Context) -> str:
    """Directives, with commas between."""
    if not _DIRECTIVES.fullmatch(text):
        raise BadValue(f"{text!r} is not a list of directives", "write for instance public, immutable")
    return text


def charset(text: str, at: Context) -> str:
    """A charset that is known, or ``off``."""
    if text == "off":
        return text
    try:
        codecs.lookup(text)
    except LookupError:
        raise BadValue(f"{text!r} is no charset that is known", "write utf-8, iso-8859-1, …, or off") from None
    return text


def mime_type(text: str, at: Context) -> MimeType:
    """``application/x-thing thing thg``."""
    kind, *endings = text.split()
    if not _TYPE.fullmatch(kind) or kind.endswith("*") or not endings:
        raise BadValue(f"{text!r} is not TYPE ENDING…", "write for instance text/x-log log out")
    for each in endings:
        if not _ENDING.fullmatch(each):
            raise BadValue(f"{each!r} is not an ending", "write it without the dot, for instance log")
    return MimeType(kind, tuple(each.lower().removeprefix(".") for each in endings))


def write_mime_type(value: MimeType) -> str:
    """As :func:`mime_type` reads it."""
    return " ".join([value.kind, *value.endings])


def errors(section: Section, route: RouteSettings) -> Iterator[Problem]:
    """What contradicts itself."""
    if any(each.startswith("=") for each in route.try_files[:-1]):
        yield section.problem("try_files", "nothing behind a status is ever tried", "put it at the end")


def warnings(section: Section, knobs: RouteKnobs) -> Iterator[Problem]:
    """What has no effect, and what is most likely a mistake."""
    if section.kind == "defaults":
        return
    if not isinstance(knobs, RouteSettings) or knobs.static is None:
        for key in ONLY_WITH_STATIC:
            if section.gives(key):
                yield section.problem(key, "has no effect without static", "add static = DIRECTORY, or remove the line")
        return
    if not knobs.open_file_cache and section.gives("open_file_cache_valid"):
        yield section.problem("open_file_cache_valid", "has no effect: open_file_cache is 0", "remove the line")
    if knobs.symlinks:
        yield section.problem("symlinks", "whoever can write there can have every file served that the proxy can read", "")
    if knobs.dotfiles:
        yield section.problem("dotfiles", "files such as .git, .env and .htpasswd are served, too", "")
    yield from _misplaced(section, knobs)


def _misplaced(section: Section, route: RouteSettings) -> Iterator[Problem]:
    """Files are looked for by the whole path: nginx's root, not its alias."""
    if route.strip_prefix or route.rewrite or route.add_prefix or any("{path}" not in each for each in route.try_files):
        return
    for match in route.matches:
        first = match.path.strip("/").split("/")[0]
        place = os.path.join(route.static or "", match.path.strip("/"))
        if match.is_prefix and first and route.static and not os.path.lexists(os.path.join(route.static, first)):
            yield section.problem(
                "static",
                f"files of {match.path} are looked for in {place}, which is not there",
                f"write strip_prefix = {match.path.rstrip('/')} when they are in {route.static} itself",
            )
