"""Which requests a route means, and who serves them: titles, conditions, shares, tables; and what is wrong between them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Set
from typing import Any, Final

from twistedproxy.config import files, network
from twistedproxy.config.http import TOKEN
from twistedproxy.config.problems import BadValue, Problem
from twistedproxy.config.reader import Section
from twistedproxy.config.rewriting import regex, template
from twistedproxy.config.scalars import Context
from twistedproxy.forward.map_lines import parse_file, parse_line
from twistedproxy.settings.maps import MapRow
from twistedproxy.settings.routes import RouteCondition, RouteMatch, RouteSettings, SplitLine
from twistedproxy.spelling import choose_from
from twistedproxy.templates import REQUEST_NAMES

_SUBJECTS: Final = ("method", "header", "arg", "cookie", "client")
_OPERATORS: Final = {"=": ("=", False), "!=": ("=", True), "~": ("~", False), "!~": ("~", True)}
_SHARE: Final = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?%")
_WHOLE: Final = 10_000
#: Names whose tables would have to be asked in turn.
_SOURCE_NAMES: Final = REQUEST_NAMES - {"map."}
_REFERENCE: Final = re.compile(r"\{(map|capture)\.([^{}]*)\}")


# Titles.


def route_matches(text: str) -> tuple[RouteMatch, ...]:
    """
    What ``[route …]`` is named by: one or several of ``[scheme://][host[:port]]/path``, or ``[AUTHORITY…] ~ REGEX``.

    ``~*`` is a regular expression that does not tell capital letters from small ones.
    """
    places, tilde, pattern = _parts(text)
    if not tilde:
        words = text.split()
        if any("/" not in word for word in words[1:]):
            raise BadValue(f"{text!r} has a blank", "write %20; several matches stand beside each other, each with its path")
        found = tuple(network.route_match(word) for word in words or [""])
    else:
        if not pattern:
            raise BadValue(f"{text!r} has no regular expression", "write for instance [route ~ ^/v[12]/]")
        regex(pattern)
        for place in places:
            if "/" in place.partition("://")[2 if "://" in place else 0]:
                raise BadValue(f"{place!r} has a path", "the regular expression stands for the path")
        found = tuple(
            RouteMatch(host.scheme, host.host, host.port, "", pattern, tilde == "~*")
            for host in (network.route_match(f"{place}/") for place in places or ["*"])
        )
    if len(set(found)) < len(found):
        raise BadValue(f"{text!r} says the same twice", "remove one")
    return found


def _parts(text: str) -> tuple[list[str], str, str]:
    """The words before a tilde, the tilde, and what follows."""
    found = re.search(r"(?:^|\s)(~\*?)(?:\s+|$)", text)
    if found is None:
        return [], "", ""
    return text[: found.start()].split(), found[1], text[found.end() :].strip()


# Conditions.


def condition(text: str, at: Context, names: Set[str] = REQUEST_NAMES) -> RouteCondition:
    """One line of ``match``; of templates, those with *names* are known."""
    words = text.split()
    negated = words[0] == "not"
    subject, *rest = words[1:] if negated else words
    if subject.startswith("{"):
        return _value_condition(text.removeprefix("not").strip() if negated else text, negated, names)
    if subject not in _SUBJECTS:
        raise BadValue(f"{subject!r} is nothing that requests have", choose_from(subject, (*_SUBJECTS, "{TEMPLATE}")))
    if not rest:
        raise BadValue(f"{text!r} says not which", f"write for instance {_EXAMPLES[subject]}")
    if subject == "method":
        for method in rest:
            if not TOKEN.fullmatch(method) or method != method.upper():
                raise BadValue(f"{method!r} is not a method", "write for instance method GET HEAD")
        return RouteCondition(subject, values=tuple(rest), negated=negated)
    if subject == "client":
        return RouteCondition(subject, values=tuple(network.network(each, at) for each in rest), negated=negated)
    name = rest[0]
    if not TOKEN.fullmatch(name):
        raise BadValue(f"{name!r} is not a name", f"write for instance {_EXAMPLES[subject]}")
    name = name.lower() if subject == "header" else name
    if len(rest) == 1:
        return RouteCondition(subject, name, negated=negated)
    value = text.split(None, 4 if negated else 3)[-1] if len(rest) > 2 else ""
    operator, turned = _operator(rest[1], text, value)
    return RouteCondition(subject, name, operator, (value,), negated is not turned)


_EXAMPLES: Final = {
    "method": "method GET HEAD",
    "header": "header X-Beta = yes",
    "arg": "arg version = 2",
    "cookie": "cookie beta",
    "client": "client 10.0.0.0/8",
}


def _operator(sign: str, text: str, value: str) -> tuple[str, bool]:
    if sign not in _OPERATORS:
        raise BadValue(f"{sign!r} does not compare", choose_from(sign, _OPERATORS))
    if not value:
        raise BadValue(f"{text!r} compares with nothing", "write a value behind it")
    operator, turned = _OPERATORS[sign]
    if operator == "~":
        regex(value)
    return operator, turned


def _value_condition(text: str, negated: bool, names: Set[str]) -> RouteCondition:
    found = re.fullmatch(r"(.*?\})(?:\s+(!?[=~])\s*(.*))?", text)
    if found is None:
        raise BadValue(f"{text!r} is not {{TEMPLATE}} = VALUE", "write for instance {map.plan} = gold")
    name, sign, value = found.groups()
    if "{capture." in name and names is REQUEST_NAMES:
        raise BadValue(f"{name!r} is known when the route is", "write it into the regular expression of the title")
    if template(name, names).is_constant:
        raise BadValue(f"{name!r} is the same for every request", "write for instance {map.plan} = gold")
    if sign is None:
        return RouteCondition("value", name, negated=negated)
    operator, turned = _operator(sign, text, value)
    return RouteCondition("value", name, operator, (value,), negated is not turned)


# Shares.


def split_line(text: str, at: Context) -> SplitLine:
    """The key, or ``SHARE% POOL``, or ``* POOL``."""
    words = text.split()
    found = _SHARE.fullmatch(words[0])
    if found is None and words[0] != "*":
        if template(text, REQUEST_NAMES).is_constant:
            raise BadValue(f"{text!r} is neither a share nor a key", "write {client} first, then for instance 20% beta and * app")
        return SplitLine(text)
    if len(words) != 2:
        raise BadValue(f"{text!r} is not SHARE% POOL", "write for instance 20% beta")
    if found is None:
        return SplitLine("", -1, words[1])
    share = int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0"))
    if share > _WHOLE:
        raise BadValue(f"{words[0]} is more than all", "write 100% at most")
    return SplitLine("", share, words[1])


def write_split_line(value: SplitLine) -> str:
    """As :func:`split_line` reads it."""
    if value.key:
        return value.key
    if value.share < 0:
        return f"* {value.pool}"
    hundredths = f".{value.share % 100:02}".rstrip("0") if value.share % 100 else ""
    return f"{value.share // 100}{hundredths}% {value.pool}"


# Tables.


def map_source(text: str, at: Context) -> str:
    """What is looked up."""
    if "{map." in text:
        raise BadValue("a table cannot look up what another one says", "write the template of that one")
    if template(text, _SOURCE_NAMES).is_constant:
        raise BadValue(f"{text!r} is the same for every request", "write for instance {header.x-api-key}")
    return text


def map_row(text: str, at: Context) -> MapRow:
    """One line of a table."""
    try:
        return parse_line(text)
    except ValueError as bad:
        raise BadValue(str(bad), "write KEY VALUE, KEY* VALUE, ~ REGEX VALUE or * VALUE") from None


def map_file(text: str, at: Context) -> str:
    """A file of lines; it is read here to see that it can be."""
    path = os.path.join(at.directory, text)
    try:
        lines = list(parse_file(files.contents(path).decode("utf-8")))
    except UnicodeDecodeError:
        raise BadValue(f"{text} is not UTF-8", "save the file as UTF-8") from None
    for number, line in lines:
        try:
            parse_line(line)
        except ValueError as bad:
            raise BadValue(f"{text}:{number}: {bad}", "write KEY VALUE, KEY* VALUE, ~ REGEX VALUE or * VALUE") from None
    return path


# One line against the other.


def titled(title: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """The name of a route: its title, and what tells it from others of the same title."""
    conditions = values.get("match", ())
    name = title["title"] if not conditions else f"{title['title']} if {' and '.join(map(str, conditions))}"
    return {"name": name}


def errors(section: Section, route: RouteSettings, pools: Any) -> Iterator[Problem]:
    """What contradicts itself in a route."""
    if not route.split:
        return
    key, *shares = route.split
    if not key.key:
        yield section.problem(
            "split", "says not by what it is decided who gets what", "write a template first, for instance {client}"
        )
        return
    for line, item in zip(shares, section.entries["split"].items[1:], strict=False):
        if line.key:
            yield section.problem("split", f"{line.key} is a second key", "write shares below the first", item.line)
        elif line.pool not in pools:
            remedy = choose_from(line.pool, pools) if pools else f"add one, with the title [pool {line.pool}]"
            yield section.problem("split", f"there is no [pool {line.pool}]", remedy, item.line)
    pooled = [line.pool for line in shares]
    if len(set(pooled)) < len(pooled):
        yield section.problem("split", "names a pool twice", "put both shares into one")
    if not shares:
        yield section.problem("split", "shares nothing", "write below it for instance 20% beta and * app")
    elif any(line.share < 0 for line in shares[:-1]):
        yield section.problem("split", "* is all the rest: nothing can follow", "write it last")
    else:
        total = sum(max(0, line.share) for line in shares)
        if total > _WHOLE or (total < _WHOLE and shares[-1].share >= 0):
            said = write_split_line(SplitLine("", total, "")).strip()
            yield section.problem("split", f"the shares come to {said}", "write * POOL last, for all the rest")
    if section.gives("cache") and route.cache is not None:
        yield section.problem(
            "cache", "what the pools answer to the same URL would be mixed up", "leave cache out where requests are split"
        )


def references(section: Section, captures: frozenset[str] | None, maps: Any) -> Iterator[Problem]:
    """Tables and groups that templates name and that are not there; *captures*: None where any may be meant."""
    for key, entry in section.entries.items():
        for item in entry.items:
            for kind, name in _REFERENCE.findall(item.text):
                if kind == "map" and name not in maps:
                    remedy = choose_from(name, maps) if maps else f"add one, with the title [map {name}]"
                    yield section.problem(key, f"there is no [map {name}]", remedy, item.line)
                elif kind == "capture" and captures is not None and name not in captures:
                    remedy = (
                        choose_from(name, captures)
                        if captures
                        else f"write a title like [route ~ ^/(?P<{name or 'name'}>[a-z]+)/]"
                    )
                    yield section.problem(key, f"the title has no group {name}", remedy, item.line)


def named_maps(draft: Any) -> set[str]:
    """The tables that are named anywhere."""
    return {
        name
        for built in draft.built.values()
        for each in built
        for entry in each.section.entries.values()
        for item in entry.items
        for kind, name in _REFERENCE.findall(item.text)
        if kind == "map"
    }


def captures(route: RouteSettings) -> frozenset[str]:
    """The named groups of a route's title."""
    return frozenset(name for match in route.matches if match.pattern for name in regex(match.pattern).groupindex)
