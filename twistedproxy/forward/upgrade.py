"""From a WebSocket's handshake to what the two connections become once both sides have agreed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twistedproxy.forward import rewrite
from twistedproxy.message import ResponseHead
from twistedproxy.transport.tunnel import Tunnel
from twistedproxy.websocket.handshake import Handshake, check_answer, check_request

if TYPE_CHECKING:
    from twistedproxy.forward.attempt import Attempt
    from twistedproxy.forward.exchange import Exchange


class Upgrade:
    """The handshake of one exchange."""

    __slots__ = ("_exchange", "_handshake")

    def __init__(self, exchange: Exchange) -> None:
        """:raises RequestError: the request is no valid handshake"""
        self._exchange = exchange
        self._handshake: Handshake = check_request(exchange.head)

    def join(self, attempt: Attempt, head: ResponseHead, rest: bytes) -> None:
        """
        The peer has agreed by *head*, behind which came *rest*: the two connections are one tunnel from now on.

        :raises ResponseError: it has not agreed to what was asked
        """
        check_answer(self._handshake, head)
        exchange = self._exchange
        upstream = attempt.upstream
        route = exchange.route
        assert upstream is not None and route is not None
        exchange.began_to_answer(head.status)
        settings = route.settings
        client, from_client = exchange.downstream.switch(rewrite.upgrade_head(head, settings.response_headers))
        tunnel = Tunnel(client, upstream.transport, exchange.site.deadlines, settings.websocket_idle_timeout, self._tunnel_ended)
        tunnel.route_name, tunnel.peer_name = route.name, attempt.peer.name
        exchange.downstream.tunnel_began(tunnel)
        tunnel.start(from_client, rest)

    def _tunnel_ended(self, tunnel: Tunnel) -> None:
        exchange = self._exchange
        attempt = exchange.attempt
        assert attempt is not None
        exchange.bytes_received = tunnel.bytes_up
        exchange.bytes_sent = tunnel.bytes_down
        attempt.peer.bytes_sent += tunnel.bytes_up
        attempt.peer.bytes_received += tunnel.bytes_down
        attempt.succeeded(exchange.site.clock.monotonic())
        exchange.finish()
