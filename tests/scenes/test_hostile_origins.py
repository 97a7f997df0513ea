"""Origins that send what they must not: each has an outcome, and none of it reaches another request."""

from __future__ import annotations

import pytest

from tests.kit.play import Play
from tests.scenes.sites import ANSWER, ASKED, FORWARDED, ONE

BAD: dict[str, tuple[bytes, str]] = {
    "no HTTP at all": (b"SSH-2.0-OpenSSH\r\n", "bad_response"),
    "HTTP/0.9": (b"<html>hello</html>", "bad_response"),
    "another version": (b"HTTP/2.0 200 OK\r\n\r\n", "bad_response"),
    "a status of four digits": (b"HTTP/1.1 2000 OK\r\n\r\n", "bad_response"),
    "a status below 100": (b"HTTP/1.1 099 OK\r\n\r\n", "bad_response"),
    "two spaces before the status": (b"HTTP/1.1  200 OK\r\n\r\n", "bad_response"),
    "a bare LF behind the status line": (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "bad_response"),
    "a folded field": (b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n", "bad_response_field"),
    "a field without a colon": (b"HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 0\r\n\r\n", "bad_response_field"),
    "NUL in a value": (b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n", "bad_response_field"),
    "both lengths": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "bad_response_length",
    ),
    "two different lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "bad_response_length"),
    "a length with a sign": (b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", "bad_response_length"),
    "an unknown coding": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello", "bad_response_coding"),
    "a coding in HTTP/1.0": (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "bad_response_length"),
    "a chunk that is none": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "bad_response_chunk"),
    "a head beyond all measure": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", "response_head_too_large"),
    "a head that does not end": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 40_000, "response_head_too_large"),
    "too many fields": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 600 + b"\r\n", "response_head_too_large"),
    "an upgrade that nobody asked for": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "unasked_upgrade"),
}


@pytest.mark.parametrize("case", BAD)
def test_the_client_gets_502_and_the_connection_is_not_used_again(case: str) -> None:
    said, reason = BAD[case]
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(said)
        assert client.hears_message().status == 502
        assert str(play.exchange().reason) == reason
        assert play.calls == ["10.0.0.1:80"], "what one peer answers to a request, another will answer too"
        origin.sees_cut()
        assert play.idle() == 0
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_a_flood_of_interim_answers_ends_at_a_bound() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(*["HTTP/1.1 103 Early Hints"] * 1000)
        client.hears(*["HTTP/1.1 103 Early Hints"] * 32)
        assert client.hears_message().status == 502
        assert str(play.exchange().reason) == "too_many_interim"
        origin.sees_cut()


def test_a_broken_chunk_in_mid_answer_cuts_the_client() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"5\r\nhello\r\n")
        origin.says(b"zz\r\n")
        client.hears("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"5\r\nhello\r\n")
        client.sees_cut()
        origin.sees_cut()
        assert str(play.exchange().reason) == "bad_response_chunk"


def test_a_space_before_a_colon_is_taken_away() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(b"HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n")
        client.hears("HTTP/1.1 200 OK\nX: y\nContent-Length: 0")


def test_a_status_line_without_a_reason_and_an_unknown_status_pass() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(b"HTTP/1.1 599\r\nContent-Length: 0\r\n\r\n")
        client.hears(b"HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n")


def test_an_answer_of_http_1_0_keeps_the_connection_only_if_it_says_so() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.0 200 OK\nContent-Length: 5\nConnection: keep-alive", b"hello")
        client.hears(ANSWER, b"hello")
        client.says(ASKED)
        origin.hears(FORWARDED)
        origin.says("HTTP/1.0 200 OK\nContent-Length: 5", b"hello")
        client.hears(ANSWER, b"hello")
        origin.sees_end()
