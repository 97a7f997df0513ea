"""Files of a directory, as clients see them."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from tests.kit.play import Play
from tests.scenes.files import PAGE, SCRIPT, asked, request, site_of, tree
from twistedproxy.answers.files.tree import Tree
from twistedproxy.errors import Whose


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tree(tmp_path)


def test_a_file_is_answered_with_all_that_is_known_of_it(root: Path) -> None:
    os.utime(root / "app.js", (1_700_000_000, 1_700_000_000))
    answered = asked(root, "/app.js")
    assert (answered.start, answered.body) == ("HTTP/1.1 200 OK", SCRIPT)
    assert answered.fields == {
        "server": "twistedproxy",
        "content-type": "text/javascript; charset=utf-8",
        "last-modified": "Tue, 14 Nov 2023 22:13:20 GMT",
        "etag": f'"{1_700_000_000 * 10**9:x}-{len(SCRIPT):x}"',
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "content-length": str(len(SCRIPT)),
    }


def test_head_tells_the_same(root: Path) -> None:
    answered = asked(root, "/app.js", method="HEAD")
    assert answered.fields["content-length"] == str(len(SCRIPT))
    assert asked(root, "/app.js").fields == answered.fields


def test_the_index_answers_for_its_directory(root: Path) -> None:
    assert asked(root, "/").body == PAGE
    assert asked(root, "/docs/").body == b"docs"
    assert asked(root, "/docs/", more="index = none.htm index.html\n").body == b"docs"
    assert asked(root, "/plain/").status == 403
    assert asked(root, "/", more="index = other.html\n").status == 403


def test_a_directory_without_its_slash_is_elsewhere(root: Path) -> None:
    answered = asked(root, "/docs?a=/b%20c")
    assert (answered.status, answered.fields["location"]) == (301, "/docs/?a=/b%20c")


def test_and_is_named_as_the_client_names_it(root: Path) -> None:
    answered = asked(root, "/old/docs?q", more="strip_prefix = /old/\n", title="/old/")
    assert (answered.status, answered.fields["location"]) == (301, "/old/docs/?q")
    (root / "sub" / "a b").mkdir(parents=True)
    assert asked(root, "/sub/a%20b").fields["location"] == "/sub/a%20b/"


@pytest.mark.parametrize("target", ["//docs", "///docs", "/%2fdocs", "//example.org/%2e%2e/docs", "/\\docs"])
def test_no_redirect_leads_to_another_host(root: Path, target: str) -> None:
    answered = asked(root, target)
    assert answered.fields.get("location") in (None, "/docs/")


def test_a_path_that_was_rewritten_to_a_directory_is_not_sent_in_circles(root: Path) -> None:
    assert asked(root, "/manual/", more="rewrite = ^/manual/$ /docs\n").body == b"docs"


def test_rewriting_leads_nowhere_else(root: Path) -> None:
    assert asked(root, "/x?f=..%2fsecret.txt", more="rewrite = ^/x$ /{arg.f}\n").status in (400, 404)
    assert asked(root, "/x?f=app.js", more="rewrite = ^/x$ /{arg.f}\n").body == SCRIPT


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/docs/a%20b.txt", b"blank"),
        ("/docs/sch%C3%B6n%3Bv=1.txt", b"umlaut"),
        ("/docs/sch%C3%B6n;v=1.txt", b"umlaut"),
        ("/docs/./x/../a%20b.txt?query", b"blank"),
        ("/docs/%61%20b.txt", b"blank"),
        ("//docs//a%20b.txt", b"blank"),
        ("/.well-known/security.txt", b"Contact: mailto:a@example.com"),
        ("/empty.css", b""),
    ],
)
def test_names_are_understood(root: Path, target: str, body: bytes) -> None:
    answered = asked(root, target)
    assert (answered.status, answered.body) == (200, body)


@pytest.mark.parametrize(
    "target", ["/.env", "/.git/config", "/docs/../.env", "/%2eenv", "/.well-known/../.env", "/.git/", "/.git"]
)
def test_dotfiles_are_hidden(root: Path, target: str) -> None:
    assert asked(root, target).status == 404
    assert asked(root, target, more="try_files = {path} {path}/ =404\n").status == 404


def test_dotfiles_are_served_on_wish(root: Path) -> None:
    assert asked(root, "/.env", more="dotfiles = yes\n").body == b"SECRET=1"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
def test_files_can_only_be_read(root: Path, method: str) -> None:
    answered = asked(root, "/app.js", "Content-Length: 0", method=method)
    assert (answered.status, answered.fields["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("target", ["/none", "/app.js/", "/app.js/x", "/docs/none/", "/docs/index.html/", f"/{'x' * 300}"])
def test_what_is_not_there(root: Path, target: str) -> None:
    assert asked(root, target).status == 404


@pytest.mark.parametrize(
    ("number", "status", "reason"),
    [
        (errno.EACCES, 403, "file_unreadable"),
        (errno.EMFILE, 503, "files_exhausted"),
        (errno.ENFILE, 503, "files_exhausted"),
        (errno.EIO, 500, "file_broken"),
    ],
)
def test_what_cannot_be_opened_is_told_to_the_operator(
    root: Path, number: int, status: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Tree, "_walked", fails)
    with Play(site_of(root)) as play:
        client = play.client()
        client.says(request("/app.js"))
        answered = client.hears_message()
        assert answered.status == status
        assert b"/app.js" not in answered.body
        why = play.finished[-1].reason
        assert why is not None
        assert (why.name, why.whose) == (reason, Whose.OURS)
        monkeypatch.undo()
        client.says(request("/app.js"))
        assert client.hears_message().body == SCRIPT


def test_what_is_neither_file_nor_directory_is_not_opened(root: Path) -> None:
    os.mkfifo(root / "pipe")
    assert asked(root, "/pipe").status == 403
    assert asked(root, "/pipe", more="symlinks = yes\n").status == 403


# try_files, as people know it.


@pytest.mark.parametrize(
    ("words", "target", "status", "body"),
    [
        ("{path} {path}/ /index.html", "/app.js", 200, SCRIPT),
        ("{path} {path}/ /index.html", "/docs/", 200, b"docs"),
        ("{path} {path}/ /index.html", "/some/route", 200, PAGE),
        ("{path} {path}/ /index.html", "/docs", 301, None),
        ("{path} /index.html", "/docs", 200, PAGE),
        ("{path} {path}/ /none.html", "/some/route", 404, None),
        ("{path} =410", "/some/route", 410, None),
        ("{path} {path}.js =404", "/app", 200, SCRIPT),
        ("{path}.js", "/", 404, None),
        ("{path}/index.html {path} =404", "/docs/", 200, b"docs"),
        ("{path} /docs/", "/some/route", 200, b"docs"),
        ("/docs{path}", "/a%20b.txt", 200, b"blank"),
    ],
)
def test_files_are_tried_in_order(root: Path, words: str, target: str, status: int, body: bytes | None) -> None:
    answered = asked(root, target, more=f"try_files = {words}\n")
    assert answered.status == status
    if body is not None:
        assert answered.body == body


# Freshness and types.


@pytest.mark.parametrize(
    ("line", "control", "expires"),
    [
        ("expires = 1h", "max-age=3600", "Fri, 15 Jan 2027 09:00:00 GMT"),
        ("expires = max", "max-age=315360000", "Mon, 12 Jan 2037 08:00:00 GMT"),
        ("expires = epoch", "no-cache", "Thu, 01 Jan 1970 00:00:01 GMT"),
        ("expires = off", None, None),
        ("cache_control = public, immutable", "public, immutable", None),
        ("expires = 1h\ncache_control = public", "max-age=3600, public", "Fri, 15 Jan 2027 09:00:00 GMT"),
        ("expires =\n    text/html epoch\n    text/* 1m\n    1h", "max-age=60", "Fri, 15 Jan 2027 08:01:00 GMT"),
        ("expires =\n    image/* 1m", None, None),
    ],
)
def test_files_are_fresh_for_so_long(root: Path, line: str, control: str | None, expires: str | None) -> None:
    fields = asked(root, "/app.js", more=line + "\n").fields
    assert (fields.get("cache-control"), fields.get("expires")) == (control, expires)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.WASM", "application/wasm"),
        ("a.woff2", "font/woff2"),
        ("a.json", "application/json"),
        ("a.svg", "image/svg+xml"),
        ("a.tar.gz", "application/gzip"),
        ("a.min.css", "text/css; charset=utf-8"),
        ("a.webmanifest", "application/manifest+json"),
        ("a", "application/octet-stream"),
        ("a.b c", "application/octet-stream"),
        ("a.own", "text/x-own; charset=utf-8"),
        ("a.md", "text/x-own; charset=utf-8"),
    ],
)
def test_the_ending_says_the_type(root: Path, name: str, kind: str) -> None:
    (root / name).write_bytes(b"x")
    target = "/" + name.replace(" ", "%20")
    assert asked(root, target, more="mime_types = text/x-own own .md\n").fields["content-type"] == kind


def test_the_charset_is_the_sites(root: Path) -> None:
    assert asked(root, more="charset = iso-8859-1\n").fields["content-type"] == "text/html; charset=iso-8859-1"
    assert asked(root, more="charset = off\nmime_types = text/x-page *\n").fields["content-type"] == "text/html"
    (root / "a").write_bytes(b"x")
    assert asked(root, "/a", more="charset = off\nmime_types = text/x-page *\n").fields["content-type"] == "text/x-page"


# What is kept in memory is what is on the disk.


def test_a_file_that_has_changed_is_sent_anew(root: Path) -> None:
    with Play(site_of(root)) as play:
        client = play.client()
        for content in (SCRIPT, SCRIPT, b"other", b"OTHER"):
            if content != SCRIPT:
                (root / "app.js").write_bytes(content)
            client.says(request("/app.js"))
            assert client.hears_message().body == content
        (root / "app.js").unlink()
        client.says(request("/app.js"))
        assert client.hears_message().status == 404
        (root / "app.js").mkdir()
        client.says(request("/app.js"))
        assert client.hears_message().status == 301


def test_unless_the_site_says_for_how_long_it_holds(root: Path) -> None:
    with Play(site_of(root, "open_file_cache_valid = 5s\n")) as play:
        client = play.client()
        client.says(request("/app.js"))
        assert client.hears_message().body == SCRIPT
        (root / "app.js").write_bytes(b"other")
        client.says(request("/app.js"))
        assert client.hears_message().body == SCRIPT
        play.later(6)
        client.says(request("/app.js"))
        assert client.hears_message().body == b"other"


def test_the_head_is_made_anew_as_time_goes_by(root: Path) -> None:
    with Play(site_of(root, "expires = 1h\n") + "[defaults]\nforwarded = no\n") as play:
        client = play.client()
        client.says(request("/app.js"))
        assert client.hears_message().fields["date"] == "Fri, 15 Jan 2027 08:00:00 GMT"
        play.later(2)
        client.says(request("/app.js"))
        fields = client.hears_message().fields
        assert (fields["date"], fields["expires"]) == ("Fri, 15 Jan 2027 08:00:02 GMT", "Fri, 15 Jan 2027 09:00:02 GMT")


def test_many_files_are_kept_within_bounds(root: Path) -> None:
    for number in range(40):
        (root / f"{number}.txt").write_bytes(b"%d" % number * 1000)
    with Play(site_of(root, "open_file_cache = 16k\n")) as play:
        client = play.client()
        for number in (*range(40), *range(40)):
            client.says(request(f"/{number}.txt"))
            assert client.hears_message().body == b"%d" % number * 1000
        answer: Any = play.routes["/"].answer
        assert answer.finding.shelf.size <= 16 * 1024


def test_response_headers_and_limits_count_for_files(root: Path) -> None:
    more = "response_headers = set X-A {path}\nlimits = one\n[limit one]\nkey = {client}\nrate = 1r/s\nburst = 1\n"
    with Play(site_of(root, more)) as play:
        client = play.client()
        client.says(request("/app.js"))
        assert client.hears_message().fields["x-a"] == "/app.js"
        client.says(request("/app.js"))
        client.hears_message()
        client.says(request("/app.js"))
        assert client.hears_message().status == 429
