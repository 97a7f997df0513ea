"""By which name, and with which header, connections to a peer begin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.kit.clock import HandClock
from tests.upstream.test_http1_connections import Note
from twistedproxy.addresses import Address, Tcp, Unix
from twistedproxy.balance.peer import Peer
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.settings.servers import ServerSettings
from twistedproxy.transport.contexts import TlsClient
from twistedproxy.transport.deadlines import Deadlines
from twistedproxy.upstream.connector import Connector
from twistedproxy.upstream.proxied import connector_of
from twistedproxy.wire.proxy_protocol import Ends


class Calls:
    """A dialer that notes what it is asked for, and a pool without verification."""

    def __init__(self, **knobs: Any) -> None:
        clock = HandClock()
        self.made: list[tuple[Address, str | None, bytes]] = []
        self.settings = PoolSettings("app", servers=(), verify=False, **knobs)
        self.connector: Connector = connector_of(self.settings, self._dial, None, Deadlines(clock, clock))

    def _dial(self, address: Address, protocol: object, tls: TlsClient | None, preface: bytes = b"") -> Callable[[], None]:
        self.made.append((address, None if tls is None else tls.name_of(address), preface))
        return lambda: None

    def name(self, server: ServerSettings) -> str | None:
        """By which a connection to *server* is secured."""
        peer = Peer(server, self.settings)
        self.connector.connect(peer, Note(), 5.0)
        self.connector.part(peer)
        return self.made[-1][1]


AT = Tcp("10.0.0.1", 443)


@pytest.mark.parametrize(
    ("server", "of_pool", "name"),
    [
        (ServerSettings(AT), None, None),
        (ServerSettings(AT, tls=True), None, "10.0.0.1"),
        (ServerSettings(Unix("/run/app.sock"), tls=True), None, "localhost"),
        (ServerSettings(AT, tls=True, found_by="app.internal"), None, "app.internal"),
        (ServerSettings(AT, tls=True, found_by="app.internal"), "pool.example", "pool.example"),
        (ServerSettings(AT, tls=True, found_by="app.internal", server_name="own.example"), "pool.example", "own.example"),
    ],
)
def test_the_nearest_name_counts(server: ServerSettings, of_pool: str | None, name: str | None) -> None:
    assert Calls(server_name=of_pool).name(server) == name


class Asker(Note):
    """A receiver whose client is known."""

    def ends(self) -> Any:
        return Ends(Tcp("192.0.2.7", 4000), Tcp("198.51.100.1", 80))


def test_a_header_goes_with_the_call_where_the_pool_says_so() -> None:
    calls = Calls(proxy_protocol="v1")
    peer = Peer(ServerSettings(AT), calls.settings)
    assert calls.connector.take(peer, Asker()) is None
    calls.connector.connect(peer, Asker(), 5.0)
    assert calls.made == [(AT, None, b"PROXY TCP4 192.0.2.7 198.51.100.1 4000 80\r\n")]
