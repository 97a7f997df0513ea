"""From a WebSocket's handshake to what the two connections become once both sides have agreed: a tunnel, or a relay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from twisted.python.failure import Failure
from twisted.python.reflect import namedAny

from twistedproxy.balance.peer import TO_BE_LEFT, Change
from twistedproxy.errors import BAD_UPGRADE_ANSWER, ORIGIN_REFUSED, RequestError, ResponseError
from twistedproxy.forward import rewrite
from twistedproxy.forward.handover import Handover
from twistedproxy.forward.header_edits import Edits
from twistedproxy.message import Headers, ResponseHead
from twistedproxy.transport.tunnel import Tunnel
from twistedproxy.websocket import deflate
from twistedproxy.websocket.filtering import Conversation, Filtering, told
from twistedproxy.websocket.handshake import check_answer, check_request
from twistedproxy.websocket.origins import allow_list
from twistedproxy.websocket.register import WebSocket
from twistedproxy.websocket.relay import FAILED, GOING_AWAY, Relay
from twistedproxy.websocket.resumption import Resumption

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

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

    __slots__ = (
        "_by_messages",
        "_bytes_down",
        "_bytes_up",
        "_drained",
        "_exchange",
        "_handover",
        "_handshake",
        "_joined",
        "_watches_pool",
        "_websocket",
        "settings",
    )

    def __init__(self, exchange: Exchange) -> None:
        """:raises RequestError: the request is no valid handshake, or not wanted here"""
        route = exchange.route
        assert route is not None
        head = exchange.head
        handshake = check_request(head)
        settings = self.settings = route.settings
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
        self._joined: Tunnel | Relay | None = None
        self._handover: Handover | None = None
        self._drained: IDelayedCall | None = None
        self._watches_pool = False
        self._bytes_up = self._bytes_down = 0
        exchange.site.websockets.take_place(settings, exchange.client)

    @property
    def _offers(self) -> bool:
        """Whether compression is offered to the peer."""
        return self.settings.websocket_compress in ("peer", "both")

    def for_peer(self, fields: Headers) -> Headers:
        """The fields of the request: what is offered to the peer is ours where messages are relayed."""
        if not self._by_messages:
            return fields
        fields = fields.without(_EXTENSIONS_ONLY)
        if self._offers:
            offer = deflate.offer(takeover=self.settings.websocket_context_takeover)
            fields = fields.plus((b"Sec-WebSocket-Extensions", offer))
        return fields

    @property
    def _edits(self) -> Edits:
        """What the route changes in the head of the 101."""
        route = self._exchange.route
        return route.response_edits if route is not None else ()

    def join(self, attempt: Attempt, head: ResponseHead, rest: bytes) -> None:
        """
        The peer has agreed by *head*, behind which came *rest*: the two connections are joined from now on.

        :raises ResponseError: it has not agreed to what was asked
        """
        protocol = (head.headers.get(b"sec-websocket-protocol") or b"").decode("latin-1")
        if self._by_messages:
            self._relay(attempt, head, rest, protocol)
        else:
            check_answer(self._handshake, head)
            self._tunnel(attempt, head, rest, protocol)

    def _agree(self, head: ResponseHead) -> tuple[Any, bytes]:
        """Send the 101 to the client; returns its transport, and what was read of it behind the handshake."""
        exchange = self._exchange
        exchange.began_to_answer(head.status)
        if exchange.route is not None and exchange.route.retouch is not None:
            head = exchange.route.retouch.rewritten(exchange, head)
        if exchange.affinity is not None:
            head = exchange.affinity.mark(exchange, head)
        if exchange.admission is not None:
            head = exchange.admission.mark(head)
        return exchange.downstream.switch(head)

    def _tunnel(self, attempt: Attempt, head: ResponseHead, rest: bytes, protocol: str) -> None:
        settings = self.settings
        upstream = attempt.upstream
        assert upstream is not None
        client, from_client = self._agree(rewrite.upgrade_head(head, self._edits))
        tunnel = Tunnel(
            client,
            upstream.transport,
            self._exchange.site.deadlines,
            settings.websocket_idle_timeout,
            settings.websocket_half_close_timeout,
            self._ended,
        )
        self._open(tunnel, attempt, protocol)
        tunnel.start(from_client, rest)

    def _relay(self, attempt: Attempt, head: ResponseHead, rest: bytes, protocol: str) -> None:
        settings = self.settings
        exchange = self._exchange
        upstream = attempt.upstream
        assert upstream is not None
        peer_codec, peer_deflates = self.agreed(head)
        wanted = exchange.head.headers.joined(_EXTENSIONS) if settings.websocket_compress in ("client", "both") else None
        accepted = deflate.accept(wanted, takeover=settings.websocket_context_takeover)
        fields = head.headers.fields_without(_EXTENSIONS_ONLY)
        if accepted is not None:
            fields.append((b"Sec-WebSocket-Extensions", accepted[1]))
        answer = ResponseHead(head.status, head.reason, Headers(fields))
        client, from_client = self._agree(rewrite.upgrade_head(answer, self._edits))
        site = exchange.site
        relay = Relay(settings, site.deadlines, site.reactor, self._ended)
        self._open(relay, attempt, protocol)
        relay.join(client, accepted[0] if accepted else None, upstream.transport, peer_codec, peer_deflates)
        if settings.websocket_resume:
            self._handover = Handover(self, exchange)
            self._handover.resumption = relay.resumption = Resumption(relay, self._handover.begin, site.deadlines)
            relay.on_outcome = (*relay.on_outcome, self._handover.give_up)
        if settings.websocket_filter is not None and not self._filter(relay, settings.websocket_filter, protocol):
            relay.start(b"", b"")
            relay.end(FAILED, "the message filter failed")
            return
        relay.start(from_client, rest)

    def _filter(self, relay: Relay, name: str, protocol: str) -> bool:
        """Have the site's class make a filter; False when it fails, and messages are not to pass without."""
        exchange = self._exchange
        head = exchange.head
        conversation = Conversation(relay, exchange.client, head.target.decode("latin-1"), head.headers, protocol)
        try:
            made = namedAny(name.replace(":", "."))(conversation)
        except Exception:
            told(self.settings.name, Failure())
            return self.settings.websocket_filter_errors == "open"
        relay.filtering = Filtering(relay, made, exchange.site.reactor)
        return True

    def agreed(self, head: ResponseHead) -> tuple[deflate.Deflate | None, bool]:
        """
        What a peer has made of our handshake: a codec, and whether we may compress.

        :raises ResponseError: it has not agreed to what was asked
        """
        check_answer(self._handshake, head)
        element = head.headers.get(_EXTENSIONS)
        if not element:
            return None, False
        try:
            return deflate.agreed(element, takeover=self.settings.websocket_context_takeover)
        except deflate.BadParameters as bad:
            raise ResponseError(BAD_UPGRADE_ANSWER, str(bad)) from None

    def _open(self, joined: Tunnel | Relay, attempt: Attempt, protocol: str) -> None:
        exchange = self._exchange
        self._joined = joined
        joined.route_name, joined.peer_name = self.settings.name, attempt.peer.name
        exchange.downstream.tunnel_began(joined)
        now = exchange.site.clock.monotonic()
        self._websocket = exchange.site.websockets.opened(exchange.client, now, protocol, joined)
        if self.settings.websocket_drain_timeout or (self._by_messages and self.settings.websocket_resume):
            self._watches_pool = True
            self._pool_observers.append(self._peer_changed)

    @property
    def _pool_observers(self) -> list[Callable[[Change], None]]:
        route = self._exchange.route
        assert route is not None and route.backend is not None
        return route.backend.pool.on_change

    # What becomes of the peer.

    def _peer_changed(self, change: Change) -> None:
        """A peer that is drained is left: at once when another one can take over, otherwise when its time is over."""
        attempt = self._exchange.attempt
        if attempt is None or change.peer is not attempt.peer:
            return
        if self._drained is not None:
            self._drained.cancel()
            self._drained = None
        if change.after not in TO_BE_LEFT:
            return
        resumption = self._handover.resumption if self._handover is not None else None
        if resumption is not None and (resumption.redialling or resumption.begin()):
            return
        if self.settings.websocket_drain_timeout:
            reactor = self._exchange.site.reactor
            self._drained = reactor.callLater(self.settings.websocket_drain_timeout, self._drain_over)

    def _drain_over(self) -> None:
        self._drained = None
        if isinstance(self._joined, Relay):
            self._joined.end(GOING_AWAY, "the peer is drained")
        elif self._joined is not None:
            self._joined.close()

    def handed_over(self, attempt: Attempt) -> None:
        """Another peer has taken over."""
        assert self._joined is not None
        self._joined.peer_name = attempt.peer.name

    def settle(self, attempt: Attempt) -> None:
        """*attempt* has ended: its peer is credited with what passed."""
        joined = self._joined
        assert joined is not None
        attempt.peer.bytes_sent += joined.bytes_up - self._bytes_up
        attempt.peer.bytes_received += joined.bytes_down - self._bytes_down
        self._bytes_up, self._bytes_down = joined.bytes_up, joined.bytes_down
        attempt.succeeded(self._exchange.site.clock.monotonic())

    # The end.

    def _ended(self, joined: Tunnel | Relay) -> None:
        exchange = self._exchange
        exchange.bytes_received = joined.bytes_up
        exchange.bytes_sent = joined.bytes_down
        attempt = exchange.attempt
        assert attempt is not None
        if self._handover is None or not self._handover.stop():
            self.settle(attempt)
        exchange.finish()

    def closed(self) -> None:
        """The exchange has finished, on whatever path."""
        if self._watches_pool:
            self._pool_observers.remove(self._peer_changed)
        if self._drained is not None:
            self._drained.cancel()
        websockets = self._exchange.site.websockets
        websockets.leave_place(self.settings, self._exchange.client)
        if self._websocket is not None:
            websockets.closed(self._websocket)
