"""Bodies in every framing, in both directions, and answers that have none."""

from __future__ import annotations

import pytest

from tests.kit.play import Play
from tests.scenes.sites import ANSWER, ASKED, FORWARDED, ONE

POSTED = "POST / HTTP/1.1\nHost: a\nContent-Length: 5"
POSTED_ON = "POST / HTTP/1.1\nHost: a\nContent-Length: 5\nVia: 1.1 twistedproxy"
CHUNKED = "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked"
CHUNKED_ON = "POST / HTTP/1.1\nHost: a\nVia: 1.1 twistedproxy\nTransfer-Encoding: chunked"
NO_CONTENT = "HTTP/1.1 204 No Content"


@pytest.mark.parametrize("slowly", [False, True])
@pytest.mark.parametrize("answer_chunked", [False, True])
@pytest.mark.parametrize("request_chunked", [False, True])
def test_a_framing_is_passed_on_in_either_direction(request_chunked: bool, answer_chunked: bool, slowly: bool) -> None:
    with Play(ONE) as play:
        client = play.client()
        say = client.says_slowly if slowly else client.says
        if request_chunked:
            say(CHUNKED, b"5;ext=1\r\nhello\r\n0\r\n\r\n")
        else:
            say(POSTED, b"hello")
        origin = play.origin()
        if not request_chunked:
            origin.hears(POSTED_ON, b"hello")
        else:
            origin.hears(CHUNKED_ON)
            assert unchunked(origin.heard) == b"hello"
            origin.hears(origin.heard)
        say = origin.says_slowly if slowly else origin.says
        if not answer_chunked:
            say(ANSWER, b"world")
            client.hears(ANSWER, b"world")
        else:
            say("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"3\r\nwor\r\n2\r\nld\r\n0\r\n\r\n")
            client.hears("HTTP/1.1 200 OK\nTransfer-Encoding: chunked")
            assert unchunked(client.heard) == b"world"
            client.hears(client.heard)
        assert play.exchange().bytes_received == 5
        assert play.exchange().bytes_sent == 5
        assert play.idle() == 1


def unchunked(data: bytes) -> bytes:
    """The payload of a complete chunked body without trailers."""
    body = b""
    while True:
        line, _, data = data.partition(b"\r\n")
        size = int(line, 16)
        if size == 0:
            assert data == b"\r\n"
            return body
        body += data[:size]
        assert data[size : size + 2] == b"\r\n"
        data = data[size + 2 :]


def test_trailers_of_an_answer_reach_the_client_behind_the_body() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(
            "HTTP/1.1 200 OK\nTrailer: X-Sum\nTransfer-Encoding: chunked",
            b"2\r\nhi\r\n0\r\nX-Sum: 7\r\nContent-Length: 9\r\n\r\n",
        )
        client.hears("HTTP/1.1 200 OK\nTrailer: X-Sum\nTransfer-Encoding: chunked", b"2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n")


@pytest.mark.parametrize("kept", [False, True])
def test_trailers_of_a_request_reach_the_peer_behind_the_body(kept: bool) -> None:
    with Play(ONE) as play:
        client = play.client()
        if kept:
            client.says(ASKED)
            origin = play.origin()
            origin.hears(FORWARDED)
            origin.says(NO_CONTENT)
            client.hears(NO_CONTENT)
        client.says(CHUNKED, b"2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n")
        if not kept:
            origin = play.origin()
        origin.hears(CHUNKED_ON, b"2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n")
        origin.says(NO_CONTENT)
        client.hears(NO_CONTENT)


def test_a_body_that_comes_before_there_is_a_connection_is_kept_for_it() -> None:
    with Play(ONE) as play:
        play.ignores("10.0.0.1:80")
        client = play.client()
        client.says("POST / HTTP/1.1\nHost: a\nContent-Length: 10")
        client.says(b"01234")
        client.says(b"56789")
        play.accepts("10.0.0.1:80")
        play.later(6)
        client.hears_message()
        assert play.exchange().status == 504
        assert play.exchange().reason is not None
        client.says("POST / HTTP/1.1\nHost: a\nContent-Length: 10")
        client.says(b"01234")
        client.says(b"56789")
        origin = play.origin()
        origin.hears("POST / HTTP/1.1\nHost: a\nContent-Length: 10\nVia: 1.1 twistedproxy", b"0123456789")
        origin.says(NO_CONTENT)
        client.hears(NO_CONTENT)


@pytest.mark.parametrize(
    "answer",
    [
        "HTTP/1.1 200 OK\nContent-Length: 1000",
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked",
        "HTTP/1.1 200 OK\nX-Nothing: said",
    ],
)
def test_an_answer_to_head_has_no_body_whatever_it_says(answer: str) -> None:
    with Play(ONE) as play:
        client = play.client()
        for _ in range(2):
            client.says("HEAD / HTTP/1.1\nHost: a")
            origin = play.same_origin()
            origin.hears("HEAD / HTTP/1.1\nHost: a\nVia: 1.1 twistedproxy")
            origin.says(answer)
            client.hears(answer.replace("\nTransfer-Encoding: chunked", ""))
        assert play.idle() == 1


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_without_a_body_ends_with_its_head(status: str) -> None:
    with Play(ONE) as play:
        client = play.client()
        for _ in range(2):
            client.says(ASKED)
            origin = play.same_origin()
            origin.hears(FORWARDED)
            origin.says(f"HTTP/1.1 {status}\nETag: x\nContent-Length: 100")
            client.hears(f"HTTP/1.1 {status}\nETag: x" + ("\nContent-Length: 100" if "304" in status else ""))
        assert play.idle() == 1


def test_an_empty_body_is_said_to_be_empty() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says("POST / HTTP/1.1\nHost: a\nContent-Length: 0")
        origin = play.origin()
        origin.hears("POST / HTTP/1.1\nHost: a\nContent-Length: 0\nVia: 1.1 twistedproxy")
        origin.says("HTTP/1.1 200 OK\nContent-Length: 0")
        client.hears("HTTP/1.1 200 OK\nContent-Length: 0")
        client.says(CHUNKED, b"0\r\n\r\n")
        origin.hears(CHUNKED_ON, b"0\r\n\r\n")
        origin.says("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"0\r\n\r\n")
        client.hears("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"0\r\n\r\n")


def test_an_answer_that_ends_with_its_connection_becomes_chunked() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.0 200 OK\nX: y", b"hel")
        client.hears("HTTP/1.1 200 OK\nX: y\nTransfer-Encoding: chunked", b"3\r\nhel\r\n")
        origin.says(b"lo")
        client.hears(b"2\r\nlo\r\n")
        origin.leaves()
        client.hears(b"0\r\n\r\n")
        client.hears_nothing()


def test_a_length_that_the_peers_connection_field_names_is_still_said() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nConnection: content-length\nContent-Length: 5", b"hello")
        client.hears("HTTP/1.1 200 OK\nContent-Length: 5", b"hello")


def test_continue_is_asked_of_the_peer_and_passed_back() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says("PUT / HTTP/1.1\nHost: a\nContent-Length: 5\nExpect: 100-continue")
        origin = play.origin()
        origin.hears("PUT / HTTP/1.1\nHost: a\nContent-Length: 5\nExpect: 100-continue\nVia: 1.1 twistedproxy")
        client.hears_nothing()
        origin.says("HTTP/1.1 100 Continue")
        client.hears("HTTP/1.1 100 Continue")
        client.says(b"hello")
        origin.hears(b"hello")
        origin.says(NO_CONTENT)
        client.hears(NO_CONTENT)
        assert play.idle() == 1


def test_a_peer_that_will_not_have_the_body_says_so_and_both_connections_close() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says("PUT / HTTP/1.1\nHost: a\nContent-Length: 5\nExpect: 100-continue")
        origin = play.origin()
        origin.hears("PUT / HTTP/1.1\nHost: a\nContent-Length: 5\nExpect: 100-continue\nVia: 1.1 twistedproxy")
        origin.says("HTTP/1.1 403 Forbidden\nContent-Length: 0")
        client.hears("HTTP/1.1 403 Forbidden\nContent-Length: 0\nConnection: close")
        client.sees_end()
        origin.sees_end()


def test_an_expectation_of_an_http_1_0_client_goes_no_further() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says("PUT / HTTP/1.0\nHost: a\nContent-Length: 5\nExpect: 100-continue", b"hello")
        origin = play.origin()
        origin.hears("PUT / HTTP/1.1\nHost: a\nContent-Length: 5\nVia: 1.0 twistedproxy", b"hello")
        origin.says(NO_CONTENT)
        client.hears("HTTP/1.1 204 No Content\nConnection: close")
        client.sees_end()


def test_interim_answers_are_passed_on_as_they_come() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 103 Early Hints\nLink: </a>\nConnection: x\nX: 1\nY: 2")
        client.hears("HTTP/1.1 103 Early Hints\nLink: </a>\nY: 2")
        origin.says("HTTP/1.1 102 Processing", "HTTP/1.1 103 Early Hints\nLink: </b>", ANSWER, b"hello")
        client.hears("HTTP/1.1 102 Processing", "HTTP/1.1 103 Early Hints\nLink: </b>", ANSWER, b"hello")


def test_an_http_1_0_client_gets_no_interim_answer() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says("GET / HTTP/1.0\nHost: example.com")
        origin = play.origin()
        origin.hears("GET / HTTP/1.1\nHost: example.com\nVia: 1.0 twistedproxy")
        origin.says("HTTP/1.1 103 Early Hints\nLink: </a>", ANSWER, b"hello")
        client.hears("HTTP/1.1 200 OK\nContent-Length: 5\nConnection: close", b"hello")
        client.sees_end()
