"""Whom trusted proxies report as the client."""

from __future__ import annotations

import pytest

from twistedproxy.forward.clients import TrustedProxies
from twistedproxy.message import Headers

TRUSTED = TrustedProxies(("10.0.0.0/8", "2001:db8::/32"))


def client_of(value: str | None) -> str:
    """The client, when the proxy at 10.0.0.1 says *value* in X-Forwarded-For."""
    return TRUSTED.client_of(Headers([(b"X-Forwarded-For", value.encode("latin-1"))] if value is not None else []), "10.0.0.1")


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("10.1.2.3", True),
        ("11.1.2.3", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("::ffff:10.1.2.3", True),
        ("::ffff:11.1.2.3", False),
        ("unix:", False),
        ("", False),
    ],
)
def test_an_address_is_trusted_if_a_network_holds_it(address: str, trusted: bool) -> None:
    assert (address in TRUSTED) is trusted


@pytest.mark.parametrize(
    ("said", "client"),
    [
        (None, "10.0.0.1"),
        ("", "10.0.0.1"),
        ("203.0.113.9", "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9, 10.0.0.7", "203.0.113.9"),
        ("198.51.100.1,203.0.113.9 ,\t10.0.0.7, 2001:db8::7", "203.0.113.9"),
        ("10.0.0.9, 10.0.0.8", "10.0.0.9"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("[2001:db9::1]:4711", "2001:db9::1"),
        ("2001:db9::1", "2001:db9::1"),
        ("198.51.100.1, unknown", "10.0.0.1"),
        ("198.51.100.1, garbage, 10.0.0.7", "10.0.0.7"),
        ("198.51.100.1, , 10.0.0.7", "10.0.0.7"),
        ("\xb2, 10.0.0.7", "10.0.0.7"),
    ],
)
def test_the_client_is_the_rightmost_address_that_is_not_trusted(said: str | None, client: str) -> None:
    assert client_of(said) == client


def test_several_fields_are_one_list() -> None:
    headers = Headers([(b"X-Forwarded-For", b"198.51.100.1, 203.0.113.9"), (b"x-forwarded-for", b"10.0.0.7")])
    assert TRUSTED.client_of(headers, "10.0.0.1") == "203.0.113.9"


@pytest.mark.parametrize(
    ("said", "scheme"),
    [(b"https", b"https"), (b"HTTP", b"http"), (b"gopher", b"http"), (b"https, http", b"http"), (None, b"http")],
)
def test_the_scheme_is_what_is_reported_if_it_is_one(said: bytes | None, scheme: bytes) -> None:
    headers = Headers([(b"X-Forwarded-Proto", said)] if said is not None else [])
    assert TRUSTED.scheme_of(headers, b"http") == scheme


def test_a_scope_is_not_passed_on() -> None:
    trusted = TrustedProxies(["10.0.0.0/8"])
    headers = Headers([(b"X-Forwarded-For", b"fe80::1%eth0\" 'x")])
    assert trusted.client_of(headers, "10.0.0.1") == "fe80::1"
