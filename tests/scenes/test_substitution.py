"""Text of bodies replaced on their way, as clients see it."""

from __future__ import annotations

import gzip
from itertools import pairwise
from pathlib import Path

import brotli
import pytest

from tests.kit.http2 import Http2Client
from tests.kit.party import Message
from tests.kit.play import Play
from tests.scenes.sites import ONE

SITE = ONE + "substitute =\n  http://internal/ {scheme}://{host}/\n"
PAGE = b'<a href="http://internal/a">http://internal/</a>'
PUBLIC = b'<a href="http://example.com/a">http://example.com/</a>'
GET = "GET / HTTP/1.1\nHost: example.com"


def dechunked(data: bytes) -> bytes:
    """The body of a chunked message that is all there."""
    made = b""
    while data:
        size, _, rest = data.partition(b"\r\n")
        length = int(size, 16)
        made += rest[:length]
        data = rest[length + 2 :] if length else b""
    return made


def changed(site: str, fields: str, *pieces: bytes, request: str = GET, chunked: bool = False) -> tuple[Message, bytes]:
    """The head and the body that the client gets."""
    with Play(site) as play:
        client = play.client()
        client.says(request)
        origin = play.origin()
        origin.hears_message()
        size = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {sum(map(len, pieces))}"
        origin.says(f"HTTP/1.1 200 OK\n{fields}\n{size}")
        for piece in pieces:
            origin.says(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            origin.says(b"0\r\n\r\n")
        head = client.hears_message(head_only=True)
        body = client.overlooks()
    if head.fields.get("transfer-encoding") == "chunked":
        body = dechunked(body)
    return head, body


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("cuts", [(), (5,), (12, 20), tuple(range(1, len(PAGE)))])
def test_text_is_replaced_wherever_the_pieces_end(cuts: tuple[int, ...], chunked: bool) -> None:
    ends = (0, *cuts, len(PAGE))
    pieces = [PAGE[start:end] for start, end in pairwise(ends)]
    head, body = changed(
        SITE, 'Content-Type: text/html; charset=utf-8\nETag: "a"\nAccept-Ranges: bytes', *pieces, chunked=chunked
    )
    assert body == PUBLIC
    assert head.fields["transfer-encoding"] == "chunked"
    assert head.fields["etag"] == 'W/"a"'
    assert {"content-length", "accept-ranges"}.isdisjoint(head.fields)


@pytest.mark.parametrize(("coding", "coded"), [("gzip", gzip.compress(PAGE)), ("br", brotli.compress(PAGE)), ("identity", PAGE)])
def test_what_is_compressed_is_decompressed_first(coding: str, coded: bytes) -> None:
    head, body = changed(SITE, f"Content-Type: text/html\nContent-Encoding: {coding}\nVary: accept-encoding", coded)
    assert body == PUBLIC
    assert "content-encoding" not in head.fields
    assert head.fields["vary"] == "accept-encoding"


@pytest.mark.parametrize(
    "fields",
    [
        "Content-Type: text/plain",
        "X-None: 1",
        "Content-Type: text/html\nContent-Encoding: compress",
        "Content-Type: text/html\nCache-Control: no-transform",
        "Content-Type: text/html\nCache-Control: public, No-Transform",
    ],
)
def test_other_bodies_pass_as_they_came(fields: str) -> None:
    head, body = changed(SITE, f'{fields}\nETag: "a"', PAGE)
    assert body == PAGE
    assert head.fields["content-length"] == str(len(PAGE))
    assert head.fields["etag"] == '"a"'


def test_types_are_a_matter_of_the_site() -> None:
    site = SITE + "substitute_types = application/javascript text/css\n"
    assert changed(site, "Content-Type: text/css", PAGE)[1] == PUBLIC
    assert changed(site, "Content-Type: text/html", PAGE)[1] == PAGE
    assert changed(SITE + "substitute_types = *\n", "X-None: 1", PAGE)[1] == PUBLIC


def test_lines_work_one_after_the_other() -> None:
    site = ONE + 'substitute =\n  a b\n  ~ b+ "<\\\\g<0>>"\n  "c d" ""\n'.replace("\\\\", "\\")
    assert changed(site, "Content-Type: text/html", b"aab c d x")[1] == b"<bbb>  x"


def test_texts_are_utf_8() -> None:
    site = ONE + "substitute =\n  ü {host}-ö-€\n  ~ (?:é)+ <\\g<0>>\n"
    assert changed(site, "Content-Type: text/html", "ü éé".encode())[1] == "example.com-ö-€ <éé>".encode()


def test_only_the_first_if_only_the_first() -> None:
    site = ONE + "substitute =\n  a x\n  ~ [bc] y\nsubstitute_once = yes\n"
    assert changed(site, "Content-Type: text/html", b"aab", b"bcc")[1] == b"xaybcc"


def test_a_clients_words_are_no_part_of_an_expression() -> None:
    site = ONE + "substitute = ~ (name) {arg.n}\n"
    assert changed(site, "Content-Type: text/html", b"name", request=GET.replace("/ ", "/?n=%5C1%5Cg ", 1))[1] == rb"\1\g"


def test_head_says_what_get_would() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says(GET.replace("GET", "HEAD"))
        origin = play.origin()
        origin.hears_message()
        origin.says('HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: 9\nETag: "a"')
        head = client.hears_message(head_only=True)
        assert head.fields["etag"] == 'W/"a"'
        assert "content-length" not in head.fields


def test_nobody_gets_a_part_of_what_is_changed() -> None:
    with Play(SITE) as play:
        client = play.client()
        for _ in range(2):
            client.says(GET + '\nRange: bytes=5-\nIf-Range: "a"')
            origin = play.same_origin()
            asked = origin.hears_message()
            assert {"range", "if-range"}.isdisjoint(asked.fields)
            origin.says(f"HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: {len(PAGE)}", PAGE)
            assert client.hears_message(head_only=True).status == 200
            assert dechunked(client.overlooks()) == PUBLIC


def test_the_cache_has_what_the_peer_sent(tmp_path: Path) -> None:
    site = f"[cache c]\ndirectory = {tmp_path}\n" + SITE + "cache = c\n"
    with Play(site) as play:
        client = play.client()
        for host in ("example.com", "example.com"):
            client.says(GET.replace("example.com", host))
            if play.has_origin:
                origin = play.origin()
                origin.hears_message()
                origin.says(
                    f'HTTP/1.1 200 OK\nContent-Type: text/html\nETag: "a"\nCache-Control: max-age=9\nContent-Length: {len(PAGE)}',
                    PAGE,
                )
            client.hears_message(head_only=True)
            assert dechunked(client.overlooks()) == PUBLIC
        client.says(GET + '\nIf-None-Match: W/"a"')
        head = client.hears_message(head_only=True)
        assert (head.status, head.fields["etag"]) == (304, 'W/"a"')


def test_old_clients_get_it_until_the_end_of_the_connection() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says("GET / HTTP/1.0\nHost: example.com")
        origin = play.origin()
        origin.hears_message()
        origin.says(f"HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: {len(PAGE)}", PAGE)
        client.hears_message(head_only=True)
        client.hears(PUBLIC)
        client.sees_end()


@pytest.mark.parametrize("ended", [True, False])
def test_a_body_that_is_not_coded_as_it_says_is_cut(ended: bool) -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says(GET)
        origin = play.origin()
        origin.hears_message()
        length = 9 if ended else 10
        origin.says(f"HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Encoding: gzip\nContent-Length: {length}", b"no gzip !")
        client.sees_cut()
        if not ended:
            origin.sees_cut()
        assert play.exchange().reason is not None
        assert play.exchange().reason.name == "bad_content_coding"


def test_a_coding_that_is_cut_short_cuts_the_answer() -> None:
    coded = gzip.compress(PAGE)[:-8]
    with Play(SITE) as play:
        client = play.client()
        client.says(GET)
        origin = play.origin()
        origin.hears_message()
        origin.says(f"HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Encoding: gzip\nContent-Length: {len(coded)}", coded[:20])
        origin.says(coded[20:])
        client.overlooks()
        assert client.was_ended
        assert play.exchange().reason is not None


def test_event_streams_are_not_held_back_by_texts() -> None:
    with Play(SITE + "substitute_types = text/event-stream\n") as play:
        client = play.client()
        client.says(GET)
        origin = play.origin()
        origin.hears_message()
        origin.says("HTTP/1.1 200 OK\nContent-Type: text/event-stream\nTransfer-Encoding: chunked")
        client.hears_message(head_only=True)
        origin.says(b"14\r\ndata: http://inter\n\n\r\n")
        client.hears(b"14\r\ndata: http://inter\n\n\r\n")
        client.resets()
        origin.sees_cut()


def test_clients_of_http_2_get_changed_bodies_too() -> None:
    with Play(SITE + "request_id = X-Request-ID\nresponse_headers = set X-Asked {method} {uri}\n") as play:
        client = Http2Client(play)
        stream = client.asks("GET", "/x")
        origin = play.origin()
        asked = origin.hears_message()
        origin.says(f"HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: {len(PAGE)}", PAGE[:20])
        origin.says(PAGE[20:])
        answer = client.answer(stream)
        assert answer.body == PUBLIC.replace(b"example.com", b"a")
        assert answer.ended
        fields = dict(answer.fields)
        assert (fields["x-asked"], fields["x-request-id"]) == ("GET /x", asked.fields["x-request-id"])
        assert "content-length" not in fields
