"""
Where a peer sends clients: Location, Content-Location and Refresh, from the peer's own addresses to public ones.

A peer behind us believes to be elsewhere: at its own address, or at the root of a site of which it serves a part.  ``peer`` puts
that right; lines with FROM and TO say what else becomes of what.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from twistedproxy.forward.header_edits import rendered
from twistedproxy.message import Field
from twistedproxy.settings.edits import FromTo
from twistedproxy.settings.routes import RouteSettings
from twistedproxy.templates import Template

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange

#: The fields that hold a URL, whole or relative (RFC 9110 §10.2.2, §8.7).
_URLS: Final = frozenset((b"location", b"content-location"))
_ABSOLUTE: Final = re.compile(rb"(?i:(https?):)?//([^/?#]*)(.*)", re.DOTALL)
#: Seconds, and behind them where to go (HTML, "shared declarative refresh steps").
_REFRESH: Final = re.compile(rb"([ \t]*[0-9.]+[ \t]*[;,][ \t]*(?:(?i:url)[ \t]*=[ \t]*)?[\"']?)(.*)", re.DOTALL)
_PORTS: Final = {b"http": b":80", b"https": b":443"}


class Locations:
    """What a route makes of the URLs in heads of answers."""

    __slots__ = ("_added", "_by_peer", "_lines", "_stripped")

    def __init__(self, settings: RouteSettings) -> None:
        lines = settings.rewrite_location
        self._by_peer = any(line.source == "peer" for line in lines)
        self._lines = [_Line(line) for line in lines if line.source != "peer"]
        self._stripped = (settings.strip_prefix or "").rstrip("/").encode("ascii")
        self._added = (settings.add_prefix or "").rstrip("/").encode("ascii")

    def rewritten(self, exchange: Exchange, fields: list[Field]) -> list[Field]:
        """*fields* with public URLs."""
        made = fields
        for place, (name, value) in enumerate(fields):
            lower = name.lower()
            if lower in _URLS:
                url = self._public(exchange, value)
            elif lower == b"refresh" and (found := _REFRESH.fullmatch(value)):
                url = found[1] + self._public(exchange, found[2])
            else:
                continue
            if url != value:
                if made is fields:
                    made = list(fields)
                made[place] = (name, url)
        return made

    def _public(self, exchange: Exchange, url: bytes) -> bytes:
        for line in self._lines:
            if url.startswith(line.source):
                return rendered(line.to, exchange.value) + url[len(line.source) :]
        return self._of_peer(exchange, url) if self._by_peer else url

    def _of_peer(self, exchange: Exchange, url: bytes) -> bytes:
        found = _ABSOLUTE.fullmatch(url)
        if found is None:
            # Of what is relative, only a path from the root depends on where the root is.
            return self._path(url) if url.startswith(b"/") else url
        scheme, authority, path = found.groups()
        scheme = b"" if scheme is None else scheme.lower()
        if _short(scheme, authority.lower()) not in self._own(exchange, scheme):
            return url
        public = exchange.head.authority or authority
        return b"%b://%b%b" % (exchange.scheme, public, self._path(path) if path.startswith(b"/") else self._path(b"/") + path)

    def _own(self, exchange: Exchange, scheme: bytes) -> set[bytes]:
        """What a peer of the route may call itself: its address, and the host that it was asked for."""
        own = {exchange.head.authority}
        route = exchange.route
        if route is not None and route.backend is not None:
            # Of what comes from the cache, any of them may have said it.
            own.update(peer.settings.authority.encode("ascii").lower() for peer in route.backend.pool.peers)
        if route is not None and route.settings.host not in ("preserve", "upstream"):
            own.add(route.settings.host.encode("ascii").lower())
        return {_short(scheme, name) for name in own}

    def _path(self, path: bytes) -> bytes:
        """The public path for one of the peer's: without what was added, and with what was taken off."""
        added, stripped = self._added, self._stripped
        if added and _is_below(path, added):
            path = path[len(added) :]
            if not path.startswith(b"/"):
                path = b"/" + path
        # An application that knows its prefix (X-Forwarded-Prefix) writes it itself.
        return path if not stripped or _is_below(path, stripped) else stripped + path


class _Line:
    """One line with FROM and TO."""

    __slots__ = ("source", "to")

    def __init__(self, line: FromTo) -> None:
        self.source = line.source.encode("utf-8")
        self.to = Template.parse(line.to)


def _short(scheme: bytes, authority: bytes) -> bytes:
    """*authority* without the port that is the scheme's own."""
    return authority.removesuffix(_PORTS.get(scheme, b"\0"))


def _is_below(path: bytes, prefix: bytes) -> bool:
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in (b"", b"/", b"?", b"#")
