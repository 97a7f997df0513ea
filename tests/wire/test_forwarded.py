"""Forwarded (RFC 7239): read strictly, and written so that it reads back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedproxy.wire.forwarded import node_address, parse_forwarded, write_element


@pytest.mark.parametrize(
    ("value", "elements"),
    [
        (b"", []),
        (b"for=192.0.2.60;proto=http;by=203.0.113.43", [{"for": "192.0.2.60", "proto": "http", "by": "203.0.113.43"}]),
        (b'For="[2001:db8::1]:4711"', [{"for": "[2001:db8::1]:4711"}]),
        (b'for=a, for="b\\"c, d;e" , ,for=_x', [{"for": "a"}, {"for": 'b"c, d;e'}, {"for": "_x"}]),
        (b"for=a;;proto=https", [{"for": "a", "proto": "https"}]),
    ],
)
def test_elements(value: bytes, elements: list[dict[str, str]]) -> None:
    assert parse_forwarded(value) == elements


@pytest.mark.parametrize("value", [b"for", b"for=", b'for="a', b"for=a for=b", b"for=[::1]", b"for=a;for=b", b"for=a=b", b"=a"])
def test_what_is_malformed(value: bytes) -> None:
    assert parse_forwarded(value) is None


def test_no_more_elements_are_kept_than_anybody_needs() -> None:
    assert len(parse_forwarded(b"for=a," * 1000) or ()) == 64


@pytest.mark.parametrize(
    ("node", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:80", "192.0.2.1"),
        ("[2001:DB8:0::1]", "2001:db8::1"),
        ("[fe80::1%eth0]:80", "fe80::1"),
        ("unknown", None),
        ("_hidden", None),
        ("", None),
    ],
)
def test_nodes(node: str, address: str | None) -> None:
    assert node_address(node) == address


@given(st.ip_addresses().map(str), st.sampled_from([b"", b"a.example", b"a.example:8080", b"[::1]:80"]))
def test_what_is_written_reads_back(client: str, host: bytes) -> None:
    (element,) = parse_forwarded(write_element(client, host, b"https")) or ()
    assert node_address(element["for"]) == client
    assert element["proto"] == "https"
    assert element.get("host", "") == host.decode()


@given(st.binary())
def test_no_bytes_raise(value: bytes) -> None:
    parse_forwarded(value)
