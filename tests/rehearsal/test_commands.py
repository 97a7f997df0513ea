"""``revproxy test`` and ``revproxy explain``, as people see them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.sites import SMALL, errors, loaded
from twistedproxy.cli import main
from twistedproxy.config.effective import effective

SITE = """\
[listen http]
on = tcp:80
[listen inside]
on = tcp:8080
trusted_proxies = 10.0.0.0/8
[pool app]
servers =
    10.0.0.1:80
    srv:_http._tcp.app.internal
[pool shadow]
servers = app.internal:80 addresses=all
[cache c]
directory = {directory}/cache
[route /]
pool = app
mirror = shadow
[route /cached/]
pool = app
cache = c
[route /beta/]
match = header X-Beta = yes
listen = inside
redirect = 302 /elsewhere
[route /ws/]
pool = app
websocket = messages
[route example.com/slow/]
pool = app
retry = error 503
tries = 2
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site file; its cache would be made beside it."""
    path = tmp_path / "site.ini"
    path.write_text(SITE.replace("{directory}", str(tmp_path)))
    return path


def explained(site: Path, capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    """What ``revproxy explain`` says."""
    assert main(["explain", str(site), *words]) == status
    said = capsys.readouterr()
    return said.err if status else said.out


def test_explain_tells_the_phases_in_order(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = explained(site, capsys, "GET", "http://example.com/cached/a?b", "-H", "Accept: text/html")
    phases = [line[:9].strip() for line in said.splitlines() if line[:1] != " "]
    assert phases == ["request", "route", "lookup", "choose", "send", "receive", "admit", "deliver"]
    assert "[route /cached/]: any host, /cached/ and what is below it" in said
    assert "nothing stored" in said
    assert "10.0.0.1:80 of [pool app], by round_robin" in said
    assert "GET /cached/a?b HTTP/1.1" in said
    assert "Accept: text/html" in said
    assert not (site.parent / "cache").exists()


def test_explain_tells_of_the_last_of_several(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = ("--answer", "200", "--answer", "Cache-Control: max-age=60", "--answer", "body: hello")
    said = explained(site, capsys, "GET", "http://example.com/cached/a", "--times", "2", *answer)
    assert "lookup   fresh" in said
    assert "X-Cache-Status: HIT" in said
    assert "choose" not in said


def test_explain_tells_why_a_route_was_passed_over(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = explained(site, capsys, "GET", "http://example.com/beta/x")
    assert "not [route /beta/]: it came in by [listen http]" in said
    assert "[route /]: any host, every path" in said
    assert "mirror   app.internal:80 gets a copy of GET /beta/x HTTP/1.1" in said
    said = explained(site, capsys, "GET", "http://example.com:8080/beta/x")
    assert "not [route /beta/]: it does not hold that header x-beta = yes" in said
    said = explained(site, capsys, "GET", "http://example.com:8080/beta/x", "-H", "X-Beta: yes")
    assert "it holds that header x-beta = yes" in said
    assert "Location: /elsewhere" in said


def test_explain_believes_whom_the_site_believes(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("GET", "http://a/", "--listen", "inside", "--client", "10.0.0.9", "-H", "X-Forwarded-For: 203.0.113.9")
    assert "the client is 203.0.113.9" in explained(site, capsys, *words)
    assert "compared as /a/b" in explained(site, capsys, "GET", "http://a/%61//b")


def test_explain_tells_of_refusals_and_failures(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "bad_target" in explained(site, capsys, "GET", "http://a/%00")
    said = explained(site, capsys, "GET", "http://a/", "--answer", "refused")
    assert "refused: the peer refused the connection" in said
    assert "502 Bad Gateway" in said
    said = explained(site, capsys, "GET", "http://example.com/slow/", "--answer", "503")
    assert "retry" in said
    assert said.count("GET /slow/ HTTP/1.1") == 2


def test_explain_tells_of_websockets(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fields = (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    said = explained(site, capsys, "GET", "http://a/ws/", *(word for field in fields for word in ("-H", field)))
    assert "a WebSocket, if the peer agrees: websocket = messages" in said


def test_explain_tells_what_no_route_means(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "site.ini"
    path.write_text(SMALL.replace("[route /]", "[route a.example/]"))
    assert "no route matches this host and path" in explained(path, capsys, "GET", "http://b.example/")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("GET", "/path"), "a URL is absolute"),
        (("GET", "https://a/"), "no listener takes https"),
        (("GET", "http://a/", "--listen", "none"), "there is no [listen none]"),
        (("GET A", "http://a/"), "is not METHOD URL"),
        (("GET", "http://a/", "--answer", "ok"), "'ok' is nothing that a peer says"),
        (("GET", "http://a/", "--answer", "X-A: 1"), "'X-A: 1' begins no answer"),
        (("GET", "http://a/", "--answer", "200", "--answer", "404"), "'404' stands below another"),
        (("GET", "http://a/", "--answer", "refused", "--answer", "X-A: 1"), "write refused alone"),
        (("GET", "http://a/", "--client", "me"), "'me' is not an address"),
    ],
)
def test_what_cannot_be_asked(site: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str) -> None:
    assert said in explained(site, capsys, *words, status=1)


@pytest.mark.parametrize("times", ["0", "-1", "x"])
def test_whoever_asks_asks_at_least_once(site: Path, capsys: pytest.CaptureFixture[str], times: str) -> None:
    with pytest.raises(SystemExit):
        main(["explain", str(site), "GET", "http://a/", "--times", times])
    assert "--times" in capsys.readouterr().err


TESTS = """
[test what goes well]
request =
    POST http://example.com/a
    X-A: 1
body = some text
client = 192.0.2.7
expect = status 200, route /, pool app, path /a, target /a, header X-A 1, not header X-B, not status 404
    not header X-A 2, header X-A, not pool beta, mirror app.internal:80, not peer 10.0.0.9:80
[test what does not]
request = GET http://example.com/a
expect =
    status 404, pool beta, header X-None, response X-None y, redirect /, cache hit
    not status 200, not path /a
[test what is refused]
request = GET http://example.com/%00
expect = status 400, reason bad_target
[test what is not refused so]
request = GET http://example.com/%00
expect = status 404
[test what cannot be asked]
request = GET https://example.com/
expect = status 200
"""


def test_tests_tell_what_is_not_as_expected(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site.write_text(site.read_text() + TESTS)
    assert main(["test", str(site)]) == 1
    said = capsys.readouterr().out
    assert "ok   what goes well\n" in said
    assert "ok   what is refused\n" in said
    for line in (
        "FAIL what does not",
        "     expected status 404, and it is '200'",
        "     expected pool beta, and it is 'app'",
        "     expected header x-none, and it is absent",
        "     expected response x-none y, and it is absent",
        "     expected redirect /, and it is absent",
        "     expected cache hit, and it is absent",
        "     expected not status 200, and it is '200'",
        "     expected not path /a, and it is '/a'",
        "     expected status 404, and the request is refused: bad_target",
        "     no listener takes https",
        f"{site}: 5 tests, 3 failed",
    ):
        assert line in said


def test_tests_may_be_chosen_by_name(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site.write_text(site.read_text() + TESTS)
    assert main(["test", str(site), "goes well"]) == 0
    assert "1 test, none failed" in capsys.readouterr().out
    assert main(["test", str(site), "nobody"]) == 1
    assert "there is no [test …]" in capsys.readouterr().err


def test_a_site_with_errors_is_not_tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "site.ini"
    path.write_text("[listen http]\non = tcp:80\n")
    for words in (["test", str(path)], ["explain", str(path), "GET", "http://a/"]):
        assert main(words) == 1
        assert "there is no [route …] section" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("request = GET /a\nexpect = status 200", "is not METHOD URL"),
        ("request = GET http://a/\nexpect = statsu 200", "did you mean status?"),
        ("request = GET http://a/\nexpect = status", "says not what"),
        ("request = GET http://a/\nexpect = status 2000", "is not a status"),
        ("request = GET http://a/\nexpect = header a: b", "is not the name of a field"),
        ("request = GET http://a/\nexpect = not", "is nothing that can be expected"),
        ("request = GET http://a/\nexpect = status 200\nanswer = ok", "is nothing that a peer says"),
        ("request = GET http://a/\nexpect = status 200\nanswer =\n    X-A: 1\n    200", "'X-A: 1' begins no answer"),
        ("request = GET http://a/\nexpect = status 200\nclient = me", "is not an address"),
        ("request = GET http://a/\nexpect = status 200\nlisten = none", "there is no [listen none]"),
        ("request = GET http://a/", "expect is missing"),
    ],
)
def test_mistakes_in_tests_are_told_with_the_others(lines: str, said: str) -> None:
    (error,) = errors(SMALL + f"[test a b]\n{lines}\n")
    assert said in error
    assert errors(SMALL + "[test]\nrequest = GET http://a/\nexpect = status 200\n") != []


def test_tests_are_a_part_of_the_effective_configuration() -> None:
    settings = loaded(SMALL + TESTS).settings
    assert loaded(effective(settings), name="/elsewhere/other.ini").settings == settings
