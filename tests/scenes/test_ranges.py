"""Parts of stored responses, as clients see them (RFC 9110 §14)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.party import Party
from tests.kit.play import Play
from tests.scenes.sites import ASKED, FORWARDED
from tests.scenes.test_caching import SITE, filled

LARGE = bytes(range(250)) * 8_000


def part_of(client: Party, ranges: str, *more: str) -> None:
    """The client asks for parts."""
    client.says("\n".join((ASKED.strip(), f"Range: {ranges}", *more)))


def test_parts_are_served_from_what_is_stored(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        filled(play)
        client = play.client()
        for asked, sent, part in (("1-2", "1-2", b"el"), ("3-", "3-4", b"lo"), ("-1", "4-4", b"o"), ("-9", "0-4", b"hello")):
            part_of(client, f"bytes={asked}")
            client.hears(
                f"""
                HTTP/1.1 206 Partial Content
                Cache-Control: max-age=60
                ETag: "v1"
                Content-Range: bytes {sent}/5
                Content-Length: {len(part)}
                Age: 0
                Cache-Status: twistedproxy; hit; ttl=60
                X-Cache-Status: HIT
                """,
                part,
            )
        assert (play.exchange().status, play.exchange().bytes_sent) == (206, 5)


def test_a_part_that_does_not_exist_is_416(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        filled(play)
        client = play.client()
        part_of(client, "bytes=5-")
        client.hears("""
            HTTP/1.1 416 Range Not Satisfiable
            Content-Range: bytes */5
            Content-Length: 0
            Age: 0
            Cache-Status: twistedproxy; hit; ttl=60
            X-Cache-Status: HIT
        """)


def test_if_range_of_another_representation_is_answered_with_the_whole(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        filled(play)
        client = play.client()
        part_of(client, "bytes=0-1", 'If-Range: "v1"')
        assert client.hears_message().body == b"he"
        part_of(client, "bytes=0-1", 'If-Range: "v0"')
        whole = client.hears_message()
        assert (whole.status, whole.body) == (200, b"hello")


def test_several_parts_come_as_one_message(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        filled(play)
        client = play.client()
        part_of(client, "bytes=3-4,0-0")
        answer = client.hears_message()
        assert answer.status == 206
        boundary = answer.fields["content-type"].removeprefix("multipart/byteranges; boundary=").encode()
        assert answer.body == (
            b"\r\n--%b\r\nContent-Range: bytes 3-4/5\r\n\r\nlo\r\n--%b\r\nContent-Range: bytes 0-0/5\r\n\r\nh\r\n--%b--\r\n"
            % (boundary, boundary, boundary)
        )


@pytest.mark.parametrize(("first", "last"), [(0, 1_999_999), (262_143, 262_144), (700_000, 1_500_000), (1_999_999, 1_999_999)])
def test_parts_of_a_large_body_are_read_from_disk_for_slow_clients_too(tmp_path: Path, first: int, last: int) -> None:
    with Play(SITE, tmp_path) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(f"HTTP/1.1 200 OK\nCache-Control: max-age=60\nContent-Length: {len(LARGE)}", LARGE)
        assert client.hears_message().body == LARGE
        slow = play.client()
        slow.stops_reading(room=10_000)
        part_of(slow, f"bytes={first}-{last}")
        slow.reads_on()
        assert slow.hears_message().body == LARGE[first : last + 1]


def test_a_part_that_a_peer_sends_is_never_taken_for_the_whole(tmp_path: Path) -> None:
    partial = """
        HTTP/1.1 206 Partial Content
        Cache-Control: max-age=60
        Content-Range: bytes 0-1/5
        Content-Length: 2
    """
    with Play(SITE, tmp_path) as play:
        client = play.client()
        part_of(client, "bytes=0-1")
        origin = play.origin()
        origin.hears("GET / HTTP/1.1\nHost: example.com\nRange: bytes=0-1\nVia: 1.1 twistedproxy")
        origin.says(partial, b"he")
        client.hears(
            partial.rstrip()
            + """
            Cache-Status: twistedproxy; fwd=uri-miss; stored
            X-Cache-Status: MISS
            """,
            b"he",
        )
        # Not even when the peer sends a part that nobody has asked for.
        client.says(ASKED)
        origin.hears(FORWARDED)
        origin.says(partial, b"he")
        answer = client.hears_message()
        assert "detail=status-partial" in answer.fields["cache-status"]
        client.says(ASKED)
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 5", b"hello")
        assert client.hears_message().body == b"hello"


DATE = "Date: Fri, 15 Jan 2027 08:00:00 GMT"


def sends_part(origin: Party, where: str, body: bytes, *fields: str) -> None:
    """The origin was asked, and answers with a part."""
    assert b"Range: bytes=" in origin.overlooks()
    more = "\n".join(fields or ('ETag: "v1"', "Cache-Control: max-age=60"))
    origin.says(f"HTTP/1.1 206 Partial Content\n{more}\nContent-Range: bytes {where}\nContent-Length: {len(body)}", body)


def got(client: Party, status: int = 206) -> tuple[bytes, str, str]:
    """The body, Content-Range and X-Cache-Status of an answer."""
    answer = client.hears_message()
    assert answer.status == status
    return answer.body, answer.fields.get("content-range", ""), answer.fields["x-cache-status"]


@pytest.mark.parametrize(
    ("wanted", "where", "body"),
    [
        ("bytes=2-6", "bytes 2-6/10", b"23456"),
        ("bytes=3-4", "bytes 3-4/10", b"34"),
        ("bytes=-4", "", b""),
        ("bytes=5-", "", b""),
        ("bytes=0-3", "", b""),
        ("bytes=2-2,4-4", "multipart", b""),
    ],
)
def test_a_stored_part_serves_requests_for_what_is_in_it(tmp_path: Path, wanted: str, where: str, body: bytes) -> None:
    with Play(SITE, tmp_path) as play:
        client = play.client()
        part_of(client, "bytes=2-6")
        origin = play.origin()
        sends_part(origin, "2-6/10", b"23456")
        assert got(client) == (b"23456", "bytes 2-6/10", "MISS")
        part_of(client, wanted)
        if where == "multipart":
            answer = client.hears_message()
            assert answer.body.count(b"Content-Range: bytes") == 2
            assert b"bytes 2-2/10\r\n\r\n2\r\n" in answer.body
            assert "content-range" not in answer.fields
        elif where:
            assert got(client) == (body, where, "HIT")
            # If-Range names another representation: the whole is asked for.
            part_of(client, wanted, 'If-Range: "v0"')
            assert origin.overlooks()
            origin.says("HTTP/1.1 200 OK\nCache-Control: max-age=60\nContent-Length: 10", b"0123456789")
            assert got(client, 200)[0] == b"0123456789"
        else:
            assert origin.overlooks()
            origin.says(
                "HTTP/1.1 206 Partial Content\nCache-Control: no-store\nContent-Range: bytes 0-0/10\nContent-Length: 1", b"0"
            )
            answer = client.hears_message()
            assert answer.fields["cache-status"] == "twistedproxy; fwd=partial; detail=no-store"


def test_parts_that_meet_become_one_and_at_last_the_whole(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        client = play.client()
        part_of(client, "bytes=3-5")
        origin = play.origin()
        sends_part(origin, "3-5/10", b"345")
        for wanted, where, body in (("6-9", "6-9/10", b"6789"), ("0-4", "0-4/10", b"01234")):
            client.overlooks()
            part_of(client, f"bytes={wanted}")
            sends_part(origin, where, body)
        client.overlooks()
        part_of(client, "bytes=1-8")
        assert got(client) == (b"12345678", "bytes 1-8/10", "HIT")
        client.says(ASKED)
        assert got(client, 200) == (b"0123456789", "", "HIT")


@pytest.mark.parametrize(
    "fields",
    [
        ('ETag: "v2"', "Cache-Control: max-age=60"),
        ('ETag: W/"v1"', "Cache-Control: max-age=60"),
        ("Last-Modified: Thu, 14 Jan 2027 08:00:00 GMT", "Cache-Control: max-age=60"),
        ('ETag: "v1"', "Cache-Control: max-age=60", "Vary: Accept"),
    ],
)
def test_parts_of_what_may_be_different_are_never_joined(tmp_path: Path, fields: tuple[str, ...]) -> None:
    with Play(SITE, tmp_path) as play:
        client = play.client()
        part_of(client, "bytes=0-4")
        origin = play.origin()
        sends_part(origin, "0-4/10", b"01234")
        client.overlooks()
        part_of(client, "bytes=5-9")
        sends_part(origin, "5-9/10", b"56789", *fields)
        client.overlooks()
        client.says(ASKED)
        assert origin.overlooks()
        origin.says("HTTP/1.1 200 OK\nContent-Length: 3", b"new")
        assert got(client, 200)[0] == b"new"


def test_a_large_object_that_is_asked_for_from_its_start_is_stored_as_a_whole(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        client = play.client()
        part_of(client, "bytes=0-")
        origin = play.origin()
        sends_part(origin, f"0-{len(LARGE) - 1}/{len(LARGE)}", LARGE)
        assert got(client)[0] == LARGE
        client.says(ASKED)
        assert got(client, 200) == (LARGE, "", "HIT")


def test_large_parts_are_joined_on_disk(tmp_path: Path) -> None:
    half = len(LARGE) // 2
    with Play(SITE, tmp_path) as play:
        client = play.client()
        part_of(client, f"bytes=0-{half - 1}")
        origin = play.origin()
        sends_part(origin, f"0-{half - 1}/{len(LARGE)}", LARGE[:half])
        client.overlooks()
        part_of(client, f"bytes={half - 10}-")
        sends_part(origin, f"{half - 10}-{len(LARGE) - 1}/{len(LARGE)}", LARGE[half - 10 :])
        client.overlooks()
        client.says(ASKED)
        assert got(client, 200) == (LARGE, "", "HIT")
        assert play.caches["pages"].stats().files == 1


@pytest.mark.parametrize(
    ("fields", "body", "detail"),
    [
        ("Content-Range: bytes 0-4/10\nContent-Length: 4", b"0123", "cut"),
        ("Content-Range: bytes 0-4/*\nContent-Length: 5", b"01234", "status-partial"),
        ("Content-Range: bytes 4-0/10\nContent-Length: 5", b"01234", "status-partial"),
        ("Content-Range: bytes 0-9/5\nContent-Length: 5", b"01234", "status-partial"),
        ("Content-Type: multipart/byteranges; boundary=x\nContent-Length: 5", b"01234", "status-partial"),
    ],
)
def test_a_part_that_does_not_say_what_it_is_is_not_stored(tmp_path: Path, fields: str, body: bytes, detail: str) -> None:
    with Play(SITE, tmp_path) as play:
        client = play.client()
        part_of(client, "bytes=0-4")
        origin = play.origin()
        assert origin.overlooks()
        origin.says(f"HTTP/1.1 206 Partial Content\nCache-Control: max-age=60\n{fields}", body)
        assert client.hears_message().fields["cache-status"] == f"twistedproxy; fwd=uri-miss; detail={detail}"


def test_an_answer_about_the_part_alone_is_not_stored(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        client = play.client()
        part_of(client, "bytes=99-")
        origin = play.origin()
        assert origin.overlooks()
        origin.says("HTTP/1.1 416 Range Not Satisfiable\nCache-Control: max-age=60\nContent-Length: 0")
        assert client.hears_message().fields["cache-status"] == "twistedproxy; fwd=uri-miss; detail=status-range"


def test_an_origin_that_ignores_range_is_stored_as_ever(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        client = play.client()
        part_of(client, "bytes=1-2")
        origin = play.origin()
        assert origin.overlooks()
        origin.says("HTTP/1.1 200 OK\nCache-Control: max-age=60\nContent-Length: 5", b"hello")
        assert got(client, 200)[0] == b"hello"
        part_of(client, "bytes=1-2")
        assert got(client) == (b"el", "bytes 1-2/5", "HIT")
