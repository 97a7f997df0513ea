"""A site that is given as a text, for a program of others."""

from __future__ import annotations

from typing import Any

import pytest

from twistedproxy.config.problems import ConfigError
from twistedproxy.embedding import proxy_service

SITE = """\
[listen http]
on = tcp:${PORT}
[route /]
static = pages
"""


def test_paths_begin_and_errors_are_where_the_program_says_and_names_are_its_own() -> None:
    reactor: Any = None
    with pytest.raises(ConfigError) as caught:
        proxy_service(SITE, reactor, file="/nowhere/site.ini", environ={"PORT": "http"})
    assert str(caught.value).splitlines() == [
        "/nowhere/site.ini:2 [listen http] on: 'http' is not a port; write digits only",
        "/nowhere/site.ini:4 [route /] static: there is no directory /nowhere/pages; create it, or correct the path",
    ]
