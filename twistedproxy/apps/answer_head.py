"""The heads of answers, as apps say them: pure."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha1
from typing import Final

from twistedproxy.answers.replies import phrase
from twistedproxy.errors import ResponseError
from twistedproxy.message import Field, ResponseHead
from twistedproxy.wire import http1

#: What an app may say of its hop: nothing (PEP 3333: "apps must not send hop-by-hop headers").
_OF_THE_HOP: Final = frozenset(
    (b"connection", b"transfer-encoding", b"keep-alive", b"proxy-connection", b"upgrade", b"te", b"trailer")
)

#: RFC 6455 §1.3.
_WEBSOCKET: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class BadAnswer(ValueError):
    """What an app says cannot be an answer; the text says why."""


def is_measured(fields: Iterable[Field]) -> bool:
    """Whether *fields* say how long the body is."""
    return any(name.lower() == b"content-length" for name, _ in fields)


def accepting(key: bytes) -> tuple[Field, ...]:
    """The fields by which a WebSocket's handshake with *key* is accepted (RFC 6455 §4.2.2)."""
    accept = b64encode(sha1(key + _WEBSOCKET, usedforsecurity=False).digest())
    return (b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"), (b"Sec-WebSocket-Accept", accept)


def answer_head(status: int, reason: bytes, fields: Sequence[Field], method: bytes) -> ResponseHead:
    """
    The head of an answer to a request with *method*, held to the grammar that peers are held to; of the hop it says nothing.

    :param reason: the phrase; empty for the usual one
    :raises BadAnswer: it cannot be one
    """
    if not 200 <= status <= 599:
        raise BadAnswer(f"{status} is not the status of an answer")
    lines = [b"HTTP/1.1 %d %b" % (status, reason or phrase(status).encode("ascii"))]
    for name, value in fields:
        if name.lower() not in _OF_THE_HOP:
            lines.append(b"%b: %b" % (name, value.strip(b" \t")))
    block = b"\r\n".join((*lines, b"", b""))
    if block.count(b"\n") != len(lines) + 1 or block.count(b"\r") != len(lines) + 1:
        raise BadAnswer("a line end stands in a header field")
    try:
        return _understood(block, method == b"HEAD")
    except ResponseError as error:
        raise BadAnswer(str(error)) from None


@lru_cache(maxsize=64)
def _understood(block: bytes, to_head: bool) -> ResponseHead:
    """The head in *block*: an app that repeats itself is understood once."""
    return http1.parse_response(block, b"HEAD" if to_head else b"GET")
