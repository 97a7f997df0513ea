"""Sections become settings: one dataclass for each kind of section, its keys read by the rows of settings/."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from twistedproxy.config import files, routing
from twistedproxy.config.problems import BadValue, Problem
from twistedproxy.config.reader import Entry, Section
from twistedproxy.config.scalars import Context
from twistedproxy.config.values import KINDS, Failed, Shape, parse
from twistedproxy.settings.answers import APP_KINDS
from twistedproxy.settings.caches import CacheSettings
from twistedproxy.settings.limits import LimitSettings
from twistedproxy.settings.listen import ListenSettings
from twistedproxy.settings.logs import LogSettings, TracingSettings
from twistedproxy.settings.maps import MapSettings
from twistedproxy.settings.operators import AppSettings, ShellSettings, StatusSettings
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.settings.route_knobs import RouteKnobs
from twistedproxy.settings.routes import RouteSettings
from twistedproxy.settings.site import SiteSettings
from twistedproxy.settings.streams import StreamSettings
from twistedproxy.settings.tls import TlsSettings
from twistedproxy.settings.trials import TrialSettings
from twistedproxy.spelling import choose_from, nearest


@dataclass(frozen=True)
class SectionKind:
    """
    One kind of section.

    :ivar made: what it becomes
    :ivar named: what stands behind the kind in the title: nothing, NAME, MATCH or TEXT
    """

    made: type[Any]
    named: str = ""


SECTIONS: Final[dict[str, SectionKind]] = {
    "site": SectionKind(SiteSettings),
    "defaults": SectionKind(RouteKnobs),
    "listen": SectionKind(ListenSettings, "NAME"),
    "tls": SectionKind(TlsSettings, "NAME"),
    "pool": SectionKind(PoolSettings, "NAME"),
    "cache": SectionKind(CacheSettings, "NAME"),
    "limit": SectionKind(LimitSettings, "NAME"),
    "route": SectionKind(RouteSettings, "MATCH"),
    "stream": SectionKind(StreamSettings, "NAME"),
    "map": SectionKind(MapSettings, "NAME"),
    "test": SectionKind(TrialSettings, "TEXT"),
    "app": SectionKind(AppSettings, "NAME"),
    "shell": SectionKind(ShellSettings),
    "status": SectionKind(StatusSettings),
    "log": SectionKind(LogSettings, "NAME"),
    "tracing": SectionKind(TracingSettings),
}

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


_rows: dict[Any, dict[str, Mapping[str, Any]]] = {}


def rows(made: type[Any]) -> dict[str, Mapping[str, Any]]:
    """The knobs of a settings class: key to metadata, and under ``default`` the value without the key."""
    known = _rows.get(made)
    if known is None:
        known = _rows[made] = {
            knob.name: {**knob.metadata, "default": knob.default} for knob in dataclasses.fields(made) if "kind" in knob.metadata
        }
    return known


@dataclass(frozen=True)
class Built:
    """A section and what it became; *value* is None when it could not be made (which was reported)."""

    section: Section
    value: Any


@dataclass
class Draft:
    """Every section of a site, before one is held against the other."""

    file: str
    built: dict[str, list[Built]] = field(default_factory=lambda: {kind: [] for kind in SECTIONS})

    def values(self, kind: str) -> tuple[Any, ...]:
        """What the sections of *kind* became."""
        return tuple(each.value for each in self.built[kind] if each.value is not None)

    def names(self, kind: str) -> dict[str, Section]:
        """The sections of *kind* by name."""
        return {each.section.name: each.section for each in self.built[kind]}


def build(sections: list[Section], file: str, problems: list[Problem]) -> Draft:
    """The settings of all *sections* of the site whose main file is *file*; what is wrong is added to *problems*."""
    draft = Draft(file)
    seen: dict[tuple[str, str], Section] = {}
    # Spans of peers are parts of a trace only where it is passed on to them.
    inherited: dict[str, Any] = {"traceparent": "trusted"} if any(each.kind == "tracing" for each in sections) else {}
    # [defaults] first, wherever it stands.
    for section in sorted(sections, key=lambda each: each.kind != "defaults"):
        kind = SECTIONS.get(section.kind)
        if kind is None:
            known = choose_from(section.kind, SECTIONS)
            problems.append(section.problem("", f"{section.kind or 'nothing'} is not a kind of section", known))
            continue
        first = seen.setdefault((section.kind, section.name), section)
        if first is not section and section.kind != "route":
            problems.append(section.problem("", f"stands twice; first at {first.file}:{first.line}", "put both into one section"))
        title = _title(section, kind, problems)
        given = _given(section, kind, file, problems)
        if section.kind == "defaults":
            inherited |= given
        value = _made(kind, title, given, inherited, file)
        draft.built[section.kind].append(Built(section, value))
    return draft


def _title(section: Section, kind: SectionKind, problems: list[Problem]) -> dict[str, Any] | None:
    """The attributes that come from the title; None when it is wrong."""
    reason = remedy = ""
    if kind.named == "MATCH":
        try:
            return {"title": section.name, "matches": routing.route_matches(section.name)}
        except BadValue as bad:
            reason, remedy = bad.reason, bad.remedy
    elif kind.named == "NAME":
        if _NAME.fullmatch(section.name):
            return {"name": section.name}
        reason = f"{section.name!r} is not a name" if section.name else "has no name"
        remedy = f"write [{section.kind} NAME], in letters, digits, _ . and -"
    elif kind.named == "TEXT":
        if section.name:
            return {"name": section.name}
        reason, remedy = "has no name", "write [test what is tried]"
    elif not section.name:
        return {}
    else:
        reason, remedy = "takes no name", f"write [{section.kind}]"
    problems.append(section.problem("", reason, remedy))
    return None


def _given(section: Section, kind: SectionKind, file: str, problems: list[Problem]) -> dict[str, Any]:
    """The values that the section says; a key that failed is there with its default, or not at all when it is required."""
    known = rows(kind.made)
    directory = os.path.dirname(os.path.abspath(section.file))
    given: dict[str, Any] = {}
    for key, entry in section.entries.items():
        row = known.get(key)
        if row is None:
            problems.append(section.problem(key, *_unknown(key, section.kind, known)))
            continue
        try:
            if entry.is_given:
                given[key] = parse(section, entry, Context(directory, row), problems)
            else:
                given[key] = _absent(section, entry, row, problems)
        except Failed:
            if not row["required"]:
                given[key] = row["default"]
    for key, row in known.items():
        if row["required"] and key not in section.entries:
            problems.append(section.problem("", f"{key} is missing", f"add {key} = … ({row['doc']})"))
    return given


def _absent(section: Section, entry: Entry, row: Mapping[str, Any], problems: list[Problem]) -> Any:
    """The value of a key with nothing behind the ``=``: no value, where a knob can be without one."""
    default = row["default"]
    if row["required"]:
        problems.append(section.problem(entry.key, "is empty", f"write {row['doc']}"))
        raise Failed
    kind = KINDS[row["kind"]]
    if default is None:
        return None
    if kind.shape is not Shape.ONE and default == ():
        return ()
    without = " ".join(map(kind.write, default)) if kind.shape is not Shape.ONE else kind.write(default)
    problems.append(section.problem(entry.key, "is empty", f"leave the line out for the default, {without}"))
    raise Failed


def _unknown(key: str, kind: str, known: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    """Reason and remedy for a key that this kind of section does not have."""
    owners = [other for other, each in SECTIONS.items() if key in rows(each.made) and other != "defaults"]
    if owners:
        where = " or ".join(f"[{owner} …]" if SECTIONS[owner].named else f"[{owner}]" for owner in owners)
        return "is not a key of this section", f"it belongs in {where}"
    suggestion = nearest(key, known)
    if suggestion:
        return "is not a key of this section", f"did you mean {suggestion}?"
    return f"is not a key of [{kind}]", choose_from(key, known)


def _made(kind: SectionKind, title: dict[str, Any] | None, given: dict[str, Any], inherited: dict[str, Any], file: str) -> Any:
    """The section's settings, or None when its title or something required is not there."""
    known = rows(kind.made)
    if title is None or any(row["required"] and key not in given for key, row in known.items()):
        return None
    values = {**title, **inherited, **given} if kind.made is RouteSettings else {**title, **given}
    if kind.made is RouteSettings and "cache" not in given and not any(values.get(key) for key in ("pool", *APP_KINDS)):
        values["cache"] = None  # a route that answers by itself has nothing to store, whatever [defaults] says
    if kind.made is RouteSettings:
        values |= routing.titled(title, values)
    main = Context(os.path.dirname(os.path.abspath(file)), {})
    for key, row in known.items():
        if key not in values and row["kind"] == "path":
            values[key] = files.path(row["default"], main)
    return kind.made(**values)
