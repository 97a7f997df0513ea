"""Who a request really comes from, when it came by way of proxies that are trusted."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from twistedproxy.addresses import UNIX_CLIENTS
from twistedproxy.message import Headers
from twistedproxy.wire.forwarded import Element, node_address, parse_forwarded

Network = IPv4Network | IPv6Network


class TrustedProxies:
    """
    The networks whose word on a request's origin is believed.

    :ivar believed: by which fields they say it: ``x-forwarded`` or ``rfc7239``
    """

    def __init__(self, networks: Sequence[str], by: str = "x-forwarded") -> None:
        """*by*: which fields are theirs: ``x-forwarded`` or ``rfc7239``."""
        self.believed = by
        self._by_forwarded = by == "rfc7239"
        self._networks: list[Network] = [ip_network(network) for network in networks if network != UNIX_CLIENTS]
        self._trusts_unix = UNIX_CLIENTS in networks

    def __contains__(self, address: str) -> bool:
        """Whether *address* (text, without brackets or port) is trusted; what is no address is not, save ``unix:``."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return self._trusts_unix and address == UNIX_CLIENTS
        mapped = getattr(parsed, "ipv4_mapped", None)
        return any((mapped or parsed) in network for network in self._networks)

    def client_of(self, headers: Headers, address: str) -> str:
        """
        The client's address for a request that the trusted *address* handed over.

        X-Forwarded-For, or Forwarded, is read from the right: each trusted proxy vouches for the entry to its left, and the
        first entry that is not trusted is the client.  An entry that is no address ends the reading: nothing left of it is
        believed.
        """
        if self._by_forwarded:
            return self._by_elements(headers, address)[0]
        value = headers.joined(b"x-forwarded-for")
        if value is None:
            return address
        client = address
        for entry in reversed(value.split(b",")):
            text = _bare(entry.strip().decode("latin-1"))
            try:
                # A scope (fe80::1%eth0) means nothing on another machine, and could hold any characters.
                client = str(ip_address(text.partition("%")[0]))
            except ValueError:
                break
            if client not in self:
                break
        return client

    def _by_elements(self, headers: Headers, address: str) -> tuple[str, Element | None]:
        """The client by Forwarded (RFC 7239 §5.2), and the element of the proxy that it connected to, if that is known."""
        client = address
        said: Element | None = None
        for element in reversed(parse_forwarded(headers.joined(b"forwarded") or b"") or []):
            found = node_address(element.get("for", ""))
            if found is None:
                break
            client, said = found, element
            if client not in self:
                break
        return client, said

    def scheme_of(self, headers: Headers, scheme: bytes) -> bytes:
        """The scheme that the client used, by X-Forwarded-Proto or Forwarded; *scheme* when that is absent or unknown."""
        if self._by_forwarded:
            said = self._by_elements(headers, "")[1] or {}
            told = said.get("proto", "").lower()
            return told.encode("ascii") if told in ("http", "https") else scheme
        value = (headers.get(b"x-forwarded-proto") or b"").lower()
        return value if value in (b"http", b"https") else scheme


def _bare(entry: str) -> str:
    """An address without brackets and port."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    if entry.count(":") == 1:
        return entry.partition(":")[0]
    return entry
