"""TLS that is passed on as it is: to whom, by what its ClientHello asks for; on a port of its own, or a listener's."""

from __future__ import annotations

from typing import Final

import pytest

from tests.kit.play import Play
from tests.wire.client_hellos import alpn, extension, hello, message, records, server_name

ALERT: Final = b"\x15\x03\x01\x00\x02\x02\x70"
SITE: Final = """
[stream door]
on = tcp:443
sni =
    a.example.com    one
    *.example.com    two
    a.example.com    three alpn=h2,h3
    {rest}
[pool one]
servers = 10.0.0.1:443
[pool two]
servers = 10.0.0.2:443
[pool three]
servers = 10.0.0.3:443
[pool rest]
servers = 10.0.0.4:443
"""
OPEN, CLOSED = SITE.format(rest="* rest"), SITE.format(rest="b.example rest")
ONE, TWO, THREE, REST = (f"10.0.0.{number}:443" for number in range(1, 5))


@pytest.mark.parametrize(
    ("begins", "peer"),
    [
        (hello("a.example.com"), ONE),
        (hello("A.Example.COM"), ONE),
        (hello("a.example.com", b"http/1.1"), ONE),
        (hello("a.example.com", b"http/1.1", b"h2"), THREE),
        (hello("b.example.com", b"h2"), TWO),
        (hello("b.c.example.com"), TWO),
        (hello("example.com"), REST),
        (hello("elsewhere.example"), REST),
        (hello(), REST),
        (records(message(server_name(b"a.example.com"), alpn(b"http/1.1"), extension(0xFE0D, b"x" * 300))), ONE),
        (records(message(server_name(b"a.example.com")), 7), ONE),
    ],
)
def test_the_name_and_the_protocols_decide(begins: bytes, peer: str) -> None:
    with Play(OPEN) as play:
        client = play.client(listener="door", port=443)
        client.says(begins, b"more")
        origin = play.origin(peer)
        origin.hears(begins, b"more")
        origin.says(b"answer")
        client.hears(b"answer")
    assert play.ended[0].bytes_received == len(begins) + 4


def test_however_slowly_it_comes() -> None:
    with Play(OPEN) as play:
        client = play.client(listener="door", port=443)
        client.says_slowly(hello("a.example.com"))
        play.origin(ONE).hears(hello("a.example.com"))
    assert play.ended[0].server_name == "a.example.com"


@pytest.mark.parametrize("name", ["", "elsewhere.example"])
def test_a_name_without_a_way_is_told_so(name: str) -> None:
    with Play(CLOSED) as play:
        client = play.client(listener="door", port=443)
        client.says(hello(name))
        client.hears(ALERT)
        client.sees_end()
        assert play.streams["door"].refused == {"name_unknown": 1}


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x00", b"\0", b"\x16\x03\x01\x40\0\1\0\xff\xff"])
def test_what_is_no_tls_ends_the_connection(data: bytes) -> None:
    with Play(OPEN) as play:
        client = play.client(listener="door", port=443)
        client.says(data)
        client.sees_cut()
        assert play.streams["door"].refused == {"no_client_hello": 1}


def test_a_hello_must_come_in_time() -> None:
    with Play(OPEN) as play:
        client = play.client(listener="door", port=443)
        client.says(hello("a.example.com")[:40])
        play.later(9)
        client.hears_nothing()
        play.later(2)
        client.sees_cut()
        assert play.streams["door"].refused == {"no_client_hello": 1}


SHARED: Final = """
[listen https]
on = tcp:443
tls = site
max_connections_per_client = 2
{more}
[tls site]
self_signed = www.example.com
[stream mail]
listen = https
sni =
    mail.example.com  one
    *                 acme alpn=acme-tls/1
max_connections = 1
[pool one]
servers = 10.0.0.1:443
[pool acme]
servers = 10.0.0.3:443
[pool web]
servers = 10.0.0.2:80
[route /]
pool = web
"""


def test_a_stream_takes_its_names_from_a_listener_and_the_others_are_served_there() -> None:
    with Play(SHARED.format(more="")) as play:
        passed = play.client(listener="https", port=443)
        passed.says(hello("mail.example.com"))
        play.origin(ONE).hears(hello("mail.example.com"))
        assert not play.listeners["https"].connections
        assert len(play.streams["mail"].connections) == 1
        # TLS that plays do not speak: what is not passed is served in plain here.
        served = play.client(listener="https", port=443)
        served.says(hello("www.example.com"))
        assert len(play.listeners["https"].connections) == 1
        served.overlooks()
        challenged = play.client(listener="https", port=443)
        challenged.says(hello("www.example.com", b"acme-tls/1"))
        challenged.overlooks()
        assert play.streams["mail"].turned_away == 1


def test_connections_that_a_stream_took_count_there() -> None:
    with Play(SHARED.format(more="").replace("max_connections = 1\n", "")) as play:
        for _ in range(4):
            client = play.client(listener="https", port=443)
            client.says(hello("mail.example.com"))
            play.origin(ONE).hears(hello("mail.example.com"))
        assert play.listeners["https"].turned_away == 0
        assert play.listeners["https"]._live == 0


def test_behind_a_header_too() -> None:
    more = "trusted_proxies = 192.0.2.1\nproxy_protocol = require"
    with Play(SHARED.format(more=more)) as play:
        client = play.client(listener="https", port=443)
        client.says(b"PROXY TCP4 203.0.113.9 198.51.100.7 4711 443\r\n", hello("mail.example.com"))
        play.origin(ONE).hears(hello("mail.example.com"))
    assert play.ended[0].address == "203.0.113.9"


def test_what_never_says_a_name_is_forgotten() -> None:
    with Play(SHARED.format(more="")) as play:
        client = play.client(listener="https", port=443)
        client.says(b"\x16\x03\x01")
        play.later(11)
        client.sees_cut()
        assert play.listeners["https"].refused == {"no_client_hello": 1}
