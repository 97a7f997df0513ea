"""A route that is out of order for a while."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.config.sites import SMALL, errors, loaded, warnings
from tests.kit.party import Message
from tests.kit.play import Play
from tests.scenes.sites import ONE
from twistedproxy.config.effective import effective

GET = "GET / HTTP/1.1\nHost: a"


def asked(play: Play, address: str = "192.0.2.1", request: str = GET) -> Message:
    """The answer to somebody."""
    client = play.client(address=address)
    client.says(request)
    if play.in_flight():
        origin = play.same_origin()
        origin.hears_message()
        origin.says("HTTP/1.1 204 No Content")
    return client.hears_message()


def test_everybody_is_told_to_come_back(tmp_path: Path) -> None:
    (tmp_path / "down.html").write_text("back soon")
    with Play(ONE + "maintenance = yes\nmaintenance_retry_after = 10m\nerror_page = 503 down.html\n", tmp_path) as play:
        answer = asked(play)
        assert (answer.start, answer.body) == ("HTTP/1.1 503 Service Unavailable", b"back soon")
        assert [value for name, value in answer.fields.items() if name == "retry-after"] == ["600"]
        assert play.exchange().value("error") == "maintenance"
        answer = asked(play, request=GET + "\nAccept: application/json")
        assert json.loads(answer.body)["status"] == 503


def test_who_works_on_it_is_served() -> None:
    with Play(ONE + "maintenance = yes\nmaintenance_allow = 10.0.0.0/8 ::1\n") as play:
        assert asked(play).status == 503
        assert asked(play, "10.1.2.3").status == 204
        assert asked(play, "::1").status == 204


def test_a_file_begins_and_ends_it_within_a_second(tmp_path: Path) -> None:
    flag = tmp_path / "down"
    with Play(ONE + "maintenance = ./down\n", tmp_path) as play:
        assert asked(play).status == 204
        flag.touch()
        assert asked(play).status == 204, "looked at once a second, not for each request"
        play.later(1)
        assert asked(play).status == 503
        flag.unlink()
        play.later(1)
        assert asked(play).status == 204


def test_the_whole_site_but_for_a_route(tmp_path: Path) -> None:
    site = "[defaults]\nmaintenance = yes\n[route /]\nrespond = 200\n[route /health]\nrespond = 200\nmaintenance = no\n"
    with Play(site) as play:
        assert asked(play).status == 503
        assert asked(play, request="GET /health HTTP/1.1\nHost: a").status == 200


def test_scripts_of_other_pages_can_read_that_it_is_so() -> None:
    with Play(ONE + "maintenance = yes\ncors = https://b.example\n") as play:
        preflight = "OPTIONS / HTTP/1.1\nHost: a\nOrigin: https://b.example\nAccess-Control-Request-Method: GET"
        assert asked(play, request=preflight).status == 204
        answer = asked(play, request=GET + "\nOrigin: https://b.example")
        assert (answer.status, answer.fields["access-control-allow-origin"]) == (503, "https://b.example")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("maintenance = on", "neither yes, nor no, nor a file"),
        ("maintenance = /", "is a directory"),
        ("maintenance_allow = me", "maintenance_allow"),
    ],
)
def test_mistakes_are_told(line: str, said: str) -> None:
    assert any(said in each for each in errors(SMALL + f"[route /x]\npool = app\n{line}\n"))


def test_it_is_written_back_and_what_has_no_effect_is_told() -> None:
    settings = loaded(
        SMALL + "[route /x]\npool = app\nmaintenance = flag.d/down\n[route /y]\npool = app\nmaintenance = yes\n"
    ).settings
    assert loaded(effective(settings), name="/elsewhere/site.ini").settings == settings
    assert any("without maintenance" in each for each in warnings(SMALL + "[route /x]\npool = app\nmaintenance_allow = ::1\n"))
