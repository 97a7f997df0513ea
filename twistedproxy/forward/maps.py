"""Tables that make one word of another (``[map …]``): ``{map.NAME}`` in templates."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from twistedproxy.forward.map_lines import parse_file, parse_line
from twistedproxy.settings.maps import MapRow, MapSettings
from twistedproxy.templates import Template

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange

#: What tells one state of a file from the next.
_Stamp = tuple[int, int, int]


class Rows:
    """Rows that are ready to be asked; the words are Latin-1 characters, as those of requests are."""

    __slots__ = ("_default", "_exact", "_lengths", "_patterns", "_prefixes")

    def __init__(self, rows: Iterable[MapRow]) -> None:
        self._exact: dict[str, str] = {}
        self._prefixes: dict[str, str] = {}
        self._patterns: list[tuple[re.Pattern[str], str]] = []
        self._default: str | None = None
        for row in rows:
            key, value = _latin(row.key), _latin(row.value)
            if row.kind == "exact":
                self._exact.setdefault(key, value)
            elif row.kind == "prefix":
                self._prefixes.setdefault(key, value)
            elif row.kind == "regex":
                self._patterns.append((re.compile(key), value))
            elif self._default is None:
                self._default = value
        self._lengths = sorted({len(prefix) for prefix in self._prefixes}, reverse=True)

    def __len__(self) -> int:
        return len(self._exact) + len(self._prefixes) + len(self._patterns) + (self._default is not None)

    def find(self, word: str) -> str | None:
        """What *word* becomes: by the exact row, the longest prefix, the first expression, or what is for anything else."""
        found = self._exact.get(word)
        if found is not None:
            return found
        for length in self._lengths:
            if length <= len(word) and (found := self._prefixes.get(word[:length])) is not None:
                return found
        for pattern, value in self._patterns:
            if (match := pattern.search(word)) is not None:
                return match.expand(value)
        return self._default


class MapTable:
    """
    A table that lives.

    :ivar settings: its section
    :ivar rows: as they are now
    """

    def __init__(self, settings: MapSettings) -> None:
        """
        :raises OSError: its file cannot be read
        :raises ValueError: a line of it is no row
        """
        self.settings = settings
        self.source = Template.parse(settings.source)
        self._stamp: _Stamp | None = None
        self.rows = Rows(settings.values)
        if settings.file is not None:
            self.adopt(*self.read())

    def of(self, exchange: Exchange) -> str | None:
        """What stands for *exchange*; None for nothing."""
        word = self.source.render(exchange.value)
        return self.rows.find("" if word == "-" else word)

    def has_changed(self) -> bool:
        """Whether the file is another one than the one that was read; not when it is gone."""
        try:
            return self._stamp != self._stamp_of(os.stat(self.settings.file or ""))
        except OSError:
            return False

    def read(self) -> tuple[Rows, _Stamp]:
        """
        The rows as the file has them now, behind those of site.ini; may be called in another thread.

        :raises OSError: it cannot be read
        :raises ValueError: a line of it is no row
        """
        rows = list(self.settings.values)
        with open(self.settings.file or "", encoding="utf-8") as file:
            stamp = self._stamp_of(os.fstat(file.fileno()))
            for number, line in parse_file(file.read()):
                try:
                    rows.append(parse_line(line))
                except ValueError as bad:
                    raise ValueError(f"{self.settings.file}:{number}: {bad}") from None
        return Rows(rows), stamp

    def adopt(self, rows: Rows, stamp: _Stamp) -> None:
        """From now on *rows* count."""
        self.rows = rows
        self._stamp = stamp

    @staticmethod
    def _stamp_of(found: os.stat_result) -> _Stamp:
        return found.st_mtime_ns, found.st_size, found.st_ino


def _latin(text: str) -> str:
    return text.encode("utf-8").decode("latin-1")
