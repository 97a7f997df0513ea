"""What the dashboard tells of failed exchanges: the cause, and nothing that may be secret or do harm."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.kit.play import Play
from tests.kit.reloading import ReloadingPlay
from twistedproxy.addresses import Tcp
from twistedproxy.admin.dashboard import failures, now
from twistedproxy.admin.dashboard.failures import KEPT, Failures, cut
from twistedproxy.settings.operators import StatusSettings

SITE = """
[pool app]
servers = app:80
[route /]
pool = app
"""


def watched(play: Play) -> Failures:
    found = Failures()
    play.site.failed.append(found.exchange_failed)
    return found


def test_a_failure_is_told_with_its_cause_and_without_what_may_be_secret() -> None:
    with Play(SITE) as play:
        found = watched(play)
        play.refuses("app:80")
        client = play.client(address="192.0.2.9")
        client.says("GET /pay%20now?token=secret HTTP/1.1\nHost: example.com")
        assert client.hears_message().status == 502
        (failed,) = found.latest()
        assert (failed.status, failed.request, failed.client) == (502, "GET example.com/pay%20now?…", "192.0.2.9")
        assert (failed.route, failed.pool, failed.peer, failed.whose) == ("/", "app", "app:80", "peer")
        assert failed.text and "nobody listens at that address" in failed.remedy
        assert found.causes == {failed.cause: 1}


def test_what_clients_do_wrong_is_not_told() -> None:
    with Play(SITE) as play:
        found = watched(play)
        client = play.client()
        client.says("PUT / HTTP/1.1\nHost: a\nContent-Length: 5")
        play.origin().overlooks()
        client.resets()
        assert found.latest() == []


def test_as_many_are_kept_as_people_read() -> None:
    with Play(SITE) as play:
        found = watched(play)
        play.refuses("app:80")
        client = play.client()
        for number in range(KEPT + 3):
            client.says(f"GET /{number} HTTP/1.1\nHost: a")
            client.hears_message()
        assert len(found.latest()) == KEPT
        assert found.latest()[0].request == f"GET a/{KEPT + 2}"
        assert sum(found.causes.values()) == KEPT + 3


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\u202eb", "a\\u202eb"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),  # the page writes text, never HTML
        ("x" * 200, "x" * (failures._SHOWN - 1) + "…"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_strangers_wrote_is_harmless_to_look_at(text: str, shown: str) -> None:
    assert cut(text) == shown
    json.dumps(cut(text)).encode("ascii")


def test_requests_that_run_are_told_the_oldest_first() -> None:
    with ReloadingPlay(SITE) as play:
        first, second = play.client(), play.client()
        first.says("GET /long?secret HTTP/1.1\nHost: a")
        play.later(2)
        second.says("GET /short HTTP/1.1\nHost: a")
        told = now.running(play.live)
        assert told["count"] == 2
        assert [(each["request"], each["for"], each["peer"]) for each in told["oldest"]] == [
            ("GET a/long?…", 2, "app:80"),
            ("GET a/short", 0, "app:80"),
        ]
        for client in (first, second):
            origin = play.origin()
            origin.overlooks()
            origin.says("HTTP/1.1 204 No Content")
            client.hears("HTTP/1.1 204 No Content")
        assert now.running(play.live)["count"] == 0


def test_the_record_goes_on_over_a_reload() -> None:
    def with_status_port() -> None:
        play.live.settings = replace(play.live.settings, status=StatusSettings(on=(Tcp("127.0.0.1", 8404),)))

    with ReloadingPlay(SITE) as play:
        with_status_port()
        play.recorder.startService()
        client = play.client()
        for _ in range(3):
            play.later(1)
            client.says("GET / HTTP/1.1\nHost: a")
            origin = play.origin() if play.has_origin else play.same_origin()
            origin.overlooks()
            origin.says("HTTP/1.1 204 No Content")
            client.hears("HTTP/1.1 204 No Content")
        play.reload(("servers = app:80", "servers =\n    app:80\n    b:1"))
        with_status_port()
        play.later(1)
        history = play.recorder.history()["fine"]
        assert history["site"]["status_2xx"] == [0, 1, 1, 1]
        assert history["peers"]["app"]["app:80"]["attempts"] == [0, 1, 1, 1]
        assert len(history["peers"]["app"]["b:1"]["attempts"]) == 1
        play.recorder.stopService()
