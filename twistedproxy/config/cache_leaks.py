"""Settings of a route's cache by which one user may get what is another's."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final

from twistedproxy.config.problems import Problem
from twistedproxy.config.reader import Section
from twistedproxy.settings.route_knobs import RouteKnobs
from twistedproxy.templates import REQUEST_NAMES, Template

_IGNORED: Final = {
    "cache-control": (
        "what the peer calls private or no-store is stored for everybody",
        "have the peer say s-maxage, or cache_skip what users are known by",
    ),
    "cdn-cache-control": ("what the peer calls private or no-store for caches like this one is stored for everybody", ""),
    "set-cookie": (
        "pages that are made as somebody logs in are stored for everybody; only the cookie is taken out",
        "have the peer say public where a page is everybody's",
    ),
    "vary": (
        "answers that differ by language, coding or cookie are mixed up",
        "put what they differ by into cache_key, for instance {header.accept-language}",
    ),
}

#: What tells sites apart, and what tells a site's pages apart.
_SITES: Final = frozenset(("host", "header.host"))
_PAGES: Final = frozenset(("uri", "path"))


def of(section: Section, knobs: RouteKnobs) -> Iterator[Problem]:
    """The warnings about a [route] or [defaults]."""
    if section.gives("cache_ignore"):
        for name in knobs.cache_ignore:
            if name in _IGNORED:
                reason, remedy = _IGNORED[name]
                yield section.problem("cache_ignore", f"{name}: {reason}", remedy)
    if section.gives("cache_key") and knobs.cache_key is not None:
        names = frozenset(Template.parse(knobs.cache_key, REQUEST_NAMES).names)
        if not names & _SITES:
            yield section.problem(
                "cache_key",
                "names no host: sites that share the cache get each other's answers",
                "begin it with {scheme}://{host}",
            )
        elif "scheme" not in names:
            yield section.problem(
                "cache_key",
                "names no scheme: what was answered to https may be served to http",
                "begin it with {scheme}://{host}",
            )
        if not names & _PAGES:
            yield section.problem("cache_key", "names no path: every page is the same one", "end it with {uri}, or with {path}")
    if section.gives("cache_purge"):
        for network in knobs.cache_purge:
            if ipaddress.ip_network(network).prefixlen == 0:
                yield section.problem(
                    "cache_purge", f"{network} is everyone: any client may empty the cache", "name those who may"
                )
    if section.gives("cache_methods") and "GET" not in knobs.cache_methods:
        yield section.problem("cache_methods", "without GET nothing is stored", "write GET HEAD")
