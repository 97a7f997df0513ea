"""
What is denied is never reached, however it is spelt.

The peer here understands a target as generously as any server does: it decodes escapes again and again, takes backslashes for
slashes, leaves path parameters out, merges slashes, resolves dots, cuts at NUL and at an escaped question mark, does not care for
blanks or dots at the ends of names, nor for capital letters.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import pytest

from tests.kit.peers import Peers
from tests.kit.play import Play
from twistedproxy.errors import RequestError
from twistedproxy.forward.exchange import Exchange
from twistedproxy.forward.guards.disguises import is_disguised
from twistedproxy.message import Headers, RequestFields, RequestHead
from twistedproxy.wire.target import parse_target, route_path

SITE: Final = """
    [pool app]
    servers = 10.0.0.1:80
    keepalive = 0
    [route /]
    pool = app
    [route /public/]
    pool = app
    [route /admin]
    pool = app
    deny = all
    allow = 203.0.113.1
    [route /admin/]
    pool = app
    deny = all
    allow = 203.0.113.1
"""

SLASHES: Final = (
    *("/", "//", "/./", "/.//", "%2f", "%2F", "\\", "%5c", "%5C", "/%2e/", "%252f", "/;/", "/;a=b/", "/%3b/", "%25252f"),
    *("%c0%af", "%e0%80%af", "%255c", "/.;/"),
)
DOTS: Final = (
    *("..", ".%2e", "%2e.", "%2e%2e", "%2E%2E", "%252e%252e", "..;", "..;a=b", "..%00", "%2e%2e%3b", "..%20", "..."),
    *("%c0%ae%c0%ae", "%25252e%25252e"),
)
WORDS: Final = (
    *("admin", "%61dmin", "a%64min", "%61%64%6d%69%6e", "%61%64%6D%69%6E", "%2561dmin", "%252561dmin", "admi%6e", "admin%00"),
    *(
        "admin%20",
        "admin;",
        "admin;x=y",
        "admin.",
        "admin%09",
        "admin%0a",
        "admin%0d%0a",
        "admin%3b",
        "ADMIN",
        "Admin",
        "aDm%49n",
    ),
    *("%ef%bd%81dmin", "admin%2e", "admin%252e%2520", "admin.%20.", "%41dmin"),
)
TAILS: Final = (
    "",
    "/",
    "/secret",
    "?x",
    "?/../",
    "%3f",
    "%23",
    "#x",
    "/%2e",
    "/..",
    ";/",
    "/.;/",
    "%2500",
    "%253fx",
    "/%2e%2e/admin/",
)


def spellings() -> Iterator[str]:
    """Targets that some server might take for /admin, or for what is below."""
    for slash, word, tail in itertools.product(SLASHES, WORDS, TAILS):
        yield slash + word + tail
    for slash, dots, word in itertools.product(SLASHES, DOTS, ("admin/", "%61dmin/", "%2561dmin", "ADMIN/")):
        for where in ("/x", "/public", "/a/b"):
            yield f"{where}{slash}{dots}{slash}{word}"
            yield f"{where}{slash}{dots}/{word}"
            yield f"{where}/{dots}{slash}{word}"
            yield f"{where}{slash}x{slash}{dots}{slash}{dots}{slash}{word}"
    for word in ("admin/", "%61dmin/", "ADMIN"):
        for authority in (
            "example.com",
            "example.com:80",
            "EXAMPLE.COM",
            "other.example.com",
            "example.com@evil",
            "example.com.",
        ):
            yield f"http://{authority}/{word}"
            yield f"HTTP://{authority}//{word}"
        yield f"/public/../{word}"
        yield "/" * 3000 + word
        yield "/." * 2000 + "/" + word
        yield "/x/.." * 1200 + "/" + word
        yield "/" + "%2e/" * 1500 + word
        yield "/" + "x" * 7000 + "/../" + word
        yield "/" + "%25" * 2000 + "61dmin/" + word
        yield f"/x?/../{word}"
        yield f"/x#/../{word}"


GUARDED: Final = re.compile(rb"/admin(?:/|\Z)")


def meanings(target: bytes) -> set[bytes]:
    """The paths that servers may understand by *target*: every order of every generosity, written apart from the program's."""
    target = re.sub(rb"(?i)\Ahttp://[^/]*", b"", target)
    found: set[bytes] = set()
    path = re.split(rb"[?#]", target)[0]
    for _ in range(4):
        for cut, parameters, backslashes, trimmed, lower, overlong in itertools.product((False, True), repeat=6):
            read = path
            if overlong:
                read = read.replace(b"\xc0\xaf", b"/").replace(b"\xe0\x80\xaf", b"/").replace(b"\xc0\xae", b".")
                read = read.replace("ａ".encode(), b"a")
            if cut:
                read = re.split(rb"[?#\0]", read)[0]
            if backslashes:
                read = read.replace(b"\\", b"/")
            if parameters:
                read = re.sub(rb";[^/]*", b"", read)
            kept: list[bytes] = []
            for segment in read.split(b"/"):
                name = segment.rstrip(b". \t\r\n") or segment if trimmed else segment
                if name == b"..":
                    del kept[-1:]
                elif name not in (b".", b""):
                    kept.append(name)
            read = b"/" + b"/".join(kept)
            found.add(read.lower() if lower else read)
        path = unquote_to_bytes(path)
    return found


def lets_in(play: Play, target: bytes) -> bool:
    """Whether a request from anywhere gets to the peer; as exchanges decide it, without the rest of them."""
    try:
        origin, path, query, _ = parse_target(b"GET", target)
        routed = route_path(path)
    except RequestError:
        return False
    fields = RequestFields(Headers([(b"Host", b"example.com")]), host=b"example.com")
    head = RequestHead(b"GET", origin, 11, fields, path=path, query=query, route_path=routed, authority=b"example.com")
    exchange = Exchange(play.site, DOOR, head)
    play.site.exchanges -= 1
    route = play.site.routes.match(b"http", b"example.com", 80, routed, "http", exchange)
    return route is not None and not route.settings.deny and not is_disguised(exchange, route)


class _Door:
    """Where the requests would have come in."""

    address, client_port, trusted, trusted_proxies = "192.0.2.1", 1, False, None
    scheme, port, listener_name = b"http", 80, "http"


DOOR: Final[Any] = _Door()


def test_no_spelling_of_what_is_denied_reaches_a_generous_peer() -> None:
    targets = [target.encode("latin-1") for target in dict.fromkeys(spellings())]
    with Play(SITE) as play:
        reached = [target for target in targets if lets_in(play, target)]
    assert len(targets) > 5000
    assert len(reached) > 100
    assert [target for target in reached if any(GUARDED.match(path) for path in meanings(target))] == []


#: One of each kind, by the whole way.
ONE_OF_EACH: Final = {
    "/admin": 403,
    "/admin/": 403,
    "/%61dmin/": 403,
    "//admin/": 403,
    "/x/../admin/": 403,
    "/admin;x=y/": 403,
    "/public/%2e%2e/admin/": 403,
    "/ADMIN/": 403,
    "/%2561dmin/": 403,
    "/admin%3f": 403,
    "/admin%20/": 403,
    "/admin./x": 403,
    "/%ef%bd%81dmin/": 403,
    "/admin%00": 400,
    "/public/..%2fadmin/": 400,
    "/public/..%5cadmin/": 400,
    "/public/..;/admin/": 400,
    "/public/%252e%252e/admin/": 400,
    "/../admin/": 400,
    "/administration": 200,
    "/Public/Admin": 200,
    "/public/admin": 200,
    "/x?/../admin/": 200,
    "/100%25": 200,
    "/caf%C3%A9/%41": 200,
    "/a%252Fb": 200,
}


@pytest.mark.parametrize(("target", "status"), ONE_OF_EACH.items())
def test_one_of_each_kind_gets_its_answer(target: str, status: int) -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says(f"GET {target} HTTP/1.1\nHost: example.com")
        Peers(play).act()
        assert client.hears_message().status == status
        client.overlooks()
        client.leaves()
        play.turn()
        Peers(play).act()


def test_who_may_in_may_say_it_as_he_likes() -> None:
    with Play(SITE) as play:
        client = play.client(address="203.0.113.1")
        client.says("GET /%61dmin/ HTTP/1.1\nHost: example.com")
        Peers(play).act()
        assert client.hears_message().status == 200


def test_a_path_that_the_site_names_itself_is_no_disguise() -> None:
    with Play(SITE + "    [route /Admin/]\n    pool = app\n") as play:
        client = play.client()
        client.says("GET /Admin/ HTTP/1.1\nHost: example.com")
        Peers(play).act()
        assert client.hears_message().status == 200


def test_a_disguise_is_called_one() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says("GET /ADMIN/ HTTP/1.1\nHost: example.com")
        assert client.hears_message().status == 403
        assert play.exchange().value("error") == "path_disguised"
        # The same head again is not remembered as good.
        client.says("GET /ADMIN/ HTTP/1.1\nHost: example.com")
        assert client.hears_message().status == 403


def test_fields_that_name_other_paths_do_not_matter() -> None:
    with Play(SITE) as play:
        for field in (
            "X-Original-URL",
            "X-Rewrite-URL",
            "X-Forwarded-Uri",
            "X-HTTP-Method-Override",
            "Referer",
            "Content-Location",
        ):
            client = play.client()
            client.says(f"GET /admin/ HTTP/1.1\nHost: example.com\n{field}: /public/")
            assert client.hears_message().status == 403
