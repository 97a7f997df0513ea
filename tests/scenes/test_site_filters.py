"""filters: classes of the site's own see and change requests and answers."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.kit.party import Party
from tests.kit.peers import Peers
from tests.kit.play import Play
from tests.scenes.site_filters import Waiting

FILTERS = "tests.scenes.site_filters"


def site(*names: str, more: str = "") -> Play:
    """A play whose route has filters."""
    lines = " ".join(f"{FILTERS}:{name}" for name in names)
    Waiting.asked.clear()
    return Play(f"[pool app]\nservers = 10.0.0.1:80\n[route /]\npool = app\nfilters = {lines}\n{more}\n")


def asked(play: Play, path: str = "/", *fields: str, method: str = "GET") -> tuple[Party, Party]:
    """A client that has asked, and the peer that was asked."""
    client = play.client()
    client.says("\n".join((f"{method} {path} HTTP/1.1", "Host: example.com", *fields)))
    return client, play.same_origin()


def dechunked(data: bytes) -> bytes:
    """The body in chunks."""
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        body += data[: int(size, 16)]
        data = data[int(size, 16) + 2 :]
    return body


def answer_of(client: Party) -> tuple[str, bytes]:
    """Head and body that a client has heard."""
    head, _, body = client.overlooks().partition(b"\r\n\r\n")
    return head.decode("latin-1"), dechunked(body) if b"Transfer-Encoding: chunked" in head else body


def test_a_filter_changes_both_heads() -> None:
    with site("Plain") as play:
        client, origin = asked(play, "/", "X-Secret: a", "x_secret: b", "X-Client: forged")
        head = origin.hears_message()
        assert head.fields["x-client"] == "192.0.2.1"
        assert not any("secret" in name for name in head.fields)
        origin.says("HTTP/1.1 200 OK\nServer: app\nContent-Length: 5", b"hello")
        answer = client.hears_message()
        assert (answer.status, answer.body, answer.fields["x-seen"]) == (200, b"hello", "GET 200")
        assert "server" not in answer.fields
        client.says("GET / HTTP/1.1\nHost: example.com")
        origin.hears_message()
        origin.says("HTTP/1.1 418 Teapot\nContent-Length: 0")
        assert client.hears_message().start == "HTTP/1.1 503 Service Unavailable"


def test_a_filter_may_answer_itself() -> None:
    with site("Plain") as play:
        client = play.client()
        client.says("GET /private HTTP/1.1\nHost: example.com")
        answer = client.hears_message()
        assert (answer.status, answer.body, answer.fields["x-by"]) == (451, b"not here", "filter")
        play.no_connection()


def test_bodies_pass_all_filters_in_order_whatever_the_pieces() -> None:
    with site("Upper", "Bracketed") as play:
        client, origin = asked(play)
        origin.hears_message()
        origin.says('HTTP/1.1 200 OK\nETag: "a"\nContent-Length: 6', b"abc")
        origin.says(b"def")
        head, body = answer_of(client)
        assert body == b"[AB][CDE][f!]"
        assert 'ETag: W/"a"' in head
        assert "Content-Length" not in head


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_bodies_of_any_size_pass(size: int) -> None:
    with site("Upper") as play:
        client, origin = asked(play)
        origin.hears_message()
        origin.says(f"HTTP/1.1 200 OK\nContent-Length: {size}", b"x" * size)
        _, body = answer_of(client)
        assert body == (b"X" * (size - 1) + b"x!" if size else b"")


def test_coded_bodies_are_decoded_first_and_ranges_not_asked_for() -> None:
    with site("Upper") as play:
        client, origin = asked(play, "/", "Range: bytes=0-1")
        assert "range" not in origin.hears_message().fields
        data = gzip.compress(b"hello")
        origin.says(f"HTTP/1.1 200 OK\nContent-Encoding: gzip\nContent-Length: {len(data)}", data)
        head, body = answer_of(client)
        assert (body, "Content-Encoding" in head) == (b"HELLo!", False)


def test_head_and_304_have_no_body() -> None:
    with site("Upper", "Plain") as play:
        client, origin = asked(play, method="HEAD")
        origin.hears_message()
        origin.says("HTTP/1.1 200 OK\nContent-Length: 5")
        assert client.hears_message(head_only=True).fields["x-seen"] == "HEAD 200"
        client.says('GET / HTTP/1.1\nHost: example.com\nIf-None-Match: "a"')
        origin.hears_message()
        origin.says('HTTP/1.1 304 Not Modified\nETag: "a"')
        assert client.hears_message(head_only=True).status == 304


def test_filters_may_take_their_time() -> None:
    with site("Waiting") as play:
        client = play.client()
        client.says("GET / HTTP/1.1\nHost: example.com")
        play.no_connection()
        Waiting.asked.pop()[1].callback("yes")
        play.turn()
        origin = play.origin()
        assert origin.hears_message().fields["x-answer"] == "yes"
        origin.says("HTTP/1.1 200 OK\nContent-Length: 6", b"abc")
        client.hears_nothing()
        origin.says(b"def")
        assert origin.waiting == 3
        Waiting.asked.pop()[1].callback("head")
        play.turn()
        what, answer = Waiting.asked.pop()
        assert what == "body 3"
        answer.callback(b"ABC")
        play.turn()
        what, answer = Waiting.asked.pop()
        assert what == "body 3"
        answer.callback(b"DEF")
        play.turn()
        head, body = answer_of(client)
        assert "X-Answer: head" in head
        assert body == b"ABCDEF"
        # The connection goes on.
        client.says("GET / HTTP/1.1\nHost: example.com")
        Waiting.asked.pop()[1].callback("again")
        play.turn()
        origin.hears_message()
        client.resets()
        origin.overlooks()


@pytest.mark.parametrize("step", ["request", "response", "body"])
def test_who_leaves_meanwhile_is_forgotten(step: str) -> None:
    with site("Waiting") as play:
        client = play.client()
        client.says("GET / HTTP/1.1\nHost: example.com")
        if step != "request":
            Waiting.asked.pop()[1].callback("yes")
            play.turn()
            origin = play.origin()
            origin.hears_message()
            origin.says("HTTP/1.1 200 OK\nContent-Length: 6", b"abc")
            origin.overlooks()
        if step == "body":
            Waiting.asked.pop()[1].callback("yes")
            play.turn()
            client.overlooks()
        client.resets()
        assert play.exchange().value("error") in ("client_gone", "request_cut")
        assert Waiting.asked.pop()[1].called


def closed(path: str) -> tuple[int, bytes, str]:
    """What a client gets when a filter fails and nothing may pass without."""
    with site("Failing") as play:
        client = play.client()
        client.says(f"GET {path} HTTP/1.1\nHost: example.com")
        Peers(play, lambda _name, _head: b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n123").act()
        data = client.overlooks()
        play.forgives()
        return int(data[9:12]), data.partition(b"\r\n\r\n")[2], play.exchange().value("error")


@pytest.mark.parametrize("path", ["/request", "/early", "/response", "/field", "/body", "/type"])
def test_a_filter_that_fails_lets_nothing_pass(path: str) -> None:
    status, body, error = closed(path)
    assert (status, error) == (500, "filter_failed")
    assert b"123" not in body


@pytest.mark.parametrize("path", ["/request", "/response", "/field", "/body", "/type"])
def test_or_is_done_without_where_the_site_says_so(path: str) -> None:
    with site("Failing", "Plain", more="filters_on_error = open") as play:
        client = play.client()
        client.says(f"GET {path} HTTP/1.1\nHost: example.com")
        Peers(play, lambda _name, _head: b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n123").act()
        head, body = answer_of(client)
        assert head.startswith("HTTP/1.1 200 OK")
        assert "X-Seen: GET 200" in head
        assert "X-A" not in head
        assert body == b"123"
        play.forgives()


def test_a_filter_that_fails_in_the_middle_of_a_body_cuts_it() -> None:
    with site("Failing") as play:
        client, origin = asked(play, "/body")
        origin.hears_message()
        origin.says("HTTP/1.1 200 OK\nContent-Length: 2", b"1")
        client.hears("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"1\r\n1\r\n")
        origin.says(b"2")
        client.sees_cut()
        assert play.exchange().value("error") == "filter_failed"
        play.forgives()
        origin.overlooks()


def test_a_filter_that_does_not_answer_has_failed() -> None:
    with site("Waiting", more="filters_timeout = 2s") as play:
        client = play.client()
        client.says("GET / HTTP/1.1\nHost: example.com")
        play.later(2.1)
        assert client.hears_message().status == 500
        play.forgives()


def test_what_is_cached_is_shown_again(tmp_path: Path) -> None:
    text = "[pool app]\nservers = 10.0.0.1:80\n[cache c]\ndirectory = c\n[route /]\npool = app\ncache = c\n"
    with Play(text + f"filters = {FILTERS}:Upper\n", tmp_path) as play:
        for _ in range(2):
            client = play.client()
            client.says("GET / HTTP/1.1\nHost: example.com")
            Peers(play, lambda _name, _head: b"HTTP/1.1 200 OK\r\nCache-Control: max-age=9\r\nContent-Length: 3\r\n\r\nabc").act()
            assert answer_of(client)[1] == b"ABc!"
        assert play.exchange().cache_status == "HIT"


def test_a_slow_client_holds_the_peer_back_through_filters() -> None:
    with site("Upper") as play:
        client, origin = asked(play)
        origin.hears_message()
        client.stops_reading(room=10_000)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 5000000", b"x" * 2_000_000)
        assert origin.waiting > 1_000_000
        client.reads_on()
        assert origin.waiting == 0
        origin.says(b"x" * 3_000_000)
        assert answer_of(client)[1].count(b"X") == 4_999_999


def test_the_examples_of_the_manual_do_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manual = Path(__file__, "../../../docs/extending.md").resolve().read_text("utf-8")
    code = manual.split("```python\n")[1].split("```")[0]
    code += "\n\nasync def look_up(host):\n    return {'example.com': 'acme'}.get(host)\n"
    (tmp_path / "examples_of_the_manual.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    names = "examples_of_the_manual:Tenant examples_of_the_manual:Masked"
    with Play(f"[pool app]\nservers = 10.0.0.1:80\n[route /]\npool = app\nfilters = {names}\n") as play:
        client, origin = asked(play)
        assert origin.hears_message().fields["x-tenant"] == "acme"
        origin.says("HTTP/1.1 200 OK\nX-Powered-By: app\nContent-Length: 46", b"card 4000123456")
        origin.says(b"789010, card 5555444433332222. ")
        head, body = answer_of(client)
        assert "X-Powered-By" not in head
        assert body == b"card ************9010, card ************2222. "
        other = play.client()
        other.says("GET / HTTP/1.1\nHost: other.example.com")
        assert other.hears_message().body == b"nobody lives here\n"
