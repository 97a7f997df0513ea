"""
Tables for people: text in columns that fits the terminal, and numbers as they are spoken.

Cells may hold what strangers sent (addresses, targets, names).  Everything that could move the cursor or ring a bell is
written as an escape before it reaches a terminal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_GAP: Final = "  "
#: How far texts are cut before a column is left out, and when none can be left out.
_NARROW: Final = 16
_NARROWEST: Final = 10


@dataclass(frozen=True)
class Column:
    """
    A column's title and manners.

    :ivar right: align to the right, as numbers are
    :ivar drop: columns with the highest number are left out first when the terminal is too narrow; 0: never left out
    """

    title: str
    right: bool = False
    drop: int = 0


def printable(text: str) -> str:
    """*text* with every control character written as an escape (``\\x1b``), so that it is safe on a terminal."""
    return _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> str:
    """
    Lay *rows* out under the titles of *columns*.

    *width* is the number of characters of a terminal's line, None when there is no terminal: then nothing is cut.  A table
    that is too wide loses the ends of its less important texts, then the columns that may be left out, then the ends of names.
    """
    cells = [[column.title for column in columns], *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    shown = list(range(len(columns)))
    if width is not None:
        shown, widths = _fit(columns, widths, width)
    lines = []
    for row in cells:
        parts = []
        for index in shown:
            text = _cut(row[index], widths[index])
            parts.append(text.rjust(widths[index]) if columns[index].right else text.ljust(widths[index]))
        line = _GAP.join(parts).rstrip()
        lines.append(line if width is None else _cut(line, width))
    return "\n".join(lines)


def _fit(columns: Sequence[Column], natural: Sequence[int], width: int) -> tuple[list[int], list[int]]:
    """Which columns to show and how wide, so that a line has at most *width* characters if that can be done."""
    shown = list(range(len(columns)))
    while True:
        droppable = [index for index in shown if columns[index].drop]
        widths = list(natural)
        excess = sum(widths[index] for index in shown) + len(_GAP) * (len(shown) - 1) - width
        # Names stay whole as long as there is something less important to cut or to leave out.
        least = _NARROW if droppable else _NARROWEST
        texts = [index for index in droppable or shown if not columns[index].right]
        while excess > 0 and texts:
            widest = max(texts, key=lambda index: widths[index])
            if widths[widest] <= least:
                break
            widths[widest] -= 1
            excess -= 1
        if excess <= 0 or not droppable:
            return shown, widths
        shown.remove(max(droppable, key=lambda index: columns[index].drop))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def size(count: int) -> str:
    """*count* bytes as site.ini writes sizes: ``812``, ``4.0k``, ``12.5m``, ``1.2g``."""
    if count < 1024:
        return str(count)
    value = float(count)
    for unit in "kmgt":
        value /= 1024
        if value < 999.95 or unit == "t":
            return f"{value:.1f}{unit}"
    raise AssertionError("unreachable: the last unit takes everything")


def duration(seconds: float | None) -> str:
    """*seconds* as site.ini writes durations: ``0.4ms``, ``350ms``, ``5.2s``, ``3m12s``, ``2h05m``, ``4d03h``; ``-`` for None."""
    if seconds is None:
        return "-"
    seconds = max(seconds, 0.0)
    if seconds < 0.01:
        return f"{seconds * 1000:.1f}ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole // 60 % 60:02d}m"
    return f"{whole // 86400}d{whole // 3600 % 24:02d}h"


def count(number: int) -> str:
    """A number with its thousands apart: ``1,234,567``."""
    return f"{number:,}"


def percent(part: int, whole: int) -> str:
    """*part* of *whole* in percent: ``87%``; ``-`` when *whole* is nothing."""
    return f"{100 * part / whole:.0f}%" if whole else "-"
