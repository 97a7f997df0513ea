"""Texts that routes answer by themselves."""

from __future__ import annotations

import pytest

from tests.config.sites import SMALL, errors, warnings
from tests.kit.play import Play
from tests.scenes.heads import answered_alone

GET = "GET /a?n=<b>%0d HTTP/1.1\nHost: example.com"


def test_a_text_with_what_the_request_says() -> None:
    answered = answered_alone("[route /]\nrespond = 410 {host}{path} is gone\n", GET)
    assert answered.start == "HTTP/1.1 410 Gone"
    assert answered.body == b"example.com/a is gone\n"
    assert answered.fields["content-type"] == "text/plain; charset=utf-8"


def test_text_beyond_ascii_and_a_clients_words() -> None:
    assert answered_alone("[route /]\nrespond = 200 schön\n", GET).body == "schön\n".encode()
    answered = answered_alone("[route /]\nrespond = 200 {arg.n}\n", GET)
    assert (answered.body, answered.fields["x-content-type-options"]) == (b"<b>\r\n", "nosniff")


def test_no_text_at_all() -> None:
    answered = answered_alone("[route /]\nrespond = 204\n", GET)
    assert answered.status == 204
    assert "content-length" not in answered.fields
    assert answered_alone("[route /]\nrespond = 503\n", GET).fields["content-length"] == "0"


def test_head_gets_the_head() -> None:
    with Play("[route /]\nrespond = 200 hello\n") as play:
        client = play.client()
        client.says(GET.replace("GET", "HEAD"))
        assert client.hears_message(head_only=True).fields["content-length"] == "6"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("respond = hello", "write for instance 410"),
        ("respond = 301 /", "write redirect = 301 LOCATION"),
        ("respond = 204 text", "write respond = 204"),
        ("respond = 100 text", "is not a status"),
        ("respond = 200 {hots}", "did you mean {host}?"),
    ],
)
def test_mistakes_are_told(line: str, said: str) -> None:
    (error,) = errors(SMALL + f"[route /x]\n{line}\n")
    assert said in error


def test_what_needs_a_pool_has_no_effect() -> None:
    assert any("the route answers by itself" in each for each in warnings(SMALL + "[route /x]\nrespond = 200\ntries = 2\n"))
