"""HTTP-01 (RFC 8555 §8.3): an authority asks by plain HTTP whether a name is ours, as long as it has a question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twistedproxy.message import Headers, ResponseHead

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange

_BELOW: Final = b"/.well-known/acme-challenge/"


def answers_challenge(exchange: Exchange) -> bool:
    """Whether *exchange* is such a question, which is answered then, whatever the routes say."""
    head = exchange.head
    if exchange.downstream.scheme != b"http" or not head.path.startswith(_BELOW) or head.method not in (b"GET", b"HEAD"):
        return False
    answer = exchange.site.challenges.get(head.path[len(_BELOW) :])
    if answer is None:
        return False
    fields = [
        (b"Server", b"twistedproxy"),
        (b"Content-Type", b"application/octet-stream"),
        (b"Cache-Control", b"no-store"),
        (b"Content-Length", b"%d" % len(answer)),
    ]
    exchange.reply(ResponseHead(200, b"OK", Headers(fields), length=len(answer)), answer)
    return True
