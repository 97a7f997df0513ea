"""One section against the other: every name leads somewhere, every route has one answer, every address one listener."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import Final

from twistedproxy.addresses import Address, Tcp, Unix
from twistedproxy.config import apps, doors, expectations, guards, logs, rewriting, routing, static, tls, tracing
from twistedproxy.config.http2 import errors_of_pool
from twistedproxy.config.problems import Problem
from twistedproxy.config.reader import Section
from twistedproxy.config.sections import SECTIONS, Built, Draft, rows
from twistedproxy.config.values import KINDS, Shape
from twistedproxy.settings.answers import APP_KINDS
from twistedproxy.spelling import choose_from

#: The kinds of knobs that name a section, and the kind of section that is named.
_POINTS_TO: Final = {
    "tls_name": "tls",
    "pool_name": "pool",
    "cache_name": "cache",
    "listen_names": "listen",
    "listen_name": "listen",
    "limit_names": "limit",
    "log_names": "log",
}


def check(draft: Draft, problems: list[Problem]) -> None:
    """Add to *problems* whatever is wrong between the sections of *draft*."""
    for kind, example in (("listen", "[listen http] with on = tcp:80"), ("route", "[route /] with pool = NAME")):
        if not draft.built[kind] and not draft.built["stream"]:
            problems.append(Problem(draft.file, 0, "", "", f"there is no [{kind} …] section", f"add one, for instance {example}"))
    problems += _dangling(draft)
    problems += itertools.chain.from_iterable(map(_answer, draft.built["route"]))
    for each in (*draft.built["defaults"], *draft.built["route"]):
        if each.value is not None:
            problems += rewriting.errors(each.section, each.value)
    for each in draft.built["route"]:
        if each.value is not None:
            problems += routing.errors(each.section, each.value, draft.names("pool"))
            problems += apps.errors(each.section, each.value)
            problems += static.errors(each.section, each.value)
    for each in itertools.chain.from_iterable(draft.built.values()):
        is_route = each.section.kind == "route" and each.value is not None
        problems += routing.references(each.section, routing.captures(each.value) if is_route else None, draft.names("map"))
    problems += _same_routes(draft.built["route"])
    problems += _same_addresses(draft)
    problems += _same_servers(draft.built["pool"])
    problems += _same_directories(draft.built["cache"])
    problems += _login_keys(draft)
    problems += doors.check(draft)
    problems += logs.check(draft)
    problems += tracing.check(draft)
    problems += guards.check(draft)
    for each in draft.built["pool"]:
        problems += errors_of_pool(each.section, each.value)
    for each in draft.built["tls"]:
        problems += tls.errors(each.section, each.value)
    for each in draft.built["test"]:
        problems += expectations.errors(each.section, each.value)


def _dangling(draft: Draft) -> Iterator[Problem]:
    for kind, section_kind in SECTIONS.items():
        pointing = {key: row["kind"] for key, row in rows(section_kind.made).items() if row["kind"] in _POINTS_TO}
        for section in (each.section for each in draft.built[kind]):
            for key, named in pointing.items():
                target, several = _POINTS_TO[named], KINDS[named].shape is Shape.WORDS
                known = draft.names(target)
                for item in section.entries[key].items if key in section.entries else ():
                    for name in item.text.split() if several else (item.text,):
                        if name not in known and (key, name) != ("log", logs.OFF):
                            remedy = choose_from(name, known) if known else f"add one, with the title [{target} {name}]"
                            yield section.problem(key, f"there is no [{target} {name}]", remedy, item.line)


#: The ways in which a route can be answered.
_ANSWERS: Final = ("pool", "split", "redirect", "respond", "static", *APP_KINDS)
#: What may stand behind static.
_BEHIND_FILES: Final = {"pool", *APP_KINDS}
#: Those that have something to store.
_STORED: Final = ("pool", "split", *APP_KINDS)


def _answer(route: Built) -> Iterator[Problem]:
    """A route is answered in exactly one way."""
    section = route.section
    ways = [key for key in _ANSWERS if section.gives(key)]
    # What is no file goes to the pool, or to the app.
    single = [key for key in ways if key != "static"] if set(ways) & _BEHIND_FILES else ways
    for key in single[1:]:
        yield section.problem(key, f"the route has a {single[0]}, too", f"a route has exactly one of {single[0]} and {key}")
    if not ways:
        yield section.problem("", "the route has no answer", "add pool = NAME, or redirect = 301 https://{host}{uri}")
    if section.gives("cache") and not set(ways) & set(_STORED):
        yield section.problem("cache", "there is nothing to store", "cache goes with pool")
    if section.gives("mirror") and not set(ways) & set(_STORED):
        yield section.problem("mirror", "there is nothing to copy", "mirror goes with pool or split")


def _same_routes(routes: list[Built]) -> Iterator[Problem]:
    """
    Two routes for the same requests are an error.

    One that is narrowed to listeners comes before one that is not, so that these two may stand together.
    """
    known: dict[object, list[Built]] = {}
    for route in routes:
        if route.value is None:
            continue
        ours = set(route.value.listen)
        for match in route.value.matches:
            same = known.setdefault((match, frozenset(route.value.match)), [])
            first = next((each for each in same if ours & set(each.value.listen) or not (ours or each.value.listen)), None)
            same.append(route)
            if first is not None:
                where = f"{first.section.file}:{first.section.line}"
                yield route.section.problem(
                    "", f"matches the same requests as [{first.section.title}] at {where}", "remove one, or narrow it by listen"
                )
                break


def _same_addresses(draft: Draft) -> Iterator[Problem]:
    """An address can be opened once."""
    taken: list[tuple[Address, Section]] = []
    for each in (*draft.built["listen"], *draft.built["stream"], *draft.built["shell"], *draft.built["status"]):
        for address in each.value.on if each.value is not None else ():
            for other, section in taken:
                if _collide(address, other):
                    where = f"[{section.title}] at {section.file}:{section.line}"
                    yield each.section.problem(
                        "on", f"{address} is already opened as {other} by {where}", "give each its own port"
                    )
                    break
            taken.append((address, each.section))


def _collide(one: Address, other: Address) -> bool:
    if isinstance(one, Unix) and isinstance(other, Unix):
        return one.path == other.path
    if not isinstance(one, Tcp) or not isinstance(other, Tcp):
        return one == other
    if one.port != other.port or one.port == 0:
        return False
    return one.host == other.host or _covers(one, other) or _covers(other, one)


def _covers(wide: Tcp, narrow: Tcp) -> bool:
    """Whether *wide* stands for every interface, that of *narrow* included."""
    return wide.host == "" or wide.host == ("::" if ":" in narrow.host else "0.0.0.0")


def _same_servers(pools: list[Built]) -> Iterator[Problem]:
    """A peer is called by its address: in one pool every address stands once."""
    for pool in pools:
        seen: set[str] = set()
        for server in pool.value.servers if pool.value is not None else ():
            if server.name in seen:
                yield pool.section.problem(
                    "servers", f"{server.name} stands twice", "remove one; weight=2 gives it twice the work"
                )
            seen.add(server.name)


def _same_directories(caches: list[Built]) -> Iterator[Problem]:
    """Each cache sweeps its directory and must be alone in it."""
    seen: dict[str, Section] = {}
    for cache in caches:
        if cache.value is not None:
            first = seen.setdefault(cache.value.directory, cache.section)
            if first is not cache.section:
                yield cache.section.problem(
                    "directory", f"[{first.title}] keeps its entries there", "give each cache a directory of its own"
                )


def _login_keys(draft: Draft) -> Iterator[Problem]:
    """Whoever may use the shell must be known, unless the list is kept where the first start makes files."""
    for site in draft.values("site"):
        for shell in draft.built["shell"]:
            name = shell.value.authorized_keys if shell.value is not None else ""
            if name and not os.path.lexists(name) and not name.startswith(site.state_dir + os.sep):
                yield shell.section.problem(
                    "authorized_keys", f"there is no file {name}", "put a public key there (ssh-keygen makes one)"
                )
