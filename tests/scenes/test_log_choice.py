"""Which logs a request goes to, by its route and by what becomes of it."""

from __future__ import annotations

from pathlib import Path

from tests.kit.play import Play
from tests.kit.reloading import ReloadingPlay
from twistedproxy.logs.choice import is_sampled

SITE = """
    [listen http]
    on = tcp:80
    [defaults]
    forwarded = no
    response_headers = remove Date
    log = main
    [route /]
    respond = 200 all
    [route /api/]
    respond = 200 api
    log = main api
    [route /health]
    respond = 200 well
    log = off
    [route /broken]
    respond = 500 no
    [log main]
    file = main.log
    format = {uri}
    [log api]
    file = api.log
    format = {uri}
    [log errors]
    file = errors.log
    format = {uri} {status}
    when = status >= 500
"""


def ask(play: Play, *paths: str) -> None:
    """Ask for each of *paths*."""
    client = play.client()
    for path in paths:
        client.says(f"GET {path} HTTP/1.1\nHost: example.com")
        client.overlooks()
    play.later(1)


def lines(directory: Path, name: str) -> list[str]:
    """What stands in a log."""
    return (directory / f"{name}.log").read_text().splitlines()


def test_a_request_goes_to_the_logs_of_its_route(tmp_path: Path) -> None:
    with ReloadingPlay(SITE, tmp_path) as play:
        ask(play, "/a", "/api/b", "/health", "/broken")
    assert lines(tmp_path, "main") == ["/a", "/api/b", "/broken"]
    assert lines(tmp_path, "api") == ["/api/b"]
    assert lines(tmp_path, "errors") == []


def test_without_a_word_of_routes_a_request_goes_to_every_log(tmp_path: Path) -> None:
    site = "\n".join(line for line in SITE.splitlines() if not line.strip().startswith("log ="))
    with ReloadingPlay(site, tmp_path) as play:
        ask(play, "/a", "/broken")
    assert lines(tmp_path, "main") == lines(tmp_path, "api") == ["/a", "/broken"]
    assert lines(tmp_path, "errors") == ["/broken 500"]


def test_a_request_without_a_route_goes_to_every_log(tmp_path: Path) -> None:
    with ReloadingPlay(SITE.replace("[route /]", "[route /only/]"), tmp_path) as play:
        ask(play, "/nowhere")
    assert lines(tmp_path, "main") == lines(tmp_path, "api") == ["/nowhere"]


def test_a_reload_changes_the_logs_of_routes(tmp_path: Path) -> None:
    with ReloadingPlay(SITE, tmp_path) as play:
        ask(play, "/api/1", "/health")
        play.reload(("log = main api", "log = api"), ("log = off", "log ="), ("when = status >= 500", "when = status < 500"))
        ask(play, "/api/2", "/health")
    assert lines(tmp_path, "main") == ["/api/1", "/health"]
    assert lines(tmp_path, "api") == ["/api/1", "/api/2", "/health"]
    assert lines(tmp_path, "errors") == ["/health 200"]


def test_the_request_id_of_a_sample_is_that_which_the_peer_gets(tmp_path: Path) -> None:
    site = """
        [listen http]
        on = tcp:80
        [pool app]
        servers = 10.0.0.1:80
        [route /]
        pool = app
        request_id = X-Request-ID
        [log a]
        file = a.log
        format = {request_id}
        sample = 50%
    """
    with ReloadingPlay(site, tmp_path) as play:
        client = play.client()
        ids = []
        for _ in range(20):
            client.says("GET / HTTP/1.1\nHost: example.com")
            origin = play.same_origin()
            ids.append(origin.hears_message().fields["x-request-id"])
            origin.says("HTTP/1.1 204 No Content")
            client.overlooks()
        play.later(1)
    assert lines(tmp_path, "a") == [each for each in ids if is_sampled(each, 0.5)]
