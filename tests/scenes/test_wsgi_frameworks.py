"""Flask and Django in the proxy's process."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from tests.kit.party import Message, Party
from tests.kit.play import Play

FLASK = """
[route example.com/shop/]
wsgi = tests.apps.flask_shop:make_app()
strip_prefix = /shop
"""
DJANGO = """
[route example.com/shop/]
wsgi = tests.apps.django_shop:app
strip_prefix = /shop
"""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What frameworks tell the log of Python about errors is of no interest."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def asked(play: Play, client: Party, text: str, body: bytes = b"") -> Message:
    """The answer to a request."""
    number = len(play.finished) + 1
    client.says(text + "\nHost: example.com", body)
    play.until(lambda: len(play.finished) >= number)
    return client.hears_message()


def test_flask_has_sessions_redirects_and_absolute_links_under_a_prefix() -> None:
    with Play(FLASK) as play:
        client = play.client()
        front = asked(play, client, "GET /shop/ HTTP/1.1")
        assert front.body == b"visit 1 of 192.0.2.1: http://example.com/shop/basket"
        cookie = front.fields["set-cookie"].partition(";")[0]
        again = asked(play, client, f"GET /shop/ HTTP/1.1\nCookie: {cookie}")
        assert again.body.startswith(b"visit 2")
        assert asked(play, client, "GET /shop/basket HTTP/1.1").fields["location"] == "/shop/"
        assert asked(play, client, "GET /shop/nowhere HTTP/1.1").status == 404


def test_flask_takes_uploads_and_streams() -> None:
    with Play(FLASK) as play:
        client = play.client()
        parts = b'--x\r\nContent-Disposition: form-data; name="by"\r\n\r\nme\r\n'
        parts += (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n' + b"y" * 300_000 + b"\r\n--x--\r\n"
        )
        head = f"POST /shop/upload HTTP/1.1\nContent-Type: multipart/form-data; boundary=x\nContent-Length: {len(parts)}"
        said = asked(play, client, head, parts)
        assert json.loads(said.body) == {"name": "a.bin", "size": 300_000, "by": "me"}
        coded = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (parts[:1000], parts[1000:])) + b"0\r\n\r\n"
        head = "POST /shop/upload HTTP/1.1\nContent-Type: multipart/form-data; boundary=x\nTransfer-Encoding: chunked"
        assert json.loads(asked(play, client, head, coded).body)["size"] == 300_000
        client.says("GET /shop/count HTTP/1.1\nHost: example.com")
        play.until(lambda: len(play.finished) == 3)
        assert client.overlooks().endswith(b"9\r\n1 /count\n\r\n9\r\n2 /count\n\r\n0\r\n\r\n")


def test_a_failure_in_flask_is_flasks_own_answer() -> None:
    with Play(FLASK) as play:
        answer = asked(play, play.client(), "GET /shop/fails HTTP/1.1")
        assert (answer.status, b"secret" in answer.body) == (500, False)
        assert play.exchange().reason is None


def test_django_has_links_forms_cookies_and_streams() -> None:
    with Play(DJANGO) as play:
        client = play.client()
        front = asked(play, client, "GET /shop/ HTTP/1.1")
        assert (front.body, front.fields["set-cookie"]) == (b"http://example.com/shop/form", "seen=yes; Path=/")
        form = asked(
            play, client, "POST /shop/form HTTP/1.1\nContent-Type: application/x-www-form-urlencoded\nContent-Length: 5", b"a=1%2"
        )
        assert json.loads(form.body) == {"a": "1%2", "client": "192.0.2.1"}
        client.says("GET /shop/stream HTTP/1.1\nHost: example.com")
        play.until(lambda: len(play.finished) == 3)
        assert client.overlooks().endswith(b"4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n")
