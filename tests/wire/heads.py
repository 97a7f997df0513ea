"""Heads of requests, and why they are refused."""

from __future__ import annotations

import pytest

from twistedproxy.errors import Reason, RequestError
from twistedproxy.wire.http1 import Limits, parse_request

LIMITS = Limits(head=2048, fields=10, target=256)


def request(*fields: bytes, line: bytes = b"GET / HTTP/1.1", host: bytes | None = b"Host: a.example") -> bytes:
    """A head of a request line, Host and further field lines."""
    return b"\r\n".join([line, *([host] if host is not None else []), *fields, b"", b""])


def refusal(head: bytes) -> Reason:
    """Why a head is refused."""
    with pytest.raises(RequestError) as refused:
        parse_request(head, LIMITS)
    return refused.value.reason
