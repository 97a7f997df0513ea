"""What sites say of who may in, and how often."""

from __future__ import annotations

import pytest

from tests.config.sites import SMALL, errors, loaded, warnings

LIMITED = SMALL + "limits = l\n[limit l]\n"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (SMALL + "allow = 10.0.0.1/8\n", "allow: '10.0.0.1/8' has bits behind its prefix; write 10.0.0.0/8"),
        (SMALL + "deny = everyone\n", "deny: 'everyone' is not a network"),
        (SMALL + "bandwidth = 1m\n", "bandwidth: '1m' is not a bandwidth; write 1m/s"),
        (SMALL + "bandwidth = 10/s\n", "bandwidth: 10/s is next to nothing"),
        (SMALL + "limits = m\n", "limits: there is no [limit m]; add one, with the title [limit m]"),
        (LIMITED, "[limit l]: limits nothing; add rate = 10r/s, connections = 4, or bandwidth = 1m/s"),
        (LIMITED + "rate = 10\n", "rate: '10' is not a rate; write 10r/s"),
        (LIMITED + "rate = 1r/s\nkey = {status}\n", "key: {status} is not known before there is an answer"),
        (LIMITED + "rate = 1r/s\nipv6_prefix = 129\n", "ipv6_prefix: 129 is too large; at most 128"),
        (LIMITED + "rate = 1r/s\nmemory = 10\n", "memory: 10 is too small; at least 1k"),
    ],
)
def test_mistakes_are_told_with_a_remedy(text: str, error: str) -> None:
    assert error in "\n".join(errors(text))


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (SMALL + "allow = all\n", "allow: all: everybody may in"),
        (SMALL + "deny = all\n", "deny: all: nobody may in"),
        (SMALL + "bandwidth_after = 1m\n", "bandwidth_after: has no effect without bandwidth"),
        (LIMITED + "connections = 1\nburst = 5\n", "burst: has no effect without rate"),
        (LIMITED + "rate = 1r/s\ndelay = yes\n", "delay: has no effect: burst is 0"),
        (LIMITED + "rate = 1r/s\nipv6_prefix = 128\n", "ipv6_prefix: 128: whoever has an IPv6 network"),
        (LIMITED + "rate = 1r/s\nkey = {header.x-api-key}\n", "key: is the client's own word"),
        (SMALL + "[limit l]\nrate = 1r/s\n", "[limit l]: is not used; name it by limits = l, or remove it"),
    ],
)
def test_what_is_dangerous_or_without_effect_is_told(text: str, warning: str) -> None:
    assert warning in "\n".join(warnings(text))


def test_a_route_inherits_who_may_in_and_says_otherwise() -> None:
    text = "[defaults]\ndeny = 192.0.2.0/24\n" + SMALL + "[route /all]\npool = app\ndeny =\n"
    assert [route.deny for route in loaded(text).settings.routes] == [("192.0.2.0/24",), ()]
