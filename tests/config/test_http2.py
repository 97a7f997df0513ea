"""What site.ini says of pools whose peers speak HTTP/2."""

from __future__ import annotations

from tests.config.sites import SMALL, errors, loaded, warnings
from twistedproxy.config.effective import effective

POOL = "[pool grpc]\nservers = 127.0.0.1:50051\nprotocol = h2\n"
ROUTE = "[route /grpc/]\npool = grpc\n"


def test_a_pool_may_speak_http2() -> None:
    loading = loaded(SMALL + POOL + ROUTE)
    assert loading.settings.pools["grpc"].protocol == "h2"
    assert "protocol = h2" in effective(loading.settings)
    assert not warnings(SMALL + POOL + ROUTE)


def test_a_connection_of_many_clients_cannot_be_one_clients() -> None:
    (error,) = errors(SMALL + POOL + "proxy_protocol = v2\n" + ROUTE)
    assert "proxy_protocol: tells of one client, and a connection of protocol = h2 carries the requests of many" in error


def test_checks_by_http_1_are_warned_of() -> None:
    (warning,) = warnings(SMALL + POOL + "check = GET /health\n" + ROUTE)
    assert "check: is sent by HTTP/1.1" in warning
    assert not warnings(SMALL + POOL + "check = tcp\n" + ROUTE)
