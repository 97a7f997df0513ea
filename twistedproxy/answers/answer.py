"""What an answer is: a route's own way to reply, without a peer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from twistedproxy.errors import Reason
from twistedproxy.message import Headers, RequestHead, ResponseHead
from twistedproxy.transport.file_part import FilePart
from twistedproxy.verdicts import Verdict
from twistedproxy.wire.framing import Piece


class Source(Protocol):
    """Where the body of an answer comes from that no peer sends."""

    def pause(self) -> None:
        """The client is slow: deliver no more for now."""

    def resume(self) -> None:
        """The client has taken what was delivered."""

    def closed(self) -> None:
        """The exchange is over: let go of everything."""


class Asked(Protocol):
    """
    An exchange, as an answer sees it.

    :ivar source: set it before :meth:`deliver` when the body comes in pieces
    :ivar finished: nothing more may be delivered: the client has gone, or all was said
    :ivar verdicts: what was decided
    """

    head: RequestHead
    source: Source | None
    finished: bool
    verdicts: list[Verdict]
    site: Any

    def value(self, name: str) -> str:
        """The value of a template's *name*."""

    def reply(self, head: ResponseHead, body: bytes) -> None:
        """Answer with a small body, all at once; the body is left out for HEAD.  The exchange is over then."""

    def reply_with_page(self, head: ResponseHead) -> None:
        """Answer with the site's own page for the status of *head*, if there is one, and with no body otherwise."""

    def outgoing(self, head: ResponseHead) -> ResponseHead:
        """*head*, which has a Date, as the route lets it out; remembered with *head* for the next exchange."""

    def deliver(self, head: ResponseHead, pieces: Sequence[Piece], ended: bool) -> None:
        """Begin an answer; unless *ended*, more follows by the next two.  Once *ended*, :meth:`finish` has to follow."""

    def deliver_body(self, pieces: Sequence[Piece]) -> None:
        """More of the body."""

    @property
    def sends_files(self) -> bool:
        """Whether :meth:`send_file` may be called: nobody looks at the bytes of the body on their way."""

    def send_file(self, part: FilePart) -> None:
        """More of the body, which the kernel sends from a file."""

    def deliver_end(self, trailers: Headers) -> None:
        """The body is complete, and the exchange over."""

    def finish(self) -> None:
        """The exchange is over."""

    def pass_on(self) -> None:
        """There is nothing to answer here: the route's peers are asked; for routes that have some."""

    def fail(self, reason: Reason, detail: str = "") -> None:
        """Nothing can be answered, or no more of it."""


class Answer(Protocol):
    """Replies to the requests of a route."""

    def answer(self, exchange: Asked) -> None:
        """Reply to *exchange*, now or later."""
