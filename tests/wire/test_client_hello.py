"""ClientHellos are read however they come, and whatever is none raises its own error and no other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.client_hellos import alpn, extension, hello, message, of_openssl, records, server_name, vector
from tests.wire.invariants import any_opening
from twistedproxy.wire.client_hello import MOST, ClientHello, ClientHelloError, read_client_hello

ASKED = ClientHello("a.example.com", (b"h2", b"http/1.1"))


def refusal(data: bytes) -> str:
    """Why *data* is refused."""
    with pytest.raises(ClientHelloError) as caught:
        read_client_hello(data)
    return str(caught.value)


def test_that_of_openssl_is_read() -> None:
    assert read_client_hello(of_openssl("A.Example.com", ("h2", "http/1.1"))) == ASKED
    assert read_client_hello(of_openssl("a.example.com")) == ClientHello("a.example.com")
    assert read_client_hello(of_openssl(None)) == ClientHello()


@given(size=st.integers(1, 400), cut=st.integers(0, 10_000))
def test_it_may_be_split_over_records_and_segments_at_will(size: int, cut: int) -> None:
    whole = records(message(extension(0xFE0D, b"x" * 700), server_name(b"a.example.com"), alpn(b"h2", b"http/1.1")), size)
    assert read_client_hello(whole) == ASKED
    assert read_client_hello(whole + b"\x14\x03\x03\0\1\1") == ASKED
    part = whole[: cut % len(whole)]
    needs = read_client_hello(part)
    assert isinstance(needs, int)
    assert len(part) < needs <= len(whole)


def test_who_waits_for_the_bytes_that_are_needed_comes_to_the_end_soon() -> None:
    whole = records(message(server_name(b"a.example.com")), 100)
    have, looks = 0, 0
    while isinstance(needs := read_client_hello(whole[:have]), int):
        assert needs > have
        have, looks = needs, looks + 1
    assert looks <= 6


def test_without_extensions_nothing_is_asked_for() -> None:
    assert read_client_hello(records(message())) == ClientHello()
    assert read_client_hello(records(message(block=vector(b"", 2)))) == ClientHello()


def test_other_kinds_of_names_are_passed_over_and_a_dot_at_the_end_is_taken_off() -> None:
    other = extension(0, vector(b"\x07" + vector(b"\xff\0", 2) + b"\x00" + vector(b"a.example.com.", 2), 2))
    assert read_client_hello(records(message(other))) == ClientHello("a.example.com")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "not TLS"),
        (b"\x80\x2e\x01\x03\x01", "not TLS"),
        (b"\x16\x02\x00", "not TLS"),
        (b"\x15\x03\x01\x00\x02\x01\x00", "not TLS"),
        (b"\x16\x03\x01\x00\x00", "empty or too long"),
        (b"\x16\x03\x01\x40\x01", "empty or too long"),
        (records(b"\x02\x00\x00\x50"), "another message"),
        (records(b"\x01\x00\x00\x10"), "too short"),
        (records(b"\x01\xff\xff\xff"), f"longer than {MOST}"),
        (records(message(server_name(b"a.example", b"b.example"))), "two names"),
        (records(message(server_name(b""))), "no host name"),
        (records(message(server_name(b"a..example"))), "no host name"),
        (records(message(server_name(b"a.example\0.evil"))), "no host name"),
        (records(message(server_name("bücher.example".encode()))), "no host name"),
        (records(message(server_name(b"a" * 300))), "no host name"),
        (records(message(server_name(b"a.example"), server_name(b"a.example"))), "repeated"),
        (records(message(alpn(b""))), "a protocol is empty"),
        (records(message(extension(16, vector(b"\2h2", 2) + b"x"))), "follow the list of protocols"),
        (records(message(extension(0, vector(b"\0\0\1a", 2) + b"x"))), "follow the list of names"),
        (records(message(extension(0, vector(b"\0\0\x09a", 2)))), "beyond its end"),
        (records(message(extension(0, b"\0"))), "beyond its end"),
        (records(message(block=vector(b"\0", 2))), "beyond its end"),
        (records(message(block=b"\0\0x")), "follow its extensions"),
    ],
)
def test_what_is_malformed_is_refused_with_the_reason(data: bytes, why: str) -> None:
    assert why in refusal(data)


@given(st.binary(max_size=300))
def test_garbage_raises_nothing_else(data: bytes) -> None:
    for beginning in (b"", b"\x16\x03\x01", b"\x16\x03\x01\x01\x00\x01\x00\x00\xfc"):
        try:
            found = read_client_hello(beginning + data)
        except ClientHelloError:
            continue
        assert isinstance(found, ClientHello) or found > len(beginning + data)


@given(st.data())
def test_neither_does_a_hello_of_which_bytes_were_changed(data: st.DataObject) -> None:
    changed = bytearray(hello("a.example.com", b"h2"))
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read_client_hello(bytes(changed))
    except ClientHelloError:
        return
    assert isinstance(found, ClientHello | int)


@given(st.binary(max_size=80), st.sampled_from([b"", b"PROXY TCP4 ", b"\r\n\r\n\0\r\nQUIT\n", b"\x16\x03\x01\0\x2d\x01\0\0\x29"]))
def test_what_holds_of_any_opening_holds(data: bytes, beginning: bytes) -> None:
    any_opening(beginning + data)
    any_opening(hello("a.example")[:30] + data)
