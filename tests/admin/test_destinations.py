"""What the shell and the status page say of where routes lead."""

from __future__ import annotations

import pytest

from tests.config.sites import SMALL, loaded
from twistedproxy.admin.views import destination
from twistedproxy.forward.routes import Route


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("pool = app", "pool app"),
        ("redirect = 301 https://{host}/", "301 https://{host}/"),
        ("respond = 410 gone", "410 gone"),
        ("respond = 204", "204"),
    ],
)
def test_a_route_leads_somewhere(answer: str, shown: str) -> None:
    settings = loaded(SMALL + f"[route /x]\n{answer}\n").settings.routes[-1]
    assert destination(Route(settings, None, None)) == shown
