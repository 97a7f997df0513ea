"""What sections say of who may in, and how often: what does not go together, and what is dangerous or without effect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from twistedproxy.config.problems import Problem
from twistedproxy.config.reader import Section
from twistedproxy.config.sections import Draft
from twistedproxy.settings import LimitSettings, RouteKnobs
from twistedproxy.templates import REQUEST_NAMES, Template

_ONLY_WITH_RATE: Final = ("burst", "delay", "announce")


def check(draft: Draft) -> Iterator[Problem]:
    """What is wrong."""
    for each in draft.built["limit"]:
        if not any(each.section.gives(key) for key in ("rate", "connections", "bandwidth")):
            yield each.section.problem("", "limits nothing", "add rate = 10r/s, connections = 4, or bandwidth = 1m/s")


def of_limit(section: Section, limit: LimitSettings) -> Iterator[Problem]:
    """The warnings about a [limit]."""
    if limit.rate is None:
        for key in _ONLY_WITH_RATE:
            if section.gives(key):
                yield section.problem(key, "has no effect without rate", "add for instance rate = 10r/s, or remove the line")
    elif limit.delay and not limit.burst:
        yield section.problem("delay", "has no effect: burst is 0, so that nobody may wait", "add for instance burst = 20")
    names = Template.parse(limit.key, REQUEST_NAMES).names
    if limit.ipv6_prefix == 128 and "client" in names:
        yield section.problem(
            "ipv6_prefix", "128: whoever has an IPv6 network has as many addresses as he likes", "leave it at 64"
        )
    if names and all(name.startswith(("header.", "cookie.", "arg.")) for name in names):
        yield section.problem(
            "key", "is the client's own word: whoever changes it is counted anew", "put {client} or {user} in it"
        )


def of_route(section: Section, route: RouteKnobs) -> Iterator[Problem]:
    """The warnings about a [route] or [defaults]."""
    if section.gives("allow") and "all" in route.allow and not route.deny:
        yield section.problem("allow", "all: everybody may in", "remove the line, or name those who may")
    if section.gives("deny") and "all" in route.deny and not route.allow:
        yield section.problem("deny", "all: nobody may in", "name by allow those who may")
    if section.gives("bandwidth_after") and route.bandwidth is None:
        yield section.problem("bandwidth_after", "has no effect without bandwidth", "add bandwidth, or remove the line")
