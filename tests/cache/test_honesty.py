"""Cache-Status and X-Cache-Status say what happened."""

from __future__ import annotations

import pytest

from twistedproxy.cache.honesty import cache_status, status_word
from twistedproxy.cache.outcomes import LookupVerdict as L
from twistedproxy.cache.outcomes import Outcome
from twistedproxy.cache.outcomes import StoreVerdict as S


@pytest.mark.parametrize(
    ("verdict", "outcome", "ttl", "fwd_status", "stored", "member", "word"),
    [
        (L.FRESH, Outcome.SERVE, 37, None, None, b"revproxy; hit; ttl=37", b"HIT"),
        (L.FRESH, Outcome.NOT_MODIFIED, 37, None, None, b"revproxy; hit; ttl=37", b"HIT"),
        (L.STALE_ACCEPTED, Outcome.SERVE, -5, None, None, b"revproxy; hit; ttl=-5", b"STALE"),
        (L.NOTHING_STORED, Outcome.FETCH, None, None, S.STORED, b"revproxy; fwd=uri-miss; stored", b"MISS"),
        (L.NOTHING_STORED, Outcome.FETCH, None, None, S.SET_COOKIE, b"revproxy; fwd=uri-miss; detail=set-cookie", b"MISS"),
        (L.NO_VARIANT, Outcome.FETCH, None, None, None, b"revproxy; fwd=vary-miss", b"MISS"),
        (
            L.EXPIRED,
            Outcome.REVALIDATE,
            60,
            304,
            S.FRESHENED,
            b"revproxy; fwd=stale; fwd-status=304; stored; ttl=60",
            b"REVALIDATED",
        ),
        (L.EXPIRED, Outcome.REVALIDATE, None, 200, S.STORED, b"revproxy; fwd=stale; fwd-status=200; stored", b"EXPIRED"),
        (L.EXPIRED, Outcome.FETCH, None, None, S.STORED, b"revproxy; fwd=stale; stored", b"EXPIRED"),
        (L.REQUEST_NO_CACHE, Outcome.FETCH, None, None, S.STORED, b"revproxy; fwd=request; stored", b"BYPASS"),
        (
            L.REQUEST_NO_CACHE,
            Outcome.REVALIDATE,
            None,
            304,
            S.FRESHENED,
            b"revproxy; fwd=request; fwd-status=304; stored",
            b"REVALIDATED",
        ),
        (L.METHOD, Outcome.PASS, None, None, S.PASSED, b"revproxy; fwd=method; detail=method", b"BYPASS"),
        (L.REQUEST_NO_STORE, Outcome.PASS, None, None, None, b"revproxy; fwd=bypass; detail=request-no-store", b"BYPASS"),
        (L.NOTHING_STORED, Outcome.UNAVAILABLE, None, None, None, b"revproxy; detail=only-if-cached", b"MISS"),
    ],
)
def test_the_member_and_the_word(
    verdict: L, outcome: Outcome, ttl: int | None, fwd_status: int | None, stored: S | None, member: bytes, word: bytes
) -> None:
    assert cache_status(b"revproxy", verdict, outcome, ttl=ttl, fwd_status=fwd_status, stored=stored) == member
    assert status_word(verdict, outcome, fwd_status) == word


def test_verdicts_print_as_sentences() -> None:
    assert str(L.EXPIRED) == "the stored response is stale (RFC 9111 §4.2)"
    assert str(S.NO_STORE) == "the response says no-store (RFC 9111 §5.2.2.5)"
    assert len({str(verdict) for verdict in (*L, *S)}) == len(L) + len(S)
