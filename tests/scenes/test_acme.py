"""An authority asks by plain HTTP whether a name is ours; everybody else is served as always."""

from __future__ import annotations

import pytest

from tests.kit.play import Play
from tests.scenes.test_secured import client_with
from twistedproxy.forward.secured import Secured

SITE = """
[route http://*/]
redirect = 301 https://{host}{uri}
"""
PATH = "/.well-known/acme-challenge/"


def test_a_pending_challenge_is_answered_whatever_the_routes_say() -> None:
    with Play(SITE) as play:
        play.site.challenges[b"token"] = b"token.thumbprint"
        authority = play.client()
        for method, body in (("GET", b"token.thumbprint"), ("HEAD", b"")):
            authority.says(f"{method} {PATH}token HTTP/1.1\nHost: a.example")
            answer = authority.hears_message(head_only=method == "HEAD")
            assert (answer.status, answer.body) == (200, body)
            assert answer.fields["content-length"] == "16"
            assert answer.fields["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "line", [f"GET {PATH}other", f"GET {PATH}", f"POST {PATH}token", "GET /elsewhere", f"GET {PATH}token/more"]
)
def test_everything_else_goes_its_way_meanwhile(line: str) -> None:
    with Play(SITE) as play:
        play.site.challenges[b"token"] = b"token.thumbprint"
        client = play.client()
        client.says(f"{line} HTTP/1.1\nHost: a.example")
        assert client.hears_message().status == 301


def test_nothing_is_answered_when_nothing_is_pending() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says(f"GET {PATH}token HTTP/1.1\nHost: a.example")
        assert client.hears_message().status == 301


def test_a_site_without_a_route_answers_all_the_same() -> None:
    with Play("[route example.com/]\nredirect = 301 /") as play:
        play.site.challenges[b"token"] = b"token.thumbprint"
        authority = play.client()
        authority.says(f"GET {PATH}token HTTP/1.1\nHost: a.example")
        assert authority.hears_message().status == 200


def test_over_tls_nothing_is_answered() -> None:
    with Play("[route /]\nredirect = 301 /") as play:
        play.site.challenges[b"token"] = b"token.thumbprint"
        client = client_with(play, Secured(hsts=b"max-age=1"))
        max(play.connections(), key=lambda connection: connection.number).scheme = b"https"
        client.says(f"GET {PATH}token HTTP/1.1\nHost: a.example")
        assert client.hears_message().status == 301
