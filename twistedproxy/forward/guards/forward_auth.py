"""``forward_auth``: a server of the site's own says who may in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twistedproxy import errors
from twistedproxy.answers import replies
from twistedproxy.forward import rewrite
from twistedproxy.forward.guards.decisions import Decision, Refusal
from twistedproxy.forward.guards.identity import Identity, plain_name
from twistedproxy.forward.guards.premises import Fetched, Premises
from twistedproxy.message import CERT_FIELDS, Field, Headers, ResponseHead
from twistedproxy.settings.routes import RouteSettings

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange

#: Bytes of the server's answer that may go to a client.
_MOST: Final = 64 * 1024

#: Fields of the request that say nothing to the server: of a body that it does not get, of this hop, or for somebody else.
_NOT_ASKED: Final = rewrite.HOP_BY_HOP | frozenset(
    (
        b"accept-encoding",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"forwarded",
        b"host",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"max-forwards",
        b"proxy",
        b"range",
        b"trailer",
        b"via",
        b"x-real-ip",
    )
)
#: The same for whoever is not believed.
_NOT_ASKED_CLIENTS: Final = _NOT_ASKED | CERT_FIELDS
#: Families of fields that only we say.
_OURS: Final = (b"x-forwarded-", b"x-original-", b"sec-websocket-")
#: Fields of the server's answer that do not go to a client as they are.
_NOT_ANSWERED: Final = rewrite.HOP_BY_HOP | frozenset((b"content-length", b"content-encoding", b"trailer", b"date"))


class ForwardAuth:
    """Asks the server for each request."""

    __slots__ = ("_copied", "_premises", "_settings", "_user", "dropped")

    def __init__(self, settings: RouteSettings, premises: Premises) -> None:
        self._settings = settings
        self._premises = premises
        self._copied = [name.encode("ascii") for name in settings.forward_auth_headers]
        self._user = (settings.forward_auth_user or "").lower().encode("ascii")
        self.dropped = frozenset(map(plain_name, self._copied))

    def ask(self, exchange: Exchange) -> Decision | Deferred[Decision]:
        """As :meth:`twistedproxy.forward.guards.decisions.Authenticator.ask`."""
        settings = self._settings
        assert settings.forward_auth is not None
        fetched = self._premises.fetch(settings.forward_auth, asked_fields(exchange), settings.forward_auth_timeout, _MOST)
        return fetched.addCallbacks(self._answered, self._failed)

    def _answered(self, answer: Fetched) -> Decision:
        if 200 <= answer.status < 300:
            said = Headers(answer.fields)
            fields = [(name, value) for name in self._copied if (value := said.joined(name.lower())) is not None]
            user = said.get(self._user) if self._user else None
            return Identity((user or b"").decode("utf-8", "backslashreplace"), dropped=self.dropped, fields=tuple(fields))
        if 300 <= answer.status < 400 or answer.status in (401, 403):
            if not answer.whole:
                return self._without(f"the body of its answer is longer than {_MOST} bytes")
            return Refusal(errors.AUTH_REFUSED, f"status {answer.status}", answer=_passed_on(answer))
        return self._without(f"status {answer.status}")

    def _failed(self, failure: Failure) -> Decision:
        return self._without(str(failure.value) or type(failure.value).__name__)

    def _without(self, why: str) -> Decision:
        """The server says nothing of use."""
        if self._settings.forward_auth_on_error == "open":
            return Identity(dropped=self.dropped)
        return Refusal(errors.AUTH_UNREACHABLE, why)


def asked_fields(exchange: Exchange) -> tuple[Field, ...]:
    """The fields of the question about *exchange*: those of its request, and where that was meant to go."""
    head, downstream = exchange.head, exchange.downstream
    connection = head.fields.connection
    # Of a client's certificate only those speak whom a peer would believe, too.
    speaks = downstream.trusted and not (downstream.secured is not None and downstream.secured.verifies)
    not_asked = _NOT_ASKED if speaks else _NOT_ASKED_CLIENTS
    fields: list[Field] = []
    for name, value in head.headers.items:
        plain = plain_name(name)
        if plain in not_asked or plain.startswith(_OURS) or (plain in connection and plain not in (b"authorization", b"cookie")):
            continue
        fields.append((name, value))
    client = exchange.client.encode("ascii", "replace")
    url = b"%b://%b%b" % (exchange.scheme, head.authority, head.target)
    return (
        *fields,
        (b"X-Forwarded-Method", head.method),
        (b"X-Forwarded-Proto", exchange.scheme),
        (b"X-Forwarded-Host", head.authority),
        (b"X-Forwarded-Uri", head.target),
        (b"X-Forwarded-For", client),
        (b"X-Real-IP", client),
        (b"X-Original-Method", head.method),
        (b"X-Original-URL", url),
    )


def _passed_on(answer: Fetched) -> tuple[ResponseHead, bytes]:
    """The server's answer as the client gets it."""
    said = Headers(answer.fields)
    dropped = _NOT_ANSWERED | set(said.elements(b"connection"))
    fields = Headers((*said.fields_without(dropped), (b"Content-Length", b"%d" % len(answer.body))))
    phrase = replies.phrase(answer.status).encode("ascii")
    return ResponseHead(answer.status, phrase, fields, length=len(answer.body)), answer.body
