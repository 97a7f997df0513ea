"""Site files for tests: a small complete one, and what the loader says about a text."""

from __future__ import annotations

from collections.abc import Mapping

from twistedproxy.config.load import Loaded, load_text
from twistedproxy.config.problems import ConfigError

#: A complete site of seven lines: what a test appends begins in line 8.
SMALL = """\
[listen http]
on = tcp:8080
[pool app]
servers = 127.0.0.1:3000
[route /]
pool = app

"""


def loaded(text: str, environ: Mapping[str, str] | None = None, name: str = "/srv/site.ini") -> Loaded:
    """What *text* says; it must be free of errors."""
    return load_text(text, name, environ or {})


def errors(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """The errors of *text* as lines, without the name of its file."""
    try:
        load_text(text, "site.ini", environ or {})
    except ConfigError as error:
        return [str(each).removeprefix("site.ini:") for each in error.errors]
    return []


def warnings(text: str) -> list[str]:
    """The warnings about *text* as lines, without the name of its file."""
    return [str(each).removeprefix("site.ini:") for each in load_text(text, "site.ini", {}).warnings]
