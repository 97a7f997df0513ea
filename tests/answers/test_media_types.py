"""Which form of an error a client gets."""

from __future__ import annotations

import json

import pytest

from twistedproxy.answers.media_types import HTML, PLAIN, PROBLEM, preferred
from twistedproxy.answers.replies import FORMS, error
from twistedproxy.errors import NO_PEER, NO_ROUTE


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, HTML),
        ("", HTML),
        ("*/*", HTML),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", HTML),
        ("application/json, text/plain, */*", PROBLEM),
        ("application/json", PROBLEM),
        ("application/problem+json, application/json;q=0.5", PROBLEM),
        ("APPLICATION/JSON", PROBLEM),
        ("text/plain", PLAIN),
        ("text/*", HTML),
        ("application/*", PROBLEM),
        ("text/html;q=0.3, application/json;q=0.4", PROBLEM),
        ("text/html; q=0, */*", PROBLEM),
        ("application/json;q=0", HTML),
        ("image/png", HTML),
        ("application/json;q=2", HTML),
        ("application/json;q=", HTML),
        (";;,,q=1;=", HTML),
        ("text/html;level=1;q=0.1, text/plain;q=0.2", PLAIN),
        ("application/json" + " " * 2000, HTML),
    ],
)
def test_a_client_gets_the_form_that_it_asks_for(accept: str | None, form: bytes) -> None:
    assert preferred(None if accept is None else accept.encode(), FORMS) == form


def test_a_problem_tells_what_the_page_tells() -> None:
    head, body = error(NO_ROUTE, PROBLEM)
    assert json.loads(body) == {"type": "about:blank", "title": "Not Found", "status": 404, "detail": NO_ROUTE.text}
    assert head.headers.get(b"content-type") == b"application/problem+json"
    head, body = error(NO_PEER, PROBLEM)
    assert json.loads(body) == {"type": "about:blank", "title": "Service Unavailable", "status": 503}
    assert head.headers.get(b"retry-after") == b"5"
    assert error(NO_ROUTE, PLAIN)[1] == f"404 Not Found: {NO_ROUTE.text}\n".encode()
    assert error(NO_PEER, PLAIN)[1] == b"503 Service Unavailable\n"
