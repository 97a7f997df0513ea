"""Pools with ``protocol = h2`` against their other settings."""

from __future__ import annotations

from collections.abc import Iterator

from twistedproxy.config.problems import Problem
from twistedproxy.config.reader import Section
from twistedproxy.settings.pools import PoolSettings


def errors_of_pool(section: Section, pool: PoolSettings | None) -> Iterator[Problem]:
    """What cannot go together."""
    if pool is not None and pool.protocol == "h2" and pool.proxy_protocol != "no":
        yield section.problem(
            "proxy_protocol",
            "tells of one client, and a connection of protocol = h2 carries the requests of many",
            "remove one of the two; X-Forwarded-For tells the client's address with each request",
        )


def of_pool(section: Section, pool: PoolSettings) -> Iterator[Problem]:
    """What does something else than one would think."""
    if pool.protocol == "h2" and pool.check is not None and pool.check.kind != "tcp" and not all(s.tls for s in pool.servers):
        yield section.problem(
            "check",
            "is sent by HTTP/1.1, which peers do not speak that know HTTP/2 without TLS only",
            "write check = tcp, unless they speak both",
        )
