"""Routes that give each other's stored answers away."""

from __future__ import annotations

import pytest

from tests.config.sites import warnings

SITE = """\
[listen a]
on = tcp:1
[listen b]
on = tcp:2
[listen s]
on = tcp:3
tls = own
[tls own]
self_signed = localhost
[pool one]
servers = a:1
[pool two]
servers = a:2
[cache c]
directory = c
[cache d]
directory = d
"""

ONE = "pool = one\ncache = c\n"
TWO = "pool = two\ncache = c\n"


def routes(*sections: str) -> list[str]:
    """The warnings about a site with these routes, without those that are of no interest here."""
    return [line for line in warnings(SITE + "".join(sections)) if "is not used" not in line]


def test_a_route_for_one_listener_and_a_wider_one_for_all_mix_up_their_answers() -> None:
    assert routes(f"[route /]\n{ONE}[route /x/]\n{TWO}listen = a\n") == [
        "20 [route /] cache: [cache c] is shared with [route /x/], which has the same URLs by other listeners, "
        "and answers for them are mixed up; give one of the two a cache of its own"
    ]


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("/", "example.com/"),
        ("/", "*.example.com/"),
        ("*.example.com/", "a.example.com/"),
        ("example.com/", "example.com/x"),
        ("/", "http://*/"),
        ("example.com/", "example.com:80/"),
    ],
)
def test_so_do_others_that_mean_the_same_urls(wide: str, narrow: str) -> None:
    assert len(routes(f"[route {wide}]\n{ONE}[route {narrow}]\n{TWO}listen = a\n")) == 1


def test_what_is_made_of_the_request_counts_as_much_as_the_pool() -> None:
    assert len(routes(f"[route /]\n{ONE}[route /x/]\n{ONE}strip_prefix = /x\nlisten = a\n")) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        # Every URL has one route.
        (f"[route /]\n{ONE}", f"[route /x/]\n{TWO}"),
        (f"[route /]\n{ONE}listen = a\n", f"[route /x/]\n{TWO}listen = a b\n"),
        # The URLs differ.
        (f"[route /y/]\n{ONE}", f"[route /x/]\n{TWO}listen = a\n"),
        (f"[route a.example/]\n{ONE}", f"[route b.example/]\n{TWO}listen = a\n"),
        (f"[route *.b.example/]\n{ONE}", f"[route b.example/]\n{TWO}listen = a\n"),
        (f"[route example.com:80/]\n{ONE}", f"[route example.com:81/]\n{TWO}listen = a\n"),
        (f"[route /]\n{ONE}listen = s\n", f"[route /x/]\n{TWO}listen = a\n"),
        (f"[route https://*/]\n{ONE}", f"[route /x/]\n{TWO}listen = a\n"),
        # So do the caches.
        (f"[route /]\n{ONE}", "[route /x/]\npool = two\ncache = d\nlisten = a\n"),
        (f"[route /]\n{ONE}", "[route /x/]\npool = two\nlisten = a\n"),
        # The answers do not.
        (f"[route /]\n{ONE}", f"[route /x/]\n{ONE}listen = a\n"),
    ],
)
def test_routes_that_do_not_meet_may_share_a_cache(first: str, second: str) -> None:
    assert routes(first, second) == []
