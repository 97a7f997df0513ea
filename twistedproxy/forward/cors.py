"""
Cross-origin requests (WHATWG Fetch, "CORS protocol"): what browsers are told about scripts of other sites.

Preflight requests are answered before any other guard of the route: they carry no login.  All other requests go their way,
and the answer tells the browser whether the script may see it; that is no protection against anybody else than browsers'
scripts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twistedproxy import errors
from twistedproxy.message import Field, Headers, ResponseHead
from twistedproxy.settings.routes import RouteSettings
from twistedproxy.websocket.origins import allow_list

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange

#: What the route says in place of the peer.
_OURS: Final = frozenset(
    (
        b"access-control-allow-origin",
        b"access-control-allow-credentials",
        b"access-control-expose-headers",
    )
)
#: An answer to a preflight differs by these.
_PREFLIGHT_VARY: Final = b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


class Cors:
    """
    The rules of one route: a :class:`twistedproxy.forward.routes.Guard` for preflights, and the fields of answers.

    :param settings: its ``cors`` and what belongs to it
    """

    __slots__ = ("_any", "_origins", "_settings", "_shown")

    def __init__(self, settings: RouteSettings) -> None:
        self._settings = settings
        self._any = "*" in settings.cors
        self._origins = allow_list(tuple(origin for origin in settings.cors if origin != "*"))
        shown: list[Field] = []
        if settings.cors_credentials:
            shown.append((b"Access-Control-Allow-Credentials", b"true"))
        if settings.cors_expose:
            shown.append((b"Access-Control-Expose-Headers", ", ".join(settings.cors_expose).encode("ascii")))
        self._shown = tuple(shown)

    def _allowed(self, exchange: Exchange) -> bytes | None:
        """What Access-Control-Allow-Origin says; None: nothing."""
        if self._any:
            return b"*"
        origin = exchange.head.headers.get(b"origin")
        if origin is None or not self._origins.allows(origin, exchange.scheme, exchange.head.authority):
            return None
        return origin

    def admit(self, exchange: Exchange, passed: int) -> bool:
        """As :meth:`twistedproxy.forward.routes.Guard.admit`."""
        headers = exchange.head.headers
        method = headers.get(b"access-control-request-method")
        if exchange.head.method != b"OPTIONS" or method is None or b"origin" not in headers:
            return True
        settings = self._settings
        origin = self._allowed(exchange)
        if origin is None:
            exchange.refuse(errors.CORS_REFUSED, (headers.get(b"origin") or b"").decode("latin-1"))
            return False
        fields: list[Field] = [(b"Access-Control-Allow-Methods", ", ".join(settings.cors_methods).encode("ascii"))]
        asked = headers.joined(b"access-control-request-headers")
        if asked:
            names = asked if "*" in settings.cors_headers else ", ".join(settings.cors_headers).encode("ascii")
            fields.append((b"Access-Control-Allow-Headers", names))
        fields += [
            (b"Access-Control-Max-Age", b"%d" % settings.cors_max_age),
            (b"Vary", _PREFLIGHT_VARY),
        ]
        exchange.reply(ResponseHead(204, b"No Content", Headers(fields)), b"")
        return False

    def rewritten(self, exchange: Exchange, fields: list[Field]) -> list[Field]:
        """*fields* of an answer, with what the browser is to know."""
        made = [field for field in fields if field[0].lower() not in _OURS]
        origin = self._allowed(exchange)
        if origin is not None:
            made.append((b"Access-Control-Allow-Origin", origin))
            made += self._shown
        if not self._any and not any(name.lower() == b"vary" and _names_origin(value) for name, value in made):
            # Also where nothing is allowed: what a browser or another cache keeps may be asked for by a page that is.
            made.append((b"Vary", b"Origin"))
        return made


def _names_origin(vary: bytes) -> bool:
    return any(name.strip(b" \t").lower() in (b"origin", b"*") for name in vary.split(b","))
