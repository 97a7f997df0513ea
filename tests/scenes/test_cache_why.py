"""The shell says why something is stored and served, or not, from the decisions that were made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.play import Play
from tests.scenes.test_cache_rules import answered, ask
from tests.scenes.test_caching import SITE
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.live import Live
from twistedproxy.admin.verbs import Verbs

URL = "http://example.com/"


def why(play: Play, url: str = URL, *fields: str) -> dict[str, str]:
    """What the verb prints, by the word before each line."""
    live = Live(None, play.pools, play.caches, play.site.routes, list(play.listeners.values()), play.clock, 0.0)  # type: ignore[arg-type]
    said = str(Verbs(live, "somebody", lambda: None).namespace()["cache_why"](url, *fields))
    return {line[:12].strip(): line[12:] for line in said.splitlines()}


def test_what_is_stored_is_told_with_its_age(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        assert why(play) == {
            "ROUTE": "/, [cache pages]",
            "KEY": URL,
            "NOW": "forward the request; the answer may be stored: nothing is stored for this URI",
            "STORED": "nothing that this request selects",
        }
        client = play.client()
        ask(client, "Accept-Language: de")
        answered(play, None, b"hello", "Cache-Control: max-age=60, must-revalidate", "Vary: Accept-Language")
        client.overlooks()
        play.later(7)
        before = play.caches["pages"].counts.hits
        told = why(play, URL, "Accept-Language: de")
        assert told["NOW"] == "served from the cache: a fresh response is stored (RFC 9111 §4.2)"
        assert told["STORED"] == "200, 5 bytes, age 7 s, fresh for 53 s, never served stale, accept-language: de"
        assert "selected by other request fields" in why(play)["NOW"]
        assert why(play)["OTHERS"] == "accept-language: de"
        assert play.caches["pages"].counts.hits == before


def test_what_was_not_stored_is_told_with_the_reason(tmp_path: Path) -> None:
    with Play(SITE + "cache_skip = {cookie.user}\n", tmp_path) as play:
        client = play.client()
        ask(client)
        answered(play, None, b"hello", "Cache-Control: max-age=60", "Set-Cookie: a=b")
        client.overlooks()
        play.later(3)
        told = why(play)
        assert told["NOT STORED"] == (
            "3 s ago, an answer with 200: the response sets a cookie and says neither public nor s-maxage"
        )
        assert told["ALONE"].startswith("requests do not wait for each other")
        assert "SKIPS" not in told
        assert why(play, URL, "Cookie: user=ann")["SKIPS"].startswith("the route's cache_skip holds")


def test_a_body_that_is_cut_is_told(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        client, other = play.client(), play.client()
        ask(client)
        ask(other)
        origin = play.origin()
        assert origin.overlooks()
        assert why(play)["FETCHED"] == "by another request, a peer was asked; 1 wait for it"
        origin.says("HTTP/1.1 200 OK\nCache-Control: max-age=60\nContent-Length: 5", b"hel")
        assert why(play)["FETCHED"] == "by another request, the answer is being stored; 0 wait for it"
        origin.resets()
        for party in (client, other):
            party.overlooks()
        assert why(play)["NOT STORED"] == "0 s ago, an answer with 200: the body is incomplete (RFC 9111 §3.3)"


@pytest.mark.parametrize("directive", ["no-cache", "max-age=60"])
def test_stale_and_unvalidated_are_told(tmp_path: Path, directive: str) -> None:
    with Play(SITE, tmp_path) as play:
        client = play.client()
        ask(client)
        answered(play, None, b"hello", f"Cache-Control: {directive}", 'ETag: "1"')
        client.overlooks()
        play.later(100)
        told = why(play)
        assert told["NOW"].startswith("ask the peer whether the stored response still holds")
        assert ("never served without validation" if directive == "no-cache" else "stale for 40 s") in told["STORED"]


def test_what_cannot_be_asked_is_told(tmp_path: Path) -> None:
    site = SITE.replace("[route /]", "[route example.com/]") + "[route example.org/]\npool = app\n"
    with Play(site, tmp_path) as play:
        for url, reason in (
            ("/page", "a URL is absolute"),
            ("http://example.net/", "no route is that of this URL"),
            ("http://exa mple.com/", "Host"),
        ):
            with pytest.raises(VerbError, match=reason):
                why(play, url)
        assert why(play, "http://example.org/") == {"ROUTE": "example.org/, which has no cache"}
