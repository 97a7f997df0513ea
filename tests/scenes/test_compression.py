"""Answers compressed on their way, as clients see them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

import brotli
import pytest
import zstandard

from tests.config.sites import SMALL, errors, warnings
from tests.kit.play import Play
from tests.scenes.sites import ONE
from tests.scenes.test_substitution import changed, dechunked
from twistedproxy.forward.serving import Serving

SITE = ONE + "compress = br gzip zstd\n"
PAGE = b"<p>the same again and again</p>" * 100
HTML = 'Content-Type: text/html; charset=utf-8\nETag: "A,b"\nAccept-Ranges: bytes'


def get(accepted: str, method: str = "GET") -> str:
    return f"{method} / HTTP/1.1\nHost: example.com\nAccept-Encoding: {accepted}"


def decoded(coding: str, data: bytes) -> bytes:
    if coding == "gzip":
        return gzip.decompress(data)
    if coding == "br":
        return bytes(brotli.decompress(data))
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_a_page_is_compressed_as_the_client_can_read_it(coding: str, chunked: bool) -> None:
    head, body = changed(SITE, HTML, PAGE[:1000], PAGE[1000:], request=get(coding), chunked=chunked)
    assert head.fields["content-encoding"] == coding
    assert head.fields["vary"] == "Accept-Encoding"
    assert head.fields["etag"] == 'W/"A,b"'
    assert not {"content-length", "accept-ranges"} & set(head.fields)
    assert len(body) < len(PAGE) / 5
    assert decoded(coding, body) == PAGE


def test_no_digest_of_what_it_was_stays() -> None:
    head, _ = changed(SITE, HTML + "\nRepr-Digest: sha-256=:AAAA:\nContent-Digest: sha-256=:AAAA:", PAGE, request=get("gzip"))
    assert head.fields["content-encoding"] == "gzip"
    assert not {"repr-digest", "content-digest"} & set(head.fields)


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_the_level_is_a_matter_of_the_site(coding: str) -> None:
    text = b"".join(b"<p>%d words, %x of them alike</p>" % (number * number % 977, number * 7919) for number in range(2000))
    sizes = [len(changed(SITE + f"compress_level = {level}\n", HTML, text, request=get(coding))[1]) for level in (1, 9)]
    assert len(set(sizes)) == 2


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("X-GZIP", "gzip"),
        ("*", "br"),
        ("br;q=0, *;q=0.1", "gzip"),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0, gzip;q=0.5", "gzip"),
        ("identity;q=0", None),
        ("gzip;q=0", None),
        ("gzip;q=2", None),
        ("deflate", None),
        ("", None),
    ],
)
def test_the_client_says_which_coding(accepted: str, coding: str | None) -> None:
    head, body = changed(SITE, HTML, PAGE, request=get(accepted))
    assert head.fields.get("content-encoding") == coding
    assert head.fields["vary"] == "Accept-Encoding"
    if coding is None:
        assert (body, head.fields["etag"]) == (PAGE, '"A,b"')


@pytest.mark.parametrize(
    "fields",
    [
        "Content-Type: image/png",
        "Content-Type: text/html\nContent-Encoding: deflate",
        "Content-Type: text/html\nCache-Control: public, No-Transform",
    ],
)
def test_what_must_not_be_compressed_is_not(fields: str) -> None:
    head, body = changed(SITE, fields, PAGE, request=get("gzip"))
    assert (body, head.fields.get("vary")) == (PAGE, None)


def test_small_bodies_go_as_they_are() -> None:
    head, body = changed(SITE, HTML, b"x" * 1023, request=get("gzip"))
    assert (body, head.fields["content-length"]) == (b"x" * 1023, "1023")


def test_caches_are_told_once() -> None:
    head, _ = changed(SITE, HTML + "\nVary: Cookie, accept-encoding", PAGE, request=get("gzip"))
    assert head.fields["vary"] == "Cookie, accept-encoding"


def test_a_part_goes_as_it_is() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says(get("gzip") + "\nRange: bytes=0-1999")
        origin = play.origin()
        origin.hears_message()
        part = "HTTP/1.1 206 Partial Content\nContent-Type: text/html\nContent-Range: bytes 0-1999/9999\nContent-Length: 2000"
        origin.says(part, PAGE[:2000])
        assert client.hears_message().body == PAGE[:2000]


def test_head_and_304_tell_the_same_as_get() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says(get("gzip", "HEAD"))
        origin = play.origin()
        origin.hears_message()
        origin.says(f"HTTP/1.1 200 OK\n{HTML}\nContent-Length: 5000")
        head = client.hears_message(head_only=True)
        assert (head.fields["content-encoding"], head.fields["etag"]) == ("gzip", 'W/"A,b"')
        client.says(get("gzip") + '\nIf-None-Match: W/"A,b"')
        origin.hears_message()
        origin.says('HTTP/1.1 304 Not Modified\nETag: "A,b"')
        head = client.hears_message(head_only=True)
        assert (head.fields["etag"], head.fields["vary"]) == ('W/"A,b"', "Accept-Encoding")


def reader_of(coding: str) -> Callable[[bytes], bytes]:
    """Gives what can be read of a body so far, piece by piece."""
    if coding == "gzip":
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress
    if coding == "br":
        stream = brotli.Decompressor()
        return lambda data: bytes(stream.process(data))
    return zstandard.ZstdDecompressor().decompressobj().decompress


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
def test_each_event_arrives_at_once(kind: str, coding: str) -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says(get(coding))
        origin = play.origin()
        origin.hears_message()
        origin.says(f"HTTP/1.1 200 OK\nContent-Type: {kind}\nTransfer-Encoding: chunked")
        assert client.hears_message(head_only=True).fields["content-encoding"] == coding
        read = reader_of(coding)
        for event in (b"data: 1\n\n", b"data: 2\n\n", b"data: " + b"3" * 9000 + b"\n\n"):
            origin.says(b"%x\r\n%b\r\n" % (len(event), event))
            assert read(dechunked(client.overlooks())) == event
        origin.says(b"0\r\n\r\n")
        assert read(dechunked(client.overlooks())) == b""


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_what_the_proxy_says_itself_is_compressed_likewise(coding: str) -> None:
    words = "all work and no play " * 100
    with Play(f"[route /]\nrespond = 200 {words}\ncompress = br gzip zstd\n") as play:
        client = play.client()
        client.says(get(coding))
        head, _, body = client.overlooks().partition(b"\r\n\r\n")
        assert b"Content-Encoding: " + coding.encode() in head
        assert decoded(coding, dechunked(body)) == words.strip().encode() + b"\n"
        client.says(get(coding, "HEAD"))
        assert client.hears_message(head_only=True).fields["content-encoding"] == coding


def test_errors_are_too_small_to_be_compressed_unless_they_are_pages() -> None:
    with Play(SITE + "compress_min_size = 0\n") as play:
        play.refuses("10.0.0.1:80")
        client = play.client()
        client.says(get("gzip"))
        head, _, body = client.overlooks().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 502")
        assert b"<h1>502 Bad Gateway</h1>" in gzip.decompress(dechunked(body))
    with Play(SITE) as play:
        play.refuses("10.0.0.1:80")
        client = play.client()
        client.says(get("gzip"))
        assert b"<h1>502 Bad Gateway</h1>" in client.hears_message().body


def test_others_have_their_turn_while_a_large_stored_body_is_compressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"<p>the same again and again</p>" * 60_000
    turns: list[Serving] = []
    soon = Serving._pump_soon
    monkeypatch.setattr(Serving, "_pump_soon", lambda serving: (turns.append(serving), soon(serving)))
    with Play(SITE + "cache = c\n[cache c]\ndirectory = c\n", tmp_path) as play:
        client = play.client()
        client.says(get("identity"))
        origin = play.origin()
        origin.hears_message()
        origin.says(f"HTTP/1.1 200 OK\nContent-Type: text/html\nCache-Control: max-age=60\nContent-Length: {len(body)}", body)
        assert client.hears_message().body == body
        client.says(get("gzip"))
        assert len(turns) >= len(body) // (256 * 1024)
        assert gzip.decompress(dechunked(client.overlooks().partition(b"\r\n\r\n")[2])) == body


def test_mistakes_and_lines_without_effect_are_told() -> None:
    assert any("brr" in each for each in errors(SMALL + "[route /x]\npool = app\ncompress = brr\n"))
    assert any("without compress" in each for each in warnings(SMALL + "[route /x]\npool = app\ncompress_level = 2\n"))
