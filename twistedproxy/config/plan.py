"""
What a reload changes: two sites held against each other, section by section and key by key.

Pure: it knows values, and nothing of what runs by them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from twistedproxy.config.effective import items, sections_of
from twistedproxy.config.sections import SECTIONS, rows
from twistedproxy.settings.site_ini import Settings


class Deed(Enum):
    """What becomes of a section."""

    ADDED = "+"
    CHANGED = "~"
    REMOVED = "-"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class KeyChange:
    """A key with its items, as site.ini writes them, before and after; no items: no value."""

    key: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    def __str__(self) -> str:
        if self.before == self.after:
            return f"{self.key}: what its files say"
        if len(self.before) < 2 and len(self.after) < 2:
            return f"{self.key}: {_or_none(self.before)} → {_or_none(self.after)}"
        gone = [f"- {item}" for item in _without(self.before, self.after)]
        come = [f"+ {item}" for item in _without(self.after, self.before)]
        return f"{self.key}: {', '.join(gone + come) or 'in another order'}"


def _or_none(items: tuple[str, ...]) -> str:
    return " ".join(items) or "nothing"


def _without(items: tuple[str, ...], others: tuple[str, ...]) -> list[str]:
    return list((Counter(items) - Counter(others)).elements())


@dataclass(frozen=True)
class Change:
    """
    What becomes of one section.

    :ivar kind: of the section, for instance ``pool``
    :ivar name: behind the kind in its title; empty for sections without one
    :ivar keys: of a section that changes: the keys that do
    """

    deed: Deed
    kind: str
    name: str
    keys: tuple[KeyChange, ...] = ()

    @property
    def title(self) -> str:
        """The section's title."""
        return f"[{self.kind} {self.name}]" if self.name else f"[{self.kind}]"

    @property
    def brief(self) -> str:
        """The change without values, which may be secrets, for logs."""
        keys = f" ({', '.join(each.key for each in self.keys)})" if self.keys else ""
        return f"{self.deed} {self.title}{keys}"

    def __str__(self) -> str:
        keys = f" {'; '.join(map(str, self.keys))}" if self.keys else ""
        return f"{self.deed} {self.title}{keys}"


@dataclass(frozen=True)
class Plan:
    """All changes, in the order in which a site is written; none: both sites are the same."""

    changes: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    @property
    def brief(self) -> str:
        """In one line, without values."""
        return ", ".join(change.brief for change in self.changes) or "nothing has changed"

    def __str__(self) -> str:
        return "\n".join(map(str, self.changes)) or "nothing has changed"


def plan(before: Settings, after: Settings) -> Plan:
    """What leads from one site to the other."""
    olds, news = sections_of(before), sections_of(after)
    changes: list[Change] = []
    for kind in news:
        old, new = _named(olds[kind]), _named(news[kind])
        for name, value in new.items():
            if name not in old:
                changes.append(Change(Deed.ADDED, kind, name))
            elif old[name] != value:
                changes.append(Change(Deed.CHANGED, kind, name, _keys(kind, old[name], value)))
        changes += [Change(Deed.REMOVED, kind, name) for name in old if name not in new]
    return Plan(tuple(changes))


def _named(values: tuple[Any, ...]) -> dict[str, Any]:
    """Sections by name; of routes that are named alike each is told by the listeners that it is for."""
    names = [getattr(value, "name", "") for value in values]
    alike = {name for name, number in Counter(names).items() if number > 1}
    return {
        f"{name} (listen = {' '.join(value.listen)})" if name in alike and value.listen else name: value
        for name, value in zip(names, values, strict=True)
    }


def _keys(kind: str, before: Any, after: Any) -> tuple[KeyChange, ...]:
    changed = []
    for key, row in rows(SECTIONS[kind].made).items():
        old, new = getattr(before, key), getattr(after, key)
        if old != new:
            changed.append(KeyChange(key, tuple(items(row["kind"], old)), tuple(items(row["kind"], new))))
    return tuple(changed)
