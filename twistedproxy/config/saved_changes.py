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
from typing import Final

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
    for key in _KEYS:
        entry = changes.entries.get(key)
        for item in entry.items if entry is not None else ():
            try:
                servers.items = list(_applied(key, item, servers.items, pool, changes))
            except BadValue as bad:
                problems.append(changes.problem(key, bad.reason, bad.remedy, item.line))


def _applied(key: str, item: Item, lines: list[Item], pool: Section, changes: Section) -> list[Item]:
    """The *lines* of servers with one change; raises BadValue."""
    if key == "add":
        # Paths stand in it as they are from the file that says them.
        server = network.server(item.text, _context(changes))
        if server.name in _names(lines, pool):
            raise BadValue(f"{server.name} is a server of the pool already", "remove the line, or let save() write anew")
        return [*lines, Item(network.write_server(server), item.line)]
    called, *words = item.text.split()
    names = _names(lines, pool)
    if called not in names:
        nearest = choose_from(called, [name for name in names if name])
        remedy = f"remove the line, or let save() of the shell write anew; {nearest}"
        raise BadValue(f"pool {pool.name} has no server {called!r}", remedy)
    at = names.index(called)
    if key == "remove":
        return [*lines[:at], *lines[at + 1 :]]
    server = _changed(network.server(lines[at].text, _context(pool)), words)
    return [*lines[:at], Item(network.write_server(server), lines[at].line), *lines[at + 1 :]]


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


def _names(lines: list[Item], pool: Section) -> list[str]:
    """What the servers are called; empty for a line that cannot be read, which is told elsewhere."""
    names = []
    for line in lines:
        try:
            names.append(network.server(line.text, _context(pool)).name)
        except BadValue:
            names.append("")
    return names


def _context(section: Section) -> Context:
    return Context(os.path.dirname(os.path.abspath(section.file)), {})
