"""Files beside a file that are the same, compressed; lists of directories; files over HTTP/2, and behind filters."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import brotli
import pytest

from tests.config.sites import SMALL, errors, loaded, warnings
from tests.kit.http2 import Http2Client
from tests.kit.play import Play
from tests.scenes.files import PAGE, SCRIPT, asked, request, site_of, tree
from tests.scenes.test_substitution import dechunked
from twistedproxy.config.effective import effective

FORMS = "precompressed = br zstd gzip\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    site = tree(tmp_path)
    (site / "app.js.gz").write_bytes(gzip.compress(SCRIPT))
    (site / "app.js.br").write_bytes(brotli.compress(SCRIPT))
    (site / "docs" / "index.html.gz").write_bytes(gzip.compress(b"docs"))
    return site


# Compressed beforehand.


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("gzip, br, zstd", "br"), ("gzip", "gzip"), ("zstd, gzip;q=0.5", "gzip"), ("zstd", None), ("", None), ("gzip;q=0", None)],
)
def test_the_form_that_the_client_can_read_is_sent(root: Path, accepted: str, coding: str | None) -> None:
    answered = asked(root, "/app.js", f"Accept-Encoding: {accepted}", more=FORMS)
    assert answered.fields.get("content-encoding") == coding
    assert answered.fields["content-type"] == "text/javascript; charset=utf-8"
    assert answered.fields["vary"] == "Accept-Encoding"
    if coding == "br":
        assert brotli.decompress(answered.body) == SCRIPT
    elif coding == "gzip":
        assert gzip.decompress(answered.body) == SCRIPT
    else:
        assert answered.body == SCRIPT


def test_each_form_has_an_etag_of_its_own(root: Path) -> None:
    for name in ("app.js", "app.js.gz", "app.js.br"):
        os.utime(root / name, (1_700_000_000, 1_700_000_000))
    tags = [asked(root, "/app.js", f"Accept-Encoding: {each}", more=FORMS).fields["etag"] for each in ("br", "gzip", "identity")]
    assert len(set(tags)) == 3
    assert tags[0].endswith('-br"')
    answered = asked(root, "/app.js", f"Accept-Encoding: br\nIf-None-Match: {tags[0]}", more=FORMS)
    assert (answered.status, answered.fields["etag"]) == (304, tags[0])
    assert asked(root, "/app.js", f"Accept-Encoding: gzip\nIf-None-Match: {tags[0]}", more=FORMS).status == 200
    answered = asked(root, "/app.js", f"Accept-Encoding: gzip\nIf-Range: {tags[1]}\nRange: bytes=0-1", more=FORMS)
    assert (answered.status, answered.body) == (206, b"\x1f\x8b")


def test_the_index_has_forms_and_a_form_by_its_own_name_is_a_file(root: Path) -> None:
    with Play(site_of(root, FORMS)) as play:
        client = play.client()
        for _ in range(2):
            client.says(request("/docs/", "Accept-Encoding: gzip"))
            assert gzip.decompress(client.hears_message().body) == b"docs"
            client.says(request("/app.js.gz", "Accept-Encoding: gzip"))
            answered = client.hears_message()
            assert answered.fields["content-type"] == "application/gzip"
            assert "content-encoding" not in answered.fields
            client.says(request("/app.js", "Accept-Encoding: gzip"))
            assert client.hears_message().fields["content-encoding"] == "gzip"


def test_a_form_without_its_file_answers_for_nothing(root: Path) -> None:
    (root / "app.js").unlink()
    assert asked(root, "/app.js", "Accept-Encoding: gzip", more=FORMS).status == 404


# Lists.


def test_a_directory_is_listed_on_wish(root: Path) -> None:
    (root / "plain" / "<i>&\"'.txt").write_bytes(b"x" * 2048)
    (root / "plain" / "a:b?").mkdir()
    (root / "plain" / ".hidden").write_bytes(b"")
    (root / "plain" / "out").symlink_to("/etc/passwd")
    (root / "plain" / "in").symlink_to("../app.js")
    os.mkfifo(root / "plain" / "pipe")
    os.utime(root / "plain" / "one.bin", (1_700_000_000, 1_700_000_000))
    answered = asked(root, "/plain/", more="listing = yes\n")
    text = answered.body.decode()
    assert answered.fields["content-type"] == "text/html; charset=utf-8"
    assert answered.fields["content-security-policy"].startswith("default-src 'none'")
    assert '<a href="./a%3Ab%3F/">a:b?/</a>' in text
    assert "<i>" not in text
    assert "&lt;i&gt;&amp;&quot;&#x27;.txt</a></td><td>2.0 KiB" in text
    assert '<a href="./one.bin">one.bin</a></td><td>256 B</td><td>2023-11-14 22:13:20' in text
    assert '<a href="../">' in text
    assert not any(word in text for word in (".hidden", "out", "pipe"))
    assert ">in<" in text
    assert text.index("a:b?") < text.index("one.bin")
    assert asked(root, "/plain/", more="listing = yes\n", method="HEAD").fields["content-length"] == str(len(answered.body))


def test_and_for_programs(root: Path) -> None:
    os.utime(root / "plain" / "one.bin", (1_700_000_000, 1_700_000_000))
    answered = asked(root, "/plain/", "Accept: application/json", more="listing = yes\n")
    assert (answered.fields["content-type"], answered.fields["vary"]) == ("application/json", "Accept")
    both = asked(root, "/plain/", "Accept: text/html;q=0.5, application/json", more="listing = yes\n")
    assert both.fields["content-type"] == "application/json"
    either = asked(root, "/plain/", "Accept: text/html, application/json, */*", more="listing = yes\n")
    assert either.fields["content-type"] == "text/html; charset=utf-8"
    assert json.loads(answered.body) == [{"name": "one.bin", "type": "file", "mtime": "2023-11-14T22:13:20Z", "size": 256}]


def test_the_topmost_directory_has_none_above_it_and_an_index_comes_first(root: Path) -> None:
    assert asked(root, "/", more="listing = yes\n").body == PAGE
    (root / "index.html").unlink()
    body = asked(root, "/files/", more="listing = yes\nstrip_prefix = /files\n", title="/files/").body
    assert b"../" not in body
    assert b"<h1>/files/</h1>" in body
    assert b"docs/" in body


def test_a_long_list_is_cut(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twistedproxy.answers.files.listing.MOST", 2)
    for name in "abc":
        (root / "plain" / name).write_bytes(b"")
    body = asked(root, "/plain/", more="listing = yes\n").body
    assert body.count(b"<td><a") == 3
    assert b"Only 2 names are shown." in body


# Filters, and HTTP/2.


def test_files_are_compressed_on_their_way(root: Path) -> None:
    more = "compress = gzip\ncompress_min_size = 0\n"
    with Play(site_of(root, more)) as play:
        client = play.client()
        client.says(request("/app.js", "Accept-Encoding: gzip"))
        head, _, body = client.overlooks().partition(b"\r\n\r\n")
        assert b"Content-Encoding: gzip" in head
        assert gzip.decompress(dechunked(body)) == SCRIPT
        etag = head.partition(b"ETag: ")[2].partition(b"\r\n")[0].decode()
        assert etag.startswith("W/")
        client.says(request("/app.js", f"Accept-Encoding: gzip\nIf-None-Match: {etag}"))
        answered = client.hears_message(head_only=True)
        assert (answered.status, answered.fields["etag"]) == (304, etag)
        client.says(request("/app.js", "Accept-Encoding: gzip\nRange: bytes=0-4"))
        assert client.hears_message().body == SCRIPT[:5]


def test_what_is_compressed_already_is_not_compressed_again(root: Path) -> None:
    answered = asked(root, "/app.js", "Accept-Encoding: gzip", more=FORMS + "compress = gzip\ncompress_min_size = 0\n")
    assert gzip.decompress(answered.body) == SCRIPT


def test_texts_are_put_in(root: Path) -> None:
    with Play(site_of(root, "substitute = home {host}\n")) as play:
        client = play.client()
        client.says(request("/"))
        assert b"<h1>example.com</h1>" in dechunked(client.overlooks().partition(b"\r\n\r\n")[2])


def test_files_over_http2(root: Path) -> None:
    large = bytes(range(256)) * 2048
    (root / "large").write_bytes(large)
    with Play(site_of(root)) as play:
        client = Http2Client(play)
        first, second, third = client.asks(path="/large"), client.asks(path="/app.js"), client.asks(path="/none")
        assert client.answer(first).body == large
        assert client.answer(second).body == SCRIPT
        assert client.answer(third).status == "404"
        client.party.overlooks()


# The site's file.


def test_mistakes_are_told(root: Path) -> None:
    route = SMALL + "[route /x/]\n"
    for line, said in {
        "static = /none/at/all": "there is no directory /none/at/all",
        f"static = {root}/app.js": "is not a directory",
        f"static = {root}\nrespond = 204": "exactly one of",
        f"static = {root}\ntry_files = $uri $uri/": "write {path}/",
        f"static = {root}\ntry_files = {{path}} =200": "write for instance =404",
        f"static = {root}\ntry_files = =404 {{path}}": "put it at the end",
        f"static = {root}\ntry_files = /../x": "leads upwards",
        f"static = {root}\ntry_files = index.html": "is not a path",
        f"static = {root}\nexpires = soon": "write for instance 1h",
        f"static = {root}\nexpires = html 1h": "is not a media type",
        f"static = {root}\ncharset = utf-9": "no charset",
        f"static = {root}\nmime_types = text/plain": "is not TYPE ENDING",
        f"static = {root}\nmime_types = plain txt": "is not TYPE ENDING",
        f"static = {root}\nindex = a/b": "is not the name of a file",
        f"static = {root}\ncache_control = a\u00e4": "list of directives",
        f"static = {root}\nprecompressed = deflate": "deflate",
        f"static = {root}\ncache = c\n[cache c]\ndirectory = c": "there is nothing to store",
    }.items():
        assert any(said in each for each in errors(route + line + "\n")), line


def test_what_has_no_effect_or_is_likely_wrong_is_told(root: Path) -> None:
    route = SMALL + "[route /x/]\n"
    for line, said in {
        "pool = app\nindex = a.html": "has no effect without static",
        f"static = {root}": f"are looked for in {root}/x, which is not there; write strip_prefix = /x",
        f"static = {root}\nsymlinks = yes": "every file served",
        f"static = {root}\ndotfiles = yes": ".htpasswd",
        f"static = {root}\ntries = 2": "the route answers by itself",
        f"static = {root}\nopen_file_cache = 0\nopen_file_cache_valid = 1s": "open_file_cache is 0",
    }.items():
        assert any(said in each for each in warnings(route + line + "\n")), line
    assert not any("strip_prefix" in each for each in warnings(route + f"static = {root}\nstrip_prefix = /x\n"))


def test_every_knob_is_written_back(root: Path) -> None:
    text = (
        SMALL
        + f"""[route /x/]
static = {root}
try_files = {{path}} {{path}}/ {{path}}.html /index.html =410
index = a.html b.html
listing = yes
dotfiles = yes
symlinks = yes
expires =
    text/html image/* epoch
    text/css off
    application/* max
    90m
cache_control = public, stale-if-error=60
charset = iso-8859-1
mime_types =
    text/x-log log out
    text/plain *
precompressed = zstd br
open_file_cache = 1m
open_file_cache_valid = 1500ms
strip_prefix = /x
"""
    )
    settings = loaded(text).settings
    assert loaded(effective(settings)).settings.routes == settings.routes
