"""Doors against the other sections: what listeners and streams read of a connection before they serve it."""

from __future__ import annotations

from collections.abc import Iterator

from twistedproxy.config.problems import Problem
from twistedproxy.config.sections import Built, Draft


def check(draft: Draft) -> Iterator[Problem]:
    """What is wrong with the doors of *draft*."""
    for each in draft.built["listen"]:
        yield from _headers(each)


def _headers(door: Built) -> Iterator[Problem]:
    """PROXY protocol headers are believed from somebody, or not read."""
    settings = door.value
    if settings is not None and settings.proxy_protocol != "no" and not door.section.gives("trusted_proxies"):
        yield door.section.problem(
            "proxy_protocol",
            "nobody's header is believed",
            "name those who send them, for instance trusted_proxies = 10.0.0.0/8, or unix: for a unix socket",
        )
