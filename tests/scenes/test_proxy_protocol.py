"""The PROXY protocol from those before us: whose clients they are, and who is believed."""

from __future__ import annotations

from typing import Final

import pytest

from tests.kit.play import Play
from tests.scenes.sites import ANSWER, ASKED, FORWARDED, ONE
from twistedproxy.addresses import Tcp
from twistedproxy.wire.proxy_protocol import SIGNATURE, Ends, version_1, version_2

DOOR: Final = "[listen http]\non = tcp:80\ntrusted_proxies = 192.0.2.0/24\nproxy_protocol = {}\n"
ACCEPTING, REQUIRING = (DOOR.format(word) + ONE for word in ("accept", "require"))
ENDS: Final = Ends(Tcp("203.0.113.9", 4711), Tcp("198.51.100.7", 443))
HEADERS = pytest.mark.parametrize("header", [version_1(ENDS), version_2(ENDS)])
FORWARDING: Final = "[defaults]\nresponse_headers = remove Date\n"


@HEADERS
def test_the_client_is_the_one_that_the_header_names(header: bytes) -> None:
    with Play(REQUIRING + FORWARDING) as play:
        client = play.client(address="192.0.2.1")
        client.says(header, ASKED)
        origin = play.origin()
        fields = origin.hears_message().fields
        assert fields["x-forwarded-for"] == "203.0.113.9"
        assert fields["x-real-ip"] == "203.0.113.9"
        assert fields["x-forwarded-port"] == "443"
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        assert play.exchange().client == "203.0.113.9"
        assert play.exchange().client_port == 4711


@HEADERS
def test_however_slowly_it_comes(header: bytes) -> None:
    with Play(REQUIRING) as play:
        client = play.client()
        client.says_slowly(header)
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        assert play.exchange().client == "203.0.113.9"


def test_the_port_of_a_header_is_told_to_peers_with_both_ends() -> None:
    with Play(REQUIRING.replace("[route", "proxy_protocol = v2\n[route")) as play:
        client = play.client()
        client.says(version_1(ENDS), ASKED)
        origin = play.origin()
        origin.hears(version_2(ENDS), FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


@pytest.mark.parametrize("header", [version_1(None), version_2(None), b"PROXY UNKNOWN 1 2 3 4\r\n"])
def test_a_connection_of_the_proxys_own_is_its_own(header: bytes) -> None:
    with Play(REQUIRING) as play:
        client = play.client(address="192.0.2.1")
        client.says(header, ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        assert play.exchange().client == "192.0.2.1"


def test_where_headers_are_accepted_a_connection_may_begin_without() -> None:
    with Play(ACCEPTING) as play:
        for address, header, client_is in (
            ("192.0.2.1", b"", "192.0.2.1"),
            ("192.0.2.1", version_1(ENDS), "203.0.113.9"),
            ("192.0.2.1", b"\r\n", "192.0.2.1"),
        ):
            client = play.client(address=address)
            client.says(header, ASKED)
            origin = play.same_origin()
            origin.hears(FORWARDED)
            origin.says(ANSWER, b"hello")
            client.hears(ANSWER, b"hello")
            assert play.exchange().client == client_is
            client.leaves()


def test_a_header_of_a_stranger_is_no_header() -> None:
    with Play(ACCEPTING) as play:
        client = play.client(address="203.0.113.66")
        client.says(version_1(ENDS), ASKED)
        assert client.hears_message().status == 400
        client.sees_end()
        assert play.exchange().client == "203.0.113.66"


def test_where_headers_are_required_strangers_do_not_come_in() -> None:
    with Play(REQUIRING) as play:
        stranger = play.client(address="203.0.113.66")
        stranger.sees_end()
        trusted = play.client(address="192.0.2.1")
        trusted.says(ASKED)
        trusted.sees_cut()
        assert play.listeners["http"].refused == {"no_proxy_header": 2}


@pytest.mark.parametrize("data", [b"PROXY TCP4 1.2.3.4\r\n", SIGNATURE + b"\x31\x11\0\0", b"PROXY " + b"x" * 200])
def test_a_malformed_header_ends_the_connection(data: bytes) -> None:
    with Play(ACCEPTING) as play:
        client = play.client()
        client.says(data)
        client.sees_cut()
        assert play.listeners["http"].refused == {"bad_proxy_header": 1}


@pytest.mark.parametrize("data", [b"", b"PRO", SIGNATURE])
def test_a_header_must_come_in_time(data: bytes) -> None:
    with Play(ACCEPTING) as play:
        client = play.client()
        client.says(data)
        play.later(9)
        client.hears_nothing()
        play.later(2)
        client.overlooks()
        assert client.is_closed
        assert play.listeners["http"].refused == {"bad_proxy_header": 1}


@pytest.mark.parametrize("data", [b"", b"PRO"])
def test_who_leaves_in_the_middle_of_a_header_is_forgotten(data: bytes) -> None:
    with Play(ACCEPTING) as play:
        client = play.client()
        client.says(data)
        client.ends()
        play.later(11)
        client.overlooks()
        assert client.is_closed


def test_limits_count_the_clients_that_headers_name() -> None:
    site = REQUIRING.replace("tcp:80\n", "tcp:80\nmax_connections_per_client = 1\n")
    with Play(site) as play:
        first = play.client()
        first.says(version_1(ENDS))
        second = play.client()
        second.says(version_1(ENDS))
        second.sees_end()
        assert play.listeners["http"].turned_away == 1
        other = play.client()
        other.says(version_1(Ends(Tcp("203.0.113.10", 1), ENDS.destination)))
        other.hears_nothing()
        first.leaves()
        third = play.client()
        third.says(version_1(ENDS))
        third.hears_nothing()


def test_who_stops_before_a_header_has_come_waits_for_nobody() -> None:
    with Play(ACCEPTING) as play:
        client = play.client()
        client.says(b"PROXY ")
        play.listeners["http"].stop()
        play.listeners["http"].give_up_handshakes()
        play.turn()
        client.sees_cut()


def test_behind_a_trusted_proxy_that_a_header_names_the_fields_count() -> None:
    with Play(REQUIRING) as play:
        client = play.client(address="192.0.2.1")
        client.says(
            version_1(Ends(Tcp("192.0.2.2", 5), ENDS.destination)), "GET / HTTP/1.1\nHost: a\nX-Forwarded-For: 203.0.113.5"
        )
        origin = play.origin()
        origin.hears_message()
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        assert play.exchange().client == "203.0.113.5"
