"""Edits of header fields with templates, on both sides, and what is made for one exchange alone."""

from __future__ import annotations

import re

from tests.kit.play import Play
from tests.scenes.heads import answered_alone, passed
from tests.scenes.sites import ANSWER, ONE

GET = "GET /a?x=1&y=%0d%0aEvil:%201 HTTP/1.1\nHost: example.com"
TRUSTING = "[listen http]\non = tcp:80\ntrusted_proxies = 192.0.2.0/24\n"


def test_a_peer_is_told_what_the_request_says() -> None:
    site = (
        ONE + "request_headers =\n  set X-Client {client}\n  set X-Asked {method} {scheme}://{host}{uri}\n  set X-Peer {peer}\n"
    )
    asked, _ = passed(site, GET)
    assert asked.fields["x-client"] == "192.0.2.1"
    assert asked.fields["x-asked"] == "GET http://example.com/a?x=1&y=%0d%0aEvil:%201"
    assert asked.fields["x-peer"] == "10.0.0.1:80"


def test_a_client_cannot_smuggle_a_field_through_a_template() -> None:
    asked, answered = passed(ONE + "request_headers = set X-Y {arg.y}\nresponse_headers = set X-Y {arg.y}\n", GET)
    assert asked.fields["x-y"] == answered.fields["x-y"] == "%0D%0AEvil: 1"


def test_what_is_not_known_sends_no_field() -> None:
    site = ONE + "request_headers =\n  set X-User {cookie.user}\n  append X-More {cookie.user}\n  default X-Rest {cookie.user}\n"
    asked, _ = passed(site, GET + "\nX-User: forged")
    assert {"x-user", "x-more", "x-rest"}.isdisjoint(asked.fields)


def test_an_edit_adds_appends_and_sets_what_is_missing() -> None:
    edits = "  add X-A 3\n  append X-B 2\n  append X-C 1\n  default X-A 4\n  default X-D {host}\n"
    asked, answered = passed(
        ONE + f"request_headers =\n{edits}response_headers =\n{edits}",
        GET + "\nX-A: 1\nX-A: 2\nX-B: 0\nX-B: 1",
        "HTTP/1.1 200 OK\nX-B: 1\nContent-Length: 0",
    )
    assert {name: value for name, value in asked.fields.items() if name.startswith("x-")} == {
        "x-a": "1, 2, 3",
        "x-b": "0, 1, 2",
        "x-c": "1",
        "x-d": "example.com",
    }
    assert {name: value for name, value in answered.fields.items() if name.startswith("x-")} == {
        "x-a": "3",
        "x-b": "1, 2",
        "x-c": "1",
        "x-d": "example.com",
    }


def test_a_client_is_told_who_answered_and_how() -> None:
    site = ONE + "response_headers =\n  set X-Served-By {pool}/{peer}\n  set X-Status {status} {route}\n"
    _, answered = passed(site, GET, "HTTP/1.1 404 Not Found\nContent-Length: 0")
    assert answered.fields["x-served-by"] == "app/10.0.0.1:80"
    assert answered.fields["x-status"] == "404 /"


def test_templates_are_rendered_for_each_request_of_a_connection() -> None:
    with Play(ONE + "request_headers = set X-Id {request_id}\nresponse_headers = set X-Id {request_id}\n") as play:
        client = play.client()
        seen = set()
        for _ in range(3):
            client.says("GET / HTTP/1.1\nHost: example.com")
            origin = play.same_origin()
            asked = origin.hears_message().fields["x-id"]
            origin.says(ANSWER, b"hello")
            assert client.hears_message().fields["x-id"] == asked
            seen.add(asked)
    assert len(seen) == 3


def test_own_answers_get_the_edits_as_well() -> None:
    answered = answered_alone("[route /]\nredirect = 302 /x\nresponse_headers = set X-Host {host}\n", GET)
    assert answered.fields["x-host"] == "example.com"


def test_a_websockets_answer_is_edited_too() -> None:
    with Play(ONE + "response_headers = set X-Host {host}\n") as play:
        client = play.client()
        client.says(
            "GET / HTTP/1.1\nHost: example.com\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        )
        origin = play.origin()
        origin.hears(origin.heard)
        origin.says(
            "HTTP/1.1 101 Switching Protocols\nConnection: Upgrade\nUpgrade: websocket\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        )
        assert client.hears_message().fields["x-host"] == "example.com"
        client.leaves()
        origin.sees_end()


def test_hits_of_the_cache_are_edited_for_each_client(tmp_path: object) -> None:
    site = (
        f"[cache c]\ndirectory = {tmp_path}\n"
        + ONE
        + "cache = c\nresponse_headers = set X-Asked {header.x-name} {cache_status}\n"
    )
    with Play(site) as play:
        client = play.client()
        client.says(GET + "\nX-Name: first")
        origin = play.origin()
        origin.hears_message()
        origin.says("HTTP/1.1 200 OK\nCache-Control: max-age=60\nContent-Length: 5", b"hello")
        assert client.hears_message().fields["x-asked"] == "first MISS"
        for name in ("second", "third", "third"):
            client.says(GET + f"\nX-Name: {name}")
            assert client.hears_message().fields["x-asked"] == f"{name} HIT"


# Request ids.


def test_a_request_id_is_made_and_told_to_both() -> None:
    asked, answered = passed(ONE + "request_id = X-Request-ID\n", GET + "\nX-Request-ID: theirs")
    assert re.fullmatch(r"[0-9a-f]{32}", asked.fields["x-request-id"])
    assert answered.fields["x-request-id"] == asked.fields["x-request-id"]


def test_a_trusted_proxys_request_id_is_kept_unless_it_is_odd() -> None:
    site = TRUSTING + ONE + "request_id = X-Correlation\n"
    asked, answered = passed(site, GET + "\nX-Correlation: abc-1")
    assert asked.fields["x-correlation"] == answered.fields["x-correlation"] == "abc-1"
    asked, _ = passed(site, GET + "\nX-Correlation: a b")
    assert re.fullmatch(r"[0-9a-f]{32}", asked.fields["x-correlation"])


# Traces.

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACED = GET + f"\ntraceparent: 00-{TRACE}-00f067aa0ba902b7-01\ntracestate: a=1"


def test_without_traceparent_a_trace_passes_as_it_came() -> None:
    asked, _ = passed(ONE, TRACED)
    assert asked.fields["traceparent"] == f"00-{TRACE}-00f067aa0ba902b7-01"


def test_a_trace_goes_on_with_the_proxy_as_the_parent() -> None:
    asked, answered = passed(ONE + "traceparent = any\nresponse_headers = set X-Trace {trace_id}\n", TRACED)
    assert re.fullmatch(rf"00-{TRACE}-(?!00f067aa0ba902b7)[0-9a-f]{{16}}-01", asked.fields["traceparent"])
    assert asked.fields["tracestate"] == "a=1"
    assert answered.fields["x-trace"] == TRACE


def test_a_trace_begins_here_where_none_can_go_on() -> None:
    for site, request in (
        (ONE + "traceparent = any\n", GET),
        (ONE + "traceparent = any\n", TRACED.replace(TRACE, "0" * 32)),
        (ONE + "traceparent = any\n", TRACED.replace("00-4", "ff-4")),
        (ONE + "traceparent = any\n", TRACED.replace("b7-01", "b7-01-more")),
        (ONE + "traceparent = any\n", TRACED + f"\ntraceparent: 00-{TRACE}-00f067aa0ba902b8-01"),
        (ONE + "traceparent = trusted\n", TRACED),
    ):
        asked, _ = passed(site, request)
        assert re.fullmatch(rf"00-(?!{TRACE})[0-9a-f]{{32}}-[0-9a-f]{{16}}-01", asked.fields["traceparent"])
        assert "tracestate" not in asked.fields


def test_trusted_proxies_may_have_begun_the_trace() -> None:
    asked, _ = passed(TRUSTING + ONE + "traceparent = trusted\n", TRACED.replace("00-4", "cc-4").replace("-01", "-00-more"))
    assert asked.fields["traceparent"].startswith(f"00-{TRACE}-")
    assert asked.fields["traceparent"].endswith("-00")


# Security headers.


def test_basic_security_headers_come_where_the_peer_has_none_of_its_own() -> None:
    _, answered = passed(ONE + "security_headers = basic\n", GET, "HTTP/1.1 200 OK\nX-Frame-Options: DENY\nContent-Length: 0")
    assert answered.fields["x-content-type-options"] == "nosniff"
    assert answered.fields["x-frame-options"] == "DENY"
    assert "content-security-policy" not in answered.fields


def test_strict_security_headers_have_hsts_over_https_only(tmp_path: object) -> None:
    doors = "[listen http]\non = tcp:80\n[listen s]\non = tcp:443\ntls = t\n[tls t]\nself_signed = a\n"
    site = doors + ONE + "security_headers = strict\nresponse_headers = remove Permissions-Policy\n"
    _, answered = passed(site, GET)
    assert "strict-transport-security" not in answered.fields
    assert answered.fields["content-security-policy"].startswith("default-src 'self'")
    assert "permissions-policy" not in answered.fields
    _, answered = passed(site, GET, listener="s")
    assert answered.fields["strict-transport-security"] == "max-age=31536000; includeSubDomains"
    _, answered = passed(site + "  remove Strict-Transport-Security\n", GET, listener="s")
    assert "strict-transport-security" not in answered.fields
