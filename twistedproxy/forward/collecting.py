"""``request_buffering``: a request's body is here before a peer is asked, so that a slow upload occupies no peer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twistedproxy.message import Headers, ResponseHead

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange

_CONTINUE: Final = ResponseHead(100, b"Continue", Headers(), length=0)


class RequestBuffering:
    """
    Lets requests in when their bodies are complete, or the buffer is full: a guard.

    :param size: bytes of the buffer
    """

    __slots__ = ("_size",)

    def __init__(self, size: int) -> None:
        self._size = size

    def admit(self, exchange: Exchange, passed: int) -> bool:
        """Whether enough of the body is here; otherwise it goes on when that is so."""
        if exchange.request_complete:
            return True
        content = exchange.content
        assert content is not None
        content.limit = self._size
        if content.is_full:
            return True
        exchange.collecting = Collecting(passed)
        exchange.downstream.resume_request()
        if content.size == 0 and b"expect" in exchange.head.headers:
            # It waits for a 100, and no peer is there to send it (RFC 9110 §10.1.1).
            exchange.interim(_CONTINUE)
        return False


class Collecting:
    """The body of an exchange is being collected, which *passed* so many guards, this one included."""

    __slots__ = ("_passed",)

    def __init__(self, passed: int) -> None:
        self._passed = passed

    def more(self, exchange: Exchange) -> None:
        """More of the body of *exchange* is here, or all of it."""
        content = exchange.content
        if exchange.request_complete or (content is not None and content.is_full):
            exchange.collecting = None
            exchange.guard(self._passed)
