"""resource =: a tree of twisted.web in the proxy's process."""

from __future__ import annotations

import pytest

from tests.apps import resources
from tests.kit.http2 import Http2Client
from tests.kit.play import Play


def site(thing: str = "make", more: str = "", title: str = "/") -> Play:
    """A play whose route is answered by resources."""
    resources.later.clear()
    resources.heard.clear()
    defaults = "[defaults]\nresponse_headers =\n    remove Date\n    remove Server\n"
    return Play(f"{defaults}[route {title}]\nresource = tests.apps.resources:{thing}\n{more}\n")


def test_resources_know_client_url_and_session_under_a_prefix() -> None:
    with site("make", "strip_prefix = /app", "/app/") as play:
        client = play.asks("/app/deep")
        first = client.hears_message()
        assert first.body == b"http://example.com/app/deep for 192.0.2.1, visit 1"
        cookie = first.fields["set-cookie"].partition(";")[0]
        client.says(f"GET /app/ HTTP/1.1\nHost: example.com\nCookie: {cookie}")
        assert client.hears_message().body.endswith(b"192.0.2.1, visit 2")
        # The same connection to the site, and another client.
        other = play.client(address="192.0.2.2")
        other.says("GET /app/deep HTTP/1.1\nHost: example.com")
        assert other.hears_message().body.endswith(b"192.0.2.2, visit 1")


def test_clients_of_trusted_proxies_are_known() -> None:
    text = """
        [listen http]
        on = tcp:80
        trusted_proxies = 192.0.2.1
        [route /]
        resource = tests.apps.resources:make
        """
    with Play(text) as play:
        answer = play.asks("/deep", "X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https").hears_message()
        assert answer.body.startswith(b"https://example.com/deep for 203.0.113.9")


@pytest.mark.parametrize("size", [3, 1_000_000])
def test_bodies_come(size: int) -> None:
    with site() as play:
        client = play.asks("/", f"Content-Length: {size}", method="POST", body=b"x" * size)
        assert client.hears_message().body == b"got %d" % size
        client.says("POST / HTTP/1.1\nHost: example.com\nTransfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n")
        assert client.hears_message().body == b"got 3"


def test_an_answer_may_come_later_and_in_pieces() -> None:
    with site() as play:
        client = play.asks("/later")
        client.hears_nothing()
        (request,) = resources.later
        request.write(b"one")
        play.turn()
        client.hears("HTTP/1.1 200 OK\nContent-Type: text/html\nTransfer-Encoding: chunked", b"3\r\none\r\n")
        request.write(b"two")
        request.finish()
        play.turn()
        client.hears(b"3\r\ntwo\r\n0\r\n\r\n")


def test_a_resource_hears_that_its_client_has_left_or_time_is_up() -> None:
    with site("make", "read_timeout = 5s") as play:
        client = play.asks("/later")
        client.resets()
        assert resources.heard == ["ConnectionLost"]
        other = play.asks("/later")
        play.later(7)
        assert other.hears_message().status == 504
        assert resources.heard == ["ConnectionLost"] * 2


def test_a_slow_client_holds_a_producer_back() -> None:
    with site() as play:
        client = play.client()
        client.stops_reading(1000)
        client.says("GET /endless HTTP/1.1\nHost: example.com")
        assert 2 < resources.heard.count("piece") < 20
        client.resets()
        assert resources.heard[-1] == "stopped"


def test_a_failure_is_the_logs_and_no_clients() -> None:
    with site() as play:
        answer = play.asks("/fails").hears_message()
        assert (answer.status, answer.body) == (500, b"Internal Server Error\n")
        assert "a secret of the app" in play.forgives()
        client = play.asks("/fails?late=1")
        assert b"secret" not in client.overlooks()
        assert client._stream.reset
        assert "a secret of the app" in play.forgives()
        assert play.exchange().reason is not None


def test_klein_answers_as_well_by_http2() -> None:
    with site("klein.resource") as play:
        client = Http2Client(play)
        first, second = client.asks("GET", "/items/7"), client.asks("GET", "/nowhere")
        assert (client.answer(first).body, client.answer(second).status) == (b"item 7", "404")


def test_what_is_no_resource_is_told_of() -> None:
    with pytest.raises(ValueError, match=r"nothing is no IResource of twisted\.web"):
        site("nothing")
