"""What follows after a failed attempt."""

from __future__ import annotations

from typing import Any

import pytest

from twistedproxy import errors
from twistedproxy.errors import REASONS, Reason, Whose
from twistedproxy.forward.retry import WORDS, RetryPolicy
from twistedproxy.settings.route_knobs import RouteKnobs
from twistedproxy.verdicts import RetryVerdict

#: Its connection ended, which says nothing of the peer.
AGAIN = (errors.KEPT_CLOSED, errors.PEER_LEFT)
UNTOUCHED = [reason for reason in REASONS.values() if reason.untouched and reason.whose is Whose.UPSTREAM and reason not in AGAIN]
WORTH_IT = [errors.PEER_CLOSED, errors.PEER_RESET, errors.READ_TIMEOUT, errors.SEND_TIMEOUT]
HOPELESS = [
    reason
    for reason in REASONS.values()
    if reason.whose is Whose.UPSTREAM and not reason.untouched and reason not in (*WORTH_IT, errors.KEPT_CLOSED)
]


def after(reason: Reason | None, method: bytes = b"GET", knobs: dict[str, Any] | None = None, **now: Any) -> RetryVerdict:
    """What a route with *knobs* does after its first attempt, unless *now* says otherwise."""
    state: dict[str, Any] = {"replayable": True, "answered": False, "attempts": 1, "elapsed": 0.0, **now}
    return RetryPolicy(RouteKnobs(**(knobs or {}))).after(reason, method, **state)


@pytest.mark.parametrize("reason", UNTOUCHED, ids=str)
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_what_reached_no_peer_is_tried_elsewhere_whatever_it_is(reason: Reason, method: bytes) -> None:
    assert after(reason, method) is RetryVerdict.ELSEWHERE


@pytest.mark.parametrize("reason", WORTH_IT, ids=str)
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE"])
def test_what_may_be_repeated_is_tried_elsewhere(reason: Reason, method: bytes) -> None:
    assert after(reason, method, attempts=2) is RetryVerdict.ELSEWHERE


@pytest.mark.parametrize("reason", [*WORTH_IT, errors.KEPT_CLOSED], ids=str)
@pytest.mark.parametrize("method", [b"POST", b"PATCH", b"get", b"MOVE"])
def test_what_must_not_be_repeated_is_given_up_once_sent(reason: Reason, method: bytes) -> None:
    assert after(reason, method) is RetryVerdict.GIVE_UP_SENT


@pytest.mark.parametrize("reason", HOPELESS, ids=str)
def test_what_another_peer_would_answer_likewise_is_given_up(reason: Reason) -> None:
    assert after(reason) is RetryVerdict.GIVE_UP_UNLISTED


def test_a_body_that_is_gone_cannot_be_sent_again() -> None:
    assert after(errors.PEER_CLOSED, b"PUT", replayable=False) is RetryVerdict.GIVE_UP_SENT
    assert after(errors.PEER_CLOSED, b"POST", {"retry_unsafe": True}, replayable=False) is RetryVerdict.GIVE_UP_SENT


def test_what_has_been_answered_in_part_is_not_asked_again() -> None:
    assert after(errors.PEER_CLOSED, answered=True) is RetryVerdict.GIVE_UP_ANSWERED


def test_tries_are_a_bound() -> None:
    assert after(errors.PEER_CLOSED, attempts=3) is RetryVerdict.GIVE_UP_TRIES
    assert after(errors.CONNECT_FAILED, b"POST", {"tries": 1}) is RetryVerdict.GIVE_UP_TRIES


def test_retry_timeout_is_a_bound() -> None:
    knobs = {"retry_timeout": 2.0}
    assert after(errors.PEER_CLOSED, knobs=knobs, elapsed=1.9) is RetryVerdict.ELSEWHERE
    assert after(errors.PEER_CLOSED, knobs=knobs, elapsed=2.0) is RetryVerdict.GIVE_UP_TIME


def test_a_kept_connection_that_closed_says_nothing_of_its_peer() -> None:
    assert after(errors.KEPT_CLOSED, attempts=3) is RetryVerdict.AGAIN
    assert after(errors.PEER_LEFT, b"POST", attempts=3) is RetryVerdict.AGAIN


@pytest.mark.parametrize(("word", "reasons"), WORDS.items())
def test_only_what_retry_names_is_tried_again(word: str, reasons: frozenset[Reason]) -> None:
    for reason in REASONS.values():
        if reason.whose is Whose.UPSTREAM and reason not in AGAIN:
            verdict = RetryVerdict.ELSEWHERE if reason in reasons else RetryVerdict.GIVE_UP_UNLISTED
            assert after(reason, knobs={"retry": (word, "502")}) is verdict, reason


def test_a_listed_status_is_as_good_as_a_failure_that_may_have_changed_something() -> None:
    knobs = {"retry": ("error", "502", "503")}
    assert RetryPolicy(RouteKnobs(**knobs)).statuses == {502, 503}  # type: ignore[arg-type]
    assert after(None, b"GET", knobs) is RetryVerdict.ELSEWHERE
    assert after(None, b"POST", knobs) is RetryVerdict.GIVE_UP_SENT
    assert after(None, b"GET", knobs, attempts=3) is RetryVerdict.GIVE_UP_TRIES


def test_a_site_may_say_that_a_post_is_repeated() -> None:
    assert after(errors.PEER_CLOSED, b"POST", {"retry_unsafe": True}) is RetryVerdict.ELSEWHERE
    assert after(errors.KEPT_CLOSED, b"POST", {"retry_unsafe": True}) is RetryVerdict.AGAIN


@pytest.mark.parametrize(
    ("method", "attempts", "elapsed", "may"),
    [(b"GET", 1, 0.2, True), (b"HEAD", 1, 0.2, True), (b"POST", 1, 0.2, False), (b"GET", 3, 0.2, False), (b"GET", 1, 5.0, False)],
)
def test_only_what_is_safe_is_hedged_within_the_same_bounds(method: bytes, attempts: int, elapsed: float, may: bool) -> None:
    policy = RetryPolicy(RouteKnobs(hedge=0.2, retry_timeout=5.0))
    assert policy.hedge == 0.2
    assert policy.may_hedge(method, attempts, elapsed) is may
    assert RetryPolicy(RouteKnobs()).hedge is None
    assert RetryPolicy(RouteKnobs(hedge=0.2, tries=1)).hedge is None
