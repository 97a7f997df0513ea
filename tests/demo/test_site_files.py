"""Every site file in etc/ can be used as it stands, without a warning, and uses what its name promises."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from twistedproxy.config.load import load_text
from twistedproxy.demo.keys import shell_key
from twistedproxy.settings.site_ini import Settings

ETC = Path(__file__).parents[2] / "etc"


def settings_of(name: str, directory: Path) -> Settings:
    """The settings of a sample, read as if it stood in a fresh checkout whose demo was started once."""
    shell_key(directory / "var")
    shutil.copytree(ETC, directory / "etc")
    loaded = load_text((ETC / name).read_text(), str(directory / "etc" / name), {})
    assert loaded.warnings == ()
    return loaded.settings


@pytest.mark.parametrize("name", sorted(path.name for path in ETC.glob("*.ini")))
def test_every_sample_can_be_used(name: str, tmp_path: Path) -> None:
    settings = settings_of(name, tmp_path)
    assert settings.listen
    assert settings.routes


def test_the_simplest_sample_is_one_door_one_pool_and_one_route(tmp_path: Path) -> None:
    settings = settings_of("simple.ini", tmp_path)
    assert (len(settings.listen), len(settings.pools), len(settings.routes)) == (1, 1, 1)


def test_the_websocket_sample_takes_websockets_on_two_routes_only(tmp_path: Path) -> None:
    settings = settings_of("websocket.ini", tmp_path)
    assert {route.matches[0].path: route.websocket for route in settings.routes} == {
        "/": "no",
        "/ws/": "tunnel",
        "/chat/": "messages",
    }


def test_the_cache_sample_stores_all_but_the_account(tmp_path: Path) -> None:
    settings = settings_of("cache.ini", tmp_path)
    assert {route.matches[0].path: route.cache for route in settings.routes} == {"/": "pages", "/account/": None}


def test_the_sample_for_lets_encrypt_has_all_that_it_needs(tmp_path: Path) -> None:
    site = settings_of("letsencrypt.ini", tmp_path).tls["site"]
    assert (site.acme, site.challenge) == ("https://acme-v02.api.letsencrypt.org/directory", "http-01")
    assert site.names == ("example.com", "www.example.com")


def test_the_guards_sample_has_one_guard_of_each_kind(tmp_path: Path) -> None:
    settings = settings_of("guards.ini", tmp_path)
    routes = {route.matches[0].path: route for route in settings.routes}
    assert routes["/metrics"].allow
    assert routes["/app/"].forward_auth
    assert routes["/api/"].jwt
    assert {limit for route in settings.routes for limit in route.limits} == set(settings.limits)


def test_the_tls_sample_sends_plain_http_to_https(tmp_path: Path) -> None:
    settings = settings_of("tls.ini", tmp_path)
    answers = {
        route.matches[0].scheme: (route.redirect.status if route.redirect else None, route.pool) for route in settings.routes
    }
    assert answers == {"http": (301, None), "https": (None, "app")}
