"""What is still true of an answer whose body is changed on its way, and which answers nobody may change."""

from __future__ import annotations

from typing import Final

from twistedproxy.message import Field, Headers

#: Statuses of answers without a body, or with a part of one, which cannot be changed by itself.
WITHOUT_WHOLE_BODY: Final = frozenset((204, 205, 206, 304))
#: What speaks of the bytes as they were (RFC 9530 §3: Repr-Digest is that of the body in its coding).
_GONE: Final = frozenset(
    (b"content-length", b"content-encoding", b"accept-ranges", b"content-md5", b"digest", b"content-digest", b"repr-digest")
)


def of_changed_body(headers: Headers) -> list[Field]:
    """The fields of an answer with *headers* whose body becomes another one."""
    return [weakened(field) for field in headers.fields_without(_GONE)]


def weakened(field: Field) -> Field:
    """*field*; an ETag becomes weak: what it stands for are other bytes now (RFC 9110 §8.8.1)."""
    name, value = field
    return (name, b"W/" + value) if name.lower() == b"etag" and not value.startswith(b"W/") else field


def may_be_changed(headers: Headers) -> bool:
    """Whether whoever has sent an answer with *headers* lets it be changed (``no-transform``, RFC 9111 §5.2.2.6)."""
    return b"no-transform" not in (each.lower() for each in headers.elements(b"cache-control"))
