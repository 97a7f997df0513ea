"""``[map NAME]``: variables that follow from others."""

from __future__ import annotations

from dataclasses import dataclass

from twistedproxy.settings.knob import knob


@dataclass(frozen=True)
class MapRow:
    """
    One line of a table.

    :ivar kind: ``exact``, ``prefix``, ``regex`` or ``default``
    """

    kind: str
    key: str
    value: str


@dataclass(frozen=True)
class MapSettings:
    """A table that makes one word of another: {map.NAME} in templates."""

    name: str
    source: str = knob("map_source", "a template: the word that is looked up", required=True)
    values: tuple[MapRow, ...] = knob(
        "map_rows", "KEY VALUE, KEY* VALUE, ~ REGEX VALUE, or * VALUE for anything else, one a line", default=()
    )
    file: str | None = knob("map_file", "more such lines, behind those; read again when the file has changed")
