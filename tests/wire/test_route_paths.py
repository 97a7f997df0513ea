"""The path that routes and access rules see: no spelling of a path gets around the rule for it."""

from __future__ import annotations

import pytest

from twistedproxy.errors import BAD_TARGET, RequestError
from twistedproxy.wire.target import route_path


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        (b"*", b"*"),
        (b"/", b"/"),
        (b"/a/b.c", b"/a/b.c"),
        (b"/a/", b"/a/"),
        # Escapes (RFC 3986 §6.2.2).
        (b"/%61dmin/%7Ex", b"/admin/~x"),
        (b"/%C3%A9%c3%a9", b"/\xc3\xa9\xc3\xa9"),
        (b"/a%20b%25c", b"/a b%c"),
        (b"/%2561dmin", b"/%61dmin"),
        (b"/a%3fb", b"/a?b"),
        # Empty segments.
        (b"//", b"/"),
        (b"//admin", b"/admin"),
        (b"/a//b///c", b"/a/b/c"),
        (b"/a//", b"/a/"),
        (b"/%2fadmin", b"/admin"),
        # Dot segments (RFC 3986 §5.2.4).
        (b"/.", b"/"),
        (b"/./a/./b", b"/a/b"),
        (b"/a/.", b"/a/"),
        (b"/a/b/..", b"/a/"),
        (b"/a/..", b"/"),
        (b"/a/../admin", b"/admin"),
        (b"/a/b/../../admin", b"/admin"),
        (b"/a/%2e%2E/admin", b"/admin"),
        (b"/a/.%2e/admin", b"/admin"),
        (b"/a/%2e/b", b"/a/b"),
        (b"/a/..//b", b"/b"),
        # What only looks like a dot segment.
        (b"/.well-known/x", b"/.well-known/x"),
        (b"/...", b"/..."),
        (b"/a/..b/.c", b"/a/..b/.c"),
        # Path parameters.
        (b"/admin;x=y/z;", b"/admin/z"),
        (b"/admin%3bx/z", b"/admin/z"),
        (b"/a/;x/b", b"/a/b"),
        (b"/a/;x", b"/a/"),
        (b"/;", b"/"),
        (b"/a;x/../b", b"/b"),
        # Separators in disguise.
        (b"/admin%2fx", b"/admin/x"),
        (b"/admin%2Fx", b"/admin/x"),
        (b"/admin\\x", b"/admin/x"),
        (b"/admin%5cx", b"/admin/x"),
        (b"/a%252fb", b"/a%2fb"),
    ],
)
def test_a_path_is_seen_as_any_server_behind_might_see_it(path: bytes, seen: bytes) -> None:
    assert route_path(path) == seen


@pytest.mark.parametrize(
    "path",
    [
        b"/a%",
        b"/a%2",
        b"/a%zz",
        b"/a%u002e",
        b"/%+1",
        b"/a%00",
        b"/a%00/../b",
        b"/..",
        b"/../a",
        b"/%2e%2e/a",
        b"/a/../../b",
        b"/public/..;/admin",
        b"/public/..;x=y/admin",
        b"/public/..%3b/admin",
        b"/public/.;/admin",
        b"/public/..%2fadmin",
        b"/public%2f..%2fadmin",
        b"/public%2f../admin",
        b"/public/..\\admin",
        b"/public\\..\\admin",
        b"/public%5c..%5cadmin",
        b"/public/..%5cadmin",
        b"/a%2fb/../c",
        # What servers that merge slashes, and those that do not, take to different places.
        b"/admin//../public",
        b"/admin///../public",
        b"/admin/;x/../public",
        b"/admin//x/../../public",
        b"//../a",
        # For servers that decode twice, or more often.
        b"/public/%252e%252e/admin",
        b"/public/%25%32%65%252e/admin",
        b"/public/%25%32%35%32%65./admin",
        b"/public/.%252e/admin",
        b"/public/%25252e%25252e/admin",
        b"/public/..%252fadmin",
        b"/public%252f..%252fadmin",
        b"/public/..%255cadmin",
        b"/public/..%253b/admin",
        b"/public/%252e",
    ],
)
def test_a_path_that_leads_to_different_places_is_refused(path: bytes) -> None:
    with pytest.raises(RequestError) as refused:
        route_path(path)
    assert refused.value.reason is BAD_TARGET


def test_a_path_of_many_escapes_takes_no_more_time_than_its_length() -> None:
    # A pattern that goes back over what it has read would need minutes for these.
    assert route_path(b"/%" + b"25" * 100_000) == b"/%" + b"25" * 99_999
    assert route_path(b"/%25" * 100_000) == b"/%" * 100_000
    assert route_path(b"/." + b"%25" * 100_000) == b"/." + b"%" * 100_000
    assert route_path(b"/a/.." * 100_000 + b"/") == b"/"
