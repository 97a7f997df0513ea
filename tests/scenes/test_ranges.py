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


def test_a_part_of_what_is_not_stored_is_the_peers_and_never_taken_for_the_whole(tmp_path: Path) -> None:
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
            Cache-Status: twistedproxy; fwd=bypass; detail=request-range
            X-Cache-Status: BYPASS
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
