"""
Paths in disguise: what a more generous server than ours would take for a path that is guarded.

Routes go by the path as RFC 3986 has it.  Servers behind us may decode it once more, cut it at an escaped ``?``, ``#`` or NUL,
drop blanks and dots at the ends of names, read overlong UTF-8, fold full-width letters, or not care for capital letters.  A
request that would be another route's in one of these readings, where that route asks who may in, is refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from twistedproxy.settings.routes import RouteSettings

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange
    from twistedproxy.forward.routes import Route

#: How often servers may decode what is decoded already.
_DEEPEST: Final = 3
#: Paths in which none of these occurs can be read in one way only.
_SUSPECT: Final = re.compile(rb"[%A-Z\\;?#\x00-\x20\x7f-\xff]|\.(?:/|\Z)")
_CUT: Final = re.compile(rb"[?#\x00]")
_PARAMETERS: Final = re.compile(rb";[^/]*")
_SLASHES: Final = re.compile(rb"/+")
#: Not of ``.`` and ``..`` themselves.
_TRIMMED: Final = re.compile(rb"(?<=[^/. \t\r\n])[. \t\r\n]+(?=/|\Z)")
_OVERLONG: Final = (
    (re.compile(rb"\xc0\xaf|\xe0\x80\xaf|\xf0\x80\x80\xaf"), b"/"),
    (re.compile(rb"\xc0\xae|\xe0\x80\xae|\xf0\x80\x80\xae"), b"."),
    (re.compile(rb"\xc1\x9c|\xe0\x81\x9c"), rb"/"),
)


def is_guarded(route: RouteSettings) -> bool:
    """Whether the route asks who may in."""
    return any(_access(route))


def _access(route: RouteSettings) -> tuple[object, ...]:
    """What says who may in."""
    return (route.allow, route.deny, route.basic_auth, route.jwt, route.forward_auth)


def is_disguised(exchange: Exchange, route: Route) -> bool:
    """Whether the path of *exchange*, by which it takes *route*, may mean what another route guards."""
    path = exchange.head.path
    if _SUSPECT.search(path) is None:
        return False
    fields, downstream = exchange.head.fields, exchange.downstream
    where = (exchange.scheme, fields.host, fields.port or downstream.port)
    for reading in readings(path):
        other = exchange.site.routes.match(*where, reading, downstream.listener_name, exchange)
        if other is None or other.settings is route.settings or _access(other.settings) == _access(route.settings):
            continue
        if is_guarded(other.settings) and not _means(route.settings, other.settings):
            return True
    return False


def _means(route: RouteSettings, other: RouteSettings) -> bool:
    """Whether *route* names, in its own spelling, a path of the *other* one: then the site means both as they stand."""
    paths = tuple(match.path.lower() for match in other.matches if not match.pattern)
    return bool(paths) and any(match.path.lower().startswith(paths) for match in route.matches if not match.pattern)


def readings(path: bytes) -> Iterator[bytes]:
    """The paths for which generous servers may take *path*, as it was sent."""
    seen = {path}
    for _ in range(_DEEPEST + 1):
        for reading in _folded(path):
            if reading not in seen:
                seen.add(reading)
                yield reading
        decoded = unquote_to_bytes(path)
        if decoded == path:
            return
        path = decoded


def _folded(path: bytes) -> Iterator[bytes]:
    for pattern, meant in _OVERLONG:
        path = pattern.sub(meant, path)
    for cut in (path, _CUT.split(path, 1)[0]):
        plain = _PARAMETERS.sub(b"", cut.replace(b"\\", b"/"))
        plain = _resolved(_TRIMMED.sub(b"", _SLASHES.sub(b"/", plain)))
        yield plain
        yield plain.lower()
        if not plain.isascii():
            text = plain.decode("utf-8", "surrogateescape")
            folded = unicodedata.normalize("NFKC", text).casefold().encode("utf-8", "surrogateescape")
            yield _resolved(_SLASHES.sub(b"/", folded))


def _resolved(path: bytes) -> bytes:
    """*path* without dot segments (RFC 3986 §5.2.4)."""
    *inner, last = path.split(b"/")[1:] or [b""]
    kept: list[bytes] = []
    for segment in (*inner, last):
        if segment == b"..":
            del kept[-1:]
        elif segment != b".":
            kept.append(segment)
    if last in (b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept)
