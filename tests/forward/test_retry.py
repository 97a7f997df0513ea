"""What follows after a failed attempt."""

from __future__ import annotations

import pytest

from twistedproxy import errors
from twistedproxy.errors import REASONS, Reason, Whose
from twistedproxy.forward.retry import after
from twistedproxy.verdicts import RetryVerdict

UNTOUCHED = [reason for reason in REASONS.values() if reason.untouched]
WORTH_IT = [errors.PEER_CLOSED, errors.PEER_RESET, errors.READ_TIMEOUT, errors.SEND_TIMEOUT]
HOPELESS = [
    reason
    for reason in REASONS.values()
    if reason.whose is Whose.UPSTREAM and not reason.untouched and reason not in (*WORTH_IT, errors.KEPT_CLOSED)
]


@pytest.mark.parametrize("reason", UNTOUCHED, ids=str)
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_what_reached_no_peer_is_tried_elsewhere_whatever_it_is(reason: Reason, method: bytes) -> None:
    assert after(reason, method, replayable=True, answered=False, attempts=1, tries=3) is RetryVerdict.ELSEWHERE


@pytest.mark.parametrize("reason", WORTH_IT, ids=str)
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE"])
def test_what_may_be_repeated_is_tried_elsewhere(reason: Reason, method: bytes) -> None:
    assert after(reason, method, replayable=True, answered=False, attempts=2, tries=3) is RetryVerdict.ELSEWHERE


@pytest.mark.parametrize("reason", [*WORTH_IT, errors.KEPT_CLOSED], ids=str)
@pytest.mark.parametrize("method", [b"POST", b"PATCH", b"get", b"MOVE"])
def test_what_must_not_be_repeated_is_given_up_once_sent(reason: Reason, method: bytes) -> None:
    assert after(reason, method, replayable=True, answered=False, attempts=1, tries=3) is RetryVerdict.GIVE_UP_SENT


@pytest.mark.parametrize("reason", HOPELESS, ids=str)
def test_what_another_peer_would_answer_likewise_is_given_up(reason: Reason) -> None:
    assert after(reason, b"GET", replayable=True, answered=False, attempts=1, tries=3) is RetryVerdict.GIVE_UP_SENT


def test_a_body_that_is_gone_cannot_be_sent_again() -> None:
    assert after(errors.PEER_CLOSED, b"PUT", replayable=False, answered=False, attempts=1, tries=3) is RetryVerdict.GIVE_UP_SENT


def test_what_has_been_answered_in_part_is_not_asked_again() -> None:
    assert after(errors.PEER_CLOSED, b"GET", replayable=True, answered=True, attempts=1, tries=3) is RetryVerdict.GIVE_UP_ANSWERED


def test_tries_are_a_bound() -> None:
    assert after(errors.PEER_CLOSED, b"GET", replayable=True, answered=False, attempts=3, tries=3) is RetryVerdict.GIVE_UP_TRIES
    assert (
        after(errors.CONNECT_FAILED, b"POST", replayable=True, answered=False, attempts=1, tries=1) is RetryVerdict.GIVE_UP_TRIES
    )


def test_a_kept_connection_that_closed_says_nothing_of_its_peer() -> None:
    assert after(errors.KEPT_CLOSED, b"GET", replayable=True, answered=False, attempts=3, tries=3) is RetryVerdict.AGAIN
