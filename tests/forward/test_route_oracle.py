"""The tables of routes find what a look at each route, one after the other, would find."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from twistedproxy.config.load import load_text
from twistedproxy.config.problems import ConfigError
from twistedproxy.forward.route_table import RouteTable
from twistedproxy.forward.routes import Route
from twistedproxy.settings.routes import RouteMatch, RouteSettings

SCHEMES = ("", "http://", "https://")
HOSTS = ("*", "a.example", "b.example", "*.example", "*.a.example")
PORTS = ("", ":8080")
PATHS = ("/", "/a", "/a/", "/a/b", "/a/b/", "/b/", " ~ ^/a", " ~ b$")
ASKED = st.tuples(
    st.sampled_from((b"http", b"https")),
    st.sampled_from((b"a.example", b"b.example", b"x.a.example", b"example", b"")),
    st.sampled_from((80, 8080)),
    st.sampled_from((b"/", b"/a", b"/a/", b"/a/b", b"/a/b/c", b"/b", b"/b/b", b"/c", b"/a/c/b")),
    st.sampled_from(("one", "two")),
)
TITLES = st.tuples(st.sampled_from(SCHEMES), st.sampled_from(HOSTS), st.sampled_from(PORTS), st.sampled_from(PATHS)).map("".join)
ROUTES = st.lists(
    st.tuples(st.lists(TITLES, min_size=1, max_size=2, unique=True), st.sampled_from(("", "one", "two"))), max_size=8
)


def means(match: RouteMatch, scheme: bytes, host: str, port: int, path: bytes) -> bool:
    """Whether *match* is about such a request."""
    if match.scheme not in (None, scheme.decode()) or match.port not in (None, port):
        return False
    if match.host is not None and match.host != host and not (match.host[0] == "*" and host.endswith(match.host[1:])):
        return False
    if match.pattern:
        return re.search(match.pattern.encode(), path) is not None
    return path == match.path.encode() or (match.is_prefix and path.startswith(match.path.encode()))


def rank(match: RouteMatch, route: RouteSettings, place: int) -> tuple[object, ...]:
    """The order of docs/routing.md."""
    kind = 2 if match.host is None else 1 if match.host[0] == "*" else 0
    # Among regular expressions the order of the file comes before ports and listeners.
    path = (0, 0) if not match.pattern and not match.is_prefix else (1, 0) if match.pattern else (2, -len(match.path))
    return (match.scheme is None, kind, -(match.host or "").count("."), path, match.port is None, not route.listen, place)


@settings(max_examples=300, deadline=None)
@given(ROUTES, st.lists(ASKED, min_size=1, max_size=20))
def test_a_table_finds_what_a_list_would(
    named: list[tuple[list[str], str]], asked: list[tuple[bytes, bytes, int, bytes, str]]
) -> None:
    text = "[listen one]\non = tcp:1\n[listen two]\non = tcp:2\n[route last.example/]\nrespond = 200\n"
    for titles, listen in named:
        # A regular expression takes the rest of a title: such a title stands alone.
        title = titles[0] if "~" in titles[0] else " ".join(each for each in titles if "~" not in each)
        text += f"[route {title}]\nrespond = 200\n" + (f"listen = {listen}\n" if listen else "")
    try:
        routes = load_text(text, "site.ini", {}).settings.routes
    except ConfigError:
        return
    table = RouteTable([Route(route, None, None) for route in routes])
    # Where each stands first among the routes of the same scheme and host.
    patterns = {
        (match.scheme, match.host, match.pattern): place
        for place, route in reversed(list(enumerate(routes)))
        for match in route.matches
    }
    for scheme, host, port, path, listener in asked:
        found = table.match(scheme, host, port, path, listener)
        wanted = sorted(
            (
                (
                    *rank(match, route, place)[:4],
                    patterns[match.scheme, match.host, match.pattern] if match.pattern else 0,
                    *rank(match, route, place)[4:],
                ),
                place,
            )
            for place, route in enumerate(routes)
            for match in route.matches
            if means(match, scheme, host.decode(), port, path) and (not route.listen or listener in route.listen)
        )
        assert (found.settings if found else None) == (routes[wanted[0][1]] if wanted else None)
