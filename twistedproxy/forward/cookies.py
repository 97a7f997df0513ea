"""The cookies that a peer sets, as they fit the public site: Domain, Path, and flags (RFC 6265 §4.1)."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING, Final

from twistedproxy.forward.header_edits import rendered
from twistedproxy.message import Field
from twistedproxy.settings.edits import CookieFlags, FromTo
from twistedproxy.settings.routes import RouteSettings
from twistedproxy.templates import Template

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange

#: Attributes as they are written.
_WRITTEN: Final = {
    "secure": b"Secure",
    "httponly": b"HttpOnly",
    "samesite=lax": b"SameSite=Lax",
    "samesite=strict": b"SameSite=Strict",
    "samesite=none": b"SameSite=None",
}


class Cookies:
    """What a route makes of Set-Cookie."""

    __slots__ = ("_domains", "_flags", "_paths")

    def __init__(self, settings: RouteSettings) -> None:
        self._domains = [(_domain(line.source.encode("ascii")), _to(line)) for line in settings.cookie_domain]
        self._paths = [(line.source.encode("ascii"), _to(line)) for line in settings.cookie_path]
        self._flags = [_Flags(line) for line in settings.cookie_flags]

    def rewritten(self, exchange: Exchange, fields: list[Field]) -> list[Field]:
        """*fields* with cookies for the public site."""
        return [
            (name, self._cookie(exchange, value)) if name.lower() == b"set-cookie" else (name, value) for name, value in fields
        ]

    def _cookie(self, exchange: Exchange, cookie: bytes) -> bytes:
        pair, *attributes = cookie.split(b";")
        kept: list[bytes] = []
        for attribute in attributes:
            key, _, value = attribute.strip(b" \t").partition(b"=")
            lower = key.strip(b" \t").lower()
            if lower == b"domain" and self._domains:
                made = self._replaced(exchange, _domain(value), self._domains, whole=True)
            elif lower == b"path" and self._paths:
                made = self._replaced(exchange, value.strip(b" \t"), self._paths, whole=False)
            else:
                kept.append(attribute)
                continue
            if made is None:
                kept.append(attribute)
            elif made:
                kept.append(b" %b=%b" % (key, made))
        for flags in self._flags:
            if flags.means(pair.partition(b"=")[0].strip(b" \t")):
                kept = flags.applied(kept)
                break
        return b";".join([pair, *kept])

    def _replaced(self, exchange: Exchange, value: bytes, lines: list[tuple[bytes, Template]], *, whole: bool) -> bytes | None:
        """What the first line that fits makes of *value*; None: none fits; empty: the attribute goes."""
        for source, to in lines:
            if source in (value, b"*"):
                return rendered(to, exchange.value)
            if not whole and value.startswith(source):
                return rendered(to, exchange.value) + value[len(source) :]
        return None


def _to(line: FromTo) -> Template:
    return Template.parse(line.to)


def _domain(value: bytes) -> bytes:
    """A domain in lower case, without the dot at its front, which has no meaning (RFC 6265 §5.2.3)."""
    return value.strip(b" \t").removeprefix(b".").lower()


class _Flags:
    """One line of cookie_flags."""

    __slots__ = ("_added", "_dropped", "_names")

    def __init__(self, line: CookieFlags) -> None:
        self._names = re.compile(translate(line.name).encode("latin-1"))
        self._added = [_WRITTEN[flag] for flag in line.flags if not flag.startswith("no")]
        # What is set anew is not there twice.
        self._dropped = {flag.removeprefix("no").partition("=")[0].encode("ascii") for flag in line.flags}

    def means(self, name: bytes) -> bool:
        """Whether the line is about the cookie *name*."""
        return self._names.fullmatch(name) is not None

    def applied(self, attributes: list[bytes]) -> list[bytes]:
        """*attributes* with the flags of the line."""
        kept = [each for each in attributes if each.strip(b" \t").partition(b"=")[0].rstrip(b" \t").lower() not in self._dropped]
        return [*kept, *(b" " + each for each in self._added)]
