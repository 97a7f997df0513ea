"""
What a route makes of the heads of its answers for each exchange anew, from wherever they come: a peer, the cache, the proxy
itself.

In this order: where the peer sends clients, its cookies, cross-origin fields, then the edits of ``response_headers``.  Routes
whose edits are the same for everybody, and that have nothing else of this, do without:
:func:`twistedproxy.forward.rewrite.response_head` applies them, and remembers what came out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twistedproxy.forward.cookies import Cookies
from twistedproxy.forward.cors import Cors
from twistedproxy.forward.header_edits import Editing, edited
from twistedproxy.forward.locations import Locations
from twistedproxy.message import Headers, ResponseHead
from twistedproxy.settings.edits import HeaderEdit
from twistedproxy.settings.routes import RouteSettings

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange

#: ``security_headers``: what is said where the peer does not say it.
_BASIC: Final = (
    HeaderEdit("default", "X-Content-Type-Options", "nosniff"),
    HeaderEdit("default", "X-Frame-Options", "SAMEORIGIN"),
    HeaderEdit("default", "Referrer-Policy", "strict-origin-when-cross-origin"),
)
_STRICT: Final = (
    HeaderEdit("default", "X-Content-Type-Options", "nosniff"),
    HeaderEdit("default", "X-Frame-Options", "DENY"),
    HeaderEdit("default", "Referrer-Policy", "no-referrer"),
    HeaderEdit(
        "default",
        "Content-Security-Policy",
        "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    ),
    HeaderEdit("default", "Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    HeaderEdit("default", "Cross-Origin-Opener-Policy", "same-origin"),
    HeaderEdit("default", "Cross-Origin-Resource-Policy", "same-origin"),
    HeaderEdit("default", "X-Permitted-Cross-Domain-Policies", "none"),
)
PRESETS: Final = {"no": (), "basic": _BASIC, "strict": _STRICT}

#: What strict says over https only: over http browsers must not heed it (RFC 6797 §7.2).
_HSTS: Final = (b"Strict-Transport-Security", b"max-age=31536000; includeSubDomains")


def response_edits(settings: RouteSettings) -> Editing:
    """The edits of a route's answers: those of its presets, then its own."""
    own = settings.response_headers
    if settings.request_id:
        own = (HeaderEdit("set", settings.request_id, "{request_id}"), *own)
    return Editing((*PRESETS[settings.security_headers], *own))


class Retouch:
    """What is done to the heads of one route's answers."""

    __slots__ = ("_cookies", "_cors", "_editing", "_hsts", "_locations")

    def __init__(self, settings: RouteSettings, cors: Cors | None) -> None:
        self._locations = Locations(settings) if settings.rewrite_location else None
        self._cookies = Cookies(settings) if settings.cookie_domain or settings.cookie_path or settings.cookie_flags else None
        self._cors = cors
        named = {edit.name.lower() for edit in settings.response_headers}
        self._hsts = settings.security_headers == "strict" and "strict-transport-security" not in named
        self._editing = response_edits(settings)

    @property
    def is_needed(self) -> bool:
        """Whether there is anything that differs from exchange to exchange."""
        return bool(self._locations or self._cookies or self._cors or self._hsts or self._editing.varies)

    def rewritten(self, exchange: Exchange, head: ResponseHead) -> ResponseHead:
        """*head* as the client gets it."""
        fields = list(head.headers.items)
        if not exchange.answers_itself:
            if self._locations is not None:
                fields = self._locations.rewritten(exchange, fields)
            if self._cookies is not None:
                fields = self._cookies.rewritten(exchange, fields)
        if self._cors is not None:
            fields = self._cors.rewritten(exchange, fields)
        if self._hsts and exchange.scheme == b"https" and all(name.lower() != b"strict-transport-security" for name, _ in fields):
            fields.append(_HSTS)
        editing = self._editing
        edits = editing.rendered(exchange.value) if editing.varies else editing.constant
        headers = edited(Headers(fields), edits)
        return ResponseHead(
            head.status, head.reason, headers, version=head.version, length=head.length, keep_alive=head.keep_alive
        )
