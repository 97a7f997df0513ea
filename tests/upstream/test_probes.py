"""What checks send, and the words in which they say that a peer did not pass; on streams in memory."""

from __future__ import annotations

import errno
import gc
import os
from typing import Any
from weakref import ref

import pytest
from twisted.internet.error import DNSLookupError

from tests.upstream.checks import HERE, OK, TCP, Check, http
from twistedproxy.addresses import Address, Tcp, Unix
from twistedproxy.settings.checks import CheckSettings
from twistedproxy.settings.edits import HeaderEdit
from twistedproxy.settings.servers import ServerSettings
from twistedproxy.transport.tls_problems import TlsProblem
from twistedproxy.wire.proxy_protocol import SIGNATURE


def answered(*answer: str | bytes, ends: bool = False, **knobs: Any) -> str:
    """The outcome of GET /health at a peer that answers so."""
    check = Check(http(), **knobs)
    peer = check.connects()
    peer.says(*answer)
    if ends and not peer.was_ended:
        peer.ends()
    return check.outcome


def test_an_http_check_sends_its_method_target_and_host_and_keeps_nothing_if_the_site_says_so() -> None:
    target = "/health/%7e;v=1?a=%2F&b=c:d{}"
    check = Check(http("GET", target), check_keepalive=False)
    assert check.called == "127.0.0.1:9001"
    peer = check.connects()
    peer.hears(f"GET {target} HTTP/1.1\nHost: 127.0.0.1:9001\nUser-Agent: revproxy (check)\nConnection: close")
    peer.hears_nothing()
    peer.says(OK, b"ok")
    assert check.outcome == "passed"
    peer.sees_end()
    assert not check.clock.getDelayedCalls()


ASKED = "GET /health HTTP/1.1\nHost: 127.0.0.1:9001\nUser-Agent: revproxy (check)"


def test_checks_of_a_peer_that_is_well_use_its_connection_ten_times() -> None:
    check = Check(http())
    peer = check.connects()
    for count in range(10):
        if count:
            check.again()
            assert check.called == ""
        peer.hears(ASKED)
        peer.hears_nothing()
        peer.says(OK, b"ok")
        assert check.outcome == "passed"
    peer.sees_end()
    check.again()
    assert check.called == "127.0.0.1:9001"


def test_a_peer_that_is_not_well_is_asked_on_a_new_connection() -> None:
    check = Check(http())
    peer = check.connects()
    peer.overlooks()
    peer.says("HTTP/1.1 503 Service Unavailable\nContent-Length: 0")
    assert check.outcome == "status 503"
    peer.sees_end()
    check.again()
    assert check.called == "127.0.0.1:9001"


@pytest.mark.parametrize("when", ["between two checks", "as the next one is sent"])
def test_a_peer_may_close_a_kept_connection(when: str) -> None:
    check = Check(http())
    peer = check.connects()
    peer.overlooks()
    peer.says(OK, b"ok")
    if when == "between two checks":
        peer.ends()
        check.again()
    else:
        check.again()
        assert check.called == ""
        peer.overlooks()
        peer.ends()
    assert check.called == "127.0.0.1:9001"
    assert check.outcome == "pending"
    other = check.connects()
    other.hears(ASKED)
    other.says(OK, b"ok")
    assert check.outcome == "passed"


def test_of_a_peer_that_has_left_nothing_is_remembered() -> None:
    check = Check(http(), keepalive_timeout=30.0)

    def passes() -> None:
        peer = check.connects()
        peer.overlooks()
        peer.says(OK, b"ok")
        assert check.outcome == "passed"

    passes()
    found = ServerSettings(Tcp("127.0.0.1", 9002))
    check.again(found)
    passes()
    check.later(31)
    check.again()
    passes()
    left = ref(found)
    del found
    gc.collect()
    assert left() is None


def test_words_that_nobody_asked_for_are_no_answer_to_the_next_check() -> None:
    check = Check(http())
    peer = check.connects()
    peer.overlooks()
    peer.says(OK, b"ok")
    peer.says(OK, b"ok")
    check.again()
    assert check.called == "127.0.0.1:9001"
    assert check.outcome == "pending"


@pytest.mark.parametrize(
    ("address", "knobs", "host"),
    [
        (Tcp("::1", 80), {}, "[::1]"),
        (Tcp("::1", 81), {}, "[::1]:81"),
        (Tcp("10.0.0.1", 443), {}, "10.0.0.1:443"),
        (Unix("/run/app.sock"), {}, "localhost"),
        (Tcp("my_app.internal", 80), {}, "my_app.internal"),
        (HERE, {"check_host": "shop.example.com"}, "shop.example.com"),
        (HERE, {"check_port": 9999}, "127.0.0.1:9001"),
    ],
)
def test_the_host_of_a_check_is_the_address_of_the_peer_unless_the_site_says_another(
    address: Address, knobs: dict[str, Any], host: str
) -> None:
    peer = Check(http(), address, **knobs).connects()
    assert f"\r\nHost: {host}\r\n".encode() in peer.overlooks()


def test_peers_are_checked_at_another_port_if_the_site_says_so_and_sockets_where_they_are() -> None:
    assert Check(TCP, check_port=9999).called == "127.0.0.1:9999"
    assert Check(http(), Tcp("app", 80), check_port=9999).called == "app:9999"
    assert Check(TCP, Unix("/run/app.sock"), check_port=9999).called == "unix:/run/app.sock"


def test_the_site_may_say_the_fields_of_a_check() -> None:
    edits = (
        HeaderEdit("set", "User-Agent", "probe/1"),
        HeaderEdit("add", "Cookie", "a=1"),
        HeaderEdit("add", "Cookie", "b=2"),
    )
    Check(http(), check_request_headers=edits).connects().hears(
        "GET /health HTTP/1.1\nHost: 127.0.0.1:9001\nUser-Agent: probe/1\nCookie: a=1\nCookie: b=2"
    )
    Check(http(), check_request_headers=(HeaderEdit("remove", "user-agent"),)).connects().hears(
        "GET /health HTTP/1.1\nHost: 127.0.0.1:9001"
    )


def test_a_check_by_post_says_that_it_has_no_body() -> None:
    Check(http("POST")).connects().hears(
        "POST /health HTTP/1.1\nHost: 127.0.0.1:9001\nUser-Agent: revproxy (check)\nContent-Length: 0"
    )


@pytest.mark.parametrize(
    ("status", "expect", "outcome"),
    [
        (200, ((200, 399),), "passed"),
        (399, ((200, 399),), "passed"),
        (400, ((200, 399),), "status 400"),
        (503, ((200, 399),), "status 503"),
        (200, ((204, 204), (401, 401)), "status 200"),
        (401, ((204, 204), (401, 401)), "passed"),
    ],
)
def test_the_status_of_the_answer_decides(status: int, expect: tuple[tuple[int, int], ...], outcome: str) -> None:
    assert answered(f"HTTP/1.1 {status} X\nContent-Length: 0", check_expect=expect) == outcome


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    moved = "HTTP/1.1 302 Found\nLocation: http://127.0.0.1:9001/login\nContent-Length: 0"
    assert answered(moved) == "passed"
    assert answered(moved, check_expect=((200, 299),)) == "status 302"


def test_interim_answers_are_passed_over() -> None:
    assert answered("HTTP/1.1 103 Early Hints", OK, b"ok") == "passed"


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        ("X-Ready: yes", "passed"),
        ("X-Ready: no", "x-ready is not as expected"),
        ("X-Other: yes", "the answer has no x-ready"),
        ("X-Ready: no\nX-Ready: yes", "passed"),
    ],
)
def test_a_field_of_the_answer_decides_if_the_site_says_so(line: str, outcome: str) -> None:
    assert answered(f"HTTP/1.1 200 OK\n{line}\nContent-Length: 0", check_header=(("X-Ready", "^yes$"),)) == outcome


def test_the_body_of_the_answer_decides_if_the_site_says_so() -> None:
    assert answered(OK, b"ok", check_body="^o[kh]$") == "passed"
    assert answered(OK, b"no", check_body="ok") == "the body is not as expected"
    assert answered("HTTP/1.1 500 X\nContent-Length: 2", b"ok", check_body="ok") == "status 500"
    assert answered("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"1\r\no\r\n1\r\nk\r\n0\r\n\r\n", check_body="ok") == "passed"
    assert answered("HTTP/1.1 200 OK\nContent-Length: 5", "grün".encode(), check_body="grün") == "passed"


def test_only_the_beginning_of_a_body_is_looked_at() -> None:
    assert answered("HTTP/1.1 200 OK\nContent-Length: 6", b"abcdok", check_body="ok", check_body_size=5) == (
        "the body is not as expected"
    )
    check = Check(http(), check_body="b+", check_body_size=1000)
    peer = check.connects()
    peer.overlooks()
    peer.says("HTTP/1.1 200 OK", b"a" * 999)
    assert check.outcome == "pending"
    peer.says(b"bbb")
    assert check.outcome == "passed"
    peer.sees_cut()


def test_a_head_check_waits_for_no_body() -> None:
    check = Check(http("HEAD"))
    check.connects().says("HTTP/1.1 200 OK\nContent-Length: 99")
    assert check.outcome == "passed"


def test_a_body_is_read_to_its_end_in_every_framing() -> None:
    assert answered("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"2\r\nok\r\n0\r\n\r\n") == "passed"
    assert answered("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"2\r\nok\r\n0\r\nX: y\r\n\r\n") == "passed"
    assert answered("HTTP/1.1 200 OK", b"ok", ends=True) == "passed"
    assert answered(OK, b"o") == "pending"


@pytest.mark.parametrize("size", [64 * 1024, 200 * 1024])
def test_a_body_without_end_is_cut(size: int) -> None:
    check = Check(http())
    peer = check.connects()
    peer.overlooks()
    peer.says("HTTP/1.1 200 OK", bytes(size))
    assert check.outcome == "passed"
    peer.sees_cut()


CUT = "connection closed before the answer was complete"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((b"",), CUT),
        ((b"HTTP/1.1 20",), CUT),
        (("HTTP/1.1 200 OK\nContent-Length: 5", b"ok"), CUT),
        (("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"5\r\nok"), CUT),
        (("HTTP/1.1 500 Oh\nContent-Length: 5", b"oh"), "status 500"),
        (("SSH-2.0-OpenSSH_9.2",), "the answer is not HTTP"),
        (
            ("HTTP/1.1 200 OK\nContent-Length: many",),
            "the peer's Content-Length is malformed or ambiguous (RFC 9112 §6.3): [b'many']",
        ),
        (("HTTP/1.1 101 Switching Protocols\nConnection: upgrade\nUpgrade: x",), "the peer switched protocols"),
    ],
)
def test_an_answer_that_is_cut_or_is_not_http_does_not_pass(answer: tuple[str | bytes, ...], words: str) -> None:
    outcome = answered(*answer, ends=True)
    assert outcome.startswith(words)


def refused(code: int) -> OSError:
    return OSError(code, os.strerror(code))


@pytest.mark.parametrize("check", [http(), TCP])
@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (refused(errno.ECONNREFUSED), "connection refused"),
        (refused(errno.ETIMEDOUT), "connection timed out"),
        (refused(errno.EHOSTUNREACH), "no route to host"),
        (refused(errno.ENOENT), "no such file or directory"),
        (refused(errno.EMFILE), "ours: the proxy has no descriptor or memory left"),
        (DNSLookupError("no address for app:80"), "name not found"),
        (TlsProblem("the other side does not speak TLS"), "TLS handshake failed: the other side does not speak TLS"),
        (TlsProblem("certificate has expired", unverified=True), "certificate has expired"),
        (RuntimeError("odd"), "odd"),
    ],
)
def test_why_no_connection_could_be_made_is_said_in_few_words(check: CheckSettings, reason: Exception, words: str) -> None:
    scene = Check(check)
    scene.cannot_connect(reason)
    assert scene.outcome.startswith(words)


def test_a_tcp_check_connects_and_closes_and_sends_nothing() -> None:
    check = Check(TCP)
    peer = check.connects()
    assert check.outcome == "passed"
    assert peer.overlooks() == b""
    peer.sees_end()


@pytest.mark.parametrize("check", [http(), TCP])
def test_a_check_is_cancelled_while_it_connects(check: CheckSettings) -> None:
    scene = Check(check)
    scene.running.cancel()
    assert scene.outcome == "CancelledError"
    assert scene.was_given_up


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"])
def test_a_check_that_is_cancelled_in_mid_answer_leaves_no_connection_behind(answer: bytes) -> None:
    check = Check(http())
    peer = check.connects()
    peer.overlooks()
    peer.says(answer)
    check.running.cancel()
    assert check.outcome == "CancelledError"
    check.turn()
    peer.sees_cut()
    assert not check.clock.getDelayedCalls()


@pytest.mark.parametrize(("version", "preface"), [("v1", b"PROXY UNKNOWN\r\n"), ("v2", SIGNATURE + b"\x20\x00\x00\x00")])
def test_a_check_says_by_the_proxy_protocol_that_it_is_our_own(version: str, preface: bytes) -> None:
    check = Check(http(), proxy_protocol=version)
    peer = check.connects()
    assert peer.overlooks().startswith(preface + b"GET /health HTTP/1.1\r\n")
    peer.says(OK, b"ok")
    assert check.outcome == "passed"
    check = Check(TCP, proxy_protocol=version)
    assert check.connects().overlooks() == preface
    assert check.outcome == "passed"
