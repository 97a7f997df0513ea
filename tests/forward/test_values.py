"""What the names of templates stand for, in logs and redirects."""

from __future__ import annotations

import pytest

from tests.kit.play import Play
from tests.scenes.sites import ANSWER, ONE
from twistedproxy.forward.values import VALUES, value_of
from twistedproxy.templates import LOG_NAMES, PEER_NAMES

REQUEST = """
    GET /a%20b?x=1&y=%C3%A9&z=a+b&x=2&empty= HTTP/1.1
    Host: Example.com:8080
    User-Agent: test
    Cookie: session=abc; theme="dark"; session=second
    Accept: a
    Accept: b
"""


def values(request: str | bytes = REQUEST, site: str = ONE) -> dict[str, str]:
    """The value of every name without an argument, and of some with one, for an exchange that went well."""
    names = [*VALUES, "header.user-agent", "header.accept", "header.none", "cookie.session", "cookie.theme", "cookie.none"]
    names += ["arg.x", "arg.y", "arg.z", "arg.empty", "arg.none"]
    with Play(site) as play:
        client = play.client()
        client.says(request)
        play.later(0.25)
        if play.in_flight():
            origin = play.origin()
            origin.hears(origin.heard)
            origin.says(ANSWER, b"he")
            play.later(0.5)
            origin.says(b"llo")
        client.hears(client.heard)
        found = {name: value_of(play.exchange(), name) for name in names}
        play.turn()
        if client._cut_off:
            client.sees_end()
    return found


def test_every_name_that_site_ini_allows_has_a_value() -> None:
    assert set(VALUES) == {name for name in LOG_NAMES | PEER_NAMES if not name.endswith(".")}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("client", "192.0.2.1"),
        ("client_port", "50001"),
        ("scheme", "http"),
        ("host", "example.com"),
        ("port", "8080"),
        ("method", "GET"),
        ("uri", "/a%20b?x=1&y=%C3%A9&z=a+b&x=2&empty="),
        ("path", "/a%20b"),
        ("query", "x=1&y=%C3%A9&z=a+b&x=2&empty="),
        ("protocol", "HTTP/1.1"),
        ("request_line", "GET /a%20b?x=1&y=%C3%A9&z=a+b&x=2&empty= HTTP/1.1"),
        ("route", "/"),
        ("pool", "app"),
        ("peer", "10.0.0.1:80"),
        ("status", "200"),
        ("cache_status", "-"),
        ("bytes_sent", "5"),
        ("bytes_received", "0"),
        ("request_time", "0.750"),
        ("connect_time", "0.000"),
        ("header_time", "0.250"),
        ("response_time", "0.750"),
        ("upgrade_time", "-"),
        ("error", "-"),
        ("header.user-agent", "test"),
        ("header.accept", "a, b"),
        ("header.none", "-"),
        ("cookie.session", "abc"),
        ("cookie.theme", '"dark"'),
        ("cookie.none", "-"),
        ("arg.x", "1"),
        ("arg.y", "\xc3\xa9"),
        ("arg.z", "a b"),
        ("arg.empty", ""),
        ("arg.none", "-"),
    ],
)
def test_a_name_stands_for_its_part_of_the_exchange(name: str, value: str) -> None:
    assert values()[name] == value


def test_times_of_day_are_local_and_say_their_zone() -> None:
    found = values()
    assert found["time_iso"][:4] == "2027"
    assert found["time_local"][3:11] == "Jan/2027"
    assert found["time_iso"][-6] in "+-"


def test_what_is_not_known_is_a_hyphen() -> None:
    found = values(b"GET / HTTP/1.0\r\n\r\n", "[route example.com/]\nredirect = 302 /\n")
    names = ("host", "route", "pool", "peer", "connect_time", "header_time", "response_time", "cookie.session", "arg.x")
    assert {found[name] for name in names} == {"-"}
    assert (found["status"], found["error"], found["protocol"], found["query"]) == ("404", "no_route", "HTTP/1.0", "")


def test_a_request_that_could_not_be_read_is_logged_as_well_as_can_be() -> None:
    found = values(b"GET /x HTTP/9.9\r\nHost: a\r\n\r\n")
    assert (found["request_line"], found["status"], found["error"]) == ("GET /x HTTP/1.1", "505", "version_unsupported")
    found = values(b"\x16\x03\x01\x02\x00\r\n\r\n")
    assert (found["method"], found["uri"], found["status"]) == ("-", "-", "400")
