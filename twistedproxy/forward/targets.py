"""
The target of a request as a peer gets it: byte for byte the client's, unless the route says otherwise.

In this order: ``strip_prefix`` goes off the front, the first ``rewrite`` that fits replaces the path, ``add_prefix`` comes
before it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote_from_bytes

from twistedproxy.message import RequestHead
from twistedproxy.settings.edits import RewriteRule
from twistedproxy.settings.routes import RouteSettings
from twistedproxy.templates import Template

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange

#: Dot segments, escaped or not, and empty ones.
_ROUNDABOUT: Final = re.compile(rb"//|/(?:\.|%2[eE]){1,2}(?:/|\Z)")
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
#: RFC 3986 §2.3: to escape these or not makes no difference.
_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_INVISIBLE: Final = re.compile(rb"[^!-~]|#")


class Targets:
    """
    What a route makes of targets.

    :ivar varies: the result depends on more than the head of the request
    """

    __slots__ = ("_added", "_rules", "_stripped", "varies")

    def __init__(self, settings: RouteSettings) -> None:
        self._stripped = (settings.strip_prefix or "").encode("ascii").rstrip(b"/")
        self._added = (settings.add_prefix or "").encode("ascii").rstrip(b"/")
        self._rules = [_Rule(rule) for rule in settings.rewrite]
        self.varies = any(rule.varies for rule in self._rules)

    @property
    def is_needed(self) -> bool:
        """Whether targets change at all."""
        return bool(self._stripped or self._added or self._rules)

    def rewritten(self, exchange: Exchange) -> bytes:
        """The target of *exchange* for a peer."""
        head = exchange.head
        if head.target == b"*":
            return head.target
        path = _without(head, self._stripped) if self._stripped else head.path
        query = head.query
        if self._rules:
            path, query = self._replaced(exchange, path, query)
        path = self._added + path
        return path if query is None else path + b"?" + query

    def _replaced(self, exchange: Exchange, path: bytes, query: bytes | None) -> tuple[bytes, bytes | None]:
        if not self._stripped and _is_roundabout(exchange.head):
            path = _quoted(exchange.head.route_path)
        elif b"%" in path:
            # What is written in another way and means the same is matched alike (RFC 3986 §6.2.2.2).
            path = _ESCAPE.sub(_plain, path)
        for rule in self._rules:
            made = rule.applied(exchange, path)
            if made is None:
                continue
            path, mark, own = made.partition(b"?")
            if mark and not own:
                # As in nginx: a question mark at the end leaves the client's query out.
                query = None
            elif own:
                query = own if query is None else own + b"&" + query
            return (path if path.startswith(b"/") else b"/" + path), query
        return path, query


class _Rule:
    """One line of ``rewrite``."""

    __slots__ = ("_pattern", "_template", "varies")

    def __init__(self, rule: RewriteRule) -> None:
        self._pattern = re.compile(rule.pattern.encode("utf-8"))
        self._template = Template.parse(rule.replacement)
        self.varies = not self._template.is_constant

    def applied(self, exchange: Exchange, path: bytes) -> bytes | None:
        """What becomes of *path*; None: the rule is not for it."""
        found = self._pattern.search(path)
        if found is None:
            return None
        text = self._template.render(lambda name: _written(name, exchange.value(name)))
        return _INVISIBLE.sub(_escaped, found.expand(text.encode("latin-1", "replace")))


#: Names whose values are words, and not written as in a URL already.
_WORDS: Final = frozenset(("arg", "cookie", "header", "jwt", "user"))


def _written(name: str, value: str) -> str:
    """The value of *name* for a target: nothing in a client's words may mean anything there, nor lead elsewhere."""
    if name.partition(".")[0] in _WORDS:
        value = "" if value in (".", "..") else quote_from_bytes(value.encode("latin-1"), safe=":@!$&'()*+,;=~")
    # In what takes the place of a match, a backslash means something.
    return value.replace("\\", "\\\\")


def _without(head: RequestHead, prefix: bytes) -> bytes:
    """
    The path without *prefix*.

    A path that says the same in a roundabout way (``/%61pi/``, dot or empty segments) is taken as the route understood it:
    what is left of it must not mean something else.
    """
    path = head.path
    if _is_roundabout(head) or not (path + b"/").startswith(prefix + b"/"):
        path = _quoted(head.route_path)
        if not (path + b"/").startswith(prefix + b"/"):
            return head.path
    return path[len(prefix) :] or b"/"


def _is_roundabout(head: RequestHead) -> bool:
    return head.route_path != head.path and _ROUNDABOUT.search(head.path) is not None


def _quoted(path: bytes) -> bytes:
    return quote_from_bytes(path, safe="/:@!$&'()*+,;=~").encode("ascii")


def _plain(found: re.Match[bytes]) -> bytes:
    value = int(found[1], 16)
    return bytes((value,)) if value in _UNRESERVED else found[0].upper()


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found[0][0]
