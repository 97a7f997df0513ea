"""Pages of the site's own for errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.config.sites import SMALL, errors, loaded, warnings
from tests.kit.http2 import Http2Client, Http2Origin
from tests.kit.party import Message
from tests.kit.play import Play
from tests.kit.reloading import ReloadingPlay
from tests.scenes.sites import ONE
from twistedproxy.config.effective import effective

PAGE = "<h1>{status} {reason}</h1><p>{host}{path} <i>{request_id}</i><style>b {color: red}</style>{unknown}"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the pages are."""
    (tmp_path / "page.html").write_text(PAGE)
    for name in ("site", "door", "route", "other"):
        (tmp_path / f"{name}.html").write_text(f"by {name}")
    (tmp_path / "problem.json").write_text('{"error": "{reason}", "where": "{path}"}')
    (tmp_path / "plain.txt").write_text("{status} schön {path}\n")
    return tmp_path


def asked(site: str, directory: Path, request: str = "GET / HTTP/1.1\nHost: a.example", answer: str = "") -> Message:
    """The answer to *request*; a peer gives *answer*, or refuses connections."""
    with Play(site, directory) as play:
        if not answer:
            play.refuses("10.0.0.1:80")
        client = play.client()
        client.says(request)
        if answer:
            origin = play.origin()
            origin.hears_message()
            origin.says(answer, b"" if request.startswith("HEAD") else b"oops!")
        return client.hears_message(head_only=request.startswith("HEAD"))


def test_an_error_has_the_page_of_its_status(directory: Path) -> None:
    got = asked(ONE + "error_page = 502 503 page.html\n", directory)
    assert got.start == "HTTP/1.1 502 Bad Gateway"
    assert b"<h1>502 Bad Gateway</h1><p>a.example/ <i>" in got.body
    assert b"<style>b {color: red}</style>{unknown}" in got.body
    assert got.fields["content-type"] == "text/html; charset=utf-8"
    assert got.fields["vary"] == "Accept"
    assert b"by" not in asked(ONE + "error_page = 503 site.html\n", directory).body


def test_what_clients_say_is_escaped_for_what_the_page_is(directory: Path) -> None:
    request = "GET /a\"<b>'&{status}? HTTP/1.1\nHost: a.example"
    site = "[route /]\nrespond = 404\nerror_page = 404 page.html problem.json plain.txt\n"
    assert b"a.example/a&quot;&lt;b&gt;&#x27;&amp;{status} <i>" in asked(site, directory, request).body
    got = asked(site, directory, request + "\nAccept: application/json")
    assert json.loads(got.body) == {"error": "Not Found", "where": "/a\"<b>'&{status}"}
    assert (got.fields["content-type"], got.fields["x-content-type-options"]) == ("application/json", "nosniff")
    got = asked(site, directory, request + "\nAccept: text/plain")
    assert got.body == "404 schön /a\"<b>'&{status}\n".encode()


def test_who_asks_for_json_gets_a_problem_when_there_is_only_a_page(directory: Path) -> None:
    for site in (ONE + "error_page = 5xx page.html\n", ONE):
        got = asked(site, directory, "GET / HTTP/1.1\nHost: a\nAccept: application/json")
        assert json.loads(got.body) == {"type": "about:blank", "title": "Bad Gateway", "status": 502}
        assert got.fields["content-type"] == "application/problem+json"
    assert asked(ONE, directory, "GET / HTTP/1.1\nHost: a\nAccept: text/plain").body == b"502 Bad Gateway\n"


def test_the_nearest_page_wins(directory: Path) -> None:
    site = """
        [site]
        error_page =
            5xx 404 site.html
            504 other.html
        [listen http]
        on = tcp:80
        error_page = 502 door.html
        [listen other]
        on = tcp:81
        [pool app]
        servers = 10.0.0.1:80
        [route /]
        pool = app
        [route /own]
        pool = app
        error_page =
            5xx other.html
            502 route.html
        [route /plain]
        pool = app
        error_page = 502 default
    """
    with Play(site, directory) as play:
        play.refuses("10.0.0.1:80")
        for path, listener, body in (
            ("/", "http", b"by door"),
            ("/", "other", b"by site"),
            ("/own", "http", b"by route"),
            ("/plain", "http", b"<!doctype"),
        ):
            client = play.client(listener=listener)
            client.says(f"GET {path} HTTP/1.1\nHost: a")
            assert client.hears_message().body.startswith(body)


def test_what_has_no_route_has_the_sites_page_and_what_is_no_request_none(directory: Path) -> None:
    site = "[site]\nerror_page = 4xx site.html\n[listen http]\non = tcp:80\n[route a/]\nrespond = 200\n"
    with Play(site, directory) as play:
        client = play.client()
        client.says("GET / HTTP/1.1\nHost: b")
        assert client.hears_message().body == b"by site"
        for garbage in ("GET / HTTP/1.0\nHost: a\nTransfer-Encoding: chunked", "GET  / HTTP/1.1\nHost: a", "GET / HTTP/1.1"):
            client = play.client()
            client.says(garbage)
            answer = client.hears_message()
            assert (answer.status, b"by site" in answer.body) == (400, False)
            client.sees_end()


def test_another_status_and_head_and_old_clients(directory: Path) -> None:
    site = "[route /]\nrespond = 404\nerror_page = 404 =200 route.html\n"
    for accept in ("*/*", "application/json"):
        got = asked(site, directory, f"GET / HTTP/1.1\nHost: a\nAccept: {accept}")
        assert (got.start, got.body) == ("HTTP/1.1 200 OK", b"by route")
        assert "vary" not in got.fields
    got = asked(site, directory, "HEAD / HTTP/1.1\nHost: a")
    assert (got.fields["content-length"], got.body) == ("8", b"")
    with Play(site, directory) as play:
        client = play.client()
        client.says("GET / HTTP/1.0")
        assert client.hears_message().body == b"by route"
        client.sees_end()


def test_fields_that_say_what_to_do_stay(directory: Path) -> None:
    (directory / "passwords").write_text("anna:$2b$04$abcdefghijklmnopqrstuuHt6vEW0mNcZTsoJ3tLLkvMRfIi2vVeW\n")
    site = ONE + "basic_auth = passwords\nerror_page = 401 route.html\n"
    got = asked(site, directory)
    assert (got.body, got.fields["www-authenticate"][:5]) == (b"by route", "Basic")
    site = "[limit one]\nrate = 1r/m\n[route /]\nrespond = 200 hello\nlimits = one\nerror_page = 429 route.html\n"
    with Play(site, directory) as play:
        client = play.client()
        client.says("GET / HTTP/1.1\nHost: a")
        client.hears_message()
        client.says("GET / HTTP/1.1\nHost: a")
        refused = client.hears_message()
        assert (refused.status, refused.body, refused.fields["retry-after"]) == (429, b"by route", "60")


ANSWER = """
    HTTP/1.1 500 Internal Server Error
    Content-Type: text/x-trace
    Content-Encoding: x
    ETag: "1"
    Retry-After: 7
    Set-Cookie: a=b
    Vary: Origin
    Content-Length: 5
"""


def test_answers_of_peers_stay_as_they_are_unless_told_otherwise(directory: Path) -> None:
    assert asked(ONE + "error_page = 5xx route.html\n", directory, answer=ANSWER).body == b"oops!"
    site = ONE + "error_page = 5xx route.html\nintercept_errors = yes\n"
    got = asked(site, directory, answer=ANSWER)
    assert (got.start, got.body) == ("HTTP/1.1 500 Internal Server Error", b"by route")
    assert got.fields["content-type"] == "text/html; charset=utf-8"
    assert not {"etag", "content-encoding"} & set(got.fields)
    assert (got.fields["retry-after"], got.fields["set-cookie"]) == ("7", "a=b")
    assert "Origin" in got.fields["vary"]
    other = ANSWER.replace("500 Internal Server Error", "404 Not Found")
    assert asked(site, directory, answer=other).body == b"oops!"
    fine = ANSWER.replace("500 Internal Server Error", "200 OK")
    assert asked(site, directory, answer=fine).body == b"oops!"
    got = asked(site, directory, "HEAD / HTTP/1.1\nHost: a", ANSWER)
    assert got.fields["content-length"] == "8"


def test_nobody_waits_for_a_body_that_has_no_end(directory: Path) -> None:
    with Play(ONE + "error_page = 5xx =200 route.html\nintercept_errors = yes\n", directory) as play:
        client = play.client()
        for length in ("Transfer-Encoding: chunked", "Content-Length: 1000000"):
            client.says("POST / HTTP/1.1\nHost: a\nContent-Length: 2", b"ab")
            origin = play.origin()
            origin.hears_message()
            origin.says(f"HTTP/1.1 503 Service Unavailable\n{length}")
            answer = client.hears_message()
            assert (answer.start, answer.body) == ("HTTP/1.1 200 OK", b"by route")
            origin.sees_cut()
            assert play.exchange().finished
            assert play.exchange().reason is None


def test_nobody_waits_for_a_stream_that_has_no_end_and_its_connection_stays(directory: Path) -> None:
    site = ONE.replace(":80\n", ":80\nprotocol = h2\n") + "error_page = 5xx route.html\nintercept_errors = yes\n"
    with Play(site, directory) as play:
        client = play.client()
        client.says("GET / HTTP/1.1\nHost: a")
        origin = Http2Origin(play)
        stream = origin.hears()
        origin.answers(stream, "503", body=b"and so on", more=True)
        assert client.hears_message().body == b"by route"
        assert origin.request(stream).reset is not None
        client.says("GET / HTTP/1.1\nHost: a")
        origin.answers(origin.hears(), "204")
        assert client.hears_message().status == 204
        play.no_connection()


def test_a_little_body_that_takes_its_time_is_replaced_at_once_and_its_connection_kept(directory: Path) -> None:
    with Play(ONE + "error_page = 5xx =200 route.html\nintercept_errors = yes\n", directory) as play:
        client = play.client()
        client.says("GET / HTTP/1.1\nHost: a")
        origin = play.origin()
        origin.hears_message()
        origin.says("HTTP/1.1 503 Service Unavailable\nContent-Length: 3")
        answer = client.hears_message()
        assert (answer.start, answer.body) == ("HTTP/1.1 200 OK", b"by route")
        origin.says(b"abc")
        assert play.exchange().status == 200
        # The connections of both are kept.
        client.says("GET / HTTP/1.1\nHost: a")
        origin.hears_message()
        origin.says("HTTP/1.1 204 No Content")
        assert client.hears_message().status == 204


def test_a_cache_keeps_what_the_peer_has_said(directory: Path) -> None:
    site = (
        f"[cache c]\ndirectory = {directory}/cache\n{ONE}cache = c\ncache_valid = 404 1m\n"
        "error_page = 404 page.html problem.json\nintercept_errors = yes\n"
    )
    with Play(site, directory) as play:
        client = play.client()
        for accept, body in (("text/html", b"<h1>404 Not Found</h1>"), ("application/json", b'{"error": "Not Found"')):
            client.says(f"GET / HTTP/1.1\nHost: a\nAccept: {accept}")
            if play.has_origin:
                origin = play.origin()
                origin.hears_message()
                origin.says("HTTP/1.1 404 Not Found\nContent-Length: 4", b"oops")
            answer = client.hears_message()
            assert answer.body.startswith(body)
        assert answer.fields["x-cache-status"] == "HIT"


def test_pages_reach_clients_of_http2_and_are_compressed(directory: Path) -> None:
    (directory / "long.html").write_text("long " * 1000)
    site = "[site]\nerror_page = 404 long.html\n[listen http]\non = tcp:80\n"
    site += "[route /]\nrespond = 404\n[route /z]\nrespond = 404\ncompress = gzip\n"
    with Play(site, directory) as play:
        client = Http2Client(play)
        answer = client.answer(client.asks("GET", "/"))
        assert (answer.status, answer.body, answer["content-length"]) == ("404", b"long " * 1000, "5000")
        answer = client.answer(client.asks("GET", "/z", ("accept-encoding", "gzip")))
        assert (answer["content-encoding"], len(answer.body) < 100) == ("gzip", True)


def test_a_reload_reads_pages_again(directory: Path) -> None:
    site = (
        "[site]\nerror_page = 404 site.html\n[listen http]\non = tcp:80\n[route /]\nrespond = 404\nerror_page = 404 route.html\n"
    )
    with ReloadingPlay(site + "[route b/x]\nrespond = 200\n", directory) as play:
        client = play.client()
        client.says("GET / HTTP/1.1\nHost: a")
        assert client.hears_message().body == b"by route"
        (directory / "route.html").write_text("anew")
        assert play.reload() == ["~ [route /] error_page: what its files say"]
        client.says("GET / HTTP/1.1\nHost: a")
        assert client.hears_message().body == b"anew"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("down.html", "names no status"),
        ("502", "names no file"),
        ("502 =", "has a blank behind the ="),
        ("502 =204 page.html", "an answer with 204 has no page"),
        ("502 =200 default", "the error's own status"),
        ("302 page.html", "302 is not an error"),
        ("3xx page.html", "3xx is not an error"),
        ("502 none.html", "none.html cannot be read: No such file"),
        ("502 page.php", "does not say by its name what it is"),
        ("502 page.html route.html", "names two files of the type text/html"),
        ("502 https://example.com/", "is not a file"),
        ("502 latin.html", "is not UTF-8"),
        ("502 huge.html", "is larger than 256 KiB"),
        ("502 .", "does not say by its name"),
    ],
)
def test_mistakes_are_told(directory: Path, monkeypatch: pytest.MonkeyPatch, line: str, said: str) -> None:
    monkeypatch.chdir(directory)
    (directory / "latin.html").write_bytes(b"sch\xf6n")
    (directory / "huge.html").write_bytes(b"a" * 300_000)
    (error,) = errors(SMALL + f"[route /x]\npool = app\nerror_page = {line}\n")
    assert said in error


def test_lines_are_written_back(directory: Path) -> None:
    text = (
        SMALL
        + "[route /x]\npool = app\nerror_page =\n    404 5xx page.html plain.txt\n    502 =200 route.html\n    503 default\n"
    )
    settings = loaded(text, name=str(directory / "site.ini")).settings
    assert loaded(effective(settings), name="/elsewhere/site.ini").settings == settings


def test_what_has_no_effect_is_told(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(directory)
    assert any("without error_page" in each for each in warnings(SMALL + "[route /x]\npool = app\nintercept_errors = yes\n"))
    site = SMALL + "[site]\nerror_page = 5xx site.html\n[route /x]\npool = app\nintercept_errors = yes\n"
    assert not any("error_page" in each for each in warnings(site))
