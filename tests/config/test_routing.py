"""Titles, conditions, shares and tables: what is understood, written back and refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.sites import SMALL, errors, loaded, warnings
from twistedproxy.config.effective import effective
from twistedproxy.config.routing import route_matches
from twistedproxy.config.scalars import Context
from twistedproxy.config.values import KINDS
from twistedproxy.settings.routes import RouteMatch

HERE = Context("/srv", {})


def test_titles() -> None:
    assert route_matches("a.example/ https://*.b.example:8443/x") == (
        RouteMatch(None, "a.example", None, "/"),
        RouteMatch("https", "*.b.example", 8443, "/x"),
    )
    assert route_matches("~ ^/a b$") == (RouteMatch(None, None, None, "", "^/a b$"),)
    assert route_matches(r"a.example http://b.example:80 ~* \.png$") == (
        RouteMatch(None, "a.example", None, "", r"\.png$", True),
        RouteMatch("http", "b.example", 80, "", r"\.png$", True),
    )
    # A tilde in a path is one.
    assert route_matches("/~user/") == (RouteMatch(None, None, None, "/~user/"),)


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("~", "has no regular expression"),
        ("~ ^/(", "is not a regular expression"),
        ("a.example/x ~ ^/", "the regular expression stands for the path"),
        ("/a b", "write %20"),
        ("/a /a", "says the same twice"),
    ],
)
def test_titles_that_mean_nothing(title: str, said: str) -> None:
    (error,) = errors(SMALL + f"[route {title}]\npool = app\n")
    assert said in error


@pytest.mark.parametrize(
    "line",
    [
        "method GET HEAD",
        "not method POST",
        "header x-a",
        "not header x-a",
        "header x-a = a b",
        "header x-a != a",
        "arg q ~ ^[0-9]+$",
        "cookie c !~ a|b",
        "client 10.0.0.0/8 ::1/128",
        "not client 10.0.0.0/8",
        "{map.plan} = gold",
        "{host}/{path} !~ ^a",
        "not {cookie.a}",
    ],
)
def test_conditions_are_written_back(line: str) -> None:
    assert str(KINDS["route_conditions"].parse(line, HERE)) == line


@pytest.mark.parametrize(
    "line", ["{client}", "20% beta", "0.5% beta", "33.33% beta", "* app", "100% app", "{header.a}{cookie.b}"]
)
def test_shares_are_written_back(line: str) -> None:
    assert KINDS["split"].write(KINDS["split"].parse(line, HERE)) == line


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("match = heder X", "did you mean header?"),
        ("match = header", "write for instance header X-Beta = yes"),
        ("match = header X y z", "does not compare"),
        ("match = header X =", "compares with nothing"),
        ("match = header X ~ (", "is not a regular expression"),
        ("match = header a:b", "is not a name"),
        ("match = method get", "write for instance method GET HEAD"),
        ("match = client 10.0.0.1/8", "write 10.0.0.0/8"),
        ("match = {hots} = a", "did you mean {host}?"),
        ("match = {{a}} = a", "is the same for every request"),
        ("match = {host} is a", "is not {TEMPLATE} = VALUE"),
        ("mirror = none", "there is no [pool none]"),
        ("request_headers = set X {map.none}", "add one, with the title [map none]"),
        ("request_headers = set X {capture.a}", "write a title like [route ~ ^/(?P<a>[a-z]+)/]"),
    ],
)
def test_mistakes_of_routes_are_told_with_a_remedy(lines: str, said: str) -> None:
    found = errors(SMALL + f"[route /x]\npool = app\n{lines}\n")
    assert len(found) == 1
    assert said in found[0]


def test_captures_come_too_late_for_conditions() -> None:
    found = errors(SMALL + "[route ~ ^/(?P<a>.)]\npool = app\nmatch = {capture.a} = b\n")
    assert "write it into the regular expression" in found[0]


def test_a_group_that_the_title_has_not_is_told_of() -> None:
    (error,) = errors(SMALL + "[route ~ ^/(?P<version>.)]\nredirect = 302 /{capture.verzion}\n")
    assert "did you mean version?" in error


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ("20% app", "write a template first"),
        ("{client}\n  20% app", "the shares come to 20%; write * POOL last"),
        ("{client}\n  60% app\n  60% other", "the shares come to 120%"),
        ("{client}\n  100% app\n  0.5% other", "the shares come to 100.5%"),
        ("{client}\n  * app\n  20% other", "write it last"),
        ("{client}\n  {host}\n  * app", "is a second key"),
        ("{client}\n  * appp", "did you mean app?"),
        ("{client}\n  20% app\n  * app", "names a pool twice"),
        ("{client}", "shares nothing"),
        ("{client}\n  101% app", "write 100% at most"),
        ("{client}\n  20% app other", "is not SHARE% POOL"),
        ("client\n  * app", "is neither a share nor a key"),
    ],
)
def test_mistakes_of_shares_are_told_with_a_remedy(shares: str, said: str) -> None:
    site = SMALL + f"[pool other]\nservers = a:1\n[route /y]\npool = other\n[route /x]\nsplit =\n  {shares}\n"
    assert any(said in error for error in errors(site))


def test_a_route_is_answered_in_one_way() -> None:
    assert any("a route has exactly one of pool and split" in each for each in errors(SMALL + "split = {client}\n  * app\n"))
    assert "mirror goes with pool or split" in errors(SMALL + "[route /x]\nredirect = 302 /\nmirror = app\n")[0]


def test_split_answers_are_not_stored_together() -> None:
    site = SMALL + "[cache c]\ndirectory = c\n[route /x]\ncache = c\nsplit = {client}\n  * app\n"
    assert "would be mixed up" in errors(site)[0]


def test_routes_that_share_a_cache_and_differ_by_conditions_are_warned_of() -> None:
    site = SMALL + "[cache c]\ndirectory = c\n[pool b]\nservers = a:1\n[route /x]\npool = app\ncache = c\n"
    more = "[route /x ]\npool = b\ncache = c\nmatch = header X-Beta\n"
    assert any("by other conditions" in warning for warning in warnings(site + more))
    assert not any(
        "by other conditions" in warning for warning in warnings(site + more.replace("pool = b\ncache = c", "pool = b"))
    )


def test_routes_of_one_title_need_different_conditions() -> None:
    site = SMALL + "[route /x]\npool = app\nmatch = header A\n[route /x ]\npool = app\nmatch = header B\n"
    assert errors(site) == []
    assert "matches the same requests" in errors(site.replace("header B", "header A"))[0]
    assert "matches the same requests" in errors(SMALL + "[route /x /]\npool = app\n")[0]


def test_tables(tmp_path: Path) -> None:
    site = SMALL + "[map m]\nsource = {host}\nvalues = a b\n[route /x]\nredirect = 302 /{map.m}\n"
    assert errors(site) == []
    for wrong, said in (
        (site.replace("{host}", "host"), "is the same for every request"),
        (site.replace("{host}", "{map.m}"), "write the template of that one"),
        (site.replace("a b", "a b c"), "is not KEY VALUE"),
        (site.replace("values = a b", "file = none"), "none"),
        (site.replace("{map.m}", "x"), "is not used"),
    ):
        assert any(said in each for each in (errors(wrong) or warnings(wrong)))
    (tmp_path / "rows").write_text("a b\n\nc\n")
    (error,) = errors(site.replace("values = a b", f"file = {tmp_path / 'rows'}"))
    assert "rows:3: 'c' is not KEY VALUE" in error
    (tmp_path / "rows").write_bytes(b"\xff")
    assert "save the file as UTF-8" in errors(site.replace("values = a b", f"file = {tmp_path / 'rows'}"))[0]


def test_everything_about_routing_loads_back_to_the_same(tmp_path: Path) -> None:
    (tmp_path / "rows").write_text("a b\n")
    settings = loaded(
        SMALL
        + '[map m]\nsource = {host}{path}\nvalues =\n  a* b\n  "x y" "z \\; w"\n  ~ ^b(.) \\1\n  * d\n'
        + f"file = {tmp_path}/rows\n"
        + "[pool b]\nservers = a:1\n[route a.example/ b.example/]\n"
        + "split =\n  {client}\n  20.5% b\n  * app\nmatch =\n  header X-A = b c\n  not client 10.0.0.0/8\n  {map.m} ~ d\n"
        + "mirror = b\nmirror_max_body = 1k\n[route c.example ~* ^/(?P<n>.)]\npool = app\nadd_prefix = /x\n"
    ).settings
    assert loaded(effective(settings), name="/elsewhere/other.ini").settings == settings


def test_two_thousand_routes_are_read() -> None:
    site = SMALL + "".join(f"[route h{number % 100}.example/p{number}/]\npool = app\n" for number in range(2000))
    assert len(loaded(site).settings.routes) == 2001
