"""What all exchanges of a site share, and what an exchange asks of the connection that it came in by."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.interfaces import IReactorTime

from twistedproxy.addresses import Address
from twistedproxy.clock import Clock
from twistedproxy.forward.clients import TrustedProxies
from twistedproxy.forward.guards.premises import InThread, at_once
from twistedproxy.forward.maps import MapTable
from twistedproxy.forward.remembered import Facts
from twistedproxy.forward.route_table import RouteTable
from twistedproxy.forward.secured import Secured
from twistedproxy.message import Headers, ResponseHead
from twistedproxy.transport.deadlines import Deadlines
from twistedproxy.websocket.register import Register
from twistedproxy.wire.framing import Piece

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange
    from twistedproxy.forward.tracing import Sampling


@dataclass
class Site:
    """
    The running site, as its exchanges see it.

    :ivar finished: called with each exchange that has ended, for logs
    :ivar failed: called, before those, with each that has ended with a reason
    :ivar remembered: facts of those that have ended lately, the oldest first; None: nothing is kept
    :ivar maps: tables by name
    :ivar websockets: those that are open
    :ivar challenges: what authorities may ask for at the moment (HTTP-01), by token
    :ivar in_thread: runs what waits for a disk
    :ivar tracing: which traces are seen, where spans are made of exchanges
    :ivar exchanges: exchanges begun, ever; the last one's number
    :ivar numbers: what the next connections of clients are called
    :ivar stopping: nothing new is begun
    """

    routes: RouteTable
    clock: Clock
    reactor: IReactorTime
    deadlines: Deadlines
    finished: list[Callable[[Exchange], None]] = field(default_factory=list)
    failed: list[Callable[[Exchange], None]] = field(default_factory=list)
    remembered: deque[Facts] | None = None
    maps: Mapping[str, MapTable] = field(default_factory=dict)
    websockets: Register = field(default_factory=Register)
    challenges: dict[bytes, bytes] = field(default_factory=dict)
    in_thread: InThread = at_once
    tracing: Sampling | None = None
    exchanges: int = 0
    numbers: Iterator[int] = field(default_factory=partial(count, 1))
    stopping: bool = False


class Downstream(Protocol):
    """
    The client's side of an exchange: an HTTP/1 connection, or a stream of an HTTP/2 one.

    :ivar address: of whoever connected; *client_port* its port; *trusted*: it is a trusted proxy
    :ivar scheme: by which it connected, to our *port*, by the listener called *listener_name*
    :ivar destination: where it connected to, if a PROXY protocol header says it
    :ivar transport: takes the answer's bytes; a consumer
    :ivar secured: what TLS says of it, as far as exchanges are concerned; None: nothing
    :ivar known: what was made of the last request's fields, and for whom: see :meth:`Exchange._head_for`
    """

    address: str
    client_port: int
    trusted: bool
    trusted_proxies: TrustedProxies
    scheme: bytes
    port: int
    listener_name: str
    secured: Secured | None

    @property
    def destination(self) -> Address | None: ...

    known: tuple[object, object, bytes] | None

    @property
    def transport(self) -> Any: ...

    def interim(self, head: ResponseHead) -> None:
        """Pass on a 1xx answer."""

    def respond(self, head: ResponseHead, pieces: Sequence[Piece], ended: bool) -> None:
        """Send the final head, with what of the body is here; its fields are end-to-end ones only."""

    def body(self, pieces: Sequence[Piece]) -> None:
        """Send more of the body."""

    def end(self, trailers: Headers) -> None:
        """The body is complete."""

    def cut(self) -> None:
        """The answer cannot be completed: let the client see that (RFC 9112 §8)."""

    def pause_request(self) -> None:
        """Read no more of the request's body for now."""

    def resume_request(self) -> None:
        """Read on."""

    def switch(self, head: ResponseHead) -> tuple[Any, bytes]:
        """Send a 101 and hand over the transport, with what was read behind the request."""

    def tunnel_began(self, tunnel: Any) -> None:
        """The transport handed over is part of *tunnel* now."""

    def exchange_over(self) -> None:
        """The exchange has finished; the connection is free for the next one, or closes."""
