"""RFC 9111 by its sections: what is stored, what is fresh, what may be used."""

from __future__ import annotations

import pytest

from tests.cache.plays import START, date, headers, request, response
from twistedproxy.cache.directives import cache_control
from twistedproxy.cache.freshness import assigned_lifetime, current_age, explicit_lifetime, initial_age
from twistedproxy.cache.outcomes import LookupVerdict, StoreVerdict
from twistedproxy.cache.policy import NO_WISHES, Terms, Wishes, has_validator, may_store, may_use, request_wishes, stored_fields
from twistedproxy.cache.rules import Rules
from twistedproxy.message import RequestHead
from twistedproxy.settings.caches import CacheValid

ETAG = 'ETag: "1"'
VALID: CacheValid = ((frozenset({200, 301}), 600.0), (frozenset({404}), 60.0))


def lifetime(text: str) -> float | None:
    fields = headers(text)
    return explicit_lifetime(fields, cache_control(fields), START)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Cache-Control: s-maxage=5, max-age=60", 5.0),
        ("Cache-Control: s-maxage=x, max-age=60", 0.0),
        (f"Cache-Control: max-age=60\nExpires: {date(10)}", 60.0),
        (f"Cache-Control: max-age=x\nExpires: {date(10)}", 0.0),
        (f"Expires: {date(10)}\nDate: {date(4)}", 6.0),
        (f"Expires: {date(10)}", 10.0),
        (f"Expires: {date(10)}\nDate: nonsense", 10.0),
        (f"Expires: {date(4)}\nDate: {date(10)}", 0.0),
        (f"Expires: {date(10)}\nExpires: {date(5)}", 5.0),
        (f"Expires: {date(10)}\nExpires: 0", 0.0),
        ("Expires: 0", 0.0),
        ("Expires:", 0.0),
        ("", None),
    ],
)
def test_section_4_2_1_freshness_lifetime(text: str, seconds: float | None) -> None:
    assert lifetime(text) == seconds


@pytest.mark.parametrize(
    ("text", "delay", "age"),
    [
        ("", 0.0, 0.0),
        ("", 2.0, 2.0),
        ("Age: 10", 2.0, 12.0),
        (f"Date: {date(-30)}", 2.0, 30.0),
        (f"Date: {date(-30)}\nAge: 40", 0.0, 40.0),
        (f"Date: {date(30)}", 0.0, 0.0),
        ("Age: 10", -100.0, 10.0),
    ],
)
def test_section_4_2_3_age_on_arrival(text: str, delay: float, age: float) -> None:
    assert initial_age(headers(text), START - delay, START) == age


def test_section_4_2_3_age_grows_with_residence_and_never_shrinks() -> None:
    assert current_age(5.0, START, START + 7) == 12.0
    assert current_age(5.0, START, START - 7) == 5.0


def test_the_site_assigns_lifetimes_by_status_first_line_first() -> None:
    assert assigned_lifetime(200, VALID) == 600.0
    assert assigned_lifetime(404, VALID) == 60.0
    assert assigned_lifetime(500, VALID) is None
    assert assigned_lifetime(500, (*VALID, (frozenset(), 5.0))) == 5.0


STORED = [
    ("Cache-Control: max-age=60", "", 200, Terms(0, 60)),
    ("Cache-Control: max-age=60", "", 500, Terms(0, 60)),
    ("Cache-Control: max-age=60\nVary: accept", "Cookie: a=b", 200, Terms(0, 60)),
    (f"Expires: {date(60)}", "", 200, Terms(0, 60)),
    (f"Cache-Control: no-cache\n{ETAG}", "", 200, Terms(0, 0, no_cache=True)),
    (f"Cache-Control: no-cache, max-age=9\n{ETAG}", "", 200, Terms(0, 9, no_cache=True)),
    (f"Cache-Control: max-age=0\n{ETAG}", "", 200, Terms(0, 0)),
    (f"Cache-Control: public\n{ETAG}", "", 500, Terms(0, 0)),
    (f"Cache-Control: max-age=60\nAge: 70\n{ETAG}", "", 200, Terms(70, 60)),
    ('Cache-Control: max-age=60, private="x"', "", 200, Terms(0, 60)),
    ('Cache-Control: max-age=60, no-cache="x"', "", 200, Terms(0, 60)),
    ('Cache-Control: max-age=60, private="set-cookie"\nSet-Cookie: a=b', "", 200, Terms(0, 60)),
    ("Cache-Control: max-age=60, public\nSet-Cookie: a=b", "", 200, Terms(0, 60)),
    ("Cache-Control: s-maxage=60\nSet-Cookie: a=b", "", 200, Terms(0, 60, must_revalidate=True)),
    ("Cache-Control: s-maxage=60", "Authorization: x", 200, Terms(0, 60, must_revalidate=True)),
    ("Cache-Control: max-age=60, public", "Authorization: x", 200, Terms(0, 60)),
    ("Cache-Control: max-age=60, must-revalidate", "Authorization: x", 200, Terms(0, 60, must_revalidate=True)),
    ("Cache-Control: max-age=60, proxy-revalidate", "", 200, Terms(0, 60, must_revalidate=True)),
    ("Cache-Control: max-age=60, no-store, must-understand", "", 200, Terms(0, 60)),
    ("", "", 200, Terms(0, 600)),
    ("", "", 404, Terms(0, 60)),
    ("Cache-Control: public", "", 200, Terms(0, 600)),
    ("Cache-Control: public", "Cookie: a=b", 200, Terms(0, 600)),
    ("Vary: Cookie", "Cookie: a=b", 200, Terms(0, 600)),
]

REFUSED = [
    ("Cache-Control: max-age=60", "", 206, StoreVerdict.STATUS_PARTIAL),
    ("Cache-Control: max-age=60", "", 304, StoreVerdict.STATUS_NOT_MODIFIED),
    ("Cache-Control: max-age=60, no-store, must-understand", "", 299, StoreVerdict.STATUS_NOT_UNDERSTOOD),
    ("Cache-Control: max-age=60; public", "", 200, StoreVerdict.MALFORMED),
    ("Cache-Control: max-age=60, no-store", "", 200, StoreVerdict.NO_STORE),
    ("Cache-Control: max-age=60, No-Store=1", "", 200, StoreVerdict.NO_STORE),
    ("Cache-Control: max-age=60\nCache-Control: no-store", "", 200, StoreVerdict.NO_STORE),
    ("Cache-Control: max-age=60, private", "", 200, StoreVerdict.PRIVATE),
    ("Cache-Control: max-age=60, private=x", "", 200, StoreVerdict.PRIVATE),
    ("Cache-Control: public, s-maxage=60, private", "", 200, StoreVerdict.PRIVATE),
    ("Cache-Control: max-age=60", "Authorization: x", 200, StoreVerdict.AUTHORIZATION),
    ("", "Authorization: x", 200, StoreVerdict.AUTHORIZATION),
    ("Cache-Control: max-age=60\nVary: accept, *", "", 200, StoreVerdict.VARY_STAR),
    ("Cache-Control: max-age=60\nSet-Cookie: a=b", "", 200, StoreVerdict.SET_COOKIE),
    ("Set-Cookie: a=b", "", 200, StoreVerdict.SET_COOKIE),
    ("", "Cookie: a=b", 200, StoreVerdict.COOKIE),
    ("Vary: Accept", "Cookie: a=b", 200, StoreVerdict.COOKIE),
    ("", "", 500, StoreVerdict.SILENT),
    ("Pragma: no-cache", "", 200, StoreVerdict.SILENT),
    (ETAG, "", 500, StoreVerdict.SILENT),
    ("Cache-Control: max-age=0", "", 200, StoreVerdict.NEVER_FRESH),
    ("Cache-Control: no-cache", "", 200, StoreVerdict.NEVER_FRESH),
    ("Cache-Control: no-cache, max-age=60", "", 200, StoreVerdict.NEVER_FRESH),
    ("Cache-Control: public\nPragma: no-cache", "", 200, StoreVerdict.NEVER_FRESH),
    ("Cache-Control: max-age=60\nAge: 60", "", 200, StoreVerdict.NEVER_FRESH),
    ("Expires: 0", "", 200, StoreVerdict.NEVER_FRESH),
]


@pytest.mark.parametrize(("answered", "asked", "status", "verdict"), [*STORED, *REFUSED])
def test_section_3_storing(answered: str, asked: str, status: int, verdict: Terms | StoreVerdict) -> None:
    assert may_store(request(asked), response(answered, status=status), START, START, Rules(VALID)) == verdict


def test_section_3_only_answers_to_get_are_stored() -> None:
    for method in ("HEAD", "POST", "OPTIONS", "get"):
        asked = request(method=method)
        assert may_store(asked, response("Cache-Control: max-age=60"), START, START) is StoreVerdict.METHOD


def test_section_3_1_fields_of_the_connection_and_private_ones_are_not_stored() -> None:
    fields = stored_fields(
        headers(
            """Content-Type: text/plain
            Connection: close, X-Hop
            X-Hop: 1
            Keep-Alive: 5
            Transfer-Encoding: chunked
            Content-Length: 5
            Age: 4
            Proxy-Authenticate: x
            Cache-Control: private="X-Private", no-cache="set-cookie"
            X-Private: 1
            Set-Cookie: a=b
            X-Kept: 1"""
        )
    )
    assert [name for name, _ in fields] == [b"Content-Type", b"Cache-Control", b"X-Kept"]


@pytest.mark.parametrize(
    ("text", "wishes"),
    [
        ("Accept: */*", NO_WISHES),
        ("If-None-Match: x", Wishes()),
        ("Cache-Control: no-cache", Wishes(no_cache=True)),
        ("Cache-Control: b@d", Wishes(no_cache=True)),
        ("Pragma: no-cache", Wishes(no_cache=True)),
        ("Pragma: no-cache\nCache-Control: max-age=5", Wishes(max_age=5)),
        ("Cache-Control: max-age=x", Wishes(max_age=0)),
        ("Cache-Control: min-fresh=5, max-stale=7", Wishes(min_fresh=5, max_stale=7)),
        ("Cache-Control: max-stale", Wishes(max_stale=2**31)),
        ("Cache-Control: max-stale=x", Wishes()),
        ("Cache-Control: only-if-cached", Wishes(only_if_cached=True)),
        ("Cache-Control: no-store", Wishes(passes=LookupVerdict.REQUEST_NO_STORE)),
        ("If-Match: *", Wishes(passes=LookupVerdict.REQUEST_PRECONDITION)),
        ("If-Unmodified-Since: x", Wishes(passes=LookupVerdict.REQUEST_PRECONDITION)),
        ("Range: bytes=0-1", Wishes(ranged=True)),
    ],
)
def test_section_5_2_1_wishes_of_a_request(text: str, wishes: Wishes) -> None:
    assert request_wishes(request(text)) == wishes


@pytest.mark.parametrize(
    ("asked", "verdict"),
    [
        (request(method="POST"), LookupVerdict.METHOD),
        (request(method="OPTIONS", target="*"), LookupVerdict.METHOD),
        (request(target="*"), LookupVerdict.TARGET),
        (request(length=5), LookupVerdict.REQUEST_BODY),
        (request(length=-1), LookupVerdict.REQUEST_BODY),
        (request(upgrade=True), LookupVerdict.REQUEST_UPGRADE),
        (request("Range: bytes=0-1", method="HEAD"), None),
    ],
)
def test_some_requests_are_not_for_the_cache(asked: RequestHead, verdict: LookupVerdict | None) -> None:
    assert request_wishes(asked).passes is verdict


@pytest.mark.parametrize(
    ("terms", "wishes", "after", "verdict"),
    [
        (Terms(0, 60), NO_WISHES, 0, LookupVerdict.FRESH),
        (Terms(0, 60), NO_WISHES, 59.9, LookupVerdict.FRESH),
        (Terms(0, 60), NO_WISHES, 60, LookupVerdict.EXPIRED),
        (Terms(50, 60), NO_WISHES, 10, LookupVerdict.EXPIRED),
        (Terms(0, 60), NO_WISHES, -4, LookupVerdict.FRESH),
        (Terms(0, 60), NO_WISHES, -6, LookupVerdict.CLOCK_WENT_BACK),
        (Terms(0, 60, no_cache=True), NO_WISHES, 0, LookupVerdict.NO_CACHE),
        (Terms(0, 60), Wishes(no_cache=True), 0, LookupVerdict.REQUEST_NO_CACHE),
        (Terms(0, 60), Wishes(max_age=10), 10, LookupVerdict.FRESH),
        (Terms(0, 60), Wishes(max_age=10), 11, LookupVerdict.REQUEST_MAX_AGE),
        (Terms(0, 60), Wishes(min_fresh=10), 50, LookupVerdict.FRESH),
        (Terms(0, 60), Wishes(min_fresh=10), 51, LookupVerdict.REQUEST_MIN_FRESH),
        (Terms(0, 60), Wishes(max_stale=10), 70, LookupVerdict.STALE_ACCEPTED),
        (Terms(0, 60), Wishes(max_stale=10), 71, LookupVerdict.EXPIRED),
        (Terms(0, 60), Wishes(max_stale=10, min_fresh=1), 65, LookupVerdict.EXPIRED),
        (Terms(0, 60), Wishes(max_stale=10, max_age=60), 65, LookupVerdict.REQUEST_MAX_AGE),
        (Terms(0, 60, must_revalidate=True), Wishes(max_stale=10), 65, LookupVerdict.EXPIRED),
    ],
)
def test_section_4_using(terms: Terms, wishes: Wishes, after: float, verdict: LookupVerdict) -> None:
    assert may_use(terms, START, wishes, START + after) is verdict


@pytest.mark.parametrize(
    ("text", "has"),
    [
        (ETAG, True),
        ('ETag: "1"\nETag: "2"', False),
        (f"Last-Modified: {date()}", True),
        ("Last-Modified: yesterday", False),
        (f"Last-Modified: {date()}\nLast-Modified: {date(1)}", False),
        ("", False),
    ],
)
def test_a_validator_is_one_etag_or_one_date(text: str, has: bool) -> None:
    assert has_validator(headers(text)) is has


@pytest.mark.parametrize(
    ("text", "status", "terms"),
    [
        (f"Last-Modified: {date(-1000)}", 200, Terms(0, 100)),
        (f"Last-Modified: {date(-1000)}\nDate: {date(-200)}", 404, Terms(200, 80)),
        (f"Last-Modified: {date(-1000)}\nPragma: x", 200, Terms(0, 100)),
        (f"Last-Modified: {date(-100_000_000)}", 200, Terms(0, 86400)),
        (f"Last-Modified: {date(-1000)}\nCache-Control: public", 599, Terms(0, 100)),
        (f"Last-Modified: {date(-1000)}\nCache-Control: max-age=5", 200, Terms(0, 5)),
        (f"Last-Modified: {date(-1000)}\nCache-Control: no-cache", 200, Terms(0, 0, no_cache=True)),
        (f"Last-Modified: {date(-1000)}", 599, StoreVerdict.SILENT),
        (f"Last-Modified: {date(-1000)}", 302, StoreVerdict.SILENT),
        (f"Last-Modified: {date(-1000)}\nPragma: no-cache", 200, StoreVerdict.SILENT),
        (f"Last-Modified: {date(10)}", 200, StoreVerdict.SILENT),
        ("Last-Modified: yesterday", 200, StoreVerdict.SILENT),
        (ETAG, 200, StoreVerdict.SILENT),
    ],
)
def test_section_4_2_2_freshness_is_guessed_where_the_site_asks_for_it(text: str, status: int, terms: object) -> None:
    assert may_store(request(), response(text, status=status), START, START, Rules(heuristic=True)) == terms


def test_a_guess_does_not_share_what_was_asked_with_a_cookie() -> None:
    answer = f"Last-Modified: {date(-1000)}"
    assert may_store(request("Cookie: a=b"), response(answer), START, START, Rules(heuristic=True)) is StoreVerdict.COOKIE
    answer += "\nVary: Cookie"
    assert may_store(request("Cookie: a=b"), response(answer), START, START, Rules(heuristic=True)) == Terms(0, 100)


def test_cache_valid_goes_before_a_guess() -> None:
    answer = response(f"Last-Modified: {date(-1000)}")
    assert may_store(request(), answer, START, START, Rules(VALID, heuristic=True)) == Terms(0, 600)
