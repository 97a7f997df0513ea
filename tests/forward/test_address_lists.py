"""allow and deny: which addresses may in."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedproxy.forward.guards.addresses import AddressList


@pytest.mark.parametrize(
    ("allow", "deny", "client", "allowed"),
    [
        ("192.168.1.0/24", "", "192.168.1.7", True),
        ("192.168.1.0/24", "", "192.168.2.7", False),
        ("192.168.1.0/24", "all", "192.168.1.7", True),
        ("192.168.1.0/24", "all", "192.168.2.7", False),
        ("", "192.168.1.0/24", "192.168.1.7", False),
        ("", "192.168.1.0/24", "10.0.0.1", True),
        ("192.168.0.0/16", "192.168.1.0/24", "192.168.1.7", False),
        ("192.168.0.0/16 192.168.1.7", "192.168.1.0/24", "192.168.1.7", True),
        ("192.168.1.0/24", "192.168.1.0/24", "192.168.1.7", False),
        ("all", "192.168.1.7", "192.168.1.7", False),
        ("all", "192.168.1.7", "192.168.1.8", True),
        ("0.0.0.0/0", "", "2001:db8::1", False),
        ("2001:db8::/32", "", "2001:db8::1", True),
        ("2001:db8::/32", "", "2001:db8::1%eth0", True),
        ("10.0.0.0/8", "", "::ffff:10.1.2.3", True),
        ("10.0.0.0/8", "", "::ffff:11.1.2.3", False),
        ("10.0.0.0/8", "", "unix:", False),
        ("10.0.0.0/8 unix:", "", "unix:", True),
        ("all", "unix:", "unix:", False),
        ("10.0.0.0/8", "", "", False),
        ("10.0.0.0/8", "", "no address", False),
        ("", "10.0.0.0/8", "no address", True),
        ("", "", "10.0.0.1", True),
    ],
)
def test_the_longest_network_decides(allow: str, deny: str, client: str, allowed: bool) -> None:
    assert AddressList(allow.split(), deny.split()).allows(client) is allowed


NETWORKS = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(
    lambda each: str(ip_network((each[0] >> (32 - each[1]) << (32 - each[1]), each[1])))
)


@given(st.sets(NETWORKS, max_size=6), st.sets(NETWORKS, max_size=6), st.integers(0, 2**32 - 1))
def test_a_list_agrees_with_the_plain_reading_of_the_rule(allow: set[str], deny: set[str], number: int) -> None:
    client = ip_address(number)
    fitting = [(ip_network(each).prefixlen, False) for each in deny if client in ip_network(each)]
    fitting += [(ip_network(each).prefixlen, True) for each in allow if client in ip_network(each)]
    longest = max((length for length, _ in fitting), default=None)
    expected = not allow if longest is None else (longest, False) not in fitting
    addresses = AddressList(sorted(allow), sorted(deny))
    assert addresses.allows(str(client)) is expected
    assert addresses.allows(str(client)) is expected


def test_clients_that_nobody_can_number_take_no_memory() -> None:
    addresses = AddressList(["10.0.0.0/8"], [])
    for number in range(10_000):
        addresses.allows(str(ip_address(number)))
    assert len(addresses._remembered) <= 4096
