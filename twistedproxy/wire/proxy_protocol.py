"""
The PROXY protocol: a connection begins with a header that says for whom it was made.

Versions 1 (text) and 2 (binary) of "The PROXY protocol", HAProxy Technologies, 2020/03/05; sections are cited by their numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from twistedproxy.addresses import Address, Tcp, Unix

#: What a header of version 2 begins with (2.2): no method of HTTP, and no version 1.
SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"

# Version 2 and the command (2.2, thirteenth byte).
_LOCAL: Final = 0x20
_PROXY: Final = 0x21
# Address family and protocol (2.2, fourteenth byte).
_UNSPECIFIED: Final = 0x00
_TCP_OVER_4: Final = 0x11
_TCP_OVER_6: Final = 0x21
_UNIX_STREAM: Final = 0x31
#: Bytes of addresses in each family (2.2); datagrams and what is not specified say nothing of a connection like ours.
_LENGTHS: Final = {
    _UNSPECIFIED: 0,
    _TCP_OVER_4: 12,
    0x12: 12,
    _TCP_OVER_6: 36,
    0x22: 36,
    _UNIX_STREAM: 216,
    0x32: 216,
}

#: Bytes of a unix address (2.2), as in ``struct sockaddr_un``.
_UNIX_LENGTH: Final = 108

#: Bytes of a version 1 header, its CRLF included (2.1).
_MOST_OF_LINE: Final = 107
#: Bytes of a version 2 header that are read; beyond the addresses there are only TLVs, of which nobody sends more.
MOST: Final = 4096
_WORD: Final = b"PROXY "
# RFC 1700 and RFC 4291 notations, decimal ports without leading zeros (2.1).
_LINE: Final = re.compile(
    rb"PROXY (?:UNKNOWN(?: [^\r\n]*)?|TCP(?P<family>[46]) (?P<source>[0-9a-fA-F.:]{2,39}) (?P<destination>[0-9a-fA-F.:]{2,39})"
    rb" (?P<source_port>0|[1-9][0-9]{0,4}) (?P<destination_port>0|[1-9][0-9]{0,4}))\r\n"
)


@dataclass(frozen=True, slots=True)
class Ends:
    """
    The two ends of a connection that is passed on; hosts are IP addresses.

    :ivar source: who made it; *destination*: where it was accepted
    """

    source: Address
    destination: Address


@dataclass(frozen=True, slots=True)
class Header:
    """
    What a connection begins with.

    :ivar size: its bytes; 0 when there is no header
    :ivar ends: whose connection it is; None: that of the one who sent it, as with LOCAL, UNKNOWN and what is no stream
    """

    size: int
    ends: Ends | None


class ProxyHeaderError(Exception):
    """What a connection begins with is no header, or a malformed one; the text says why."""


def read_header(data: bytes) -> Header | int:
    """
    The header at the beginning of *data*, which is all that has come of a connection.

    Returns how many bytes there must be at least, as long as that cannot be told.  What a version 2 header has behind its
    addresses (TLVs) is passed over.

    :raises ProxyHeaderError: it is malformed, or longer than :data:`MOST`
    """
    if data.startswith(_WORD):
        return _read_version_1(data)
    if data.startswith(SIGNATURE):
        return _read_version_2(data)
    for beginning in (_WORD, SIGNATURE):
        if beginning.startswith(data):
            return len(beginning) if data else 1
    return Header(0, None)


def _read_version_1(data: bytes) -> Header | int:
    end = data.find(b"\n", 0, _MOST_OF_LINE) + 1
    if not end:
        if len(data) >= _MOST_OF_LINE:
            raise ProxyHeaderError(f"version 1: no line within {_MOST_OF_LINE} bytes")
        return len(data) + 1
    found = _LINE.fullmatch(data, 0, end)
    if found is None:
        raise ProxyHeaderError("version 1: the line is malformed")
    if found["family"] is None:
        return Header(end, None)
    address = IPv4Address if found["family"] == b"4" else IPv6Address
    ports = int(found["source_port"]), int(found["destination_port"])
    if max(ports) > 65535:
        raise ProxyHeaderError("version 1: a port is above 65535")
    try:
        source, destination = (str(_plain(str(address(found[side].decode())))) for side in ("source", "destination"))
    except ValueError:
        raise ProxyHeaderError("version 1: an address is malformed") from None
    return Header(end, Ends(Tcp(source, ports[0]), Tcp(destination, ports[1])))


def _read_version_2(data: bytes) -> Header | int:
    start = len(SIGNATURE) + 4
    if len(data) < start:
        return start
    command, family = data[12], data[13]
    length = int.from_bytes(data[14:16], "big")
    size = start + length
    if command not in (_LOCAL, _PROXY):
        raise ProxyHeaderError("version 2: the version or the command is not known")
    if size > MOST:
        raise ProxyHeaderError(f"version 2: longer than {MOST} bytes")
    if command == _LOCAL:
        # Whatever it says of families and addresses is to be passed over.
        return Header(size, None) if len(data) >= size else size
    if family not in _LENGTHS:
        raise ProxyHeaderError("version 2: the address family is not known")
    if length < _LENGTHS[family]:
        raise ProxyHeaderError("version 2: too short for its addresses")
    if len(data) < size:
        return size
    return Header(size, _ends(family, data[start:size]))


def _ends(family: int, addresses: bytes) -> Ends | None:
    if family == _UNIX_STREAM:
        return Ends(_unix_address(addresses[:_UNIX_LENGTH]), _unix_address(addresses[_UNIX_LENGTH : 2 * _UNIX_LENGTH]))
    if family not in (_TCP_OVER_4, _TCP_OVER_6):
        return None
    length = 4 if family == _TCP_OVER_4 else 16
    source, destination = (str(_plain(str(ip_address(addresses[at : at + length])))) for at in (0, length))
    ports = addresses[2 * length : 2 * length + 4]
    return Ends(Tcp(source, int.from_bytes(ports[:2], "big")), Tcp(destination, int.from_bytes(ports[2:], "big")))


def _unix_address(field: bytes) -> Unix:
    return Unix(field.partition(b"\0")[0].decode("utf-8", "surrogateescape"))


def version_1(ends: Ends | None) -> bytes:
    """
    The header in text (2.1), at most 107 bytes.

    UNKNOWN is said of connections that are our own (None), and of what text cannot say: unix sockets.
    """
    pair = _ip_pair(ends)
    if pair is None:
        return b"PROXY UNKNOWN\r\n"
    source, source_port, destination, destination_port = pair
    family = "TCP4" if isinstance(source, IPv4Address) else "TCP6"
    return f"PROXY {family} {_text(source)} {_text(destination)} {source_port} {destination_port}\r\n".encode()


def version_2(ends: Ends | None) -> bytes:
    """
    The binary header (2.2).

    Connections of our own (None) are LOCAL, for instance checks; where one end is a unix socket and the other is not, nothing is
    said about either.
    """
    if ends is None:
        return _binary(_LOCAL, _UNSPECIFIED, b"")
    pair = _ip_pair(ends)
    if pair is not None:
        source, source_port, destination, destination_port = pair
        addresses = source.packed + destination.packed + source_port.to_bytes(2, "big") + destination_port.to_bytes(2, "big")
        return _binary(_PROXY, _TCP_OVER_4 if isinstance(source, IPv4Address) else _TCP_OVER_6, addresses)
    if isinstance(ends.source, Unix) and isinstance(ends.destination, Unix):
        return _binary(_PROXY, _UNIX_STREAM, _unix(ends.source) + _unix(ends.destination))
    return _binary(_PROXY, _UNSPECIFIED, b"")


#: Ends, or None for a connection of our own, to the bytes of a header; by the names that site.ini has for the versions.
ENCODERS: Final[dict[str, Callable[[Ends | None], bytes]]] = {"v1": version_1, "v2": version_2}


def _binary(command: int, family: int, addresses: bytes) -> bytes:
    return SIGNATURE + bytes((command, family)) + len(addresses).to_bytes(2, "big") + addresses


def _text(address: IPv4Address | IPv6Address) -> str:
    mapped = getattr(address, "ipv4_mapped", None)
    # Colons and hexadecimal digits only (2.1), which Python has kept to until 3.12.
    return f"::ffff:{int(mapped) >> 16:x}:{int(mapped) & 0xFFFF:x}" if mapped is not None else str(address)


def _unix(address: Unix) -> bytes:
    return address.path.encode("utf-8", "surrogateescape")[:_UNIX_LENGTH].ljust(_UNIX_LENGTH, b"\0")


_Ip = IPv4Address | IPv6Address


def _ip_pair(ends: Ends | None) -> tuple[_Ip, int, _Ip, int] | None:
    """Both ends as addresses of one family, an IPv4 one mapped into IPv6 if need be; None when one is no IP address."""
    if ends is None or not isinstance(ends.source, Tcp) or not isinstance(ends.destination, Tcp):
        return None
    source, destination = _plain(ends.source.host), _plain(ends.destination.host)
    if source.version != destination.version:
        source, destination = _mapped(source), _mapped(destination)
    return source, ends.source.port, destination, ends.destination.port


def _plain(host: str) -> _Ip:
    # A zone (fe80::1%eth0) means nothing to others; an IPv4 address that a socket of both families gives is one.
    address = ip_address(host.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def _mapped(address: _Ip) -> _Ip:
    return IPv6Address(f"::ffff:{address}") if isinstance(address, IPv4Address) else address
