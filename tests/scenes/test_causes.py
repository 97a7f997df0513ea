"""Every answer of 502, 503 and 504 names its cause and what people can do, in the operator's log and in the story."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator

import pytest
from twisted.internet.error import DNSLookupError

from tests.admin.site import Log
from tests.kit.party import Party
from tests.kit.play import Play
from tests.scenes.sites import ANSWER, FIRST, SECOND
from tests.scenes.test_why import GET, live_of, why
from twistedproxy.admin.failure_log import FailureLog
from twistedproxy.errors import REASONS, Whose
from twistedproxy.remedies import remedy_for
from twistedproxy.transport.tls_problems import TlsProblem

ONE = """
[pool app]
servers = 10.0.0.1:80 {more}
{pool}
[route /]
pool = app
read_timeout = 20s
connect_timeout = 5s
{route}
"""


def site(*, more: str = "", pool: str = "", route: str = "") -> str:
    return ONE.format(more=more, pool=pool, route=route)


@pytest.fixture
def log() -> Iterator[list[str]]:
    """The lines about failures."""
    with Log(FailureLog.__module__) as log:
        yield log.lines


def asked(play: Play) -> Party:
    client = play.client()
    client.says(GET)
    return client


def connecting(problem: Exception) -> Callable[[Play], Party]:
    """The connection cannot be made."""

    def happens(play: Play) -> Party:
        play.fails(FIRST, problem)
        return asked(play)

    return happens


def ignored(play: Play) -> Party:
    play.ignores(FIRST)
    client = asked(play)
    play.later(6)
    return client


def answered(*parts: str | bytes, end: str = "") -> Callable[[Play], Party]:
    """The peer says *parts*, and then *end*."""

    def happens(play: Play) -> Party:
        client = asked(play)
        origin = play.origin()
        origin.overlooks()
        if parts:
            origin.says(*parts)
        if end == "silence":
            play.later(25)
        elif end:
            getattr(origin, end)()
        origin.overlooks()
        return client

    return happens


def drained(play: Play) -> Party:
    play.pools["app"].drain(FIRST)
    return asked(play)


def crowded(play: Play) -> Party:
    """One request keeps the only place, the others fail."""
    first = asked(play)
    clients = [asked(play) for _ in range(2)]
    play.later(6)
    origin = play.origin()
    origin.overlooks()
    origin.says(ANSWER, b"hello")
    if origin.overlooks():  # who has waited in the queue
        origin.says(ANSWER, b"hello")
    for each in (first, *clients):
        each.overlooks()
    return clients[-1]


FULL = "max_connections=1"
SCENES = {
    "refused": (
        site(),
        connecting(ConnectionRefusedError(errno.ECONNREFUSED, "")),
        502,
        "refused",
        "connection refused",
        "start",
    ),
    "unreachable": (
        site(),
        connecting(OSError(errno.EHOSTUNREACH, "No route to host")),
        502,
        "connect_failed",
        "unreachable",
        "rou",
    ),
    "name": (site(), connecting(DNSLookupError("no address for app")), 502, "dns", "name not resolved", "getent hosts"),
    "TLS name": (
        site(),
        connecting(TlsProblem("it is for b.example", unverified=True)),
        502,
        "tls_unverified",
        "TLS name",
        "server_name",
    ),
    "TLS": (site(), connecting(TlsProblem("the other side does not speak TLS")), 502, "tls_failed", "TLS handshake", "s_client"),
    "descriptors": (
        site(),
        connecting(OSError(errno.EMFILE, "Too many open files")),
        503,
        "exhausted",
        "out of descriptors",
        "LimitNOFILE",
    ),
    "connect timeout": (site(), ignored, 504, "connect_timeout", "connect timeout", "raise connect_timeout"),
    "header timeout": (site(), answered(end="silence"), 504, "read_timeout", "no answer in time", "raise read_timeout"),
    "closed": (site(), answered(end="leaves"), 502, "peer_closed", "closed before the answer", "crash"),
    "reset": (site(), answered(end="resets"), 502, "peer_reset", "reset before the answer", "crash"),
    "cut": (site(), answered(ANSWER, b"he", end="resets"), 200, "response_cut", "cut in mid-answer", "crash"),
    "cut in order": (site(), answered(ANSWER, b"he", end="leaves"), 200, "response_cut", "cut in mid-answer", "crash"),
    "stopped": (site(), answered(ANSWER, b"he", end="silence"), 200, "read_timeout", "no answer in time", "read_timeout"),
    "malformed": (site(), answered("HTTP/1.1 20 OK"), 502, "bad_response", "malformed answer", "curl"),
    "field": (site(), answered("HTTP/1.1 200 OK\nA B: c"), 502, "bad_response_field", "malformed answer: a header", "curl"),
    "all away": (site(), drained, 503, "no_peer", "no peer is available", "restore()"),
    "full": (site(more=FULL), crowded, 503, "all_full", "all peers are full", "max_connections"),
    "queue full": (site(more=FULL, pool="queue = 1 timeout=60s"), crowded, 503, "queue_full", "queue full", "lengthen"),
    "queue timeout": (
        site(more=FULL, pool="queue = 5 timeout=2s"),
        crowded,
        503,
        "queue_timeout",
        "queue timeout",
        "wait longer",
    ),
}


@pytest.mark.parametrize("name", SCENES)
def test_a_failure_names_its_cause_and_a_remedy(name: str, log: list[str]) -> None:
    text, happens, status, reason, cause, remedy = SCENES[name]
    with Play(text) as play:
        play.site.failed.append(FailureLog(play.clock).exchange_failed)
        live = live_of(play)
        happens(play).overlooks()
        failed = next(past for past in reversed(play.finished) if past.reason is not None)
        story = why(live, failed.number)
    line = next(line for line in log if line.endswith(f"Request {failed.number}"))
    assert line.startswith(f"{status} for GET example.com/a?b from 192.0.2.1: {reason}: ")
    assert remedy in line.partition("Remedy: ")[2]
    assert f"\nfinish   {reason}: " in story
    assert f"\ncause    {cause}" in story
    assert remedy in story.partition("\nremedy   ")[2]
    assert len(log) == len({each.rpartition(" ")[2] for each in log}), "a failure is written once"


def told_by(log: list[str], text: str, happens: Callable[[Play], Party]) -> str:
    """The log's only line when *happens* in the site *text*."""
    with Play(text) as play:
        play.site.failed.append(FailureLog(play.clock).exchange_failed)
        happens(play).overlooks()
    (line,) = log
    return line


def test_an_answer_that_is_cut_tells_how_and_where(log: list[str]) -> None:
    assert "(reset, 3 bytes before the end)" in told_by(log, site(), answered(ANSWER, b"he", end="resets"))


def test_a_peer_that_falls_silent_tells_where_it_did(log: list[str]) -> None:
    assert "(in the middle of the head, nothing came for 20 s)" in told_by(log, site(), answered(b"HTTP/1.1 2", end="silence"))


def test_a_pool_without_peers_tells_why_each_is_away(log: list[str]) -> None:
    def happens(play: Play) -> Party:
        play.refuses(FIRST)
        asked(play).overlooks()
        log.clear()
        return drained(play)

    line = told_by(log, site(), happens)
    assert (
        "; 10.0.0.1:80 is draining: the operator drains it (its last failure: the peer refused the connection). Remedy:" in line
    )


def test_retries_that_come_to_nothing_tell_why(log: list[str]) -> None:
    two = site(pool=f"    {SECOND}", route="retry = error\ntries = 2")

    def happens(play: Play) -> Party:
        for name in (FIRST, SECOND):
            play.refuses(name)
        return asked(play)

    assert "; pool app, peer 10.0.0.2:80; 2 attempts: no try is left. Remedy: " in told_by(log, two, happens)


def test_a_spent_budget_is_told(log: list[str]) -> None:
    two = site(pool=f"    {SECOND}\nretry_budget = 1% min=0", route="retry = error")
    line = told_by(log, two, answered(end="leaves"))
    assert "; 1 attempt: the pool's retry_budget is spent. Remedy: " in line


def test_every_reason_that_is_not_the_clients_has_a_cause_and_a_remedy() -> None:
    for reason in REASONS.values():
        if reason.whose is not Whose.DOWNSTREAM or reason.status in (502, 503, 504):
            remedy = remedy_for(reason)
            assert remedy is not None, f"{reason} needs a cause and a remedy in twistedproxy/remedies.py"
            assert remedy.cause and remedy.remedy and not remedy.remedy.endswith("."), reason
