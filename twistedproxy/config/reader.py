"""
INI by the rules of docs/configuration.md: text becomes sections, keys and items, each with its line.

A line that begins with ``[`` opens a section, one that begins with a key sets it, an indented one adds an item to the key
above it.  ``;`` and ``#`` comment at the start of a line or after a blank; ``\\;`` and ``\\#`` there stand for themselves.
``${NAME}`` is taken from the environment after comments are cut off, ``$${`` stands for ``${``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from twistedproxy.config.problems import BadValue, Problem

_COMMENT = re.compile(r"(?:^|(?<=[ \t]))[;#]")
_ESCAPED = re.compile(r"(?:^|(?<=[ \t]))\\(\\*[;#])")
_UNESCAPED = re.compile(r"(?:^|(?<=[ \t]))(\\*[;#])")
_VARIABLE = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|(?P<broken>\$\{[^}]*\}?)")
_KEY = re.compile(r"(?P<key>[A-Za-z0-9_.-]+)[ \t]*=[ \t]*(?P<value>.*)", re.DOTALL)
_COLON_KEY = re.compile(r"(?P<key>[a-z0-9_]+)[ \t]*:[ \t]+(?P<value>.*)", re.DOTALL)
# Nothing below a blank but the tab has a meaning in a text file; DEL and the C1 set neither.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True)
class Item:
    """One line of a value, comments and surrounding blanks taken off."""

    text: str
    line: int


@dataclass
class Entry:
    """One key with its items; *broken* when one of them could not be read (which was already reported)."""

    key: str
    line: int
    items: list[Item] = field(default_factory=list)
    broken: bool = False

    @property
    def is_given(self) -> bool:
        """Whether anything follows the ``=``; nothing there means: no value."""
        return bool(self.items) or self.broken


@dataclass
class Section:
    """One section: ``[kind name]`` and its keys."""

    kind: str
    name: str
    file: str
    line: int
    entries: dict[str, Entry] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What stands between the brackets."""
        return f"{self.kind} {self.name}".strip()

    def gives(self, key: str) -> bool:
        """Whether the section says something for *key*."""
        entry = self.entries.get(key)
        return entry is not None and entry.is_given

    def problem(self, key: str, reason: str, remedy: str = "", line: int = 0) -> Problem:
        """A problem of this section: at *line*, or where *key* stands, or at the section's title."""
        entry = self.entries.get(key)
        return Problem(self.file, line or (entry.line if entry else self.line), self.title, key, reason, remedy)


def read(text: str, file: str, environ: Mapping[str, str], problems: list[Problem]) -> list[Section]:
    """
    The sections of *text*, in order; whatever cannot be read is added to *problems* with its line in *file*.

    A section that is opened twice is returned twice; a key that is set twice is reported here.
    """
    return _Reader(file, environ, problems).read(text)


class _Reader:
    """The state while one file is read: the section and the key to which the next line belongs."""

    def __init__(self, file: str, environ: Mapping[str, str], problems: list[Problem]) -> None:
        self.file = file
        self.environ = environ
        self.problems = problems
        self.sections: list[Section] = []
        self.section: Section | None = None
        self.entry: Entry | None = None
        self.skipping = False  # below a title that could not be read, or a second value of a key

    def read(self, text: str) -> list[Section]:
        for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
            line = raw.removesuffix("\r")
            if _CONTROL.search(line):
                self._report(number, "a control character stands in the line", "remove it")
                if self.entry is not None:
                    self.entry.broken = True
                continue
            comment = _COMMENT.search(line)
            content = (line[: comment.start()] if comment else line).rstrip(" \t")
            if not content:
                continue
            if content[0] in " \t":
                self._continue(number, content.strip(" \t"))
            elif content[0] == "[":
                self._open(number, content)
            else:
                self._set(number, content)
        return self.sections

    def _open(self, number: int, content: str) -> None:
        self.section = self.entry = None
        self.skipping = True
        if not content.endswith("]"):
            self._report(number, f"the title {content} has no closing bracket", "write [kind name]")
            return
        try:
            title = _expand(_ESCAPED.sub(r"\1", content[1:-1]), self.environ)
        except BadValue as bad:
            self._report(number, bad.reason, bad.remedy)
            return
        kind, *rest = title.split(None, 1) or [""]
        self.skipping = False
        self.section = Section(kind, rest[0].strip(" \t") if rest else "", self.file, number)
        self.sections.append(self.section)

    def _set(self, number: int, content: str) -> None:
        self.entry = None
        found = _KEY.fullmatch(content)
        if found is None:
            if self.skipping and self.section is None:
                return
            colon = _COLON_KEY.fullmatch(content)
            remedy = f"write {colon['key']} = {colon['value']}" if colon else "write key = value, and indent the items of a list"
            self._report(number, f"{content!r} is neither a section, nor a key, nor an item of a list", remedy)
            return
        if self.section is None:
            if not self.skipping:
                self._report(number, f"{found['key']} stands before the first section", "open one with [kind name]")
            return
        entry = Entry(found["key"], number)
        first = self.section.entries.get(entry.key)
        if first is None:
            self.section.entries[entry.key] = entry
        else:
            self.problems.append(
                Problem(
                    self.file,
                    number,
                    self.section.title,
                    entry.key,
                    f"is set twice; the first stands in line {first.line}",
                    "items of one list go on indented lines below the key" if entry.key in _OFTEN_REPEATED else "remove one",
                )
            )
        self.entry = entry
        if found["value"]:
            self._add(number, found["value"])

    def _continue(self, number: int, text: str) -> None:
        if self.entry is not None:
            self._add(number, text)
        elif not self.skipping:
            self._report(number, "an indented line continues nothing", "keys and titles begin at the start of the line")

    def _add(self, number: int, text: str) -> None:
        assert self.entry is not None
        try:
            value = _expand(_ESCAPED.sub(r"\1", text), self.environ).strip(" \t")
        except BadValue as bad:
            self.entry.broken = True
            self._report(number, bad.reason, bad.remedy)
            return
        if value:
            self.entry.items.append(Item(value, number))

    def _report(self, number: int, reason: str, remedy: str) -> None:
        section = self.section.title if self.section else ""
        self.problems.append(Problem(self.file, number, section, self.entry.key if self.entry else "", reason, remedy))


# Keys that other programs' users repeat to make a list.
_OFTEN_REPEATED = frozenset(("on", "servers", "certificates", "include", "request_headers", "response_headers", "cache_valid"))


def _expand(text: str, environ: Mapping[str, str]) -> str:
    """*text* with the environment's values put in; raises BadValue."""

    def value(found: re.Match[str]) -> str:
        if found[0] == "$${":
            return "${"
        if found["broken"]:
            raise BadValue(
                f"{found['broken']} is not a variable of the environment",
                "write ${NAME} or ${NAME:-default}, and $${ for ${ itself",
            )
        name, default = found["name"], found["default"]
        given = environ.get(name)
        if default is not None and not given:
            return str(default)
        if given is None:
            raise BadValue(f"the environment has no {name}", f"set it, or write ${{{name}:-default}}")
        if _CONTROL.search(given) or "\n" in given:
            raise BadValue(f"{name} of the environment has a control character or a line break", "set it to one line of text")
        return given

    return _VARIABLE.sub(value, text)


def written(text: str) -> str:
    """One item as it must be written so that :func:`read` gives *text* back."""
    return _UNESCAPED.sub(r"\\\1", text).replace("${", "$${")
