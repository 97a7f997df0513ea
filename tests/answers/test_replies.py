"""Replies of our own: small, complete, and silent about what stands behind the proxy."""

from __future__ import annotations

import pytest

from twistedproxy.answers.replies import error, phrase, redirect
from twistedproxy.errors import REASONS, Reason, Whose

ANSWERED = [reason for reason in REASONS.values() if reason.status]


@pytest.mark.parametrize("reason", ANSWERED, ids=str)
def test_an_error_is_a_small_page_of_the_length_that_it_says(reason: Reason) -> None:
    head, body = error(reason)
    assert head.status == reason.status
    assert head.reason
    assert head.headers.get(b"content-length") == b"%d" % len(body) == b"%d" % head.length
    assert len(body) < 1000
    assert body.isascii()
    assert f"{reason.status} {phrase(reason.status)}".encode() in body


@pytest.mark.parametrize("reason", ANSWERED, ids=str)
def test_a_client_reads_what_it_did_wrong_and_nothing_of_what_went_wrong_behind_the_proxy(reason: Reason) -> None:
    _, body = error(reason)
    assert (b"<p>" in body) is (reason.whose is Whose.DOWNSTREAM and reason.status < 500)


@pytest.mark.parametrize("reason", [reason for reason in ANSWERED if reason.status in (503, 504)], ids=str)
def test_who_may_come_back_is_told_when(reason: Reason) -> None:
    assert error(reason)[0].headers.get(b"retry-after") == b"5"


@pytest.mark.parametrize("reason", [reason for reason in ANSWERED if reason.status == 405], ids=str)
def test_405_says_what_is_allowed(reason: Reason) -> None:
    assert b"GET" in (error(reason)[0].headers.get(b"allow") or b"")


def test_a_redirect_says_where_to_in_characters_of_a_uri() -> None:
    head, _ = redirect(301, b"https://example.com/\xc3\xa9 \r\nX: y")
    assert (head.status, head.headers.get(b"location")) == (301, b"https://example.com/%C3%A9%20%0D%0AX:%20y")


def test_an_unknown_status_has_no_phrase() -> None:
    assert phrase(599) == ""
