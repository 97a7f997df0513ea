"""The way in: a site file, with all that it includes, becomes settings and warnings, or a list of every error."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from dataclasses import dataclass

from twistedproxy.config import references, saved_changes, warnings
from twistedproxy.config.problems import ConfigError, Problem
from twistedproxy.config.reader import Section, read
from twistedproxy.config.scalars import Context
from twistedproxy.config.sections import Draft, build, rows
from twistedproxy.config.values import Failed, parse
from twistedproxy.settings.site import SiteSettings
from twistedproxy.settings.site_ini import Settings


@dataclass(frozen=True)
class Loaded:
    """
    A site that can be started.

    :ivar settings: what it says
    :ivar warnings: what is legal and still probably not meant, or dangerous
    :ivar files: the files that were read, the main one first
    """

    settings: Settings
    warnings: tuple[Problem, ...]
    files: tuple[str, ...]


def load(path: str, environ: Mapping[str, str], *, changes: bool = True) -> Loaded:
    """
    Read the site file *path* and check it; opens no port and resolves no name.

    :param environ: what ``${NAME}`` refers to, usually ``os.environ``
    :param changes: False: what the shell has saved is left out
    :raises ConfigError: something is wrong; it holds every error of every file
    """
    problems: list[Problem] = []
    text = _text_of(path, path, problems)
    if text is None:
        raise ConfigError(tuple(problems))
    return load_text(text, path, environ, problems, changes=changes)


def load_text(
    text: str, name: str, environ: Mapping[str, str], problems: list[Problem] | None = None, *, changes: bool = True
) -> Loaded:
    """
    As :func:`load`, of a *text* that needs not stand in the file *name*; relative paths start in that file's directory.

    :raises ConfigError: something is wrong
    """
    problems = [] if problems is None else problems
    sections = read(text, name, environ, problems)
    names = [name]
    for included in _included(sections, name, problems):
        names.append(included)
        more = _text_of(included, included, problems)
        if more is not None:
            sections += read(more, included, environ, problems)
    if not any(section.kind == "site" for section in sections):
        sections.append(Section("site", "", name, 0))
    sections = saved_changes.put_in(sections, problems if changes else None)
    draft = build(sections, name, problems)
    references.check(draft, problems)
    if problems:
        raise ConfigError(_in_order(problems, names))
    return Loaded(_settings(draft), _in_order(warnings.of(draft), names), tuple(names))


def _text_of(path: str, shown: str, problems: list[Problem]) -> str | None:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        problems.append(Problem(shown, 0, "", "", f"cannot be read: {error.strerror}", "check the path and its permissions"))
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problems.append(Problem(shown, line, "", "", f"byte {data[error.start]:#04x} is not UTF-8", "save the file as UTF-8"))
        return None


def _included(sections: list[Section], name: str, problems: list[Problem]) -> list[str]:
    """The files that [site] includes, each once, called relative to the main file where they stand below it."""
    site = next((section for section in sections if section.kind == "site"), None)
    entry = site.entries.pop("include", None) if site is not None else None
    if site is None or entry is None:
        return []
    directory = os.path.dirname(os.path.abspath(name))
    try:
        patterns = parse(site, entry, Context(directory, rows(SiteSettings)["include"]), problems)
    except Failed:
        return []
    seen = {os.path.realpath(name)}
    found: list[str] = []
    for pattern, item in zip(patterns, entry.items, strict=True):
        matches = sorted(path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path))
        if not matches and not glob.has_magic(pattern):
            problems.append(Problem(name, item.line, "site", "include", f"there is no file {item.text}", "correct the path"))
        for path in matches:
            if os.path.realpath(path) not in seen:
                seen.add(os.path.realpath(path))
                below = os.path.relpath(path, directory)
                found.append(path if below.startswith("..") else os.path.join(os.path.dirname(name), below))
    return found


def _in_order(problems: list[Problem], names: list[str]) -> tuple[Problem, ...]:
    """As a reader of the files meets them; what concerns a file as a whole comes last."""
    return tuple(sorted(problems, key=lambda each: (names.index(each.file), each.line or float("inf"))))


def _settings(draft: Draft) -> Settings:
    (site,) = draft.values("site")
    shell, status, tracing = (next(iter(draft.values(kind)), None) for kind in ("shell", "status", "tracing"))
    return Settings(
        site=site,
        listen=draft.values("listen"),
        routes=draft.values("route"),
        tls={each.name: each for each in draft.values("tls")},
        pools={each.name: each for each in draft.values("pool")},
        limits={each.name: each for each in draft.values("limit")},
        caches={each.name: each for each in draft.values("cache")},
        tests=draft.values("test"),
        maps={each.name: each for each in draft.values("map")},
        apps=draft.values("app"),
        shell=shell,
        status=status,
        logs=draft.values("log"),
        tracing=tracing,
        streams=draft.values("stream"),
    )
