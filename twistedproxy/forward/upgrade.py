"""From a WebSocket's handshake to what the two connections become once both sides have agreed: a tunnel, or a relay."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from twistedproxy.errors import BAD_UPGRADE_ANSWER, ORIGIN_REFUSED, RequestError, ResponseError
from twistedproxy.forward import rewrite
from twistedproxy.message import Field, Headers, ResponseHead
from twistedproxy.transport.tunnel import Tunnel
from twistedproxy.websocket import deflate
from twistedproxy.websocket.handshake import check_answer, check_request
from twistedproxy.websocket.origins import allow_list
from twistedproxy.websocket.register import WebSocket
from twistedproxy.websocket.relay import Relay

if TYPE_CHECKING:
    from twistedproxy.forward.attempt import Attempt
    from twistedproxy.forward.exchange import Exchange

_EXTENSIONS: Final = b"sec-websocket-extensions"
_EXTENSIONS_ONLY: Final = frozenset((_EXTENSIONS,))


class Upgrade:
    """
    The handshake of one exchange.

    In a tunnel the client and the peer negotiate with each other; where messages are relayed, each negotiates with us what is to
    be spoken on its own connection.
    """

    __slots__ = ("_by_messages", "_exchange", "_handshake", "_settings", "_websocket")

    def __init__(self, exchange: Exchange) -> None:
        """:raises RequestError: the request is no valid handshake, or not wanted here"""
        route = exchange.route
        assert route is not None
        head = exchange.head
        handshake = check_request(head)
        settings = self._settings = route.settings
        if settings.websocket_origins:
            origin = head.headers.get(b"origin")
            if not allow_list(settings.websocket_origins).allows(origin, exchange.scheme, head.authority):
                raise RequestError(ORIGIN_REFUSED, (origin or b"").decode("latin-1"))
        self._exchange = exchange
        self._by_messages = settings.websocket == "messages"
        if self._by_messages:
            handshake = replace(handshake, extensions=(deflate.NAME,) if self._offers else ())
        self._handshake = handshake
        self._websocket: WebSocket | None = None
        exchange.site.websockets.take_place(settings, exchange.client)

    @property
    def _offers(self) -> bool:
        """Whether compression is offered to the peer."""
        return self._settings.websocket_compress in ("peer", "both")

    def for_peer(self, fields: list[Field]) -> list[Field]:
        """The fields of the request: what is offered to the peer is ours where messages are relayed."""
        if not self._by_messages:
            return fields
        fields = [field for field in fields if field[0].lower() != _EXTENSIONS]
        if self._offers:
            offer = deflate.offer(takeover=self._settings.websocket_context_takeover)
            fields.append((b"Sec-WebSocket-Extensions", offer))
        return fields

    def join(self, attempt: Attempt, head: ResponseHead, rest: bytes) -> None:
        """
        The peer has agreed by *head*, behind which came *rest*: the two connections are joined from now on.

        :raises ResponseError: it has not agreed to what was asked
        """
        check_answer(self._handshake, head)
        joined = self._relay(attempt, head, rest) if self._by_messages else self._tunnel(attempt, head, rest)
        exchange = self._exchange
        protocol = head.headers.get(b"sec-websocket-protocol") or b""
        now = exchange.site.clock.monotonic()
        if not exchange.finished:
            self._websocket = exchange.site.websockets.opened(exchange.client, now, protocol.decode("latin-1"), joined)

    def _agree(self, head: ResponseHead) -> tuple[Any, bytes]:
        """Send the 101 to the client; returns its transport, and what was read of it behind the handshake."""
        exchange = self._exchange
        exchange.began_to_answer(head.status)
        if exchange.affinity is not None:
            head = exchange.affinity.mark(exchange, head)
        return exchange.downstream.switch(head)

    def _tunnel(self, attempt: Attempt, head: ResponseHead, rest: bytes) -> Tunnel:
        settings = self._settings
        exchange = self._exchange
        upstream = attempt.upstream
        assert upstream is not None
        client, from_client = self._agree(rewrite.upgrade_head(head, settings.response_headers))
        tunnel = Tunnel(
            client,
            upstream.transport,
            exchange.site.deadlines,
            settings.websocket_idle_timeout,
            settings.websocket_half_close_timeout,
            self._ended,
        )
        self._name(tunnel, attempt)
        tunnel.start(from_client, rest)
        return tunnel

    def _relay(self, attempt: Attempt, head: ResponseHead, rest: bytes) -> Relay:
        settings = self._settings
        exchange = self._exchange
        upstream = attempt.upstream
        assert upstream is not None
        takeover = settings.websocket_context_takeover
        peer_codec, peer_deflates = self._agreed(head)
        wanted = exchange.head.headers.joined(_EXTENSIONS) if settings.websocket_compress in ("client", "both") else None
        accepted = deflate.accept(wanted, takeover=takeover)
        fields = head.headers.fields_without(_EXTENSIONS_ONLY)
        if accepted is not None:
            fields.append((b"Sec-WebSocket-Extensions", accepted[1]))
        answer = ResponseHead(head.status, head.reason, Headers(fields))
        client, from_client = self._agree(rewrite.upgrade_head(answer, settings.response_headers))
        relay = Relay(settings, exchange.site.deadlines, exchange.site.reactor, self._ended)
        self._name(relay, attempt)
        relay.join(client, accepted[0] if accepted else None, upstream.transport, peer_codec, peer_deflates)
        relay.start(from_client, rest)
        return relay

    def _agreed(self, head: ResponseHead) -> tuple[deflate.Deflate | None, bool]:
        """What the peer has made of our offer: a codec, and whether we may compress."""
        element = head.headers.get(_EXTENSIONS)
        if not element:
            return None, False
        try:
            return deflate.agreed(element, takeover=self._settings.websocket_context_takeover)
        except deflate.BadParameters as bad:
            raise ResponseError(BAD_UPGRADE_ANSWER, str(bad)) from None

    def _name(self, joined: Tunnel | Relay, attempt: Attempt) -> None:
        joined.route_name, joined.peer_name = self._settings.name, attempt.peer.name
        self._exchange.downstream.tunnel_began(joined)

    def _ended(self, joined: Tunnel | Relay) -> None:
        exchange = self._exchange
        attempt = exchange.attempt
        assert attempt is not None
        exchange.bytes_received = joined.bytes_up
        exchange.bytes_sent = joined.bytes_down
        attempt.peer.bytes_sent += joined.bytes_up
        attempt.peer.bytes_received += joined.bytes_down
        attempt.succeeded(exchange.site.clock.monotonic())
        exchange.finish()

    def closed(self) -> None:
        """The exchange has finished, on whatever path."""
        websockets = self._exchange.site.websockets
        websockets.leave_place(self._settings, self._exchange.client)
        if self._websocket is not None:
            websockets.closed(self._websocket)
