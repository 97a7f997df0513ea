"""``/why.json``: the story of a request for programs, and who may read it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from tests.admin.test_dashboard import Stage
from tests.admin.test_status import ask
from tests.kit.play import Play
from tests.scenes.sites import FIRST, SECOND, TWO
from tests.scenes.test_why import GET, live_of
from twistedproxy.admin.live import Live

#: As a browser that asks for it by itself.
BASIC = "Authorization: Basic " + base64.b64encode(b"ann:sesame").decode()


def failing(play: Play) -> Live:
    """Two requests have failed."""
    live = live_of(play)
    for name in (FIRST, SECOND):
        play.refuses(name)
    for _ in range(2):
        client = play.client()
        client.says(GET)
        client.overlooks()
    return live


def told(live: Live, request: str) -> tuple[str, Any]:
    status, _, body = ask(live, request)
    return status.split()[1], json.loads(body)


def test_a_request_is_told_by_its_number_or_as_the_last_one_that_failed() -> None:
    with Play(TWO) as play:
        live = failing(play)
        status, story = told(live, "GET /why.json?id=1")
        assert (status, story["number"], story["status"], story["cause"]) == ("200", 1, 502, "connection refused")
        assert story["remedy"].startswith("nobody listens at that address")
        assert {line["phase"] for line in story["story"]} >= {
            "request",
            "route",
            "choose",
            "attempt",
            "finish",
            "cause",
            "remedy",
        }
        assert told(live, "GET /why.json")[1]["number"] == 2
        assert told(live, "GET /why.json?id=17")[0] == "404"
        assert told(live, "GET /why.json?id=nonsense")[0] == "404"
        live_of(play, 0)
        assert told(live, "GET /why.json") == (
            "404",
            {"error": "no such request is remembered; none are: [site] remember = 0"},
        )


def test_strangers_see_no_queries() -> None:
    with Play(TWO) as play:
        status, story = told(failing(play), "GET /why.json?id=1")
        assert status == "200"
        assert story["url"] == "http://example.com/a?…"
        assert "a?b" not in json.dumps(story)


def test_where_there_are_operators_only_they_are_told(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    with Play(TWO) as play:
        stage.live.__dict__.update(vars(failing(play)))
        assert stage.ask("GET /why.json").status == 401
        assert stage.ask("GET /why.json", "Authorization: Basic " + base64.b64encode(b"ann:guess").decode()).status == 401
        assert stage.ask("GET /why.json?id=1", stage.token()).said["url"] == "http://example.com/a?b"
        assert stage.ask("GET /why.json?id=1", BASIC).said["number"] == 1
        assert stage.ask("GET /why.json?id=9", BASIC).status == 404
