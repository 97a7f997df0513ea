"""Headers of the PROXY protocol, byte for byte as its specification has them."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedproxy.addresses import Tcp, Unix
from twistedproxy.wire.proxy_protocol import ENCODERS, SIGNATURE, Ends, version_1, version_2

FOUR = Ends(Tcp("192.0.2.7", 56324), Tcp("198.51.100.1", 443))
SIX = Ends(Tcp("2001:db8::7", 4124), Tcp("2001:db8::1", 443))


def test_version_1_is_a_line_of_text() -> None:
    assert version_1(FOUR) == b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n"
    assert version_1(SIX) == b"PROXY TCP6 2001:db8::7 2001:db8::1 4124 443\r\n"


def test_version_2_is_binary() -> None:
    assert bytes.fromhex("0d0a0d0a000d0a515549540a") == SIGNATURE
    assert version_2(FOUR) == SIGNATURE + bytes.fromhex("21 11 000c c0000207 c6336401 dc04 01bb")
    assert version_2(SIX) == SIGNATURE + bytes.fromhex(
        "21 21 0024 20010db8000000000000000000000007 20010db8000000000000000000000001 101c 01bb"
    )


def test_connections_of_our_own_are_local_or_unknown() -> None:
    assert version_1(None) == b"PROXY UNKNOWN\r\n"
    assert version_2(None) == SIGNATURE + bytes.fromhex("20 00 0000")


def test_unix_sockets_are_unknown_to_version_1_and_have_their_paths_in_version_2() -> None:
    ends = Ends(Unix(""), Unix("/run/site.sock"))
    assert version_1(ends) == b"PROXY UNKNOWN\r\n"
    header = version_2(ends)
    assert header.startswith(SIGNATURE + bytes.fromhex("21 31 00d8"))
    assert header[16:124] == bytes(108)
    assert header[124:] == b"/run/site.sock".ljust(108, b"\0")
    assert len(version_2(Ends(Unix("/" + "long" * 40), Unix("/x")))) == 16 + 216


@pytest.mark.parametrize("ends", [Ends(Tcp("192.0.2.7", 1), Unix("/x")), Ends(Unix(""), Tcp("192.0.2.7", 1))])
def test_of_a_client_that_came_by_a_unix_socket_nothing_is_said_that_is_half_true(ends: Ends) -> None:
    assert version_1(ends) == b"PROXY UNKNOWN\r\n"
    assert version_2(ends) == SIGNATURE + bytes.fromhex("21 00 0000")


def test_two_families_are_told_as_ipv6() -> None:
    ends = Ends(Tcp("2001:db8::7", 4124), Tcp("198.51.100.1", 443))
    assert version_1(ends) == b"PROXY TCP6 2001:db8::7 ::ffff:c633:6401 4124 443\r\n"
    turned = Ends(ends.destination, ends.source)
    assert version_2(turned)[13:] == bytes.fromhex(
        "21 0024 00000000000000000000ffffc6336401 20010db8000000000000000000000007 01bb 101c"
    )


def test_an_address_of_a_socket_of_both_families_is_the_ipv4_address_that_it_is() -> None:
    assert version_1(Ends(Tcp("::ffff:192.0.2.7", 5), Tcp("::ffff:198.51.100.1", 80))) == (
        b"PROXY TCP4 192.0.2.7 198.51.100.1 5 80\r\n"
    )


def test_a_zone_stays_at_home() -> None:
    assert version_1(Ends(Tcp("fe80::1%eth0", 5), Tcp("fe80::2%eth0", 80))) == b"PROXY TCP6 fe80::1 fe80::2 5 80\r\n"


ports = st.integers(0, 65535)
hosts = st.ip_addresses().map(str)


@given(source=st.builds(Tcp, hosts, ports), destination=st.builds(Tcp, hosts, ports))
def test_both_versions_say_the_same(source: Tcp, destination: Tcp) -> None:
    ends = Ends(source, destination)
    text, binary = ENCODERS["v1"](ends), ENCODERS["v2"](ends)
    assert len(text) <= 107 and text.endswith(b"\r\n")
    _, family, one, other, one_port, other_port = text.decode().split()
    addresses = ip_address(one).packed + ip_address(other).packed
    told = addresses + int(one_port).to_bytes(2, "big") + int(other_port).to_bytes(2, "big")
    assert binary == SIGNATURE + bytes((0x21, 0x11 if family == "TCP4" else 0x21)) + len(told).to_bytes(2, "big") + told
    assert (int(one_port), int(other_port)) == (source.port, destination.port)
