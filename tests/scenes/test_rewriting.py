"""What a peer is asked for, where it may send clients, and its cookies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.play import Play
from tests.scenes.heads import answered_alone, passed, target
from tests.scenes.sites import ONE

API = "[pool app]\nservers = 10.0.0.1:80\n[route /api/]\npool = app\n"
GET = "GET /api/x HTTP/1.1\nHost: example.com"


@pytest.mark.parametrize(
    ("keys", "asked", "sent"),
    [
        ("add_prefix = /v1/", "/api/x?y", "/v1/api/x?y"),
        ("strip_prefix = /api\nadd_prefix = /v1", "/api/x", "/v1/x"),
        ("strip_prefix = /api\nadd_prefix = /v1", "/api/", "/v1/"),
        (r"rewrite = ^/api/old/(.*) /api/new/\1", "/api/old/a%2Fb?c=d", "/api/new/a%2Fb?c=d"),
        (r"rewrite = ^/api/old/(.*) /api/new/\1", "/api/other?c", "/api/other?c"),
        (r"rewrite = ^/api/old/(.*) /api/new/\1", "/api/%6fld/a", "/api/new/a"),
        (r"rewrite = ^/api/old/(.*) /api/new/\1", "/api//./old/a", "/api/new/a"),
        (r"rewrite = ^/api/(\d{2})$ /api?id=\1", "/api/42?a=b", "/api?id=42&a=b"),
        (r"rewrite = ^/api/(\d+)$ /api?id=\1", "/api/42", "/api?id=42"),
        (r"rewrite = ^/api/(.*)$ /\1?", "/api/42?a=b", "/42"),
        ("rewrite =\n  ^/api/a /first\n  ^/api/ /second", "/api/a", "/first"),
        ("rewrite =\n  ^/api/a /first\n  ^/api/ /second", "/api/b", "/second"),
        (r"rewrite = ^/api/(?P<name>.*) /\g<name>/of/{host}", "/api/b", "/b/of/example.com"),
        (r"rewrite = ^/api/(.*) \1", "/api/b", "/b"),
        (r"rewrite = ^/x/(.*) /y/\1" + "\nstrip_prefix = /api\nadd_prefix = /v1", "/api/x/1", "/v1/y/1"),
        ("rewrite = ^/api/ /{arg.to}", "/api/?to=a%20b%23%3Fc%5C1%0d", "/a%20b%23%3Fc%5C1%0D?to=a%20b%23%3Fc%5C1%0d"),
    ],
)
def test_a_peer_is_asked_for(keys: str, asked: str, sent: str) -> None:
    assert target(API + keys + "\n", asked) == sent


def test_what_is_written_in_a_path_begins_no_query_by_a_capture() -> None:
    site = "[pool app]\nservers = 10.0.0.1:80\n[route ~ ^/x/(?P<rest>.*)]\npool = app\nrewrite = ^ /{capture.rest}\n"
    assert target(site, "/x/a%3Fb%25%20%C3%A9%23?q") == "/a%3Fb%25%20%C3%A9%23?q"
    site = "[route ~ ^/x/(?P<rest>.*)]\nredirect = 302 /{capture.rest}\n"
    assert answered_alone(site, "GET /x/a%3Fb%0d HTTP/1.1\nHost: a").fields["location"] == "/a%3Fb%0D"


@pytest.mark.parametrize(("word", "sent"), [("../../x", "/f/..%2F..%2Fx"), ("..", "/f/"), ("a%2Fb", "/f/a%2Fb")])
def test_a_clients_words_lead_nowhere_else(word: str, sent: str) -> None:
    site = ONE + "rewrite = ^ /f/{arg.name}?\n"
    assert target(site, f"/x?name={word}") == sent


def test_options_for_the_server_as_a_whole_stays_that() -> None:
    asked, _ = passed(ONE + "add_prefix = /x\n", "OPTIONS * HTTP/1.1\nHost: a")
    assert asked.start == "OPTIONS * HTTP/1.1"


def test_rewriting_follows_each_target_of_a_connection() -> None:
    with Play(ONE + "rewrite = ^/(.) /\\1/{arg.x}\n") as play:
        client = play.client()
        for number in ("1", "2", "2"):
            client.says(f"GET /a?x={number} HTTP/1.1\nHost: example.com")
            origin = play.same_origin()
            assert origin.hears_message().start == f"GET /a/{number}?x={number} HTTP/1.1"
            origin.says("HTTP/1.1 204 No Content")
            client.hears("HTTP/1.1 204 No Content")


def test_an_application_is_told_its_prefix() -> None:
    site = API + "strip_prefix = /api/\nforwarded = yes\n"
    asked, _ = passed(site, GET + "\nX-Forwarded-Prefix: /forged")
    assert asked.fields["x-forwarded-prefix"] == "/api"
    asked, _ = passed(API + "forwarded = yes\n", GET + "\nX-Forwarded-Prefix: /forged")
    assert "x-forwarded-prefix" not in asked.fields


# Location and its like.


def located(keys: str, url: str, field: str = "Location") -> str:
    """What becomes of *url* in the head of an answer."""
    _, answered = passed(API + keys, GET, f"HTTP/1.1 302 Found\n{field}: {url}\nContent-Length: 0")
    return answered.fields[field.lower()]


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("/login", "/api/login"),
        ("/", "/api/"),
        ("/api/login", "/api/login"),
        ("/apiary", "/api/apiary"),
        ("login?next=/", "login?next=/"),
        ("http://10.0.0.1/login?a#b", "http://example.com/api/login?a#b"),
        ("HTTP://10.0.0.1:80/login", "http://example.com/api/login"),
        ("https://10.0.0.1:443", "http://example.com/api/"),
        ("//10.0.0.1/x", "http://example.com/api/x"),
        ("http://example.com/x", "http://example.com/api/x"),
        ("http://10.0.0.1:8080/x", "http://10.0.0.1:8080/x"),
        ("https://login.example.org/?back=/", "https://login.example.org/?back=/"),
        ("mailto:a@example.com", "mailto:a@example.com"),
    ],
)
def test_where_a_peer_sends_clients_becomes_public(url: str, public: str) -> None:
    assert located("strip_prefix = /api\nrewrite_location = peer\n", url) == public


def test_where_a_stored_answer_sends_clients_becomes_public_too(tmp_path: Path) -> None:
    site = f"[cache c]\ndirectory = {tmp_path}\n" + API + "cache = c\nstrip_prefix = /api\nrewrite_location = peer\n"
    with Play(site) as play:
        client = play.client()
        for word in ("MISS", "HIT"):
            client.says(GET)
            if play.has_origin:
                origin = play.origin()
                origin.hears_message()
                origin.says("HTTP/1.1 301 Moved\nLocation: http://10.0.0.1/x\nCache-Control: max-age=9\nContent-Length: 0")
            answered = client.hears_message()
            assert (answered.fields["location"], answered.fields["x-cache-status"]) == ("http://example.com/api/x", word)


def test_content_location_and_refresh_as_well() -> None:
    keys = "strip_prefix = /api\nrewrite_location = peer\n"
    assert located(keys, "/x", "Content-Location") == "/api/x"
    assert located(keys, "5; url=http://10.0.0.1/x", "Refresh") == "5; url=http://example.com/api/x"
    assert located(keys, '0;URL="/x"', "Refresh") == '0;URL="/api/x"'
    assert located(keys, "30", "Refresh") == "30"


def test_what_was_added_is_taken_off_again() -> None:
    keys = "strip_prefix = /api\nadd_prefix = /app\nrewrite_location = peer\n"
    assert located(keys, "/app/x") == "/api/x"
    assert located(keys, "/app?x") == "/api/?x"
    assert located(keys, "/elsewhere") == "/api/elsewhere"


def test_a_host_of_the_routes_own_is_the_peers_too() -> None:
    assert located("host = internal.example\nrewrite_location = peer\n", "http://Internal.example/x") == "http://example.com/x"


def test_lines_say_what_becomes_of_what() -> None:
    keys = "rewrite_location =\n  http://a.internal:8080/ https://{host}/a/\n  /old/ /new/\n"
    assert located(keys, "http://a.internal:8080/x") == "https://example.com/a/x"
    assert located(keys, "/old/x") == "/new/x"
    assert located(keys, "http://10.0.0.1/x") == "http://10.0.0.1/x"


def test_without_rewrite_location_it_passes_as_it_came() -> None:
    assert located("strip_prefix = /api\n", "http://10.0.0.1/login") == "http://10.0.0.1/login"


# Cookies.


@pytest.mark.parametrize(
    ("keys", "cookie", "public"),
    [
        ("cookie_domain = app.internal {host}", "a=1; Domain=.App.internal; Path=/", "a=1; Domain=example.com; Path=/"),
        ("cookie_domain = app.internal {host}", "a=1; domain=other", "a=1; domain=other"),
        ("cookie_domain = * none", "a=1; Domain=x.example; Secure", "a=1; Secure"),
        ("cookie_domain = app.internal {host}", "a=1", "a=1"),
        ("cookie_path = / /api/", "a=1; Path=/", "a=1; Path=/api/"),
        ("cookie_path = / /api/", "a=1; Path=/x", "a=1; Path=/api/x"),
        ("cookie_path =\n  /api/ /api/\n  / /api/", "a=1;path=/api/x", "a=1; path=/api/x"),
        ("cookie_flags = * secure httponly samesite=lax", "a=1; SameSite=None", "a=1; Secure; HttpOnly; SameSite=Lax"),
        ("cookie_flags = * nosecure", "a=Secure; Secure; Path=/", "a=Secure; Path=/"),
        ("cookie_flags =\n  sess* secure\n  * nosamesite", "session=1; samesite=Lax", "session=1; samesite=Lax; Secure"),
        ("cookie_flags =\n  sess* secure\n  * nosamesite", "a=1; samesite=Lax", "a=1"),
    ],
)
def test_a_peers_cookie_fits_the_public_site(keys: str, cookie: str, public: str) -> None:
    _, answered = passed(API + keys + "\n", GET, f"HTTP/1.1 200 OK\nSet-Cookie: {cookie}\nContent-Length: 0")
    assert answered.fields["set-cookie"] == public


def test_own_answers_are_where_they_should_be_already() -> None:
    site = API.replace("pool = app", "pool = app\nstrip_prefix = /api\nrewrite_location = peer\ntotal_timeout = 1s")
    with Play(site) as play:
        client = play.client()
        client.says(GET)
        origin = play.origin()
        origin.hears_message()
        origin.resets()
        assert client.hears_message().status == 502
        client.leaves()


# Redirects with templates.


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_say_where_by_a_template(status: int) -> None:
    site = f"[route /]\nredirect = {status} https://www.{{host}}{{path}}?from={{arg.a}}\n"
    answered = answered_alone(site, "GET /x?a=1 HTTP/1.1\nHost: example.com")
    assert (answered.status, answered.fields["location"]) == (status, "https://www.example.com/x?from=1")
