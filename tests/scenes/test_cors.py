"""Scripts of other sites: preflights, and what answers say."""

from __future__ import annotations

from tests.kit.play import Play
from tests.scenes.heads import answered_alone, passed
from tests.scenes.sites import ONE

LISTED = ONE + "cors = https://app.example *.trusted.example\n".replace("*.", "https://*.")
FROM = "GET / HTTP/1.1\nHost: api.example\nOrigin: "
PREFLIGHT = "OPTIONS / HTTP/1.1\nHost: api.example\nOrigin: {}\nAccess-Control-Request-Method: PUT"
ASKED = PREFLIGHT + "\nAccess-Control-Request-Headers: x-a, x-b"


def test_a_listed_origin_may_see_the_answer() -> None:
    for origin in ("https://app.example", "https://a.trusted.example"):
        _, answered = passed(LISTED, FROM + origin)
        assert answered.fields["access-control-allow-origin"] == origin
        assert answered.fields["vary"] == "Origin"
        assert "access-control-allow-credentials" not in answered.fields


def test_other_origins_and_other_programs_get_the_answer_without_permission() -> None:
    for request in (FROM + "https://evil.example", "GET / HTTP/1.1\nHost: api.example"):
        _, answered = passed(LISTED, request)
        assert "access-control-allow-origin" not in answered.fields
        assert answered.fields["vary"] == "Origin"


def test_what_the_peer_says_itself_does_not_count() -> None:
    answer = "HTTP/1.1 200 OK\nAccess-Control-Allow-Origin: *\nVary: accept, origin\nContent-Length: 0"
    _, answered = passed(LISTED, FROM + "https://evil.example", answer)
    assert "access-control-allow-origin" not in answered.fields
    assert answered.fields["vary"] == "accept, origin"


def test_everybody_may_where_everybody_may() -> None:
    _, answered = passed(ONE + "cors = *\ncors_expose = X-Total X-Page\n", FROM + "https://any.example")
    assert answered.fields["access-control-allow-origin"] == "*"
    assert answered.fields["access-control-expose-headers"] == "X-Total, X-Page"
    assert "vary" not in answered.fields


def test_a_preflight_is_answered_here() -> None:
    answered = answered_alone(LISTED + "cors_credentials = yes\ncors_max_age = 1h\n", ASKED.format("https://app.example"))
    assert answered.status == 204
    assert answered.fields["access-control-allow-origin"] == "https://app.example"
    assert answered.fields["access-control-allow-methods"] == "GET, HEAD, POST, PUT, PATCH, DELETE"
    assert answered.fields["access-control-allow-headers"] == "x-a, x-b"
    assert answered.fields["access-control-allow-credentials"] == "true"
    assert answered.fields["access-control-max-age"] == "3600"
    assert answered.fields["vary"] == "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


def test_a_preflight_is_told_what_the_site_allows() -> None:
    keys = "cors_methods = GET PUT\ncors_headers = X-A Authorization\n"
    answered = answered_alone(LISTED + keys, ASKED.format("https://app.example"))
    assert answered.fields["access-control-allow-methods"] == "GET, PUT"
    assert answered.fields["access-control-allow-headers"] == "X-A, Authorization"
    answered = answered_alone(LISTED + keys, PREFLIGHT.format("https://app.example"))
    assert "access-control-allow-headers" not in answered.fields


def test_a_preflight_of_somebody_else_is_refused() -> None:
    with Play(LISTED) as play:
        client = play.client()
        client.says(PREFLIGHT.format("https://evil.example"))
        answered = client.hears_message()
        assert answered.status == 403
        assert play.exchange().reason is not None
        assert play.exchange().reason.name == "cors_refused"
        assert "access-control-allow-origin" not in answered.fields


def test_options_that_are_no_preflight_go_to_the_peer() -> None:
    asked, _ = passed(LISTED, "OPTIONS / HTTP/1.1\nHost: api.example\nOrigin: https://app.example")
    assert asked.start == "OPTIONS / HTTP/1.1"


def test_scripts_may_read_errors_too() -> None:
    with Play(LISTED) as play:
        play.refuses("10.0.0.1:80")
        client = play.client()
        client.says(FROM + "https://app.example")
        answered = client.hears_message()
        assert answered.status == 502
        assert answered.fields["access-control-allow-origin"] == "https://app.example"
