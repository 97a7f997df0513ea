"""How endpoint strings of Twisted are written: a prefix, values, and values with names, parted by colons."""

from __future__ import annotations

import re

_PART = re.compile(r"(?:[^:\\]|\\.)*")
_ESCAPED = re.compile(r"\\(.)")
_KEY = re.compile(r"([a-zA-Z_]+)=")


class BadEndpoint(ValueError):
    """An endpoint string cannot be used; the text says why."""


def parts_of(text: str) -> tuple[str, list[str], dict[str, str]]:
    """The prefix of an endpoint string, its values, and those that have names; ``\\:`` is a colon."""
    words: list[str] = []
    named: dict[str, str] = {}
    prefix, *rest = (piece for piece in _split(text))
    for piece in rest:
        key = _KEY.match(piece)
        if key is None:
            words.append(_ESCAPED.sub(r"\1", piece))
        else:
            named[key[1]] = _ESCAPED.sub(r"\1", piece[key.end() :])
    return prefix, words, named


def _split(text: str) -> list[str]:
    pieces: list[str] = []
    at = 0
    while True:
        found = _PART.match(text, at)
        assert found is not None
        pieces.append(found[0])
        at = found.end() + 1
        if at > len(text):
            return pieces
