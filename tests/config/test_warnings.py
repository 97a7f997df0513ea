"""What is legal and still told."""

from __future__ import annotations

import pytest

from tests.config.sites import SMALL, warnings


def test_a_sound_site_has_no_warnings() -> None:
    assert warnings(SMALL) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "[status]\non = tcp:8404\n",
            "9 [status] on: *:8404 can be reached from other machines, and it has no users; "
            "write tcp:127.0.0.1:8404, or add users and protect = everything",
        ),
        (
            "[status]\non =\n  unix:s\n  tcp:127.0.0.1:1\n  tcp:[::1]:1\n  tcp:192.0.2.1:1\n",
            "9 [status] on: 192.0.2.1:1 can be reached from other machines, and it has no users; "
            "write tcp:127.0.0.1:1, or add users and protect = everything",
        ),
        ("[pool b]\nservers = a:1\n", "8 [pool b]: is not used; name it by pool = b, or remove it"),
        ("[cache b]\ndirectory = b\n", "8 [cache b]: is not used; name it by cache = b, or remove it"),
        ("[tls b]\nself_signed = b\n", "8 [tls b]: is not used; name it by tls = b, or remove it"),
        (
            "[route https://*/x]\npool = app\n",
            "8 [route https://*/x]: is never reached: none of its listeners has tls; "
            "add a listener, or take the scheme off the title",
        ),
        (
            "[listen s]\non = tcp:1\ntls = t\n[tls t]\nself_signed = a\n[route http://*/x]\npool = app\nlisten = s\n",
            "13 [route http://*/x]: is never reached: none of its listeners is without tls; "
            "add a listener, or take the scheme off the title",
        ),
        (
            "[route /x]\nredirect = 301 https://$host/\n",
            "9 [route /x] redirect: $host is sent as it stands; write {host} for what the request says",
        ),
        ("[route /x]\nredirect = 301 /\ntries = 2\n", "10 [route /x] tries: has no effect: the route redirects; remove the line"),
        (
            "[route /x]\npool = app\ncache_valid = 200 1m\n",
            "10 [route /x] cache_valid: has no effect without cache; add cache = NAME, or remove the line",
        ),
        (
            "[route /x]\npool = app\nwebsocket = no\nwebsocket_idle_timeout = 1h\n",
            "11 [route /x] websocket_idle_timeout: has no effect: websocket is no; remove the line",
        ),
        (
            "[route /x]\npool = app\ncors_max_age = 1h\n",
            "10 [route /x] cors_max_age: has no effect without cors; add cors = https://…, or remove the line",
        ),
        (
            "[route /x]\npool = app\ncors = * https://a.example\n",
            "10 [route /x] cors: * stands for every origin: the others have no effect; remove the others",
        ),
        (
            "[route /x]\npool = app\ncors = null\ncors_credentials = yes\n",
            "10 [route /x] cors: null is every sandboxed page and local file: with credentials, anybody's; name origins only",
        ),
        (
            "[listen b]\non = tcp:0\n",
            "9 [listen b] on: port 0: the system picks another port at every start; write the port that clients know",
        ),
        (
            "[listen b]\non = tcp:1\ntrusted_proxies = 10.0.0.0/8 0.0.0.0/0\n",
            "10 [listen b] trusted_proxies: 0.0.0.0/0 is everyone: any client may forge its address; name your proxies only",
        ),
        (
            "[listen b]\non = tcp:1\nmax_header_size = 4k\n",
            "10 [listen b] max_header_size: max_target (8k) does not fit in the head; make max_header_size (4k) larger",
        ),
    ],
)
def test_one_thing_is_told(text: str, line: str) -> None:
    assert warnings(SMALL + text) == [line]


POOL = "[route /p]\npool = b\n[pool b]\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "servers = https://a\nverify = no\n",
            "12 [pool b] verify: whoever answers at a peer's address is trusted; name the peer's authority by ca = FILE instead",
        ),
        (
            "servers = a:1\nverify = no\n",
            "12 [pool b] verify: has no effect: no server is https://; write https://HOST:PORT in servers, or remove the line",
        ),
        (
            "servers =\n    a:1\n    srv:_https._tcp.a\n",
            "13 [pool b] servers: srv:_https._tcp.a is spoken to without TLS; write https://srv:_https._tcp.a",
        ),
        (
            "servers = a:1\ncheck = tcp\ncheck_interval = 1s\n",
            "13 [pool b] check_interval: a check may take 2s, the next begins after 1s; "
            "make check_timeout shorter than check_interval",
        ),
        (
            "servers = a:1\nmax_fails = 0\nfail_timeout = 1s\n",
            "13 [pool b] fail_timeout: has no effect: max_fails is 0; give max_fails a number, or remove the line",
        ),
        (
            "servers = a:1\nkeepalive = 0\nkeepalive_timeout = 1s\n",
            "13 [pool b] keepalive_timeout: has no effect: keepalive is 0; give keepalive a number, or remove the line",
        ),
        (
            "servers = a:1 down\n",
            "11 [pool b] servers: every server is down: the pool answers 503; take down off one of them",
        ),
    ],
)
def test_one_thing_is_told_about_a_pool(text: str, line: str) -> None:
    assert warnings(SMALL + POOL + text) == [line]


def test_one_thing_is_told_about_a_cache() -> None:
    text = "[route /p]\npool = app\ncache = c\n[cache c]\ndirectory = c\nmax_size = 100m\nmax_entry = 1m\nmemory = 200m\n"
    assert warnings(SMALL + text) == [
        "15 [cache c] memory: memory (200m) is larger than max_size (100m); write memory = 100m or less"
    ]


def test_a_cache_that_is_smaller_than_the_defaults_is_told_what_to_write() -> None:
    text = "[route /p]\npool = app\ncache = c\n[cache c]\ndirectory = c\nmax_size = 100m\n"
    assert warnings(SMALL + text) == [
        "13 [cache c] max_size: max_entry (256m by default) is larger than max_size (100m); write max_entry = 100m or less"
    ]
