"""
The lines of a table (``[map …]``), in site.ini and in files of their own.

    KEY VALUE               the source is exactly KEY
    KEY* VALUE              it begins with KEY
    ~ REGEX VALUE           the expression is found in it; \\1 in VALUE stands for the first group
    * VALUE                 anything else

What has blanks in it stands in double quotes.  In files, ``#`` and ``;`` at the start of a line comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from twistedproxy.settings.maps import MapRow

_WORD: Final = re.compile(r'"((?:[^"\\]|\\.)*)"(\*?)|([^\s"]\S*)')
_QUOTED: Final = re.compile(r'\\(["\\])')


def write_line(row: MapRow) -> str:
    """As :func:`parse_line` reads it."""
    value = written_word(row.value)
    if row.kind == "default":
        return f"* {value}"
    if row.kind == "regex":
        return f"~ {written_word(row.key)} {value}"
    # A key that could be taken for another kind is quoted.
    key = quoted_word(row.key) if row.key in ("", "~") or row.key.endswith("*") else written_word(row.key)
    return f"{key}{'*' if row.kind == 'prefix' else ''} {value}"


def written_word(word: str) -> str:
    """*word* in quotes, if it needs them."""
    return quoted_word(word) if not word or '"' in word or any(each.isspace() for each in word) else word


def quoted_word(word: str) -> str:
    """*word* in quotes."""
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def split_words(text: str) -> list[tuple[str, str]]:
    """
    The words of a line; behind each what it was written in: nothing, ``"``, or ``"*`` where a star follows the quotes.

    :raises ValueError: quotes are not closed, or stand in the middle of a word
    """
    words: list[tuple[str, str]] = []
    at = 0
    for found in _WORD.finditer(text):
        if text[at : found.start()].strip() or found.start() == at > 0:
            raise ValueError(f"{text!r} has a quote in the middle of a word")
        quoted, star, plain = found.groups()
        words.append((plain, "") if quoted is None else (_QUOTED.sub(r"\1", quoted), '"' + star))
        at = found.end()
    if text[at:].strip():
        raise ValueError(f"{text!r} has a quote in the middle of a word")
    return words


def parse_line(text: str) -> MapRow:
    """
    The row that *text* is.

    :raises ValueError: it is none; says why
    """
    words = split_words(text)
    if words and words[0] == ("~", ""):
        if len(words) != 3:
            raise ValueError(f"{text!r} is not ~ REGEX VALUE")
        return _regex(words[1][0], words[2][0])
    if len(words) != 2 or words[1][1] == '"*':
        raise ValueError(f"{text!r} is not KEY VALUE; what has blanks in it stands in double quotes")
    (key, quote), (value, _) = words
    if quote == '"*':
        return MapRow("prefix", key, value)
    if quote or not key.endswith("*"):
        return MapRow("exact", key, value)
    return MapRow("prefix", key[:-1], value) if key != "*" else MapRow("default", "", value)


def _regex(pattern: str, value: str) -> MapRow:
    try:
        re.compile(pattern).sub(value, "")
    except (re.error, IndexError) as bad:
        raise ValueError(f"{pattern!r} with {value!r} is not a regular expression and what takes its place: {bad}") from None
    return MapRow("regex", pattern, value)


def parse_file(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a file that are rows, each with its number."""
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        stripped = line.strip()
        if stripped and stripped[0] not in "#;":
            yield number, stripped
