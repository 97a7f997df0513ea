"""The files of the page, as they are shipped with the package."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

_KINDS: Final = {
    "html": b"text/html; charset=utf-8",
    "css": b"text/css; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
}
_NAMES: Final = ("dashboard.html", "dashboard.css", "plain.css", "icon.svg")
_SCRIPTS: Final = (
    "charts.js",
    "dashboard.js",
    "elements.js",
    "glance.js",
    "numbers.js",
    "operator.js",
    "pools.js",
    "record.js",
    "sections.js",
)


def assets() -> dict[bytes, tuple[bytes, bytes]]:
    """Media type and content by path; the page itself is ``/``."""
    found = {}
    for name in (*_NAMES, *_SCRIPTS):
        kind = _KINDS[name.rpartition(".")[2]]
        path = b"/" if name == "dashboard.html" else b"/" + name.encode()
        found[path] = (kind, files(__package__).joinpath(name).read_bytes())
    return found
