"""CDN-Cache-Control (RFC 9213): a Dictionary to the last character, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cache.plays import START, date, headers, request, response
from twistedproxy.cache.outcomes import StoreVerdict
from twistedproxy.cache.policy import Terms, may_store, stored_fields
from twistedproxy.cache.targeted import parse_targeted, withheld_fields

ETAG = 'ETag: "1"'


def decided(text: str, asked: str = "", *, status: int = 200) -> Terms | StoreVerdict:
    return may_store(request(asked), response(text, status=status), START, START)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"max-age=10, &&&",
        b"max-age=10,",
        b"max-age =10",
        b"max-age= 10",
        b"MaX-aGe=10",
        b"max-age=10;",
        b"a=1.",
        b"a=1234567890123456",
        b'a="b',
        b"a=?2",
        b"a=(1 2",
        b"no-store=?0",
        b"max-age=10\n",
    ],
)
def test_what_is_no_dictionary_or_an_empty_one_counts_as_absent(value: bytes) -> None:
    assert parse_targeted(value) is None


@pytest.mark.parametrize(
    "value",
    [
        b"max-age=10",
        b" foobar, max-age=10 ",
        b"max-age=1, max-age=10",
        b'max-age=10\t,\ta=1.5;b;c=d,e=:YQ==:, f=(a;x 1 ), g=?1, h=@12, *i=*t/k, j=%"a%c3%bc"',
    ],
)
def test_a_dictionary_is_understood_and_the_last_of_a_key_counts(value: bytes) -> None:
    found = parse_targeted(value)
    assert found is not None
    assert found.seconds(b"max-age", safe=0) == 10


@given(st.binary(max_size=60) | st.text(alphabet='amx-ge=0123,;:?"()\\ \t*.', max_size=60).map(str.encode))
def test_no_value_is_too_strange(value: bytes) -> None:
    found = parse_targeted(value)
    assert found is None or found


@pytest.mark.parametrize("value", ['"10000"', "10.5", "ten", "?1", "(10)", "-1", ":MTA=:", "@10"])
def test_a_lifetime_that_is_no_integer_is_none(value: str) -> None:
    assert decided(f"Cache-Control: max-age=60\nCDN-Cache-Control: max-age={value}\n{ETAG}") == Terms(0, 0)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Cache-Control: no-store\nCDN-Cache-Control: max-age=60", Terms(0, 60)),
        ("Cache-Control: private, max-age=1\nCDN-Cache-Control: max-age=60", Terms(0, 60)),
        (f"Expires: {date(-60)}\nCDN-Cache-Control: max-age=60", Terms(0, 60)),
        (f"Expires: {date(60)}\nCDN-Cache-Control: max-age=0\n{ETAG}", Terms(0, 0)),
        (f"Expires: {date(60)}\nCDN-Cache-Control: foo\n{ETAG}", StoreVerdict.SILENT),
        ("Cache-Control: max-age=60\nCDN-Cache-Control: private", StoreVerdict.PRIVATE),
        ("Cache-Control: max-age=60\nCDN-Cache-Control: no-store", StoreVerdict.NO_STORE),
        (f"Cache-Control: max-age=60\nCDN-Cache-Control: no-cache\n{ETAG}", Terms(0, 0, no_cache=True)),
        ("Cache-Control: no-store\nCDN-Cache-Control: max-age=60, &", StoreVerdict.NO_STORE),
        ("Cache-Control: max-age=60\nCDN-Cache-Control:", Terms(0, 60)),
        ("CDN-Cache-Control: max-age=60\nSet-Cookie: a=b", StoreVerdict.SET_COOKIE),
        ("Cache-Control: public\nCDN-Cache-Control: max-age=60\nSet-Cookie: a=b", StoreVerdict.SET_COOKIE),
        ("CDN-Cache-Control: max-age=60\nVary: *", StoreVerdict.VARY_STAR),
    ],
)
def test_a_targeted_field_holds_instead_of_cache_control_and_expires(text: str, terms: Terms | StoreVerdict) -> None:
    assert decided(text) == terms


def test_a_targeted_lifetime_does_not_share_what_was_asked_with_authorization() -> None:
    answer = "Cache-Control: public, max-age=60\nCDN-Cache-Control: max-age=60"
    assert decided(answer, "Authorization: x") is StoreVerdict.AUTHORIZATION
    assert isinstance(decided(answer + ", public", "Authorization: x"), Terms)


def test_what_either_field_withholds_is_not_stored() -> None:
    fields = headers('Cache-Control: private="x"\nCDN-Cache-Control: max-age=9, no-cache="y"\nX: 1\nY: 2\nZ: 3')
    assert withheld_fields(fields) == {b"x", b"y"}
    assert [name for name, _ in stored_fields(fields)] == [b"Cache-Control", b"CDN-Cache-Control", b"Z"]
