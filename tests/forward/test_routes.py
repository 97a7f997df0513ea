"""Which route a request takes: the precedence, difference by difference."""

from __future__ import annotations

import pytest

from tests.kit.play import Play
from twistedproxy.config.load import load_text
from twistedproxy.forward.route_table import RouteTable
from twistedproxy.forward.routes import Route

LISTEN = "[listen http]\non = tcp:80\n[listen inside]\non = tcp:8080\n"


def table(*names: str, listen: dict[str, str] | None = None) -> RouteTable:
    """Routes called *names*; *listen* narrows some to listeners."""
    narrowed = listen or {}
    text = LISTEN + "".join(
        f"[route {name}]\nredirect = 302 /to\n" + (f"listen = {narrowed[name]}\n" if name in narrowed else "") for name in names
    )
    return RouteTable(Route(route, None, None) for route in load_text(text, "site.ini", {}).settings.routes)


def taken(
    routes: RouteTable, path: str, host: str = "example.com", *, scheme: str = "http", port: int = 80, listener: str = "http"
) -> str | None:
    """The name of the route of a request."""
    route = routes.match(scheme.encode(), host.encode(), port, path.encode(), listener)
    return route.name if route else None


def test_nothing_matches_where_no_route_does() -> None:
    routes = table("example.com/a")
    assert taken(routes, "/b") is None
    assert taken(routes, "/a", "example.org") is None
    assert RouteTable([]).match(b"http", b"a", 80, b"/", "http") is None


def test_an_exact_path_is_that_path_only() -> None:
    routes = table("/a")
    assert taken(routes, "/a") == "/a"
    assert taken(routes, "/a/") is None
    assert taken(routes, "/a/b") is None
    assert taken(routes, "/A") is None


def test_a_prefix_is_everything_below_it_and_no_name_that_only_begins_so() -> None:
    routes = table("/a/")
    assert taken(routes, "/a/") == "/a/"
    assert taken(routes, "/a/b/c") == "/a/"
    assert taken(routes, "/ab") is None
    assert taken(routes, "/a") is None


def test_exact_before_prefix_and_longer_prefix_before_shorter() -> None:
    routes = table("/", "/a/", "/a/b/", "/a/b/c")
    assert taken(routes, "/x") == "/"
    assert taken(routes, "/a/x") == "/a/"
    assert taken(routes, "/a/b/x") == "/a/b/"
    assert taken(routes, "/a/b/c") == "/a/b/c"


def test_hosts_exact_then_the_longest_wildcard_then_any() -> None:
    routes = table("/", "*.example.com/", "*.b.example.com/", "a.b.example.com/")
    assert taken(routes, "/", "a.b.example.com") == "a.b.example.com/"
    assert taken(routes, "/", "x.b.example.com") == "*.b.example.com/"
    assert taken(routes, "/", "x.y.b.example.com") == "*.b.example.com/"
    assert taken(routes, "/", "x.example.com") == "*.example.com/"
    assert taken(routes, "/", "example.com") == "/"
    assert taken(routes, "/", "") == "/"


def test_a_host_whose_routes_have_not_the_path_falls_back_to_wider_ones() -> None:
    routes = table("/", "example.com/only")
    assert taken(routes, "/only") == "example.com/only"
    assert taken(routes, "/other") == "/"


def test_a_scheme_counts_more_than_a_host() -> None:
    routes = table("http://*/", "example.com/", "https://example.com/")
    assert taken(routes, "/", scheme="http") == "http://*/"
    assert taken(routes, "/", scheme="https") == "https://example.com/"
    assert taken(routes, "/", "other.example", scheme="https") is None


def test_a_port_then_a_listener_then_neither() -> None:
    routes = table("/", "*:8080/", listen={"/": "inside"})
    assert taken(routes, "/", port=8080) == "*:8080/"
    assert taken(routes, "/", listener="inside") == "/"
    assert taken(routes, "/") is None


def test_an_exact_path_that_does_not_qualify_leaves_the_prefix() -> None:
    routes = table("/a", "/", listen={"/a": "inside"})
    assert taken(routes, "/a") == "/"
    assert taken(routes, "/a", listener="inside") == "/a"
    routes = table("/a/", "/", listen={"/a/": "inside"})
    assert taken(routes, "/a/b") == "/"
    assert taken(routes, "/a/b", listener="inside") == "/a/"


def test_the_asterisk_stands_for_the_root() -> None:
    assert taken(table("/"), "*") == "/"
    assert taken(table("/a/"), "*") is None


def test_escapes_in_a_routes_path_mean_what_they_stand_for() -> None:
    assert taken(table("/caf%C3%A9/"), "/café/x") == "/caf%C3%A9/"


def test_the_order_of_precedence_is_what_the_shell_shows() -> None:
    names = ["https://example.com/", "example.com/b", "example.com/a/", "example.com/", "*.example.com/", "*:8080/", "/"]
    assert [route.name for route in table(*reversed(names)).routes] == names


def test_hosts_that_clients_invent_are_not_remembered_without_bound() -> None:
    routes = table("/")
    for number in range(5000):
        assert taken(routes, "/", f"h{number}.example") == "/"
    assert len(routes._remembered) <= 1024
    assert repr(routes.routes[0]) == "<Route />"


@pytest.mark.parametrize(
    ("target", "route"),
    [
        ("/admin/x", "/admin/"),
        ("/%61dmin/x", "/admin/"),
        ("//admin/x", "/admin/"),
        ("/a/../admin/x", "/admin/"),
        ("/./admin/x", "/admin/"),
        ("/admin;v=1/x", "/admin/"),
        ("\\admin\\x", None),
        ("/x\\..\\admin", None),
        ("/x%2f..%2fadmin/", None),
        ("/%2e%2e/admin/", None),
    ],
)
def test_no_disguise_of_a_path_walks_around_a_route(target: str, route: str | None) -> None:
    with Play("[route /]\nredirect = 302 /public\n[route /admin/]\nredirect = 302 /guarded\n") as play:
        client = play.client()
        client.says(f"GET {target} HTTP/1.1\nHost: a")
        answer = client.hears_message()
        assert answer.fields.get("location") == ("/guarded" if route else None)
        assert answer.status == (302 if route else 400)
        if not route:
            client.sees_end()
