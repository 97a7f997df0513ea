"""What peers are told of the connection that a request came by."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from twistedproxy.addresses import Tcp, Unix
from twistedproxy.forward.ends import ends_of
from twistedproxy.forward.nobody import Nobody
from twistedproxy.wire.proxy_protocol import Ends


class Standing:
    """Anything, by its attributes."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


def exchange(client: str, address: str, host: object) -> Any:
    downstream = Standing(address=address, port=443, transport=Standing(getHost=lambda: host), destination=None)
    return Standing(client=client, client_port=50001, downstream=downstream)


FOUR = IPv4Address("TCP", "198.51.100.1", 443)


@pytest.mark.parametrize(
    ("client", "address", "host", "ends"),
    [
        ("192.0.2.1", "192.0.2.1", FOUR, Ends(Tcp("192.0.2.1", 50001), Tcp("198.51.100.1", 443))),
        ("203.0.113.9", "192.0.2.1", FOUR, Ends(Tcp("203.0.113.9", 0), Tcp("198.51.100.1", 443))),
        ("::7", "::7", IPv6Address("TCP", "::1", 443), Ends(Tcp("::7", 50001), Tcp("::1", 443))),
        ("unix:", "unix:", UNIXAddress("/run/a.sock"), Ends(Unix(""), Unix("/run/a.sock"))),
        ("unix:", "unix:", UNIXAddress(b"/run/a.sock"), Ends(Unix(""), Unix("/run/a.sock"))),
        ("unix:", "unix:", UNIXAddress(None), Ends(Unix(""), Unix(""))),
    ],
)
def test_the_client_is_told_and_where_it_came_in(client: str, address: str, host: object, ends: Ends) -> None:
    assert ends_of(exchange(client, address, host)) == ends


def test_what_nobody_asked_for_is_our_own() -> None:
    of: Any = Standing(
        address="", client_port=0, trusted=False, trusted_proxies=None, scheme=b"", port=0, listener_name="", secured=None
    )
    nobody = Nobody(of, lambda: None)
    assert ends_of(Standing(client="192.0.2.1", client_port=1, downstream=nobody)) is None  # type: ignore[arg-type]
