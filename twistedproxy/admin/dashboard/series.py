"""Numbers over time in bounded memory: the last two minutes by the second, the last hour by ten seconds."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Final

#: Rows by the second, and of those how many make one of the coarse rows.
FINE_ROWS: Final = 120
FINE_PER_COARSE: Final = 10
COARSE_ROWS: Final = 360


class Ring:
    """
    The last so many rows of numbers.

    :ivar count: rows that were ever appended; the last one's number
    """

    __slots__ = ("_columns", "_numbers", "_rows", "count")

    def __init__(self, columns: int, rows: int) -> None:
        self._columns = columns
        self._rows = rows
        # 8 bytes a number, taken as rows come.
        self._numbers = array("d")
        self.count = 0

    def append(self, row: Sequence[float]) -> None:
        """One more row; the oldest one goes when there are too many."""
        rounded = array("d", map(_rounded, row))
        if len(self._numbers) < self._rows * self._columns:
            self._numbers.extend(rounded)
        else:
            start = self.count % self._rows * self._columns
            self._numbers[start : start + self._columns] = rounded
        self.count += 1

    def last(self, number: int) -> list[list[float | None]]:
        """The last *number* rows, or as many as there are, column by column, oldest first; None for what is not known (NaN)."""
        columns = self._columns
        number = max(0, min(number, self.count, self._rows))
        end = self.count % self._rows * columns if self.count > self._rows else len(self._numbers)
        start = end - number * columns
        rows = self._numbers[max(0, start) : end]
        if start < 0:
            rows = self._numbers[start:] + rows
        # What is unknown is not even equal to itself.
        return [[None if value != value else value for value in rows[column::columns]] for column in range(columns)]


class Series:
    """
    The same numbers at two paces.

    :param names: of the columns
    """

    __slots__ = ("coarse", "fine", "names")

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.fine = Ring(len(names), FINE_ROWS)
        self.coarse = Ring(len(names), COARSE_ROWS)

    def said(self, *, coarse: bool, number: int) -> dict[str, list[float | None]]:
        """The last *number* rows of one pace, by the names of the columns."""
        return dict(zip(self.names, (self.coarse if coarse else self.fine).last(number), strict=True))


def _rounded(value: float) -> float:
    """*value* with the digits that a chart can show."""
    return float(f"{value:.4g}") if abs(value) < 1e4 else round(value, 3)


def rates(before: Iterable[float], after: Iterable[float], seconds: float) -> list[float]:
    """
    Counters as rates a second.

    What has counted less than before was counted by somebody who has gone since: that is told as nothing.
    """
    return [max(0.0, new - old) / seconds for old, new in zip(before, after, strict=True)]
