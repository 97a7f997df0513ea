"""The two ends of the connection that a request came by, as peers are told by the PROXY protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from twistedproxy.addresses import Address, Tcp, Unix
from twistedproxy.wire.proxy_protocol import Ends

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange


def ends_of(exchange: Exchange) -> Ends | None:
    """
    Who asks, and where; None: we do, for our cache.

    The source is the client, as trusted proxies report it; then its port is not known, and told as 0.
    """
    downstream = exchange.downstream
    host = getattr(downstream.transport, "getHost", None)
    if host is None:
        return None
    ours = host()
    destination: Address
    if isinstance(ours, IPv4Address | IPv6Address):
        destination = Tcp(ours.host, ours.port)
    else:
        destination = Unix(_path(ours))
    if exchange.client == "unix:":
        return Ends(Unix(""), destination)
    return Ends(Tcp(exchange.client, exchange.client_port if exchange.client == downstream.address else 0), destination)


def _path(address: UNIXAddress) -> str:
    name = address.name
    return name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name or ""
