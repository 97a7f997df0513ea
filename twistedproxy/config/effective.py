"""The effective configuration: every knob with its value, inherited or default, as a site file that loads back to the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twistedproxy.config.reader import written
from twistedproxy.config.sections import SECTIONS, rows
from twistedproxy.config.values import KINDS, Shape
from twistedproxy.settings.site_ini import Settings


def sections_of(settings: Settings) -> dict[str, tuple[Any, ...]]:
    """What *settings* are made of, by the kind of section, in the order in which a site is written."""
    return {
        "site": (settings.site,),
        "listen": settings.listen,
        "stream": settings.streams,
        "tls": tuple(settings.tls.values()),
        "pool": tuple(settings.pools.values()),
        "cache": tuple(settings.caches.values()),
        "limit": tuple(settings.limits.values()),
        "test": settings.tests,
        "map": tuple(settings.maps.values()),
        "route": settings.routes,
        "app": settings.apps,
        "shell": (settings.shell,) if settings.shell else (),
        "status": (settings.status,) if settings.status else (),
        "log": settings.logs,
        "tracing": (settings.tracing,) if settings.tracing else (),
    }


def effective(settings: Settings) -> str:
    """The text of a site file that says all of *settings*; paths are absolute, and nothing is included or inherited."""
    return "\n".join(_section(kind, value) for kind, values in sections_of(settings).items() for value in values)


def _section(kind: str, value: Any) -> str:
    title = f"{kind} {value.title if kind == 'route' else value.name}" if SECTIONS[kind].named else kind
    lines = [f"[{written(title)}]"]
    for key, row in rows(SECTIONS[kind].made).items():
        lines += _lines(key, KINDS[row["kind"]].shape, list(items(row["kind"], getattr(value, key))))
    return "\n".join(lines) + "\n"


def items(name: str, value: Any) -> Iterator[str]:
    """The items of a value as text; none for a value that is absent."""
    kind = KINDS[name]
    if value is not None:
        for each in (value,) if kind.shape is Shape.ONE else value:
            yield written(kind.write(each))


def _lines(key: str, shape: Shape, items: list[str]) -> list[str]:
    if shape is Shape.LINES and len(items) > 1:
        return [f"{key} =", *(f"    {item}" for item in items)]
    return [f"{key} = {' '.join(items)}".rstrip()]
