"""What a row of the tables is made by."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Final

#: A timeout or an interval that never comes.
NEVER: Final = float("inf")


def knob(
    kind: str,
    doc: str,
    *,
    default: Any = None,
    required: bool = False,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """
    One row of the table: a dataclass field that knows how it is written in site.ini.

    *kind* names a parser of :mod:`twistedproxy.config.values`; *default* is the parsed value.
    """
    return field(
        default=default,
        metadata={
            "kind": kind,
            "doc": doc,
            "required": required,
            "minimum": minimum,
            "maximum": maximum,
            "choices": choices,
        },
    )
