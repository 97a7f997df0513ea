"""What became of a request is told afterwards, from what its exchange has left behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.kit.http2 import Http2Client
from tests.kit.play import Play
from tests.kit.reloading import ReloadingPlay
from tests.scenes.sites import ANSWER, FIRST, SECOND, TWO
from tests.scenes.test_websocket_messages import AGREED, ASKS
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.live import Live
from twistedproxy.admin.recall import Recall
from twistedproxy.admin.verbs import Verbs
from twistedproxy.forward.remembered import Remembered, facts, resized
from twistedproxy.settings.site import SiteSettings
from twistedproxy.settings.site_ini import Settings
from twistedproxy.story.story import as_json

GET = "GET /a?b HTTP/1.1\nHost: example.com"


def live_of(play: Play, most: int = 1000) -> Live:
    """The play as lookers-on see it; it remembers its requests from now on."""
    play.site.remembered = resized(play.site.remembered, most)
    listeners: Any = list(play.listeners.values())
    settings = Settings(SiteSettings(), (), ())
    live = Live(settings, play.pools, play.caches, play.site.routes, listeners, play.clock, 0.0, site=play.site)
    live.reactor, live.finished = play.clock, play.site.finished
    return live


def verbs(live: Live) -> dict[str, Any]:
    """What an operator can say."""
    return Verbs(live, "alice@laptop", lambda: None).namespace()


def why(live: Live, *words: Any) -> str:
    return str(verbs(live)["why"](*words))


def test_a_request_is_told_phase_by_phase() -> None:
    with Play(TWO + "[route example.com/beta/]\nmatch = header X-Beta = yes\npool = app\n") as play:
        live = live_of(play)
        client = play.client()
        client.says("GET /beta/%61 HTTP/1.1\nHost: example.com")
        play.later(0.25)
        origin = play.origin()
        origin.overlooks()
        origin.says(ANSWER, b"hello")
        client.overlooks()
        play.later(3)
        assert why(live, 1) == (
            "request  1, begun at 08:00:00 UTC, ended 3.0s ago\n"
            "         GET http://example.com/beta/%61 HTTP/1.1 from 192.0.2.1 by [listen http]\n"
            "         its path is compared as /beta/a\n"
            "route    not [route example.com/beta/]: it does not hold that header x-beta = yes\n"
            "         [route /]: any host, every path\n"
            "choose   [pool app], by round_robin: 2 of 2 peers could be chosen\n"
            "             10.0.0.1:80  weight 1, 50% of the requests, 0 running\n"
            "             10.0.0.2:80  weight 1, 50% of the requests, 0 running\n"
            "attempt  1 on 10.0.0.1:80: a new connection in 0.0 ms; its answer began after 250 ms; ended after 250 ms\n"
            "deliver  200; bodies: 0 bytes in, 5 bytes out; after 250 ms"
        )


def test_a_failed_attempt_and_the_next_one_are_told() -> None:
    with Play(TWO.replace("[route /]", "[route /]\nretry = error")) as play:
        live = live_of(play)
        play.refuses(FIRST)
        client = play.client()
        client.says(GET)
        origin = play.origin(SECOND)
        origin.overlooks()
        origin.says(ANSWER, b"hello")
        client.overlooks()
        told = why(live, 1).splitlines()
        assert told[6:10] == [
            "attempt  1 on 10.0.0.1:80: no connection; failed after 0.0 ms by refused: the peer refused the connection",
            "retry    elsewhere: try another peer",
            "attempt  2 on 10.0.0.2:80, 0.0 ms after the first: a new connection in 0.0 ms; its answer began after 0.0 ms; "
            "ended after 0.0 ms",
            "deliver  200; bodies: 0 bytes in, 5 bytes out; after 0.0 ms",
        ]


def test_who_was_out_is_told_as_it_was_then() -> None:
    with Play(TWO.replace("10.0.0.2:80", "10.0.0.2:80 weight=3")) as play:
        live = live_of(play)
        play.pools["app"].drain(FIRST)
        busy, client = play.client(), play.client()
        busy.says(GET)
        waits = play.origin(SECOND)
        waits.overlooks()
        play.later(1)
        client.says(GET)
        origin = play.origin(SECOND)
        origin.overlooks()
        origin.says(ANSWER, b"hello")
        client.overlooks()
        play.later(1)
        play.pools["app"].restore(FIRST)
        play.pools["app"].refresh(play.clock.monotonic())
        waits.says(ANSWER, b"hello")
        busy.overlooks()
        lines = why(live, 2).splitlines()
        assert "choose   [pool app], by round_robin: 1 of 2 peers could be chosen" in lines
        assert "             10.0.0.1:80  out, draining: the operator drains it" in lines
        assert "             10.0.0.2:80  weight 3, 100% of the requests, 1 running" in lines


def test_a_kept_connection_is_told() -> None:
    with Play(TWO.replace("10.0.0.2:80", "")) as play:
        live = live_of(play)
        client = play.client()
        for _ in range(2):
            client.says(GET)
            origin = play.same_origin()
            origin.overlooks()
            origin.says(ANSWER, b"hello")
            client.overlooks()
        assert "1 on 10.0.0.1:80: a kept connection; " in why(live, 2)
        assert "1 on 10.0.0.1:80: a new connection in " in why(live, 1)


def test_why_finds_by_request_id_and_by_what_went_wrong_last() -> None:
    with Play(TWO.replace("[route /]", "[route /]\nrequest_id = X-Request-ID")) as play:
        live = live_of(play)
        with pytest.raises(VerbError, match="no request has ended yet"):
            why(live)
        play.refuses(FIRST)
        for name in (SECOND, FIRST, SECOND):
            play.pools["app"].drain(FIRST if name == SECOND else SECOND)
            play.pools["app"].restore(name)
            client = play.client()
            client.says(GET)
            if name == SECOND:
                origin = play.same_origin()
                origin.overlooks()
                origin.says(ANSWER, b"hello")
            client.overlooks()
        assert why(live).startswith("request  2, ")
        number = play.finished[2].value("request_id")
        assert why(live, number).startswith(f"request  3, {number}, begun")
        assert why(live, "3") == why(live, 3)
        with pytest.raises(VerbError, match="request 17 is not among the last 1000"):
            why(live, 17)
        with pytest.raises(VerbError, match="its number or its id"):
            why(live, 1.5)


def test_recent_requests_are_listed_and_chosen() -> None:
    with Play(TWO + "[route /old]\nredirect = 301 /new\n") as play:
        live = live_of(play)
        for name in (FIRST, SECOND):
            play.refuses(name)
        for path in ("/old", "/a\x1b", "/b"):
            client = play.client()
            client.says(f"GET {path} HTTP/1.1\nHost: example.com")
            client.overlooks()
        recent = verbs(live)["recent"]
        header, *rows = repr(recent()).splitlines()
        assert header.split()[:4] == ["NUMBER", "AGO", "STATUS", "REQUEST"]
        assert [row.split()[0] for row in rows] == ["3", "2", "1"]
        assert rows[1].split()[2:5] == ["400", "GET", "http:///a\\x1b"]
        assert rows[0].split()[2:6] == ["502", "GET", "http://example.com/b", "/"]
        assert rows[0].endswith("connection refused")
        assert [past.number for past in recent(status="3xx")] == [past.number for past in recent(route="/old")] == [1]
        assert len(recent(status=502)) == 1
        assert len(recent(most=1)) == 1
        assert repr(recent(status=404)) == "no such requests"
        for wrong in ({"status": "bad"}, {"route": "/ol"}, {"most": 0}):
            with pytest.raises(VerbError):
                recent(**wrong)


def test_a_request_that_runs_is_told_so_far() -> None:
    with Play(TWO) as play:
        live = live_of(play)
        client = play.client()
        client.says(GET)
        play.later(2)
        story = why(live, 1)
        assert story.splitlines()[0] == "request  1, begun at 08:00:00 UTC, it runs"
        assert "attempt  1 on 10.0.0.1:80: a new connection in 0.0 ms; it runs" in story
        assert story.endswith("deliver  no answer has begun yet; it runs for 2.00 s")
        origin = play.origin()
        origin.overlooks()
        origin.says(ANSWER, b"hello")
        client.overlooks()


def test_only_so_many_are_remembered_and_none_if_so_said() -> None:
    with Play("[route /]\nredirect = 301 /new\n") as play:
        live = live_of(play, 3)
        client = play.client()
        for _ in range(5):
            client.says(GET)
            client.overlooks()
        assert [past.number for past in Recall(live).latest()] == [5, 4, 3]
        live_of(play, 0)
        assert play.site.remembered is None
        client.says(GET)
        client.overlooks()
        for verb in ("why", "recent"):
            with pytest.raises(VerbError, match="remember = 0"):
                verbs(live)[verb]()


def test_what_is_remembered_holds_no_connection_and_no_body() -> None:
    with Play(TWO) as play:
        live_of(play)
        client = play.client()
        client.says("POST / HTTP/1.1\nHost: example.com\nContent-Length: 70000", b"x" * 70_000)
        origin = play.origin()
        origin.overlooks()
        origin.says(ANSWER, b"hello")
        client.overlooks()
        assert play.site.remembered is not None
        (past,) = play.site.remembered
        assert Remembered(*past) == Remembered(*facts(play.finished[0]))
        assert Remembered(*past).bytes_received == 70_000
        (attempt,) = Remembered(*past).attempts
        assert attempt.upstream is None
        held = [type(each).__name__ for each in past]
        assert set(held) <= {"int", "float", "str", "bytes", "bool", "list", "NoneType", "RequestHead", "Route", "Attempt"}


def test_what_the_cache_has_said_is_told(tmp_path: Path) -> None:
    site = TWO.replace("[route /]", "[cache c]\ndirectory = c\n[route /]\ncache = c")
    with Play(site, tmp_path) as play:
        live = live_of(play)
        client = play.client()
        client.says(GET)
        origin = play.origin()
        origin.overlooks()
        origin.says("HTTP/1.1 200 OK\nContent-Length: 5\nSet-Cookie: a=b\nCache-Control: max-age=60", b"hello")
        client.overlooks()
        lines = why(live, 1).splitlines()
        assert "lookup   nothing stored: nothing is stored for this URI" in lines
        assert "admit    set cookie: the response sets a cookie and says neither public nor s-maxage" in lines
        assert lines[-1].startswith("deliver  200, cache MISS; bodies: 0 bytes in, 5 bytes out")


def test_what_guards_refuse_and_routes_do_not_take_is_told() -> None:
    with Play("[route /a]\nrespond = 204\ndeny = all\n") as play:
        live = live_of(play)
        client = play.client()
        client.says(GET)
        client.overlooks()
        client.says("GET /b HTTP/1.1\nHost: example.com")
        client.overlooks()
        assert "guard    asked in this order: AddressGuard\n         address_denied: " in why(live, 1)
        assert "route    no route matches this host and path" in why(live, 2)
        assert "finish   no_route: " in why(live, 2)


def test_the_story_as_json_says_the_same() -> None:
    with Play(TWO) as play:
        live = live_of(play)
        play.fails(FIRST, OSError(113, "No route to host"))
        play.refuses(SECOND)
        client = play.client()
        client.says(GET)
        client.overlooks()
        tale = Recall(live).find(1)
        assert tale is not None
        told = json.loads(json.dumps(as_json(tale)))
        assert (told["status"], told["error"], told["cause"]) == (502, "refused", "connection refused")
        assert [attempt["error"] for attempt in told["attempts"]] == ["connect_failed", "refused"]
        assert told["attempts"][0]["detail"] == "No route to host"
        lines = [line["text"] for line in told["story"]]
        assert all(line in why(live, 1) for line in lines)


def test_what_is_remembered_outlives_a_reload() -> None:
    with ReloadingPlay("[site]\nstate_dir = /state\n[route /]\nredirect = 301 /new\n[route /old]\nredirect = 301 /new\n") as play:
        client = play.client()
        client.says(GET)
        client.overlooks()
        client.says(GET.replace("/a?b", "/old"))
        client.overlooks()
        assert play.site.remembered is not None and play.site.remembered.maxlen == 1000
        play.reload(("[route /]\nredirect = 301 /new", "[route /]\nredirect = 302 /newer"))
        assert "route    the site was read again since: which routes were passed over is not known any more" in why(play.live, 1)
        assert "[route /old]: any host, /old exactly" in why(play.live, 2)
        assert "read again" not in why(play.live, 2)
        play.reload(("[site]\n", "[site]\nremember = 1\n"))
        assert [past.number for past in Recall(play.live).latest()] == [2]
        play.reload(("remember = 1", "remember = 0"))
        assert play.site.remembered is None


def test_streams_of_http2_and_websockets_that_are_open_are_told() -> None:
    with Play(TWO) as play:
        live = live_of(play)
        many = Http2Client(play)
        streams = [many.asks("GET", path) for path in ("/one", "/two")]
        play.later(1)
        client = play.client()
        client.says(ASKS)
        origins = [play.origin() for _ in range(3)]
        for origin in origins:
            origin.overlooks()
        origins[2].says(AGREED)
        client.overlooks()
        play.later(2)
        assert "GET http://a/one HTTP/2.0 from 192.0.2.1" in why(live, 1)
        assert "1 running" in why(live, 2)
        story = why(live, 3)
        assert "a WebSocket from 0.0 ms on; it runs" in story
        assert story.endswith("deliver  a WebSocket: websocket = tunnel")
        for origin in origins[:2]:
            origin.says(ANSWER, b"hello")
        assert [many.answer(stream).status for stream in streams] == ["200", "200"]
        client.resets()
        origins[2].overlooks()
        assert sorted(past.number for past in verbs(live)["recent"]()) == [1, 2, 3]
        assert "deliver  101; bodies: 0 bytes in, 0 bytes out; after 2.00 s" in why(live, 3)


@pytest.mark.parametrize(
    ("target", "fields"),
    [("/a", "Cookie: " + "c" * 5000), ("/a" + "b" * 3000, "Accept: */*"), ("/a", "Accept: */*")],
)
def test_of_large_heads_little_is_kept(target: str, fields: str) -> None:
    with Play(TWO + "[route /a]\nmatch = header X-Beta = yes\npool = app\n") as play:
        live = live_of(play)
        clients = play.client(), Http2Client(play)
        clients[0].says(f"GET {target} HTTP/1.1\nHost: example.com\n{fields}")
        name, _, value = fields.partition(": ")
        stream = clients[1].asks("GET", target, (name.lower(), value))
        for _ in range(2):
            origin = play.origin()
            origin.overlooks()
            origin.says(ANSWER, b"hello")
        clients[0].overlooks()
        assert clients[1].answer(stream).status == "200"
        for number in (1, 2):
            story = why(live, number)
            large = "route    its head was large, of which little is kept: which routes were passed over is not known any more"
            assert (large in story) is (len(target + fields) > 100)
            assert f"{target[:200]} HTTP/{'1.1' if number == 1 else '2.0'} from" in story
        assert play.site.remembered is not None
        for past in map(Remembered._make, play.site.remembered):
            assert sum(map(len, past.head.headers.index.values())) + len(past.head.target) < 500
