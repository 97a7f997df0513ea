"""RFC 9111 §4.3 and §4.4: conditions, 304, HEAD, invalidation."""

from __future__ import annotations

import pytest

from tests.cache.plays import START, date, headers, response
from twistedproxy.cache.outcomes import StoreVerdict
from twistedproxy.cache.validation import (
    client_has,
    conditional_fields,
    freshened_fields,
    head_update,
    invalidated_keys,
    not_modified_fields,
    speaks_of,
)

KEY = b"http://example.com/page"


def test_our_conditions_replace_those_of_the_client() -> None:
    asked = headers('Host: x\nIf-None-Match: "theirs"\nIf-Modified-Since: then')
    stored = headers(f'ETag: "ours"\nLast-Modified: {date()}')
    assert conditional_fields(asked, stored) == headers(f'Host: x\nIf-None-Match: "ours"\nIf-Modified-Since: {date()}')


def test_validators_that_are_repeated_or_malformed_make_no_condition() -> None:
    assert conditional_fields(headers(), headers('ETag: "1"\nLast-Modified: then')) == headers('If-None-Match: "1"')
    assert conditional_fields(headers(), headers(f'ETag: "1"\nETag: "2"\nLast-Modified: {date()}')) == headers(
        f"If-Modified-Since: {date()}"
    )


@pytest.mark.parametrize(
    ("asked", "stored", "status", "has"),
    [
        ('If-None-Match: "1"', 'ETag: "1"', 200, True),
        ('If-None-Match: W/"1"', 'ETag: "1"', 200, True),
        ('If-None-Match: "1"', 'ETag: W/"1"', 200, True),
        ('If-None-Match: "0" , W/"1", "2"', 'ETag: "1"', 200, True),
        ('If-None-Match: "0"\nIf-None-Match: "1"', 'ETag: "1"', 200, True),
        ('If-None-Match: "a,b"', 'ETag: "a,b"', 200, True),
        ('If-None-Match: "a,b"', 'ETag: "a"', 200, False),
        ('If-None-Match: "2"', 'ETag: "1"', 200, False),
        ("If-None-Match: 1", 'ETag: "1"', 200, False),
        ('If-None-Match: "1" "2"', 'ETag: "1"', 200, False),
        ('If-None-Match: "1"', "", 200, False),
        ("If-None-Match: *", "", 200, True),
        ("If-None-Match: *", "", 404, False),
        ('If-None-Match: "1"', 'ETag: "1"', 404, False),
        (f'If-None-Match: "2"\nIf-Modified-Since: {date()}', f'ETag: "1"\nLast-Modified: {date()}', 200, False),
        (f"If-Modified-Since: {date()}", f"Last-Modified: {date()}", 200, True),
        (f"If-Modified-Since: {date(-1)}", f"Last-Modified: {date()}", 200, False),
        (f"If-Modified-Since: {date(-5)}", f"Date: {date(-5)}", 200, True),
        (f"If-Modified-Since: {date(-5)}", "", 200, False),
        (f"If-Modified-Since: {date(5)}", "", 200, True),
        ("If-Modified-Since: yesterday", f"Last-Modified: {date(-9)}", 200, False),
        ("", 'ETag: "1"', 200, False),
    ],
)
def test_section_4_3_2_the_conditions_of_a_client(asked: str, stored: str, status: int, has: bool) -> None:
    assert client_has(headers(asked), status, headers(stored), START) is has


@pytest.mark.parametrize(
    ("answered", "stored", "same"),
    [
        ('ETag: "1"', 'ETag: "1"', True),
        ('ETag: "2"', 'ETag: "1"', False),
        ('ETag: "1"', 'ETag: W/"1"', False),
        ('ETag: W/"1"', 'ETag: "1"', True),
        ('ETag: W/"2"', 'ETag: W/"1"', False),
        ('ETag: "1"', "", False),
        (f"Last-Modified: {date()}", f"Last-Modified: {date()}", True),
        (f"Last-Modified: {date(1)}", f"Last-Modified: {date()}", False),
        ("", 'ETag: "1"', True),
    ],
)
def test_section_4_3_4_which_response_a_304_speaks_of(answered: str, stored: str, same: bool) -> None:
    assert speaks_of(headers(answered), headers(stored)) is same


def test_section_3_2_a_304_updates_the_fields_but_not_what_describes_the_content() -> None:
    stored = headers('Content-Type: a\nX: 1\nX: 2\nY: 1\nETag: "1"\nContent-Encoding: gzip\nDate: old')
    answered = headers('X: 3\nETag: W/"1"\nContent-Encoding: br\nContent-Length: 0\nAge: 3\nConnection: Z\nZ: 1\nDate: new')
    assert freshened_fields(stored, answered) == headers(
        'Content-Type: a\nY: 1\nETag: "1"\nContent-Encoding: gzip\nX: 3\nDate: new\nAge: 3'
    )


def test_a_304_without_date_does_not_keep_the_old_one() -> None:
    assert freshened_fields(headers("Date: old"), headers()) == headers()


@pytest.mark.parametrize(
    ("answered", "verdict"),
    [
        ('ETag: "1"\nContent-Length: 5', StoreVerdict.UPDATED),
        ("", StoreVerdict.UPDATED),
        ('ETag: "2"', StoreVerdict.OUTDATED),
        (f"Last-Modified: {date()}", StoreVerdict.OUTDATED),
        ("Content-Length: 6", StoreVerdict.OUTDATED),
    ],
)
def test_section_4_3_5_what_head_says_of_a_stored_response(answered: str, verdict: StoreVerdict) -> None:
    assert head_update(headers('ETag: "1"'), 5, response(answered)) is verdict


def test_a_304_that_we_answer_has_no_fields_of_the_content() -> None:
    stored = headers(
        f'Content-Type: a\nContent-Encoding: gzip\nETag: "1"\nLast-Modified: {date()}\nVary: x\nCache-Control: public'
    )
    assert not_modified_fields(stored) == headers('ETag: "1"\nVary: x\nCache-Control: public')
    assert not_modified_fields(headers(f"Last-Modified: {date()}")) == headers(f"Last-Modified: {date()}")


@pytest.mark.parametrize(
    ("method", "status", "answered", "keys"),
    [
        (b"POST", 200, "", (KEY,)),
        (b"PURGE-LIKE", 204, "", (KEY,)),
        (b"DELETE", 302, "Location: /new", (KEY, b"http://example.com/new")),
        (b"PUT", 201, "Content-Location: /a\nLocation: /page", (KEY, b"http://example.com/a")),
        (b"POST", 303, "Location: http://evil.example/x", (KEY,)),
        (b"POST", 404, "", ()),
        (b"POST", 500, "", ()),
        (b"GET", 200, "Location: /new", ()),
        (b"HEAD", 200, "", ()),
        (b"OPTIONS", 200, "", ()),
    ],
)
def test_section_4_4_invalidation(method: bytes, status: int, answered: str, keys: tuple[bytes, ...]) -> None:
    assert invalidated_keys(method, KEY, response(answered, status=status)) == keys
