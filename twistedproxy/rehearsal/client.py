"""Who asks on a stage: hears the answer, and keeps it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twistedproxy.addresses import Address
from twistedproxy.forward.clients import TrustedProxies
from twistedproxy.forward.secured import Secured
from twistedproxy.message import Headers, ResponseHead
from twistedproxy.rehearsal.request import Request
from twistedproxy.wire.framing import Piece


class Client:
    """
    Stands where a connection stands: a :class:`twistedproxy.forward.site.Downstream`, and its transport.

    :ivar head: of the answer, None as long as there is none
    :ivar content: the answer's body
    :ivar was_cut: the answer has ended early
    """

    known: tuple[object, object, bytes] | None = None

    def __init__(self, request: Request, secured: Secured | None, over: Callable[[], None]) -> None:
        """*secured*: what TLS says of it; *over* is called when the exchange has ended."""
        door = request.listener
        self.address = request.client
        self.client_port = 50_000
        self.trusted_proxies = TrustedProxies(door.trusted_proxies, door.trusted_fields)
        self.trusted = bool(door.trusted_proxies) and request.client in self.trusted_proxies
        self.scheme = request.scheme
        self.port = request.port
        self.listener_name = door.name
        self.secured = secured
        self.transport: Any = self
        self.head: ResponseHead | None = None
        self.content = b""
        self.was_cut = False
        self._over = over

    @property
    def destination(self) -> Address | None:
        """No PROXY protocol header says anything."""
        return None

    def interim(self, head: ResponseHead) -> None:
        """A 1xx answer."""

    def respond(self, head: ResponseHead, pieces: Sequence[Piece], ended: bool) -> None:
        """The answer begins."""
        self.head = head
        self.body(pieces)

    def body(self, pieces: Sequence[Piece]) -> None:
        """More of the answer."""
        self.content += b"".join(map(bytes, pieces))

    def end(self, trailers: Headers) -> None:
        """The answer is complete."""

    def cut(self) -> None:
        """It will not be."""
        self.was_cut = True

    def pause_request(self) -> None:
        """All of the request is here already."""

    def resume_request(self) -> None:
        """Likewise."""

    def switch(self, head: ResponseHead) -> tuple[Any, bytes]:
        """Never called: no peer of a stage agrees to a WebSocket."""
        raise RuntimeError("nobody switches protocols here")

    def tunnel_began(self, tunnel: Any) -> None:
        """Never called, likewise."""

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """As the transport: it takes everything at once."""

    def unregisterProducer(self) -> None:
        """As the transport."""

    def exchange_over(self) -> None:
        """The exchange has ended."""
        self._over()
