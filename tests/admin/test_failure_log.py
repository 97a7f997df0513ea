"""The operator's log says why an exchange failed, and strangers cannot fill it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.admin.site import Log
from tests.kit.play import Play
from twistedproxy.admin.failure_log import MOST_LINES, FailureLog

SITE = """
[pool app]
servers = app:80
[route /]
pool = app
"""


@pytest.fixture
def lines() -> Iterator[list[str]]:
    with Log(FailureLog.__module__) as log:
        yield log.lines


def watched(play: Play) -> None:
    play.site.failed.append(FailureLog(play.clock).exchange_failed)


def test_a_refused_peer_is_named_with_the_cause(lines: list[str]) -> None:
    with Play(SITE) as play:
        watched(play)
        play.refuses("app:80")
        client = play.client()
        client.says("GET /a?b HTTP/1.1\r\nHost: x.example\r\n\r\n")
        client.overlooks()
    assert lines == [
        "502 for GET x.example/a?b from 192.0.2.1: refused: the peer refused the connection; pool app, peer app:80; "
        "1 attempt: every available peer was tried. "
        "Remedy: nobody listens at that address: start the server, or correct its line in servers. Request 1"
    ]


def test_what_a_client_does_wrong_is_not_the_operators_business(lines: list[str]) -> None:
    with Play(SITE) as play:
        watched(play)
        client = play.client()
        client.says("GET / HTTP/1.1\r\n\r\n")
        client.overlooks()
    assert lines == []


def test_of_many_failures_in_a_second_only_the_number_is_told(lines: list[str]) -> None:
    with Play(SITE) as play:
        watched(play)
        play.refuses("app:80")
        for _ in range(MOST_LINES + 5):
            client = play.client()
            client.says("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            client.overlooks()
        assert len(lines) == MOST_LINES
        play.later(2)
        client = play.client()
        client.says("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        client.overlooks()
    assert lines[MOST_LINES] == "5 more exchanges failed"
