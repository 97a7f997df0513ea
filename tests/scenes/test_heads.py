"""What changes in heads on their way, and what must not."""

from __future__ import annotations

import pytest

from tests.kit.play import Play
from tests.scenes.sites import ANSWER, ASKED, FORWARDED, ONE
from twistedproxy.message import Headers

FORWARDING = ONE + "forwarded = yes\n"
TRUSTING = "[listen http]\non = tcp:80\ntrusted_proxies = 192.0.2.0/24\n" + FORWARDING


def asked_on(site: str, request: str, *, address: str = "192.0.2.1", listener: str = "http", port: int = 80) -> dict[str, str]:
    """The fields with which *request* reaches the peer."""
    with Play(site) as play:
        client = play.client(address=address, listener=listener, port=port)
        client.says(request)
        origin = play.origin()
        message = origin.hears_message()
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
    return message.fields


def answered(site: str, answer: str, request: str = ASKED) -> Headers:
    """The fields with which *answer* reaches the client."""
    with Play(site) as play:
        client = play.client()
        client.says(request)
        origin = play.origin()
        origin.hears(origin.heard)
        origin.says(answer)
        message = client.hears_message(head_only=True)
    return Headers((name.encode(), value.encode()) for name, value in message.fields.items())


def test_the_peer_learns_who_asked_for_what() -> None:
    assert asked_on(FORWARDING, "GET / HTTP/1.1\nHost: Example.com:8080") == {
        "host": "Example.com:8080",
        "via": "1.1 twistedproxy",
        "x-forwarded-for": "192.0.2.1",
        "x-forwarded-host": "example.com:8080",
        "x-forwarded-proto": "http",
        "x-forwarded-port": "80",
        "x-real-ip": "192.0.2.1",
    }


def test_a_client_without_host_leaves_nothing_to_say_of_it() -> None:
    with Play(FORWARDING) as play:
        client = play.client()
        client.says(b"GET / HTTP/1.0\r\n\r\n")
        origin = play.origin()
        fields = origin.hears_message().fields
        assert "x-forwarded-host" not in fields
        assert fields["host"] == "10.0.0.1"
        origin.says(ANSWER, b"hello")
        client.hears(client.heard)
        client.sees_end()


FORGED = """
    GET / HTTP/1.1
    Host: example.com
    X-Forwarded-For: 203.0.113.9
    X-Forwarded-Host: bank.example
    X-Forwarded-Proto: https
    X-Forwarded-Port: 443
    X-Real-IP: 203.0.113.9
    X_Real_IP: 203.0.113.9
    X-Forwarded_For: 203.0.113.9
    Forwarded: for=203.0.113.9
"""


def test_what_an_untrusted_client_says_of_itself_is_replaced() -> None:
    assert asked_on(FORWARDING, FORGED) == {
        "host": "example.com",
        "via": "1.1 twistedproxy",
        "x-forwarded-for": "192.0.2.1",
        "x-forwarded-host": "example.com",
        "x-forwarded-proto": "http",
        "x-forwarded-port": "80",
        "x-real-ip": "192.0.2.1",
    }


def test_where_nothing_is_added_an_untrusted_clients_word_is_not_passed_on_either() -> None:
    assert asked_on(ONE, FORGED) == {"host": "example.com", "via": "1.1 twistedproxy"}


def test_what_a_trusted_proxy_says_is_extended() -> None:
    assert asked_on(TRUSTING, FORGED) == {
        "host": "example.com",
        "x-forwarded-host": "bank.example",
        "x-forwarded-proto": "https",
        "x-forwarded-port": "443",
        "forwarded": "for=203.0.113.9",
        "via": "1.1 twistedproxy",
        "x-forwarded-for": "203.0.113.9, 192.0.2.1",
        "x-real-ip": "203.0.113.9",
    }


def test_a_trusted_proxy_that_says_nothing_is_spoken_for() -> None:
    fields = asked_on(TRUSTING, ASKED)
    assert fields["x-forwarded-for"] == fields["x-real-ip"] == "192.0.2.1"
    assert fields["x-forwarded-proto"] == "http"


def test_the_client_behind_trusted_proxies_is_the_last_that_is_not_trusted() -> None:
    with Play(TRUSTING) as play:
        client = play.client()
        client.says("GET / HTTP/1.1\nHost: a\nX-Forwarded-For: 198.51.100.9, 203.0.113.9, 192.0.2.77")
        origin = play.origin()
        assert origin.hears_message().fields["x-real-ip"] == "203.0.113.9"
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        assert play.exchange().client == "203.0.113.9"


def test_an_untrusted_client_of_a_trusting_listener_is_not_believed() -> None:
    assert asked_on(TRUSTING, FORGED, address="198.18.0.1")["x-forwarded-for"] == "198.18.0.1"


def test_via_grows() -> None:
    assert asked_on(ONE, "GET / HTTP/1.1\nHost: a\nVia: 1.0 fred\nVia: 1.1 bob")["via"] == "1.0 fred, 1.1 bob, 1.1 twistedproxy"


@pytest.mark.parametrize(
    ("host", "seen"), [("preserve", "example.com"), ("upstream", "10.0.0.1"), ("inner.example", "inner.example")]
)
def test_host_is_what_the_route_says(host: str, seen: str) -> None:
    assert asked_on(ONE + f"host = {host}\n", ASKED)["host"] == seen


def test_an_absolute_target_counts_more_than_host() -> None:
    with Play(FORWARDING) as play:
        client = play.client()
        client.says("GET http://real.example/a?b HTTP/1.1\nHost: other.example")
        origin = play.origin()
        message = origin.hears_message()
        assert message.start == "GET /a?b HTTP/1.1"
        assert (message.fields["host"], message.fields["x-forwarded-host"]) == ("real.example", "real.example")
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_fields_of_one_hop_go_no_further() -> None:
    request = """
        GET / HTTP/1.1
        Host: example.com
        Connection: keep-alive, X-Own, te
        Keep-Alive: timeout=5
        Proxy-Connection: keep-alive
        TE: trailers
        X-Own: 1
        X-Other: 2
    """
    assert asked_on(ONE, request) == {"host": "example.com", "x-other": "2", "via": "1.1 twistedproxy"}


def test_connection_takes_nothing_away_that_others_rely_on() -> None:
    request = """
        GET / HTTP/1.1
        Host: example.com
        Connection: close, Host, Authorization, Cookie, X-Forwarded-For, X-Real-IP, Via, Content-Type, Origin
        Authorization: Basic eDp5
        Cookie: a=b
        Content-Type: text/plain
        Origin: https://example.com
    """
    with Play(FORWARDING) as play:
        client = play.client()
        client.says(request)
        origin = play.origin()
        fields = origin.hears_message().fields
        origin.says(ANSWER, b"hello")
        client.hears(client.heard)
        client.sees_end()
    for name in ("host", "authorization", "cookie", "x-forwarded-for", "x-real-ip", "via", "content-type", "origin"):
        assert name in fields


def test_the_order_and_letters_of_fields_stay() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says("GET / HTTP/1.1\nHost: example.com\nX-b: 1\nx-A: 2\nX-B: 3\nAccept: */*")
        origin = play.origin()
        origin.hears("GET / HTTP/1.1\nHost: example.com\nX-b: 1\nx-A: 2\nX-B: 3\nAccept: */*\nVia: 1.1 twistedproxy")
        origin.says("HTTP/1.1 200 OK\nSet-Cookie: a=1\nx-B: 2\nset-cookie: b=2\nContent-Length: 0")
        client.hears("HTTP/1.1 200 OK\nSet-Cookie: a=1\nx-B: 2\nset-cookie: b=2\nContent-Length: 0")


def test_fields_of_one_hop_of_an_answer_go_no_further() -> None:
    answer = """
        HTTP/1.1 200 OK
        Connection: keep-alive, X-Own
        Keep-Alive: timeout=5
        X-Own: 1
        Upgrade: h2c
        X-Other: 2
        Content-Length: 0
    """
    assert answered(ONE, answer) == Headers([(b"x-other", b"2"), (b"content-length", b"0")])


def test_the_route_edits_fields_in_both_directions() -> None:
    site = (
        ONE.rstrip()
        + """
request_headers =
    set X-Set new
    add X-Add more
    remove X-Gone
response_headers =
    remove Date
    remove Server
    set X-Frame-Options DENY
    add Vary Origin
"""
    )
    request = "GET / HTTP/1.1\nHost: a\nX-Set: old\nx-set: older\nX-Add: some\nX-Gone: 1"
    fields = asked_on(
        site.replace(
            "response_headers =\n    remove Date\n    remove Server\n    set X-Frame-Options DENY\n    add Vary Origin\n", ""
        ),
        request,
    )
    assert fields == {"host": "a", "x-add": "some, more", "via": "1.1 twistedproxy", "x-set": "new"}
    assert answered(site, "HTTP/1.1 200 OK\nServer: x\nVary: Accept\nContent-Length: 0") == Headers(
        [(b"vary", b"Accept, Origin"), (b"content-length", b"0"), (b"x-frame-options", b"DENY")]
    )


def test_the_routes_edits_hold_for_errors_too() -> None:
    with Play(ONE + "response_headers = set X-Frame-Options DENY\n") as play:
        play.refuses("10.0.0.1:80")
        client = play.client()
        client.says(ASKED)
        answer = client.hears_message()
        assert (answer.status, answer.fields["x-frame-options"]) == (502, "DENY")


def test_a_date_is_added_to_an_answer_that_has_none() -> None:
    site = ONE + "[defaults]\nforwarded = no\n"
    assert answered(site, "HTTP/1.1 200 OK\nContent-Length: 0").get(b"date") == b"Fri, 15 Jan 2027 08:00:00 GMT"
    date = b"Thu, 01 Jan 1970 00:00:00 GMT"
    assert answered(site, f"HTTP/1.1 200 OK\nDate: {date.decode()}\nContent-Length: 0").get(b"date") == date


def test_requests_that_repeat_their_fields_are_forwarded_alike() -> None:
    with Play(FORWARDING) as play:
        client = play.client()
        seen = []
        for path in ("/a", "/b?c=d", "/a"):
            client.says(f"GET {path} HTTP/1.1\nHost: example.com\nX: y")
            origin = play.same_origin()
            message = origin.hears_message()
            assert message.start == f"GET {path} HTTP/1.1"
            seen.append(message.fields)
            origin.says(ANSWER, b"hello")
            client.hears(ANSWER, b"hello")
        assert seen[0] == seen[1] == seen[2]
        client.says("GET /a HTTP/1.1\nHost: example.com\nX: z")
        assert origin.hears_message().fields["x"] == "z"
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


@pytest.mark.parametrize(
    ("target", "seen"),
    [
        ("/api/users?q=/api/", "/users?q=/api/"),
        ("/api/", "/"),
        ("/api/a%20b", "/a%20b"),
        ("/%61pi/x", "/x"),
        ("/api//x", "/x"),
        ("/api/x/../../api/y", "/y"),
        ("/api/x/%2e%2e/%2e%2e/api/y", "/y"),
        ("/api/a;v=1/b", "/a;v=1/b"),
        ("/x/../api/y", "/y"),
    ],
)
def test_a_prefix_is_stripped_and_the_rest_stays_as_it_is(target: str, seen: str) -> None:
    with Play("[pool app]\nservers = 10.0.0.1:80\n[route /api/]\npool = app\nstrip_prefix = /api\n") as play:
        client = play.client()
        client.says(f"GET {target} HTTP/1.1\nHost: a")
        origin = play.origin()
        origin.hears(f"GET {seen} HTTP/1.1\nHost: a\nVia: 1.1 twistedproxy")
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


REDIRECTS = "[route /]\nredirect = 301 https://{host}{uri}\n[route /go]\nredirect = 302 /to?{arg.next}\n"


def test_a_redirect_is_answered_here_from_its_template() -> None:
    with Play(REDIRECTS) as play:
        client = play.client()
        client.says("GET /a%20b?c=d HTTP/1.1\nHost: Example.com:80", "HEAD /x HTTP/1.1\nHost: example.com")
        answer = client.hears_message()
        assert (answer.status, answer.fields["location"]) == (301, "https://example.com/a%20b?c=d")
        assert client.hears_message(head_only=True).fields["location"] == "https://example.com/x"
        assert play.exchange().bytes_sent == 0


def test_no_word_of_a_client_splits_a_redirect() -> None:
    with Play(REDIRECTS) as play:
        client = play.client()
        client.says("GET /go?next=%0d%0aSet-Cookie:%20a=b%00%ff HTTP/1.1\nHost: a")
        answer = client.hears_message()
        assert answer.fields["location"] == "/to?%0D%0ASet-Cookie:%20a=b%00%FF"
        assert "set-cookie" not in answer.fields


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE"])
def test_max_forwards_counts_down_and_ends_here(method: str) -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(f"{method} /x HTTP/1.1\nHost: a\nMax-Forwards: 2")
        origin = play.origin()
        origin.hears(f"{method} /x HTTP/1.1\nHost: a\nMax-Forwards: 1\nVia: 1.1 twistedproxy")
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        for zero in ("0", "00"):
            client.says(f"{method} /x HTTP/1.1\nHost: a\nMax-Forwards: {zero}")
            answer = client.hears_message()
            assert answer.status == (200 if method == "OPTIONS" else 405)
            assert "OPTIONS" in answer.fields["allow"]
        origin.hears_nothing()


def test_max_forwards_of_other_methods_is_left_alone() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says("GET / HTTP/1.1\nHost: a\nMax-Forwards: 0")
        origin = play.origin()
        origin.hears("GET / HTTP/1.1\nHost: a\nMax-Forwards: 0\nVia: 1.1 twistedproxy")
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        client.says("OPTIONS / HTTP/1.1\nHost: a\nMax-Forwards: 5")
        origin.hears("OPTIONS / HTTP/1.1\nHost: a\nMax-Forwards: 4\nVia: 1.1 twistedproxy")
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        client.says("GET / HTTP/1.1\nHost: a\nMax-Forwards: 5")
        origin.hears("GET / HTTP/1.1\nHost: a\nMax-Forwards: 5\nVia: 1.1 twistedproxy")
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        client.says("OPTIONS /x HTTP/1.1\nHost: a\nMax-Forwards: 5")
        origin.hears("OPTIONS /x HTTP/1.1\nHost: a\nMax-Forwards: 4\nVia: 1.1 twistedproxy")
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_options_for_the_server_as_a_whole_goes_to_who_serves_the_root() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says("OPTIONS * HTTP/1.1\nHost: a")
        origin = play.origin()
        origin.hears("OPTIONS * HTTP/1.1\nHost: a\nVia: 1.1 twistedproxy")
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_connect_opens_no_tunnel() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says("CONNECT example.com:443 HTTP/1.1\nHost: example.com:443")
        answer = client.hears_message()
        assert answer.status == 405
        assert "CONNECT" not in answer.fields["allow"]
        client.sees_end()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET /" + b"a" * 9000, 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 33_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 33_000, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"\r\n" * 10 + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ],
)
def test_what_is_no_unambiguous_request_is_refused_and_nothing_behind_it_is_read(request_: bytes, status: int) -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(request_, ASKED if request_.endswith(b"\r\n\r\n") else b"")
        assert client.hears_message().status == status
        client.sees_end()
        play.no_connection()
        assert play.exchange().status == status
        assert sum(play.listeners["http"].refused.values()) == 1


def test_a_few_empty_lines_before_a_request_are_passed_over() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(b"\r\n\r\n", ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_answers_that_repeat_their_heads_are_passed_on_alike_to_every_kind_of_client() -> None:
    answer = "HTTP/1.1 200 OK\nDate: Fri, 15 Jan 2027 08:00:00 GMT\nX: {}\nContent-Length: 5"
    with Play(ONE + "[defaults]\nforwarded = no\n") as play:
        modern, old = play.client(), play.client()
        for _ in range(2):
            for value in ("a", "a", "b"):
                modern.says(ASKED)
                origin = play.same_origin()
                origin.hears(FORWARDED)
                origin.says(answer.format(value), b"hello")
                modern.hears(answer.format(value), b"hello")
            old.says("GET / HTTP/1.0\nHost: example.com\nConnection: keep-alive")
            origin.hears("GET / HTTP/1.1\nHost: example.com\nVia: 1.0 twistedproxy")
            origin.says(answer.format("b"), b"hello")
            old.hears(answer.format("b") + "\nConnection: keep-alive", b"hello")
            modern.says("HEAD / HTTP/1.1\nHost: example.com")
            origin.hears("HEAD / HTTP/1.1\nHost: example.com\nVia: 1.1 twistedproxy")
            origin.says(answer.format("b"))
            modern.hears(answer.format("b"))
