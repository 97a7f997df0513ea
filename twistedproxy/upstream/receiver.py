"""What a connection to a peer tells whoever sent a request on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twistedproxy.errors import Reason
from twistedproxy.message import Headers, ResponseHead
from twistedproxy.wire.framing import Piece
from twistedproxy.wire.proxy_protocol import Ends


class Receiver(Protocol):
    """Who sent a request on a connection, and hears of its answer.  After ``failed``, or an end, it hears nothing more."""

    def ends(self) -> Ends | None:
        """Whose connection it is that the request came by; None: our own.  Asked for pools with ``proxy_protocol`` only."""

    @property
    def upgrades(self) -> bool:
        """Whether it asks for another protocol, a WebSocket's; asked for pools with ``protocol = h2`` only."""

    def connected(self) -> None:
        """The connection stands: the request may be sent."""

    def interim(self, head: ResponseHead) -> None:
        """A 1xx answer other than 101."""

    def response(self, head: ResponseHead, pieces: Sequence[Piece], ended: bool) -> None:
        """The final answer's head, with what of its body came along; *ended*: all of it, and without trailers."""

    def body(self, pieces: Sequence[Piece]) -> None:
        """More of the body."""

    def ended(self, trailers: Headers) -> None:
        """The body is complete."""

    def upgraded(self, head: ResponseHead, rest: bytes) -> None:
        """A 101 that was asked for: the connection is the receiver's from now on; *rest* came behind the head."""

    def failed(self, reason: Reason, detail: str) -> None:
        """The attempt failed; the connection is gone or going."""
