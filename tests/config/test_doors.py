"""What doors say of those who come in by them."""

from __future__ import annotations

import pytest

from tests.config.sites import SMALL, errors, loaded, warnings
from twistedproxy.addresses import Address, Endpoint, Tcp, Unix
from twistedproxy.config.effective import effective

LISTEN = "[listen b]\non = tcp:8081\n"


def test_headers_of_the_proxy_protocol_are_believed_from_somebody() -> None:
    assert errors(SMALL + LISTEN + "proxy_protocol = require\n") == [
        "10 [listen b] proxy_protocol: nobody's header is believed; "
        "name those who send them, for instance trusted_proxies = 10.0.0.0/8, or unix: for a unix socket"
    ]
    assert not errors(SMALL + LISTEN + "proxy_protocol = require\ntrusted_proxies = 10.0.0.1\n")


def test_clients_of_unix_sockets_can_be_trusted() -> None:
    settings = loaded(SMALL + LISTEN + "proxy_protocol = accept\ntrusted_proxies = unix: 10.0.0.0/8\n").settings
    assert settings.listen[1].trusted_proxies == ("unix:", "10.0.0.0/8")
    assert loaded(effective(settings)).settings == settings
    assert not warnings(SMALL + LISTEN + "trusted_proxies = unix:\n")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("tcp:8081:interface=127.0.0.1", Tcp("127.0.0.1", 8081)),
        ("tcp:port=8081:interface=10.0.0.1", Tcp("10.0.0.1", 8081)),
        (r"tcp6:8081:interface=\:\:1", Tcp("::1", 8081)),
        ("unix:/run/a.sock:mode=660", Unix("/run/a.sock", 0o660)),
        ("tcp:8081:backlog=5", Endpoint("tcp:8081:backlog=5")),
        ("systemd:domain=INET:index=0", Endpoint("systemd:domain=INET:index=0")),
        ("systemd:domain=UNIX:name=web", Endpoint("systemd:domain=UNIX:name=web")),
        ("tcp6:8081", Endpoint("tcp6:8081")),
    ],
)
def test_endpoint_strings_of_twisted_are_addresses(text: str, address: Address) -> None:
    settings = loaded(SMALL + f"[listen b]\non = {text}\n").settings
    assert settings.listen[1].on == (address,)
    assert loaded(effective(settings)).settings == settings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("systemd:domain=IPX:index=0", "write systemd:domain=INET:index=0, or systemd:domain=INET:name=web"),
        ("systemd:domain=INET", "write systemd:domain=INET:index=0"),
        ("systemd:domain=INET:index=first", "an index is a number from 0"),
        ("haproxy:tcp:8081", "write the address behind it, and proxy_protocol = require"),
        ("carrier-pigeon:8081", "Twisted knows no endpoint 'carrier-pigeon'"),
        ("ssl:8443", "Twisted cannot make an endpoint of it"),
        ("tcp:eighty:interface=127.0.0.1", "Twisted cannot make an endpoint of it"),
        ("8081", "write tcp:8081"),
        ("localhost 8081", "write tcp:PORT, tcp:HOST:PORT or unix:PATH"),
    ],
)
def test_what_is_no_endpoint_is_refused_with_a_remedy(text: str, said: str) -> None:
    (error,) = errors(SMALL + f"[listen b]\non = {text}\n")
    assert "is not an address to listen on" in error and said in error


@pytest.mark.parametrize(
    ("key", "remedy"),
    [
        ("tls = s\n[tls s]\nself_signed = a", "write an endpoint with TLS, for instance ssl:443:privateKey=…, or tcp:PORT"),
        ("trusted_proxies = 10.0.0.1\nproxy_protocol = accept", "write tcp:PORT, or unix:PATH"),
    ],
)
def test_what_twisted_listens_on_is_not_read_before_it(key: str, remedy: str) -> None:
    (error,) = errors(SMALL + f"[listen b]\non = tcp6:8081\n{key}\n")
    assert "has no effect on tcp6:8081, where Twisted listens" in error and remedy in error


def test_an_endpoint_is_opened_once() -> None:
    assert "is already opened" in errors(SMALL + "[listen b]\non = tcp6:8081\n[listen c]\non = tcp6:8081\n")[0]


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ("endpoint:carrier-pigeon:home", "Twisted knows no endpoint 'carrier-pigeon'"),
        ("endpoint:unix", "Twisted cannot make an endpoint of it"),
        ("endpoint:unix:/run/a.sock addresses=all", "addresses is an option of names"),
        ("endpoint:unix:/run/a.sock server_name=a", "server_name has no effect without TLS"),
    ],
)
def test_what_is_no_endpoint_of_a_peer_is_refused(server: str, said: str) -> None:
    assert said in errors(SMALL + f"[pool b]\nservers = {server}\n")[0]


def test_endpoints_of_peers_are_written_back() -> None:
    settings = loaded(SMALL + "[pool b]\nservers = endpoint:unix:/run/a.sock weight=2\n").settings
    (server,) = settings.pools["b"].servers
    assert (server.name, server.authority, server.weight) == ("endpoint:unix:/run/a.sock", "localhost", 2)
    assert loaded(effective(settings)).settings == settings
