"""Words for people: the nearest known one to one that nobody knows (did you mean), and nouns that are counted."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The word of *known* that *word* was probably meant to be, or None when nothing is near; letter case does not count."""
    by_folded = {candidate.casefold(): candidate for candidate in sorted(known, reverse=True)}
    close = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def choose_from(word: str, known: Iterable[str]) -> str:
    """A remedy for an unknown *word*: ``did you mean X?``, or the list of what is known (``write one of …``)."""
    words = sorted(known)
    suggestion = nearest(word, words)
    if suggestion is not None:
        return f"did you mean {suggestion}?"
    return f"known: {', '.join(words)}" if words else "there is none"


def counted(number: int, noun: str) -> str:
    """``1 check``, ``3 checks``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
