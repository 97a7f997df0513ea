"""top() and tail(): what goes on on the screen."""

from __future__ import annotations

from typing import Any

import pytest

from tests.admin.site import Log, Things, live_site, names
from tests.admin.test_shell import Client
from twistedproxy.admin import request_tail
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.live import Live
from twistedproxy.errors import CONNECT_REFUSED_BY_PEER


def exchange(live: Live, status: int = 200, target: bytes = b"/api/users", **more: Any) -> Any:
    """A request that has ended."""
    head = Things(method=b"GET", authority=b"example.com", target=target)
    route = next(route for route in live.routes.routes if route.name == "/api/")
    facts = {"started_wall": live.clock.wall(), "request_time": 0.012, "bytes_sent": 2048, "client": "192.0.2.9"}
    others = {"peer_name": "api1:4000", "cache_status": "MISS", "reason": None, "attempt": None}
    return Things(status=status, head=head, route=route, **facts, **others, **more)


def ends(live: Live, *exchanges: Any) -> None:
    for each in exchanges:
        for observer in live.finished:
            observer(each)


def test_tail_shows_requests_as_they_end_until_q() -> None:
    client = Client().terminal(120).type("tail()\r")
    assert not client.screen.endswith(">>>")
    ends(client.live, exchange(client.live), exchange(client.live, 502, b"/x\x1b[2J"))
    assert client.screen.splitlines()[-2:] == [
        "08:00:00.012 200   12ms   2.0k GET example.com/api/users  [/api/ api1:4000 miss] 192.0.2.9",
        "08:00:00.012 502   12ms   2.0k GET example.com/x\\x1b[2J  [/api/ api1:4000 miss] 192.0.2.9",
    ]
    client.type("x")
    assert client.live.finished
    client.type("q")
    assert client.screen.endswith(">>>")
    client.clock.advance(0)
    assert client.live.finished == []
    client.type("1 + 1\r")
    assert client.screen.splitlines()[-2] == "2"


def test_tail_chooses_by_an_expression_and_fits_the_terminal() -> None:
    client = Client().terminal(70).type("tail(\"status >= 500 and route == '/api/'\", messages=1)\r")
    ends(client.live, exchange(client.live), exchange(client.live, 503, b"/" + b"x" * 200))
    assert client.screen.splitlines()[-2].startswith("08:00:00.012 503")
    assert len(client.screen.splitlines()[-2]) <= 70
    assert client.screen.endswith(">>>")


def test_what_cannot_be_shown_does_no_harm_to_the_request() -> None:
    client = Client().terminal(120).type("tail()\r")
    with Log() as log:
        ends(client.live, Things(status=200), exchange(client.live))
    assert "a request could not be shown to an operator" in log.lines[0]
    assert client.screen.splitlines()[-1].endswith("192.0.2.9")


@pytest.mark.parametrize("end", ["\x03", "\x04"])
def test_control_c_ends_what_goes_on_and_not_the_session(end: str) -> None:
    client = Client().terminal().type("tail()\r").type(end)
    assert client.screen.endswith(">>>")
    assert not client.channel.closed


@pytest.mark.parametrize("command", ["tail()", "top()"])
def test_nothing_is_left_when_the_connection_dies(command: str) -> None:
    client = Client().terminal().type(f"{command}\r")
    client.session.closed()
    client.clock.advance(0)
    assert client.live.finished == []
    assert client.clock.getDelayedCalls() == []
    client = Client().command(command)
    client.session.closed()
    client.clock.advance(0)
    assert client.live.finished == []
    assert client.clock.getDelayedCalls() == []


def test_only_some_things_go_on_at_a_time() -> None:
    client = Client().command("tail();" * 50)
    client.clock.advance(0)
    assert len(client.live.finished) == 4
    assert b"4 of them may go on at a time" in client.channel.err
    client.session.closed()


def test_tail_as_a_command_ends_after_its_time() -> None:
    client = Client().command("tail(seconds=5)")
    ends(client.live, exchange(client.live))
    client.clock.advance(5)
    assert client.channel.out.startswith(b"08:00:00.012 200")
    assert client.channel.status == 0


def test_more_lines_than_can_be_read_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_tail, "MOST_LINES", 2)
    client = Client().terminal(120).type("tail()\r")
    ends(client.live, *[exchange(client.live) for _ in range(5)])
    client.clock.advance(1)
    ends(client.live, exchange(client.live))
    assert client.screen.splitlines()[-2].endswith(" 3 more")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"what": "stats > 1"}, "did you mean status"),
        ({"what": 5.0}, "an expression is a text"),
        ({"seconds": float("inf")}, "seconds is a number"),
        ({"messages": 0}, "messages is a number"),
        ({"what": 7}, "there is no WebSocket 7"),
    ],
)
def test_what_tail_does_not_understand(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(VerbError, match=said):
        names(live_site())["tail"](**arguments)


def work(live: Live) -> None:
    """A second of traffic."""
    route = next(route for route in live.routes.routes if route.name == "/api/")
    for _ in range(98):
        route.statuses[2] += 1
        route.durations.note(0.004)
    for _ in range(2):
        route.statuses[5] += 1
        route.failed[0] += 1
        route.durations.note(0.3)
    peer = live.pools["api"].peers[0]
    for _ in range(100):
        peer.begin()
        peer.succeed(0.0)
    peer.begin()
    peer.fail(CONNECT_REFUSED_BY_PEER, 0.0)


def test_top_draws_what_happens_each_second_until_q() -> None:
    client = Client().terminal(110).type("top()\r")
    assert "measuring for a second" in client.screen
    work(client.live)
    client.clock.advance(1)
    lines = client.screen.splitlines()
    assert lines[0] == ("08:00:01 UTC  100.0 requests/s  p50 3.8ms p95 4.9ms p99 375ms  2.0 failed/s  hit ratio -  3 connections")
    assert lines[3].split() == ["/api/", "pool", "api", "100.0", "3.8ms", "4.9ms", "375ms", "0.0", "2.0", "2.0"]
    assert lines[8].split()[:6] == ["api", "api1:4000", "up", "0", "101.0", "1.0"]
    assert lines[8].endswith("the peer refused the connection")
    client.clock.advance(1)
    assert "  0.0 requests/s  " in client.screen
    client.session.windowChanged((10, 60, 0, 0))
    client.clock.advance(1)
    client.type("q")
    assert client.screen.endswith(">>>")
    assert client.clock.getDelayedCalls() == []


def test_top_fits_a_small_terminal() -> None:
    client = Client()
    client.session.getPty(b"xterm", (12, 60, 0, 0), [])
    client.session.openShell(client.proto)
    client.type("top()\r")
    client.clock.advance(1)
    shown = client.channel.out.split(b"\x1b[H")[-1].split(b"\r\n")
    assert len(shown) <= 12
    assert max(len(line.replace(b"\x1b[K", b"").decode()) for line in shown) <= 60
    assert any("more" in line.decode() for line in shown)


def test_top_as_a_command_prints_one_picture_or_several() -> None:
    client = Client().command("top()")
    client.clock.advance(1)
    assert client.channel.out.count(b"requests/s") == 1
    assert client.channel.status == 0
    client = Client().command("top(seconds=3)")
    client.clock.pump([1, 1, 1])
    assert client.channel.out.count(b"requests/s") == 3
    assert client.channel.status == 0
