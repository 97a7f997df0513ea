"""
The ClientHello by which a TLS connection begins: which name and which protocols a client asks for, without decrypting anything.

RFC 8446 §4.1.2 and §5.1 (which RFC 5246 has alike), RFC 6066 §3 for the name, RFC 7301 §3.1 for the protocols.  With Encrypted
Client Hello (RFC 9849) this is the outer one: its name is that of the server which is to decrypt the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

#: Bytes of a ClientHello that are read, records included; those of browsers with post-quantum key shares have about 2 KiB.
MOST: Final = 16 * 1024

_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_RECORD_HEADER: Final = 5
_MESSAGE_HEADER: Final = 4
#: A record holds no more (RFC 8446 §5.1).
_MOST_OF_RECORD: Final = 2**14
#: legacy_version and random.
_FIXED: Final = 2 + 32
_SERVER_NAME: Final = 0
_HOST_NAME: Final = 0
_ALPN: Final = 16
# A DNS host name in ASCII, and the underscore, which is used though it is not allowed; RFC 6066 §3 knows no dot at the end.
_NAME: Final = re.compile(rb"(?=.{1,254}\Z)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")


@dataclass(frozen=True, slots=True)
class ClientHello:
    """
    What a client asks for.

    :ivar server_name: the name by SNI, in lower case and without a dot at its end; empty when it asks for none
    :ivar protocols: by ALPN, the preferred one first; empty when there is no such extension
    """

    server_name: str = ""
    protocols: tuple[bytes, ...] = ()


class ClientHelloError(Exception):
    """What a connection begins with is no ClientHello, or a malformed one; the text says why."""


def read_client_hello(data: bytes) -> ClientHello | int:
    """
    The ClientHello at the beginning of *data*, which is all that has come of a connection.

    Returns how many bytes there must be at least, as long as it is not complete.

    :raises ClientHelloError: it is none, is malformed, or is longer than :data:`MOST`
    """
    message = b""
    wanted = _MESSAGE_HEADER
    at = 0
    while True:
        record = data[at : at + _RECORD_HEADER]
        _check_record(record)
        if len(record) < _RECORD_HEADER:
            return at + _RECORD_HEADER + wanted - len(message)
        end = at + _RECORD_HEADER + int.from_bytes(record[3:5], "big")
        message += data[at + _RECORD_HEADER : end]
        wanted = _length_of(message)
        if len(message) >= wanted > _MESSAGE_HEADER:
            return _read(message[_MESSAGE_HEADER:wanted])
        missing = wanted - len(message)
        if end > len(data):
            here = end - len(data)
            return len(data) + missing + (_RECORD_HEADER if missing > here else 0)
        at = end


def _check_record(header: bytes) -> None:
    """As much as is here of a record's header."""
    if header[:1] not in (b"", bytes((_HANDSHAKE,))) or header[1:2] not in (b"", b"\x03"):
        raise ClientHelloError("it is not TLS")
    if len(header) == _RECORD_HEADER and not 0 < int.from_bytes(header[3:5], "big") <= _MOST_OF_RECORD:
        raise ClientHelloError("a record is empty or too long")


def _length_of(message: bytes) -> int:
    """The bytes of the message that begins so, its header included; those of its header as long as that is not complete."""
    if message[:1] not in (b"", bytes((_CLIENT_HELLO,))):
        raise ClientHelloError("it is another message")
    if len(message) < _MESSAGE_HEADER:
        return _MESSAGE_HEADER
    length = int.from_bytes(message[1:4], "big")
    if length <= _FIXED:
        raise ClientHelloError("it is too short")
    if length > MOST:
        raise ClientHelloError(f"it is longer than {MOST} bytes")
    return _MESSAGE_HEADER + length


def _read(body: bytes) -> ClientHello:
    _, at = _vector(body, _FIXED, 1)  # legacy_session_id
    _, at = _vector(body, at, 2)  # cipher_suites
    _, at = _vector(body, at, 1)  # legacy_compression_methods
    if at == len(body):
        return ClientHello()
    block, at = _vector(body, at, 2)
    if at != len(body):
        raise ClientHelloError("bytes follow its extensions")
    extensions = dict(_extensions(block))
    return ClientHello(_server_name(extensions.get(_SERVER_NAME)), _protocols(extensions.get(_ALPN)))


def _vector(data: bytes, at: int, width: int) -> tuple[bytes, int]:
    """The vector at *at* (RFC 8446 §3.4), whose length has *width* bytes, and where what follows it begins."""
    start = at + width
    end = start + int.from_bytes(data[at:start], "big")
    if start > len(data) or end > len(data):
        raise ClientHelloError("a length points beyond its end")
    return data[start:end], end


def _extensions(block: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    seen: set[int] = set()
    while at < len(block):
        kind = int.from_bytes(block[at : at + 2], "big")
        if kind in seen:
            raise ClientHelloError("an extension is repeated")  # RFC 8446 §4.2
        seen.add(kind)
        content, at = _vector(block, at + 2, 2)
        yield kind, content


def _server_name(extension: bytes | None) -> str:
    if extension is None:
        return ""
    names, end = _vector(extension, 0, 2)
    if end != len(extension):
        raise ClientHelloError("bytes follow the list of names")
    at = 0
    found = ""
    while at < len(names):
        kind = names[at]
        name, at = _vector(names, at + 1, 2)
        if kind == _HOST_NAME:
            if found or not _NAME.fullmatch(name):
                raise ClientHelloError("the name is no host name" if not found else "there are two names")
            found = name.decode("ascii").lower().removesuffix(".")
    return found


def _protocols(extension: bytes | None) -> tuple[bytes, ...]:
    if extension is None:
        return ()
    block, end = _vector(extension, 0, 2)
    if end != len(extension):
        raise ClientHelloError("bytes follow the list of protocols")
    protocols: list[bytes] = []
    at = 0
    while at < len(block):
        protocol, at = _vector(block, at, 1)
        if not protocol:
            raise ClientHelloError("a protocol is empty")
        protocols.append(protocol)
    return tuple(protocols)
