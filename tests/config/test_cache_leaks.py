"""Settings of the cache: what is refused, what is told because one user may get another's page, and what loads back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.config.sites import SMALL, loaded, warnings
from twistedproxy.config import http
from twistedproxy.config.effective import effective
from twistedproxy.config.load import load_text
from twistedproxy.config.problems import BadValue
from twistedproxy.config.scalars import Context

HERE = Context("/", {})
CACHED = SMALL + "[cache c]\ndirectory = c\n[route /p]\npool = app\ncache = c\n"
LINE = CACHED.count("\n") + 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "cache_ignore = cache-control",
            "cache_ignore: cache-control: what the peer calls private or no-store is stored for everybody; "
            "have the peer say s-maxage, or cache_skip what users are known by",
        ),
        (
            "cache_ignore = cdn-cache-control",
            "cache_ignore: cdn-cache-control: what the peer calls private or no-store for caches like this one is stored for "
            "everybody",
        ),
        (
            "cache_ignore = set-cookie",
            "cache_ignore: set-cookie: pages that are made as somebody logs in are stored for everybody; only the cookie is "
            "taken out; have the peer say public where a page is everybody's",
        ),
        (
            "cache_ignore = vary",
            "cache_ignore: vary: answers that differ by language, coding or cookie are mixed up; "
            "put what they differ by into cache_key, for instance {header.accept-language}",
        ),
        (
            "cache_key = {scheme}{uri}",
            "cache_key: names no host: sites that share the cache get each other's answers; begin it with {scheme}://{host}",
        ),
        (
            "cache_key = {host}{uri}",
            "cache_key: names no scheme: what was answered to https may be served to http; begin it with {scheme}://{host}",
        ),
        (
            "cache_key = {scheme}://{host}/",
            "cache_key: names no path: every page is the same one; end it with {uri}, or with {path}",
        ),
        ("cache_methods = HEAD", "cache_methods: without GET nothing is stored; write GET HEAD"),
    ],
)
def test_what_defeats_the_guard_is_told(text: str, told: str) -> None:
    assert warnings(CACHED + text + "\n") == [f"{LINE} [route /p] {told}"]


@pytest.mark.parametrize(
    "text", ["cache_ignore = expires", "cache_key = {scheme}://{header.host}{path}", "cache_skip = {cookie.a}"]
)
def test_what_is_safe_is_not_told(text: str) -> None:
    assert warnings(CACHED + text + "\n") == []


@pytest.mark.parametrize("read", [http.cache_key, http.condition])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("always", "is the same for every request"),
        ("{cooky.a}", "did you mean"),
        ("{status}", "not known before there is an answer"),
    ],
)
def test_templates_that_cannot_be_are_refused(read: Callable[[str, Context], str], text: str, reason: str) -> None:
    with pytest.raises(BadValue) as bad:
        read(text, HERE)
    assert reason in f"{bad.value.reason} {bad.value.remedy}"


def test_what_a_site_says_of_its_cache_loads_back() -> None:
    said = """
cache_key = {scheme}://{host}{path}
cache_methods = GET HEAD POST
cache_ignore = expires vary
cache_bypass = {cookie.a} {arg.b}
cache_skip = {cookie.a}
cache_min_uses = 3
cache_background_update = no
cache_lock = no
cache_lock_timeout = 7s
cache_status_key = yes
"""
    settings = loaded(CACHED + said).settings
    assert load_text(effective(settings), "/site.ini", {}).settings.routes == settings.routes
    route = next(route for route in settings.routes if route.cache)
    assert (route.cache_bypass, route.cache_methods, route.cache_lock_timeout) == (
        ("{cookie.a}", "{arg.b}"),
        ("GET", "HEAD", "POST"),
        7.0,
    )
