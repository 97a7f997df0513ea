"""A story as lines: each belongs to a phase."""

from __future__ import annotations

from collections.abc import Iterable

#: A phase, and a line about it.
Line = tuple[str, str]


def written(lines: Iterable[Line]) -> str:
    """The lines as text: each phase is named once."""
    made: list[str] = []
    last = ""
    for phase, text in lines:
        made.append(f"{phase if phase != last else '':9}{text}".rstrip())
        last = phase
    return "\n".join(made)


def lasting(seconds: float) -> str:
    """A short time: ``0.4 ms``, ``35 ms``, ``2.41 s``."""
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"
