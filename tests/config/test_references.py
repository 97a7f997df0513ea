"""One section against the other: names that lead nowhere, routes without answer, what is opened or said twice."""

from __future__ import annotations

from tests.config.sites import SMALL, errors, loaded
from twistedproxy.config.sections import rows
from twistedproxy.settings.pools import PoolSettings


def test_a_name_that_leads_nowhere_is_told_the_nearest() -> None:
    text = SMALL + "[route /x]\npool = apb\ncache = c\nlisten = http htpt\n[listen s]\non = tcp:1\ntls = site\n"
    assert errors(text) == [
        "9 [route /x] pool: there is no [pool apb]; did you mean app?",
        "10 [route /x] cache: there is no [cache c]; add one, with the title [cache c]",
        "11 [route /x] listen: there is no [listen htpt]; did you mean http?",
        "14 [listen s] tls: there is no [tls site]; add one, with the title [tls site]",
    ]


def test_a_name_in_the_defaults_must_lead_somewhere_too() -> None:
    assert errors(SMALL + "[defaults]\ncache = c\n")[0].startswith("9 [defaults] cache: there is no [cache c]")


def test_a_request_of_a_test_comes_in_by_one_listener() -> None:
    text = SMALL + "[test x]\nrequest = GET http://a/\nlisten = http http\nexpect = status 200\n"
    assert errors(text)[0].startswith("10 [test x] listen: there is no [listen http http]")


def test_a_section_with_mistakes_can_still_be_named() -> None:
    assert errors(SMALL.replace("servers = 127.0.0.1:3000", "servers = 127.0.0.1")) == [
        "4 [pool app] servers: '127.0.0.1' has no port; write 127.0.0.1:80, or https://127.0.0.1"
    ]


def test_a_site_needs_a_listener_and_a_route() -> None:
    assert errors("") == [
        " there is no [listen …] section; add one, for instance [listen http] with on = tcp:80",
        " there is no [route …] section; add one, for instance [route /] with pool = NAME",
    ]


def test_a_route_has_exactly_one_answer() -> None:
    assert errors(SMALL + "[route /x]\ntries = 1\n[route /y]\npool = app\nredirect = 301 /\n") == [
        "8 [route /x]: the route has no answer; add pool = NAME, or redirect = 301 https://{host}{uri}",
        "12 [route /y] redirect: the route has a pool, too; a route has exactly one of pool and redirect",
    ]


def test_an_answer_that_cannot_be_read_is_not_called_missing() -> None:
    assert len(errors(SMALL + "[route /x]\nredirect = 301\n")) == 1


def test_a_cache_needs_a_pool() -> None:
    text = SMALL + "[cache c]\ndirectory = c\n[route /x]\nredirect = 301 /\ncache = c\n"
    assert errors(text) == ["12 [route /x] cache: there is nothing to store; cache goes with pool"]


def test_a_cache_of_the_defaults_is_not_meant_for_redirects() -> None:
    text = (
        SMALL + "[defaults]\ncache = c\n[cache c]\ndirectory = c\n[route /x]\nredirect = 301 /\n[route /y]\npool = app\ncache =\n"
    )
    assert [route.cache for route in loaded(text).settings.routes] == ["c", None, None]


def test_routes_inherit_from_the_defaults_wherever_these_stand() -> None:
    text = SMALL + "[route /x]\npool = app\ntries = 2\n[defaults]\ntries = 7\nread_timeout = 5s\n"
    assert [(route.tries, route.read_timeout) for route in loaded(text).settings.routes] == [(7, 5.0), (2, 5.0)]


def test_two_routes_for_the_same_requests_are_refused() -> None:
    assert errors(
        SMALL + "[route */]\npool = app\n[route Example.com/a%62]\npool = app\n[route example.com/ab]\npool = app\n"
    ) == [
        "8 [route */]: matches the same requests as [route /] at site.ini:5; remove one, or narrow it by listen",
        "12 [route example.com/ab]: matches the same requests as [route Example.com/a%62] at site.ini:10; "
        "remove one, or narrow it by listen",
    ]


def test_two_routes_may_match_the_same_on_different_listeners() -> None:
    text = SMALL + "[listen b]\non = tcp:1\n[route /]\npool = app\nlisten = http\n[route /]\npool = app\nlisten = b\n"
    assert [route.listen for route in loaded(text).settings.routes] == [(), ("http",), ("b",)]
    assert errors(text + "[route /]\npool = app\nlisten = b http\n") == [
        "16 [route /]: matches the same requests as [route /] at site.ini:10; remove one, or narrow it by listen"
    ]


def test_an_address_is_opened_once() -> None:
    text = SMALL + "[listen b]\non =\n  tcp:127.0.0.1:8080\n  tcp:127.0.0.1:81\n  unix:a\n"
    text += "[status]\non =\n  tcp:0.0.0.0:81\n  unix:a\n  tcp:[::]:81\n"
    found = errors(text)
    assert [line.split(": ", 1)[1].split(" by ")[0] for line in found] == [
        "127.0.0.1:8080 is already opened as *:8080",
        "0.0.0.0:81 is already opened as 127.0.0.1:81",
        found[2].split(": ", 1)[1].split(" by ")[0],
    ]
    assert "/a is already opened as unix:" in found[2]


def test_port_zero_may_be_opened_often() -> None:
    assert errors(SMALL + "[listen b]\non =\n  tcp:127.0.0.1:0\n  tcp:[::1]:0\n[status]\non = tcp:127.0.0.1:0\n") == []


def test_a_server_stands_once_in_a_pool_and_may_stand_in_another() -> None:
    assert errors(SMALL + "[pool b]\nservers =\n  127.0.0.1:3000\n  https://127.0.0.1:3000\n") == [
        "9 [pool b] servers: 127.0.0.1:3000 stands twice; remove one; weight=2 gives it twice the work"
    ]


def test_two_caches_do_not_share_a_directory() -> None:
    assert errors(SMALL + "[cache a]\ndirectory = x\n[cache b]\ndirectory = ./x\n") == [
        "11 [cache b] directory: [cache a] keeps its entries there; give each cache a directory of its own"
    ]


def test_tls_needs_a_certificate() -> None:
    assert errors(SMALL + "[tls site]\n") == [
        "8 [tls site]: has no certificate; add certificates = CHAIN.pem KEY.pem, acme = …, or self_signed = NAME"
    ]


def test_titles_are_checked() -> None:
    text = (
        SMALL + "[pol x]\nweight = 1\n[pool]\nservers = a:1\n[pool a b]\nservers = a:1\n[site x]\n[]\n[pool app]\nservers = b:1\n"
    )
    assert errors(text) == [
        "8 [pol x]: pol is not a kind of section; did you mean pool?",
        "10 [pool]: has no name; write [pool NAME], in letters, digits, _ . and -",
        "12 [pool a b]: 'a b' is not a name; write [pool NAME], in letters, digits, _ . and -",
        "14 [site x]: takes no name; write [site]",
        "15: nothing is not a kind of section; "
        "known: app, cache, defaults, limit, listen, log, map, pool, route, shell, site, status, stream, test, tls, tracing",
        "16 [pool app]: stands twice; first at site.ini:3; put both into one section",
    ]


def test_keys_are_checked() -> None:
    text = SMALL + "[defaults]\npool = app\nread_timout = 1s\n[pool b]\nserver_nam = x\nzzz = 1\nheader_timeout = 1s\n"
    assert errors(text) == [
        "9 [defaults] pool: is not a key of this section; it belongs in [route …] or [stream …]",
        "10 [defaults] read_timout: is not a key of this section; did you mean read_timeout?",
        f"11 [pool b]: servers is missing; add servers = … ({rows(PoolSettings)['servers']['doc']})",
        "12 [pool b] server_nam: is not a key of this section; did you mean server_name?",
        f"13 [pool b] zzz: is not a key of [pool]; known: {', '.join(sorted(rows(PoolSettings)))}",
        "14 [pool b] header_timeout: is not a key of this section; it belongs in [listen …] or [stream …]",
    ]


def test_nothing_behind_the_sign_is_a_value_only_where_there_can_be_none() -> None:
    text = SMALL + "[pool b]\nservers =\nbalance =\ncheck =\ncheck_expect =\n"
    assert errors(text) == [
        f"9 [pool b] servers: is empty; write {rows(PoolSettings)['servers']['doc']}",
        "10 [pool b] balance: is empty; leave the line out for the default, round_robin",
        "12 [pool b] check_expect: is empty; leave the line out for the default, 200-399",
    ]


def test_an_item_that_stands_twice_in_a_list_is_shown() -> None:
    assert errors(SMALL + "[route /x]\npool = app\nlisten = http http\n") == [
        "10 [route /x] listen: http is said twice; remove one"
    ]
