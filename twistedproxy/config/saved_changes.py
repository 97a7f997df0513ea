"""
``[changes POOL]``: what operators have changed of a pool while it ran, as save() of the shell writes it.

Such sections stand in a file of their own, which ``include`` of ``[site]`` names.  They are put into the lines of ``servers`` of
their pool before anything is made of these::

    [changes app]
    remove = app3:3000
    change =
        app1:3000 weight=5
        app2:3000 drain
    add = app4:3000 weight=2 backup
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from twistedproxy.config import network
from twistedproxy.config.problems import BadValue, Problem
from twistedproxy.config.reader import Item, Section
from twistedproxy.config.scalars import Context
from twistedproxy.settings.servers import ServerSettings
from twistedproxy.spelling import choose_from

#: The kind of these sections.
KIND: Final = "changes"
_KEYS: Final = ("remove", "change", "add")
_WORDS: Final = ("weight=N", "drain", "down", "up")


def put_in(sections: list[Section], problems: list[Problem] | None) -> list[Section]:
    """
    *sections* without those of changes, which are put into their pools.

    :param problems: takes whatever cannot be; None: nothing is put in
    """
    if problems is None:
        return [section for section in sections if section.kind != KIND]
    pools = {section.name: section for section in sections if section.kind == "pool"}
    for section in sections:
        if section.kind != KIND:
            continue
        pool = pools.get(section.name)
        if pool is None:
            remedy = f"remove the section, or let save() of the shell write anew; {choose_from(section.name, pools)}"
            problems.append(section.problem("", f"there is no pool {section.name!r}", remedy))
        else:
            _put_in(section, pool, problems)
    return [section for section in sections if section.kind != KIND]


def _put_in(changes: Section, pool: Section, problems: list[Problem]) -> None:
    servers = pool.entries.get("servers")
    if servers is None:
        return  # that it has none is told elsewhere
    for key in changes.entries:
        if key not in _KEYS:
            problems.append(changes.problem(key, "is not known here", choose_from(key, _KEYS)))
    lines = [_Line(item, _read(item, pool)) for item in servers.items]
    for key in _KEYS:
        entry = changes.entries.get(key)
        for item in entry.items if entry is not None else ():
            try:
                _apply(key, item, lines, pool, changes)
            except BadValue as bad:
                problems.append(changes.problem(key, bad.reason, bad.remedy, item.line))
    servers.items = [line.item for line in lines]


class _Line(NamedTuple):
    """A line of ``servers``; *server* is None when it cannot be read, which is told elsewhere."""

    item: Item
    server: ServerSettings | None

    @property
    def name(self) -> str:
        """What the server is called."""
        return self.server.name if self.server is not None else ""


def _apply(key: str, item: Item, lines: list[_Line], pool: Section, changes: Section) -> None:
    """Make one change of *lines*; raises BadValue."""
    if key == "add":
        # Paths stand in it as they are from the file that says them.
        server = network.server(item.text, _context(changes))
        if any(line.name == server.name for line in lines):
            raise BadValue(f"{server.name} is a server of the pool already", "remove the line, or let save() write anew")
        lines.append(_written(server, item.line))
        return
    called, *words = item.text.split()
    at, line = next(((at, line) for at, line in enumerate(lines) if line.name == called), (0, None))
    if line is None or line.server is None:
        nearest = choose_from(called, [line.name for line in lines if line.name])
        remedy = f"remove the line, or let save() of the shell write anew; {nearest}"
        raise BadValue(f"pool {pool.name} has no server {called!r}", remedy)
    if key == "remove":
        del lines[at]
    else:
        lines[at] = _written(_changed(line.server, words), line.item.line)


def _changed(server: ServerSettings, words: Sequence[str]) -> ServerSettings:
    for word in words:
        name, equals, value = word.partition("=")
        if name == "weight" and equals:
            server = replace(server, weight=network.weight(value))
        elif word == "drain":
            server = replace(server, drain=True, down=False)
        elif word == "down":
            server = replace(server, down=True, drain=False)
        elif word == "up":
            server = replace(server, down=False, drain=False)
        else:
            raise BadValue(f"{word!r} is not a change of a server", choose_from(word, _WORDS))
    return server


def _written(server: ServerSettings, line: int) -> _Line:
    return _Line(Item(network.write_server(server), line), server)


def _read(item: Item, pool: Section) -> ServerSettings | None:
    try:
        return network.server(item.text, _context(pool))
    except BadValue:
        return None


def _context(section: Section) -> Context:
    return Context(os.path.dirname(os.path.abspath(section.file)), {})
