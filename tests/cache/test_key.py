"""Keys: what is the same URI, and what selects the same variant."""

from __future__ import annotations

import pytest

from tests.cache.plays import headers
from twistedproxy.cache.key import file_name, key_of_reference, key_of_url, primary_key, selecting_values, vary_names


def test_the_own_port_of_a_scheme_counts_as_absent() -> None:
    assert primary_key(b"http", b"a:80", b"/x") == primary_key(b"http", b"a", b"/x") == b"http://a/x"
    assert primary_key(b"https", b"a:443", b"/x") == b"https://a/x"
    assert primary_key(b"https", b"a:80", b"/x") == b"https://a:80/x"
    assert primary_key(b"http", b"[::1]:80", b"/") == b"http://[::1]/"


def test_scheme_authority_path_and_query_all_tell_apart() -> None:
    keys = {
        primary_key(s, a, t) for s in (b"http", b"https") for a in (b"a", b"b", b"a:8080") for t in (b"/", b"/?", b"/?x", b"/%20")
    }
    assert len(keys) == 24


@pytest.mark.parametrize(
    ("url", "key"),
    [
        (b"HTTP://Example.COM:80/A?b#c", b"http://example.com/A?b"),
        (b"https://example.com", b"https://example.com/"),
        (b"https://example.com?x", b"https://example.com/?x"),
        (b"/page", None),
        (b"example.com/page", None),
    ],
)
def test_an_url_as_people_write_it_leads_to_the_key(url: bytes, key: bytes | None) -> None:
    assert key_of_url(url) == key


@pytest.mark.parametrize(
    ("reference", "key"),
    [
        (b"/other", b"http://example.com/other"),
        (b"other?x", b"http://example.com/dir/other?x"),
        (b"../up", b"http://example.com/up"),
        (b"http://example.com:80/abs", b"http://example.com/abs"),
        (b"//EXAMPLE.com/net", b"http://example.com/net"),
        (b"https://example.com/other-scheme", None),
        (b"http://evil.example/", None),
        (b"http://example.com:81/", None),
        (b"mailto:x@example.com", None),
        (b"http://[broken", None),
    ],
)
def test_a_reference_counts_only_within_its_origin(reference: bytes, key: bytes | None) -> None:
    assert key_of_reference(b"http://example.com/dir/page", reference) == key


def test_vary_is_a_set_of_lower_case_names() -> None:
    assert vary_names(headers("Vary: Accept-Language, accept\nVary: ACCEPT")) == (b"accept", b"accept-language")
    assert vary_names(headers("Vary: Accept, *")) == (b"*",)
    assert vary_names(headers()) == ()


@pytest.mark.parametrize(
    ("name", "one", "other", "same"),
    [
        ("Accept-Encoding", "gzip, br", "BR ,gzip", True),
        ("Accept-Encoding", "gzip;q=1", "gzip ; q = 1", True),
        ("Accept-Language", "de,en", "de, en", True),
        ("Accept-Language", "de,en", "en,de", False),
        ("Accept-Encoding", "gzip", "", False),
        ("X-Other", "A", "a", False),
        ("X-Other", "a,b", "a, b", False),
        ("Cookie", "u=1", "u=2", False),
    ],
)
def test_values_are_normalised_only_where_the_meaning_stays(name: str, one: str, other: str, same: bool) -> None:
    names = (name.lower().encode(),)
    values = [selecting_values(names, headers(f"{name}: {value}")) for value in (one, other)]
    assert (values[0] == values[1]) is same


def test_lines_of_a_field_are_one_value_and_absence_is_another() -> None:
    names = (b"x",)
    assert selecting_values(names, headers("X: a\nX: b")) == selecting_values(names, headers("X: a, b")) == (b"a, b",)
    assert selecting_values(names, headers()) == (None,)
    assert selecting_values(names, headers("X:")) == (b"",)


def test_file_names_tell_keys_and_variants_apart() -> None:
    names = {file_name(key, seed) for key in (b"a", b"b") for seed in (b"", b"1", b"2")}
    assert len(names) == 6
    assert all(len(name) == 32 for name in names)
