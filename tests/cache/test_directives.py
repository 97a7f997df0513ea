"""Cache-Control, Age, Pragma and HTTP-dates, well-formed and not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cache.plays import START, headers
from twistedproxy.cache.dates import format_date, parse_date, single_date
from twistedproxy.cache.directives import FOREVER, age_value, cache_control, parse_directives, pragma_no_cache


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"max-age=60", 60),
        (b"MAX-AGE=60", 60),
        (b'max-age="60"', 60),
        (b"public,max-age=60 , foo=bar", 60),
        (b',, foo="a, max-age=1" ,max-age=007', 7),
        (b"max-age=60, max-age=10", 10),
        (b"max-age=99999999999999999999", FOREVER),
        (b"max-age=" + b"9" * 400, FOREVER),
        (b"max-age=" + b"0" * 400, 0),
        (b"max-age", 0),
        (b"max-age=-1", 0),
        (b"max-age=1.5", 0),
        (b"max-age=1_0", 0),
        (b"max-age='60'", 0),
        (b'max-age=""', 0),
        (b"max-age=60, max-age=x", 0),
        (b"s-maxage=60", None),
        (b"", None),
    ],
)
def test_a_lifetime_is_the_number_said_or_the_shortest_or_nothing(value: bytes, seconds: int | None) -> None:
    assert parse_directives(value).seconds(b"max-age", safe=0) == seconds


def test_a_demand_that_is_malformed_or_repeated_counts_as_the_greatest() -> None:
    assert parse_directives(b"min-fresh=x").seconds(b"min-fresh", safe=FOREVER) == FOREVER
    assert parse_directives(b"min-fresh=1, min-fresh=5").seconds(b"min-fresh", safe=FOREVER) == 5


@pytest.mark.parametrize(
    "value",
    [
        b"max-age =60",
        b"max-age= 60",
        b"public; max-age=60",
        b'foo="open',
        b"a b",
        b"=5",
        b"max-age=60, @",
        b'x="a"b',
        b"\xe9",
        b"a=b=c",
    ],
)
def test_what_is_not_a_directive_makes_the_field_malformed(value: bytes) -> None:
    assert parse_directives(value).malformed


def test_what_follows_a_malformed_part_is_still_read() -> None:
    directives = parse_directives(b"b@d, no-store")
    assert directives.malformed
    assert b"no-store" in directives


def test_lines_are_joined_and_absence_is_empty() -> None:
    assert cache_control(headers("Cache-Control: a\nCache-Control: max-age=3")).seconds(b"max-age", safe=0) == 3
    assert not cache_control(headers())
    assert parse_directives(b"@")


@pytest.mark.parametrize(
    ("value", "whole", "fields"),
    [
        (b"private", True, set()),
        (b'private="Set-Cookie, x"', False, {b"set-cookie", b"x"}),
        (b"private=set-cookie", True, set()),
        (b'private=""', True, set()),
        (b'private="a b"', True, set()),
        (b'private, private="x"', True, {b"x"}),
        (b'private="\\x"', False, {b"x"}),
        (b"public", False, set()),
    ],
)
def test_only_a_quoted_list_of_names_is_the_qualified_form(value: bytes, whole: bool, fields: set[bytes]) -> None:
    assert parse_directives(value).whole(b"private") is whole
    assert parse_directives(value).fields(b"private") == fields


def test_a_directive_is_bare_when_it_never_has_an_argument() -> None:
    assert parse_directives(b"max-stale").bare(b"max-stale")
    assert not parse_directives(b"max-stale, max-stale=5").bare(b"max-stale")
    assert not parse_directives(b"").bare(b"max-stale")


def test_pragma_is_read_as_directives() -> None:
    assert pragma_no_cache(headers("Pragma: foo, No-Cache"))
    assert not pragma_no_cache(headers("Pragma: foo"))
    assert not pragma_no_cache(headers())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("Age: 5", 5), ("Age: 5, 9", 5), ("Age: 7\nAge: 9", 7), ("Age: -5", 0), ("Age: 5.0", 0), ("Age: x, 9", 0), ("", 0)],
)
def test_age_is_its_first_member_when_that_is_a_number(text: str, seconds: int) -> None:
    assert age_value(headers(text)) == seconds


@pytest.mark.parametrize(
    "value",
    [
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov  6 08:49:37 1994",
        b"sUN, 06 nOV 1994 08:49:37 gmt",
    ],
)
def test_the_three_forms_of_a_date_are_understood(value: bytes) -> None:
    assert parse_date(value, START) == 784111777.0


@pytest.mark.parametrize(
    "value",
    [
        b"0",
        b"",
        b"-1",
        b"Sun, 06 Nov 1994 08:49:37",
        b"Sun, 06 Nov 1994 08:49:37 UTC",
        b"Sun, 06 Nov 1994 08:49:37 GMT ",
        b"Sun, 06 Nov 1994 08:49:37 GMT\n",
        b"Sun, 6 Nov 1994 08:49:37 GMT",
        b"Sun, 31 Feb 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 24:49:37 GMT",
        b"Sun, 06 Nov 1994 08:60:37 GMT",
        b"Sun, 06 Nov 1994 08:49:61 GMT",
        b"Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 0６ Nov 1994 08:49:37 GMT".encode(),
    ],
)
def test_anything_else_is_no_date(value: bytes) -> None:
    assert parse_date(value, START) is None


def test_a_leap_second_and_the_century_of_two_digits() -> None:
    assert parse_date(b"Sat, 31 Dec 2016 23:59:60 GMT", START) == parse_date(b"Sat, 31 Dec 2016 23:59:59 GMT", START)
    assert parse_date(b"Friday, 01-Jan-77 00:00:00 GMT", START) == parse_date(b"Fri, 01 Jan 2077 00:00:00 GMT", START)
    assert parse_date(b"Friday, 01-Jan-78 00:00:00 GMT", START) == parse_date(b"Sun, 01 Jan 1978 00:00:00 GMT", START)


def test_a_date_that_comes_twice_counts_when_both_agree() -> None:
    one = b"Sun, 06 Nov 1994 08:49:37 GMT"
    assert single_date([one, one], START) == 784111777.0
    assert single_date([one, b"Sun, 06 Nov 1994 08:49:38 GMT"], START) is None
    assert single_date([], START) is None


@given(st.integers(0, 4_000_000_000))
def test_a_date_that_we_write_is_the_date_that_we_read(moment: int) -> None:
    assert parse_date(format_date(moment), START) == moment


@given(st.binary(max_size=60))
def test_no_field_value_is_too_strange(value: bytes) -> None:
    parse_directives(value)
    parse_date(value, START)


@given(st.lists(st.tuples(st.from_regex(r"[a-z-]{1,9}", fullmatch=True), st.text('abc ,\\"=;', max_size=9)), max_size=5))
def test_quoted_arguments_never_leak_into_directives(pairs: list[tuple[str, str]]) -> None:
    value = ", ".join('{}="{}"'.format(name, text.replace("\\", "\\\\").replace('"', '\\"')) for name, text in pairs)
    directives = parse_directives(value.encode())
    assert not directives.malformed
    assert all(name.encode() in directives for name, _ in pairs)
    assert b"abc" not in directives or any(name == "abc" for name, _ in pairs)
