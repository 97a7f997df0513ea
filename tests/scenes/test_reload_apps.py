"""Apps in the proxy's process, when the site is reloaded."""

from __future__ import annotations

from tests.admin.site import names
from tests.apps import asgi_apps, coroutines, wsgi_apps
from tests.kit.party import Party
from tests.kit.play import Play
from tests.kit.reloading import ReloadingPlay
from twistedproxy.admin.status import snapshot

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


def asks(play: Play, path: str) -> Party:
    """A client that has asked."""
    client = play.client()
    client.says(f"GET {path} HTTP/1.1\nHost: example.com")
    return client


def begin() -> ReloadingPlay:
    """The site, and nothing that is remembered of others."""
    asgi_apps.begin()
    wsgi_apps.begin()
    coroutines.waiting.clear()
    return ReloadingPlay(SITE)


def test_a_request_finishes_under_the_app_that_it_began_with() -> None:
    with begin() as play:
        old = asks(play, "/")
        play.reload(("coroutines:waits", "coroutines:empty"))
        new = asks(play, "/")
        assert new.hears_message().status == 204
        coroutines.waiting.pop().callback("late")
        play.turn()
        assert old.hears_message().body == b"late"


def test_an_app_whose_lines_are_the_same_stays_and_one_that_has_gone_is_told() -> None:
    with begin() as play:
        first = asks(play, "/living/")
        play.until(lambda: len(play.finished) == 1)
        assert first.hears_message().body == b"42"
        play.reload(("[route /whole]", "[route /whole/]"))
        again = asks(play, "/living/")
        play.until(lambda: len(play.finished) == 2)
        assert again.hears_message().body == b"42"
        assert asgi_apps.heard == ["lifespan.startup"]
        play.reload(("asgi = tests.apps.asgi_apps:living", "respond = 410"))
        play.until(lambda: asgi_apps.heard == ["lifespan.startup", "lifespan.shutdown"])


def test_an_app_that_goes_before_it_is_ready_answers_those_who_wait_for_it() -> None:
    asgi_apps.begin()
    with ReloadingPlay("[listen http]\non = tcp:80\n[route /]\nasgi = tests.apps.asgi_apps:hesitant\n") as play:
        client = asks(play, "/")
        play.reload(("asgi = tests.apps.asgi_apps:hesitant", "respond = 410"))
        asgi_apps.go.set()
        play.until(lambda: len(play.finished) == 1)
        assert client.hears_message().body == b"42"
        play.until(lambda: asgi_apps.heard == ["lifespan.startup", "lifespan.shutdown"])


def test_the_shell_and_the_status_page_show_them() -> None:
    with begin() as play:
        client = asks(play, "/whole")
        play.until(lambda: len(play.finished) == 1)
        assert client.hears_message().body == b"whole"
        table = [line.split() for line in repr(names(play.live, 120)["hosted"]()).splitlines()]
        assert table[0] == ["APP", "RUNNING", "REQUESTS", "FAILED", "THREADS", "WAITING"]
        assert ["asgi:tests.apps.asgi_apps:living", "0", "0", "0", "-", "-"] in table
        assert snapshot(play.live)["apps"]["wsgi:tests.apps.wsgi_apps:whole"] == {
            "running": 0, "requests": 1, "failures": 0, "threads": 3, "busy": 0, "waiting": 0,
        }  # fmt: skip
        assert "python:tests.apps.coroutines:waits" in repr(names(play.live, 120)["routes"]())
