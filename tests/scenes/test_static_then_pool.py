"""Files first; what is none goes to the peers of the route."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.sites import SMALL, errors, warnings
from tests.kit.play import Play
from tests.scenes.files import PAGE, SCRIPT, request, tree


@pytest.fixture
def site(tmp_path: Path) -> str:
    return f"[pool app]\nservers = 10.0.0.1:80\n[route /]\nstatic = {tree(tmp_path)}\npool = app\n"


@pytest.mark.parametrize(
    ("target", "method"),
    [("/none", "GET"), ("/", "GET"), ("/docs", "GET"), ("/.env", "GET"), ("/app.js", "DELETE"), ("/a%2fb", "HEAD")],
)
def test_what_is_no_file_goes_to_the_pool(site: str, target: str, method: str) -> None:
    with Play(site) as play:
        client = play.client()
        client.says(request("/app.js"))
        assert client.hears_message().body == SCRIPT
        client.says(request(target, method=method))
        origin = play.origin()
        assert origin.hears_message(head_only=True).start == f"{method} {target} HTTP/1.1"
        origin.says("HTTP/1.1 204 No Content")
        assert client.hears_message().status == 204


def test_try_files_says_what_counts(site: str) -> None:
    with Play(site + "try_files = {path} {path}/\n") as play:
        client = play.client()
        client.says(request("/"))
        assert client.hears_message().body == PAGE
        client.says(request("/plain/"))
        origin = play.origin()
        origin.hears_message()
        origin.says("HTTP/1.1 204 No Content")
        assert client.hears_message().status == 204
    with Play(site + "try_files = {path} =404\n") as play:
        client = play.client()
        client.says(request("/none"))
        assert client.hears_message().status == 404


def test_bodies_and_websockets_go_there(site: str) -> None:
    with Play(site) as play:
        client = play.client()
        client.says(request("/app.js", "Content-Length: 5", "POST"), b"hello")
        origin = play.origin()
        assert origin.hears_message().body == b"hello"
        origin.says("HTTP/1.1 204 No Content")
        assert client.hears_message().status == 204
        client.says(
            request(
                "/app.js",
                "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: " + "A" * 22 + "==",
            )
        )
        assert "upgrade" in origin.hears_message().fields
        origin.says("HTTP/1.1 403 Forbidden\nContent-Length: 0")
        assert client.hears_message().status == 403


def test_what_peers_answer_is_cached(site: str, tmp_path: Path) -> None:
    with Play(site + "cache = c\n[cache c]\ndirectory = c\n", tmp_path) as play:
        client = play.client()
        for asked in range(3):
            client.says(request("/none"))
            if not asked:
                origin = play.origin()
                origin.hears_message()
                origin.says("HTTP/1.1 200 OK\nCache-Control: max-age=60\nContent-Length: 5", b"hello")
            answered = client.hears_message()
            assert (answered.body, answered.fields["x-cache-status"]) == (b"hello", "HIT" if asked else "MISS")
            client.says(request("/app.js"))
            assert "x-cache-status" not in client.hears_message().fields


def test_links_that_lead_out_stay_refused(site: str, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir(exist_ok=True)
    (tmp_path / "site" / "out").symlink_to("/etc/passwd")
    with Play(site) as play:
        client = play.client()
        client.says(request("/out"))
        assert client.hears_message().status == 403


def test_other_answers_stand_alone(tmp_path: Path) -> None:
    route = SMALL + f"[route /x]\nstatic = {tree(tmp_path)}\n"
    assert any("exactly one of" in each for each in errors(route + "respond = 200 x\n"))
    assert not errors(route + "pool = app\ntries = 2\n")
    assert not any("tries" in each for each in warnings(route + "pool = app\ntries = 2\n"))
