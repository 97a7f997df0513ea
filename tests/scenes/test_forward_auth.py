"""forward_auth: a server of the site's own says who may in."""

from __future__ import annotations

from tests.kit.beside import Question
from tests.kit.party import Message, Party
from tests.kit.play import Play
from tests.scenes.sites import ANSWER

SITE = """
    [pool app]
    servers = 10.0.0.1:80
    [route /]
    pool = app
    forward_auth = http://127.0.0.1:9000/verify
    forward_auth_headers = X-User X-Groups
    forward_auth_user = X-User
"""


def site(knobs: str = "") -> Play:
    """A play whose route asks."""
    return Play(SITE + "".join(f"    {line}\n" for line in knobs.splitlines()))


def asked(play: Play, *fields: str, line: str = "GET /page?a=b HTTP/1.1", body: bytes = b"") -> tuple[Party, Question]:
    """A client that has asked, and what the server was asked."""
    client = play.client()
    client.says("\n".join((line, "Host: example.com", *fields)), body)
    return client, play.beside.question()


def passed(play: Play, client: Party) -> Message:
    """The request as the peer has got it; it is answered."""
    play.turn()
    origin = play.same_origin()
    head = origin.hears_message()
    origin.says(ANSWER, b"hello")
    assert client.hears_message().status == 200
    return head


def test_the_server_hears_of_the_request_and_lets_it_in() -> None:
    with site() as play:
        client, question = asked(
            play,
            "Cookie: session=1",
            "Authorization: Bearer t",
            "Accept: text/html",
            "X-Forwarded-Uri: /other",
            "X_Original_URL: /other",
            "X-Client-Cert-Subject: CN=root",
            "X_Client_Cert_Verified: SUCCESS",
            "Range: bytes=0-1",
            "Content-Length: 4",
            line="POST /page?a=b HTTP/1.1",
            body=b"body",
        )
        assert question.url == "http://127.0.0.1:9000/verify"
        said = {name.decode().lower(): value.decode() for name, value in question.headers}
        assert said == {
            "cookie": "session=1",
            "authorization": "Bearer t",
            "accept": "text/html",
            "x-forwarded-method": "POST",
            "x-forwarded-proto": "http",
            "x-forwarded-host": "example.com",
            "x-forwarded-uri": "/page?a=b",
            "x-forwarded-for": "192.0.2.1",
            "x-real-ip": "192.0.2.1",
            "x-original-method": "POST",
            "x-original-url": "http://example.com/page?a=b",
        }
        play.no_connection()
        question.answers("HTTP/1.1 200 OK\nX-User: anna\nX-Other: no")
        head = passed(play, client)
        assert head.body == b"body"
        assert head.fields["x-user"] == "anna"
        assert "x-other" not in head.fields
        assert head.fields["cookie"] == "session=1"
        assert play.exchange().value("user") == "anna"


def test_nobody_calls_himself_by_the_servers_fields() -> None:
    with site() as play:
        client, question = asked(play, "X-User: root", "x_user: root", "X-Groups: admins", "X_Groups: admins")
        question.answers("HTTP/1.1 204 No Content\nX-User: anna")
        head = passed(play, client)
        assert {name: value for name, value in head.fields.items() if "user" in name or "group" in name} == {"x-user": "anna"}


def test_each_request_of_a_connection_is_asked_for_anew() -> None:
    with site() as play:
        client, question = asked(play)
        question.answers("HTTP/1.1 200 OK\nX-User: anna")
        assert passed(play, client).fields["x-user"] == "anna"
        client.says("GET /page?a=b HTTP/1.1\nHost: example.com")
        play.beside.question().answers("HTTP/1.1 200 OK\nX-User: otto")
        assert passed(play, client).fields["x-user"] == "otto"
        client.says("GET /page?a=b HTTP/1.1\nHost: example.com")
        play.beside.question().answers("HTTP/1.1 200 OK")
        assert "x-user" not in passed(play, client).fields


def test_what_the_server_answers_goes_to_the_client() -> None:
    with site() as play:
        client, question = asked(play)
        question.answers(
            "HTTP/1.1 302 Found\nLocation: https://login.example.com/?to=x\nSet-Cookie: a=1\nSet-Cookie: b=2\nConnection: close",
            b"go",
        )
        answer = client.hears_message()
        assert (answer.status, answer.body) == (302, b"go")
        assert answer.fields["location"] == "https://login.example.com/?to=x"
        assert answer.fields["set-cookie"] == "a=1, b=2"
        assert "connection" not in answer.fields
        assert play.exchange().value("error") == "auth_refused"
        client.says("GET / HTTP/1.1\nHost: example.com")
        play.beside.question().answers("HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Negotiate", b"who?")
        answer = client.hears_message()
        assert (answer.status, answer.body, answer.fields["www-authenticate"]) == (401, b"who?", "Negotiate")
        client.says("HEAD / HTTP/1.1\nHost: example.com")
        play.beside.question().answers("HTTP/1.1 403 Forbidden", b"no")
        assert client.hears_message(head_only=True).status == 403


def test_a_server_that_fails_lets_nobody_in() -> None:
    with site("forward_auth_timeout = 2s") as play:
        client, question = asked(play)
        question.fails()
        assert client.hears_message().status == 503
        assert play.exchange().value("error") == "auth_unreachable"
        assert play.exchange().detail == "connection refused"
        client, question = asked(play)
        question.answers("HTTP/1.1 500 Internal Server Error", b"traceback")
        answer = client.hears_message()
        assert answer.status == 503
        assert b"traceback" not in answer.body
        client, question = asked(play)
        play.later(1.9)
        client.hears_nothing()
        play.later(0.2)
        assert client.hears_message().status == 503


def test_it_may_let_everybody_in_if_the_site_says_so() -> None:
    with site("forward_auth_on_error = open") as play:
        client, question = asked(play, "X-User: root")
        question.fails()
        assert "x-user" not in passed(play, client).fields


def test_who_leaves_is_not_asked_about_any_more() -> None:
    with site() as play:
        client, question = asked(play)
        client.resets()
        assert play.exchange().status == 499
        assert question.answer.called
        play.no_connection()


def test_a_body_is_held_back_until_the_server_has_answered() -> None:
    with site() as play:
        client, question = asked(play, "Content-Length: 200000", line="POST / HTTP/1.1", body=b"x" * 100_000)
        client.says(b"x" * 100_000)
        assert client.waiting >= 100_000
        question.answers("HTTP/1.1 200 OK")
        assert len(passed(play, client).body) == 200_000


def test_a_client_that_waits_for_100_gets_it_from_the_peer() -> None:
    with site() as play:
        client, question = asked(play, "Content-Length: 4", "Expect: 100-continue", line="POST / HTTP/1.1")
        client.hears_nothing()
        question.answers("HTTP/1.1 401 Unauthorized")
        assert client.hears_message().status == 401
        client.sees_end()


def test_a_websocket_is_asked_about_too() -> None:
    fields = (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    with site() as play:
        client, question = asked(play, *fields)
        assert not any(name.lower().startswith((b"sec-websocket", b"upgrade", b"connection")) for name, _ in question.headers)
        question.answers("HTTP/1.1 200 OK\nX-User: anna")
        play.turn()
        origin = play.origin()
        head = origin.hears_message()
        assert (head.fields["x-user"], head.fields["upgrade"]) == ("anna", "websocket")
        client.resets()
        origin.overlooks()
