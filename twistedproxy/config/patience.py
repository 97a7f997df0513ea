"""Warnings about the knobs of slow clients and of buffers."""

from __future__ import annotations

from collections.abc import Iterator

from twistedproxy.config.problems import Problem
from twistedproxy.config.reader import Section
from twistedproxy.settings.route_knobs import RouteKnobs


def warnings(section: Section, knobs: RouteKnobs) -> Iterator[Problem]:
    """Of a route, or of [defaults]."""
    if not knobs.min_rate and section.gives("min_rate_grace"):
        yield section.problem("min_rate_grace", "has no effect: min_rate is 0", "give min_rate a size, or remove the line")
    if section.gives("buffer_size") and not knobs.buffering and not knobs.request_buffering:
        yield section.problem("buffer_size", "has no effect: nothing is buffered", "write buffering = yes, or remove the line")
    if knobs.total_timeout and section.gives("total_timeout") and knobs.total_timeout <= knobs.connect_timeout:
        yield section.problem(
            "total_timeout", "is over before a peer must have accepted the connection", "make it longer than connect_timeout"
        )
