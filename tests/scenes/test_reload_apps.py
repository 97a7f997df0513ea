"""Apps in the proxy's process, when the site is reloaded."""

from __future__ import annotations

import pytest

from tests.admin.site import names
from tests.apps import asgi_apps, coroutines, wsgi_apps
from tests.kit.play import Play
from tests.kit.reloading import ReloadingPlay
from twistedproxy.admin.status import snapshot
from twistedproxy.running.running import NotReplaced

SITE = """
[defaults]
forwarded = off
response_headers = remove Date
[listen http]
on = tcp:80
[route /]
python = tests.apps.coroutines:waits
[route /living/]
asgi = tests.apps.asgi_apps:living
[route /whole]
wsgi = tests.apps.wsgi_apps:whole
app_threads = 3
"""


def begin() -> ReloadingPlay:
    """The site, and nothing that is remembered of others."""
    asgi_apps.begin()
    wsgi_apps.begin()
    coroutines.waiting.clear()
    return ReloadingPlay(SITE)


def test_a_request_finishes_under_the_app_that_it_began_with() -> None:
    with begin() as play:
        old = play.asks("/")
        play.reload(("coroutines:waits", "coroutines:empty"))
        new = play.asks("/")
        assert new.hears_message().status == 204
        coroutines.waiting.pop().callback("late")
        play.turn()
        assert old.hears_message().body == b"late"


def test_an_app_whose_lines_are_the_same_stays_and_one_that_has_gone_is_told() -> None:
    with begin() as play:
        first = play.asks("/living/")
        play.until(lambda: len(play.finished) == 1)
        assert first.hears_message().body == b"42"
        play.reload(("[route /whole]", "[route /whole/]"))
        again = play.asks("/living/")
        play.until(lambda: len(play.finished) == 2)
        assert again.hears_message().body == b"42"
        assert asgi_apps.heard == ["lifespan.startup"]
        play.reload(("asgi = tests.apps.asgi_apps:living", "respond = 410"))
        play.until(lambda: asgi_apps.heard == ["lifespan.startup", "lifespan.shutdown"])


def test_an_app_that_goes_before_it_is_ready_answers_those_who_wait_for_it() -> None:
    asgi_apps.begin()
    with ReloadingPlay("[listen http]\non = tcp:80\n[route /]\nasgi = tests.apps.asgi_apps:hesitant\n") as play:
        client = play.asks("/")
        play.reload(("asgi = tests.apps.asgi_apps:hesitant", "respond = 410"))
        asgi_apps.go.set()
        play.until(lambda: len(play.finished) == 1)
        assert client.hears_message().body == b"42"
        play.until(lambda: asgi_apps.heard == ["lifespan.startup", "lifespan.shutdown"])


OLD, NEW = "python = tests.apps.coroutines:empty", "asgi = tests.apps.asgi_apps:hesitant"
ONE = f"[listen http]\non = tcp:80\n[route /]\n{OLD}\n"


def status(play: Play) -> int:
    """Of an answer to a client of its own."""
    before = len(play.finished)
    client = play.asks()
    play.until(lambda: len(play.finished) > before)
    return client.hears_message().status


def test_the_old_app_serves_until_the_new_one_is_ready() -> None:
    asgi_apps.begin()
    with ReloadingPlay(ONE) as play:
        told = play.begin_reload((OLD, NEW))
        assert (told, status(play)) == ([], 204)
        asgi_apps.go.set()
        play.until(lambda: bool(told))
        assert told[0].failed == ()
        assert status(play) == 200
        assert asgi_apps.heard == ["lifespan.startup"]


def test_a_reload_whose_app_cannot_start_changes_nothing() -> None:
    asgi_apps.begin()
    with ReloadingPlay(ONE) as play:
        with pytest.raises(NotReplaced, match="asgi_apps:unborn has not started: the database is away"):
            play.reload((OLD, "asgi = tests.apps.asgi_apps:unborn"), ("tcp:80", "tcp:81"))
        assert status(play) == 204
        assert [str(socket.address) for socket in play.bound] == ["*:80"]
        assert "asgi" not in repr(names(play.live, 120)["hosted"]())


def test_a_reload_waits_a_minute_for_an_app_and_ends_it_then() -> None:
    asgi_apps.begin()
    with ReloadingPlay(ONE) as play:
        told = play.begin_reload((OLD, NEW))
        play.later(61)
        assert "has not started: it takes longer than 60 seconds" in told.pop().getErrorMessage()
        assert status(play) == 204
        asgi_apps.go.set()
        play.until(lambda: asgi_apps.heard == ["lifespan.startup", "lifespan.shutdown"])


def test_an_app_that_started_is_ended_when_the_rest_of_the_site_cannot_be() -> None:
    asgi_apps.begin()
    asgi_apps.go.set()
    with ReloadingPlay(ONE) as play:
        play.taken.add("*:81")
        with pytest.raises(NotReplaced, match="cannot listen on"):
            play.reload((OLD, NEW), ("tcp:80", "tcp:81"))
        play.until(lambda: asgi_apps.heard == ["lifespan.startup", "lifespan.shutdown"])
        assert status(play) == 204


def test_nothing_is_replaced_where_the_process_is_about_to_end() -> None:
    with begin() as play:
        told = play.begin_reload(("coroutines:waits", "coroutines:empty"), is_wanted=False)
        assert "about to end" in told.pop().getErrorMessage()


def test_the_shell_and_the_status_page_show_them() -> None:
    with begin() as play:
        client = play.asks("/whole")
        play.until(lambda: len(play.finished) == 1)
        assert client.hears_message().body == b"whole"
        table = [line.split() for line in repr(names(play.live, 120)["hosted"]()).splitlines()]
        assert table[0] == ["APP", "RUNNING", "REQUESTS", "FAILED", "THREADS", "WAITING"]
        assert ["asgi:tests.apps.asgi_apps:living", "0", "0", "0", "-", "-"] in table
        assert snapshot(play.live)["apps"]["wsgi:tests.apps.wsgi_apps:whole"] == {
            "running": 0, "requests": 1, "failures": 0, "threads": 3, "busy": 0, "waiting": 0,
        }  # fmt: skip
        assert "python:tests.apps.coroutines:waits" in repr(names(play.live, 120)["routes"]())
