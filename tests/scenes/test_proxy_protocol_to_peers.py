"""The PROXY protocol towards peers: whose connections are told, and used again for whom."""

from __future__ import annotations

from tests.kit.play import Play
from tests.scenes.sites import ANSWER, ASKED, FORWARDED, ONE
from twistedproxy.wire.proxy_protocol import SIGNATURE

TOLD = ONE.replace("[route", "proxy_protocol = v1\n[route")


def test_every_connection_begins_with_the_clients_address() -> None:
    with Play(TOLD) as play:
        client = play.client(address="192.0.2.1")
        client.says(ASKED)
        origin = play.origin()
        origin.hears(b"PROXY TCP4 192.0.2.1 198.51.100.1 50001 80\r\n", FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_in_version_2_too() -> None:
    with Play(TOLD.replace("v1", "v2")) as play:
        client = play.client(address="2001:db8::7")
        client.says(ASKED)
        origin = play.origin()
        told = bytes.fromhex("20010db8000000000000000000000007 00000000000000000000ffffc6336401 c351 0050")
        origin.hears(SIGNATURE + bytes.fromhex("21 21 0024") + told, FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_a_kept_connection_serves_the_client_that_it_was_made_for_and_nobody_else() -> None:
    with Play(TOLD) as play:
        first, second = play.client(), play.client()
        first.says(ASKED)
        ones = play.origin()
        ones.hears(b"PROXY TCP4 192.0.2.1 198.51.100.1 50001 80\r\n", FORWARDED)
        ones.says(ANSWER, b"first")
        first.hears(ANSWER, b"first")

        second.says(ASKED)
        others = play.origin()
        others.hears(b"PROXY TCP4 192.0.2.1 198.51.100.1 50002 80\r\n", FORWARDED)
        others.says(ANSWER, b"other")
        second.hears(ANSWER, b"other")
        assert play.idle() == 2

        for client, origin, body in ((first, ones, b"first"), (second, others, b"other")):
            client.says(ASKED)
            origin.hears(FORWARDED)
            origin.says(ANSWER, body)
            client.hears(ANSWER, body)
        assert len(play.calls) == 2


def test_a_client_behind_a_trusted_proxy_is_told_without_its_port() -> None:
    site = "[listen http]\non = tcp:80\ntrusted_proxies = 192.0.2.0/24\n" + TOLD
    with Play(site) as play:
        proxy = play.client()
        for address in ("203.0.113.9", "203.0.113.10"):
            proxy.says(f"""
                GET / HTTP/1.1
                Host: example.com
                X-Forwarded-For: {address}
            """)
            origin = play.origin()
            origin.hears(f"PROXY TCP4 {address} 198.51.100.1 0 80\r\n".encode())
            assert origin.hears_message().fields["x-forwarded-for"].startswith(address)
            origin.says(ANSWER, b"hello")
            proxy.hears(ANSWER, b"hello")


def test_what_the_cache_asks_for_itself_is_told_as_our_own(tmp_path: object) -> None:
    site = f"""
    [cache c]
    directory = {tmp_path}
    [pool app]
    servers = 10.0.0.1:80
    proxy_protocol = v1
    [route /]
    pool = app
    cache = c
    """
    stale = """
        HTTP/1.1 200 OK
        Cache-Control: max-age=1, stale-while-revalidate=60
        Content-Length: 5
    """
    with Play(site) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(b"PROXY TCP4 192.0.2.1 198.51.100.1 50001 80\r\n", FORWARDED)
        origin.says(stale, b"hello")
        assert client.hears_message().body == b"hello"
        play.later(2)
        client.says(ASKED)
        assert client.hears_message().body == b"hello"
        behind = play.origin()
        behind.hears(b"PROXY UNKNOWN\r\n")
        behind.hears_message()
        behind.says(stale, b"again")
