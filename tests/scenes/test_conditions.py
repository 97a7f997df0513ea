"""Conditions of routes, regular expressions in titles and what they capture; and heads that repeat."""

from __future__ import annotations

import pytest

from tests.kit.play import Play
from tests.scenes.heads import answered_alone
from twistedproxy.config.load import load_text


def routed(title: str, match: str, request: str, *, address: str = "192.0.2.1") -> bool:
    """Whether *request* takes the route with the conditions *match* rather than the one without."""
    lines = "".join(f"  {line}\n" for line in match.split("\n"))
    site = f"[route {title}]\nredirect = 302 /yes\nmatch =\n{lines}[route /]\nredirect = 302 /no\n"
    with Play(site) as play:
        client = play.client(address=address)
        client.says(request)
        first = client.hears_message().fields["location"]
        # Once more with the same head, on the same connection: what is remembered must not be wrong.
        client.says(request)
        assert client.hears_message().fields["location"] == first
    return first == "/yes"


GET = "GET /a?version=2&flag HTTP/1.1\nHost: a.example\nX-Beta: yes\nX-Two: 1\nX-Two: 2\nCookie: beta=on; s=\xc3\xa9\n"


@pytest.mark.parametrize(
    ("match", "holds"),
    [
        ("header X-Beta", True),
        ("header x-beta = yes", True),
        ("header X-Beta = Yes", False),
        ("header X-Beta != no", True),
        ("header X-Beta != yes", False),
        ("header X-Beta ~ ^y", True),
        ("header X-Beta !~ ^y", False),
        ("header X-Beta ~ ^Y", False),
        ("header X-Beta ~ (?i)^Y", True),
        ("header X-Two = 1, 2", True),
        ("header X-None", False),
        ("not header X-None", True),
        ("header X-None != x", True),
        ("not header X-Beta = yes", False),
        ("not header X-Beta != yes", True),
        ("method GET HEAD", True),
        ("not method GET", False),
        ("method POST", False),
        ("arg version = 2", True),
        ("arg flag", True),
        ("arg none", False),
        ("arg version ~ ^[13]$", False),
        ("cookie beta", True),
        ("cookie s = é", True),
        ("cookie beta = off", False),
        ("client 192.0.2.0/24 2001:db8::/32", True),
        ("not client 192.0.2.0/24", False),
        ("client 10.0.0.0/8", False),
        ("{host} = a.example", True),
        ("{host}{path} ~ example/a$", True),
        ("{cookie.none}", False),
        ("{cookie.beta}", True),
        ("not {cookie.none}", True),
        ("{host} != a.example", False),
        ("method GET\nheader X-Beta\narg version = 2", True),
        ("method GET\nheader X-Beta\narg version = 3", False),
    ],
)
def test_a_condition(match: str, holds: bool) -> None:
    assert routed("/", match, GET) is holds


def test_the_client_of_a_condition_is_the_one_behind_trusted_proxies() -> None:
    site = (
        "[listen http]\non = tcp:80\ntrusted_proxies = 192.0.2.0/24\n"
        "[route /]\nredirect = 302 /no\n[route / ]\nredirect = 302 /yes\nmatch = client 203.0.113.0/24\n"
    )
    for client, place in (("203.0.113.9", "/yes"), ("198.51.100.1", "/no")):
        assert answered_alone(site, f"GET / HTTP/1.1\nHost: a\nX-Forwarded-For: {client}").fields["location"] == place


def test_more_conditions_come_before_fewer_and_then_the_order_of_the_file() -> None:
    site = (
        "[route /]\nredirect = 302 /none\n"
        "[route / ]\nmatch = header A\nredirect = 302 /a\n"
        "[route /  ]\nmatch = header B\nredirect = 302 /b\n"
        "[route /   ]\nmatch =\n  header A\n  header B\nredirect = 302 /both\n"
    )
    for fields, place in (("", "/none"), ("A: 1", "/a"), ("B: 1", "/b"), ("A: 1\nB: 1", "/both")):
        assert answered_alone(site, f"GET / HTTP/1.1\nHost: a\n{fields}").fields["location"] == place


def test_where_conditions_do_not_hold_a_wider_route_is_found() -> None:
    site = "[route /a/]\nredirect = 302 /a\nmatch = method POST\n[route /]\nredirect = 302 /root\n"
    assert answered_alone(site, "GET /a/b HTTP/1.1\nHost: a").fields["location"] == "/root"
    assert answered_alone(site, "POST /a/b HTTP/1.1\nHost: a\nContent-Length: 0").fields["location"] == "/a"


def test_routes_of_one_title_are_called_by_their_conditions() -> None:
    settings = load_text(
        "[listen a]\non = tcp:1\n[route /]\nredirect = 302 /\n"
        "[route / ]\nredirect = 302 /\nmatch =\n  header X-A = 1\n  not method GET\n",
        "site.ini",
        {},
    ).settings
    assert [route.name for route in settings.routes] == ["/", "/ if header x-a = 1 and not method GET"]


# Titles.


def test_several_matches_stand_in_one_title() -> None:
    site = "[route a.example/ *.b.example/x/ /exact]\nredirect = 302 /yes\n[route /]\nredirect = 302 /no\n"
    for host, path, place in (
        ("a.example", "/", "/yes"),
        ("c.b.example", "/x/y", "/yes"),
        ("c.b.example", "/y", "/no"),
        ("z.example", "/exact", "/yes"),
    ):
        assert answered_alone(site, f"GET {path} HTTP/1.1\nHost: {host}").fields["location"] == place


VERSIONS = (
    "[route ~ ^/v(?P<version>[12])/(?P<rest>.*)]\nredirect = 302 /api/{capture.rest}?v={capture.version}\n"
    "[route ~* \\.PNG$]\nredirect = 302 /image\n"
    "[route b.example ~ ^/v]\nredirect = 302 /b\n"
    "[route /v1/exact]\nredirect = 302 /exact\n[route /v1/longer/]\nredirect = 302 /prefix\n[route /]\nredirect = 302 /root\n"
)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/v1/users", "/api/users?v=1"),
        ("/v2/a/b", "/api/a/b?v=2"),
        ("/%761/users", "/api/users?v=1"),
        ("/v3/users", "/root"),
        ("/v1/exact", "/exact"),
        ("/v1/longer/x", "/api/longer/x?v=1"),
        ("/v1/x.png", "/api/x.png?v=1"),
        ("/x.png", "/image"),
        ("/x.Png", "/image"),
    ],
)
def test_regular_expressions_come_after_exact_paths_and_before_prefixes(path: str, place: str) -> None:
    assert answered_alone(VERSIONS, f"GET {path} HTTP/1.1\nHost: a.example").fields["location"] == place


def test_a_regular_expression_of_a_host_comes_before_those_of_any() -> None:
    assert answered_alone(VERSIONS, "GET /v1/x HTTP/1.1\nHost: b.example").fields["location"] == "/b"


def test_captures_are_known_to_all_templates_of_the_route() -> None:
    site = (
        "[pool app]\nservers = 10.0.0.1:80\n[route ~ ^/(?P<tenant>[a-z]+)/]\npool = app\n"
        "rewrite = ^/[a-z]+/(.*) /\\1?tenant={capture.tenant}\nrequest_headers = set X-Tenant {capture.tenant}\n"
    )
    with Play(site) as play:
        client = play.client()
        for tenant in ("one", "two", "two"):
            client.says(f"GET /{tenant}/x HTTP/1.1\nHost: a")
            origin = play.same_origin()
            asked = origin.hears_message()
            assert asked.start == f"GET /x?tenant={tenant} HTTP/1.1"
            assert asked.fields["x-tenant"] == tenant
            origin.says("HTTP/1.1 204 No Content")
            client.hears("HTTP/1.1 204 No Content")
