"""The two ends of the connection that a request came by, as peers are told by the PROXY protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from twistedproxy.addresses import Address, Tcp, Unix
from twistedproxy.forward.nobody import Nobody
from twistedproxy.wire.proxy_protocol import Ends

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange


def ends_of(exchange: Exchange) -> Ends | None:
    """
    Who asks, and where; None: we do, for our cache.

    The source is the client, as trusted proxies report it; then its port is not known, and told as 0.
    """
    downstream = exchange.downstream
    if isinstance(downstream, Nobody):
        return None
    source: Address = Unix("")
    if exchange.client != "unix:":
        source = Tcp(exchange.client, exchange.client_port if exchange.client == downstream.address else 0)
    return Ends(source, downstream.destination or address_of(downstream.transport))


def address_of(transport: Any) -> Address:
    """Where the connection of *transport* was accepted."""
    ours = transport.getHost()
    return Tcp(ours.host, ours.port) if isinstance(ours, IPv4Address | IPv6Address) else Unix(_path(ours))


def _path(address: UNIXAddress) -> str:
    name = getattr(address, "name", None)  # other transports have other addresses
    return name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name or ""
