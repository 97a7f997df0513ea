"""
The PROXY protocol: a connection begins with a header that says for whom it was made.

Versions 1 (text) and 2 (binary) of "The PROXY protocol", HAProxy Technologies, 2020/03/05; sections are cited by their numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from twistedproxy.addresses import Address, Unix

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

#: Bytes of a unix address (2.2), as in ``struct sockaddr_un``.
_UNIX_LENGTH: Final = 108


@dataclass(frozen=True, slots=True)
class Ends:
    """
    The two ends of a connection that is passed on; hosts are IP addresses.

    :ivar source: who made it; *destination*: where it was accepted
    """

    source: Address
    destination: Address


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
    if ends is None or isinstance(ends.source, Unix) or isinstance(ends.destination, Unix):
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
