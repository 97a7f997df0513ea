"""The client of an exchange that only brings the cache up to date: it takes everything and wants nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from twistedproxy.forward.site import Downstream
from twistedproxy.message import Headers, RequestFields, RequestHead, ResponseHead
from twistedproxy.wire.framing import Piece

#: Fields by which one client asks for less than the whole, or for its own idea of freshness.
_ONE_CLIENTS: Final = frozenset(
    (
        b"cache-control",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"pragma",
        b"range",
    )
)


def update_head(head: RequestHead) -> RequestHead:
    """The request by which the cache asks anew for what the client of *head* was served."""
    fields = head.fields
    return RequestHead(
        b"GET",
        head.target,
        head.version,
        RequestFields(
            head.headers.without(_ONE_CLIENTS),
            host=fields.host,
            port=fields.port,
            connection=fields.connection,
            are_large=fields.are_large,
        ),
        path=head.path,
        query=head.query,
        route_path=head.route_path,
        authority=head.authority,
    )


class Nobody:
    """
    Stands where a client stands: a :class:`twistedproxy.forward.site.Downstream`, and its transport.

    :param client: the connection on behalf of which the exchange takes place
    :param over: called when it has ended
    """

    known: tuple[object, object, bytes] | None = None
    destination = None

    def __init__(self, client: Downstream, over: Callable[[], None]) -> None:
        self.address = client.address
        self.client_port = client.client_port
        self.trusted = client.trusted
        self.trusted_proxies = client.trusted_proxies
        self.scheme = client.scheme
        self.port = client.port
        self.listener_name = client.listener_name
        self.secured = client.secured
        self.transport: Any = self
        self._over = over

    def interim(self, head: ResponseHead) -> None:
        """Nobody hears of it."""

    def respond(self, head: ResponseHead, pieces: Sequence[Piece], ended: bool) -> None:
        """Nobody hears of it."""

    def body(self, pieces: Sequence[Piece]) -> None:
        """Nobody hears of it."""

    def end(self, trailers: Headers) -> None:
        """Nobody hears of it."""

    def cut(self) -> None:
        """Nobody hears of it."""

    def pause_request(self) -> None:
        """There is no body."""

    def resume_request(self) -> None:
        """There is no body."""

    def switch(self, head: ResponseHead) -> tuple[Any, bytes]:
        """Never called: an update asks for no other protocol."""
        raise RuntimeError("nobody has asked for another protocol")

    def tunnel_began(self, tunnel: Any) -> None:
        """Never called, likewise."""

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """As the transport: it takes everything at once."""

    def unregisterProducer(self) -> None:
        """As the transport."""

    def exchange_over(self) -> None:
        """The update has ended."""
        self._over()
