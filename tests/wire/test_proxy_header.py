"""Headers of the PROXY protocol as they come in: both versions, at any speed, and whatever is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedproxy.addresses import Tcp, Unix
from twistedproxy.wire.proxy_protocol import ENCODERS, MOST, SIGNATURE, Ends, Header, ProxyHeaderError, read_header

FOUR = Ends(Tcp("192.0.2.7", 56324), Tcp("198.51.100.1", 443))
SIX = Ends(Tcp("2001:db8::7", 4124), Tcp("2001:db8::1", 443))
IPV4 = bytes.fromhex("c0000207 c6336401 dc04 01bb")


def version_2(command: int, family: int, content: bytes) -> bytes:
    return SIGNATURE + bytes((command, family)) + len(content).to_bytes(2, "big") + content


def refusal(data: bytes) -> str:
    with pytest.raises(ProxyHeaderError) as caught:
        read_header(data)
    return str(caught.value)


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("ends", [FOUR, SIX, None])
def test_what_we_write_we_read(version: str, ends: Ends | None) -> None:
    header = ENCODERS[version](ends)
    assert read_header(header) == Header(len(header), ends)
    assert read_header(header + b"\x16\x03\x01") == Header(len(header), ends)


@given(st.sampled_from(["v1", "v2"]), st.sampled_from([FOUR, SIX, None]), st.integers(0, 300))
def test_a_part_of_a_header_says_how_much_is_needed(version: str, ends: Ends | None, cut: int) -> None:
    header = ENCODERS[version](ends)
    part = header[: cut % len(header)]
    needs = read_header(part)
    assert isinstance(needs, int)
    assert len(part) < needs <= len(header)


def test_unknown_says_nothing_whatever_follows() -> None:
    line = b"PROXY UNKNOWN ffff:f...f:ffff 1 2 3\r\n"
    assert read_header(line + b"GET") == Header(len(line), None)


def test_a_mapped_address_is_the_ipv4_address_that_it_is() -> None:
    header = read_header(b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:c633:6401 56324 443\r\n")
    assert isinstance(header, Header) and header.ends == FOUR
    packed = bytes(10) + b"\xff\xff"
    header = read_header(version_2(0x21, 0x21, packed + IPV4[:4] + packed + IPV4[4:8] + IPV4[8:]))
    assert isinstance(header, Header) and header.ends == FOUR


def test_what_comes_behind_the_addresses_is_passed_over() -> None:
    header = version_2(0x21, 0x11, IPV4 + b"\x02\x00\x0ba.example.c" + b"\x20\xff\xff\x00garbage")
    assert read_header(header + b"rest") == Header(len(header), FOUR)


def test_local_says_nothing_whatever_it_holds() -> None:
    for family in (0x00, 0x11, 0xFF):
        header = version_2(0x20, family, b"anything")
        assert read_header(header) == Header(len(header), None)
        assert read_header(header[:-1]) == len(header)


@pytest.mark.parametrize(("family", "length"), [(0x00, 3), (0x12, 12), (0x22, 36), (0x32, 216)])
def test_what_is_no_stream_says_nothing(family: int, length: int) -> None:
    header = version_2(0x21, family, bytes(length))
    assert read_header(header) == Header(len(header), None)


def test_unix_sockets_have_their_paths() -> None:
    header = version_2(0x21, 0x31, bytes(108) + b"/run/site.sock".ljust(108, b"\0"))
    assert read_header(header) == Header(len(header), Ends(Unix(""), Unix("/run/site.sock")))


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"\r\n\r\nGET / HTTP/1.1\r\n", b"\x16\x03\x01", b"PROXIED", b"P\n"])
def test_what_begins_otherwise_has_no_header(data: bytes) -> None:
    assert read_header(data) == Header(0, None)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"PROXY " + b"x" * 101, "no line within 107 bytes"),
        (b"PROXY UNKNOWN" + b" " * 100 + b"\r\n", "no line within 107 bytes"),
        (b"PROXY UNKNOWN\n", "malformed"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\n", "malformed"),
        (b"PROXY  TCP4 192.0.2.7 198.51.100.1 56324 443\r\n", "malformed"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 056324 443\r\n", "malformed"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n", "malformed"),
        (b"PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n", "malformed"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n", "above 65535"),
        (b"PROXY TCP4 192.0.2.256 198.51.100.1 1 443\r\n", "an address"),
        (b"PROXY TCP4 2001:db8::7 2001:db8::1 1 443\r\n", "an address"),
        (b"PROXY TCP6 192.0.2.7 198.51.100.1 1 443\r\n", "an address"),
        (version_2(0x22, 0x11, IPV4), "not known"),
        (version_2(0x11, 0x11, IPV4), "not known"),
        (version_2(0x21, 0x41, IPV4), "family"),
        (version_2(0x21, 0x11, IPV4[:-1]), "too short"),
        (version_2(0x21, 0x31, bytes(100)), "too short"),
        (version_2(0x21, 0x11, bytes(MOST)), "longer than 4096"),
    ],
)
def test_what_is_malformed_is_refused_with_the_reason(data: bytes, why: str) -> None:
    assert why in refusal(data)


def test_a_header_that_is_too_long_is_refused_before_it_has_come() -> None:
    assert "longer" in refusal(version_2(0x21, 0x11, bytes(60_000))[:16])


@given(st.binary(max_size=200))
def test_garbage_raises_nothing_else(data: bytes) -> None:
    for beginning in (b"", b"PROXY ", b"PROXY TCP6 ", SIGNATURE, SIGNATURE + b"\x21"):
        whole = beginning + data
        try:
            found = read_header(whole)
        except ProxyHeaderError:
            continue
        if isinstance(found, Header):
            assert found.size <= len(whole)
        else:
            assert found > len(whole)
