"""The stories of the next requests, as they end, for an operator who waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.admin.test_shell import Client
from tests.kit.play import Play
from tests.scenes.sites import FIRST, SECOND, TWO
from tests.scenes.test_why import GET, live_of, verbs
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.live import Live
from twistedproxy.admin.ongoing import Ongoing


class Stage:
    """Where the operator reads."""

    rows = None

    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)

    picture = line


@pytest.fixture
def play() -> Iterator[Play]:
    with Play(TWO + "[route /old]\nredirect = 301 /new\n") as playing:
        yield playing


def traced(live: Live, *words: Any, **more: Any) -> tuple[Ongoing, list[str]]:
    """What is shown of it."""
    stage = Stage()
    trace: Ongoing = verbs(live)["trace"](*words, **more)
    trace.begin(stage)
    return trace, stage.lines


def asks(play: Play, path: str) -> None:
    client = play.client()
    client.says(GET.replace("/a?b", path))
    client.overlooks()


def test_requests_are_told_as_they_end_until_there_were_enough(play: Play) -> None:
    for name in (FIRST, SECOND):
        play.refuses(name)
    watching = len(play.site.finished)
    trace, lines = traced(live_of(play), "status >= 500", most=2)
    asks(play, "/old")
    assert lines == []
    for path in ("/one", "/two", "/three"):
        asks(play, path)
    first, second, last = lines
    assert first.startswith("request  2, begun at 08:00:00 UTC, ended 0.0ms ago\n         GET http://example.com/one ")
    assert "\ncause    connection refused\n" in first
    assert "http://example.com/two" in second
    assert last == "2 requests traced, within 1m00s and at most 2"
    assert len(play.site.finished) == watching
    assert trace.done.called


def test_it_ends_when_its_time_is_over(play: Play) -> None:
    trace, lines = traced(live_of(play), seconds=5)
    play.later(6)
    assert lines == ["no such request has ended, within 5.0s and at most 10"]
    assert trace.done.called
    asks(play, "/old")
    assert len(lines) == 1


def test_it_ends_when_nobody_wants_it(play: Play) -> None:
    live = live_of(play)
    watching = len(play.site.finished)
    one, all_lines = traced(live)
    other, some_lines = traced(live, "route == '/'")
    asks(play, "/old")
    assert (len(all_lines), len(some_lines)) == (1, 0)
    for trace in (one, other, one):
        trace.stop()
    play.turn()
    assert len(play.site.finished) == watching
    asks(play, "/old")
    play.later(100)
    assert len(all_lines) == 1


def test_requests_are_told_where_none_are_remembered(play: Play) -> None:
    _, lines = traced(live_of(play, 0), most=1)
    asks(play, "/old")
    assert "\ndeliver  301, the proxy's own answer; " in lines[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"which": "statsu == 500"}, "did you mean"),
        ({"most": 0}, "most is a number"),
        ({"most": 1000}, "most is a number"),
        ({"seconds": 0}, "seconds is a number"),
        ({"seconds": 1e9}, "seconds is a number"),
    ],
)
def test_what_cannot_be_traced_is_said(play: Play, words: dict[str, Any], said: str) -> None:
    with pytest.raises(VerbError, match=said):
        verbs(live_of(play))["trace"](**words)


@pytest.mark.parametrize("key", ["q", "\x03"])
def test_a_key_ends_it_and_the_prompt_comes_back(play: Play, key: str) -> None:
    live = live_of(play)
    watching = len(play.site.finished)
    client = Client(live).terminal().type("trace()\r")
    asks(play, "/old")
    assert "GET http://example.com/old HTTP/1.1" in client.screen
    client.type(key)
    play.turn()
    assert client.screen.endswith(">>>")
    assert len(play.site.finished) == watching


def test_it_ends_with_the_connection(play: Play) -> None:
    live = live_of(play)
    watching = len(play.site.finished)
    client = Client(live).terminal().type("trace()\r")
    client.session.closed()
    play.turn()
    assert len(play.site.finished) == watching
