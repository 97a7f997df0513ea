"""Tab completion: names, attributes, keys of mappings, and the quoted names that a verb's arguments can be."""

from __future__ import annotations

import builtins
import itertools
import keyword
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.pool_objects import PoolObject
from twistedproxy.admin.verb import Verb

#: Candidates that are looked at; a cache may hold millions of names.
MOST: Final = 200

_DOTTED: Final = re.compile(r"(?:^|[^\w.'\"])([A-Za-z_][\w.]*)\Z")
_ARGUMENTS: Final = re.compile(r"(?:^|[^\w.])([A-Za-z_]\w*)\(([^()]*)\Z")
_KEY: Final = re.compile(r"(?:^|[^\w.])([A-Za-z_][\w.]*)\[(['\"])([^'\"]*)\Z")
_ARGUMENT: Final = re.compile(r"\s*(?:'([^']*)'|\"([^\"]*)\"|([^'\",]*))\s*(,)")
#: An object that a verb makes, perhaps a peer of it, and what is begun behind: a name, or the argument of one.
_CHAIN: Final = re.compile(
    r"(?:^|[^\w.])(?P<verb>[a-z]+)\((['\"])(?P<name>[^'\"]*)\2\)(?:\.peer\((['\"])(?P<inner>[^'\"]*)\4\))?"
    r"\.(?P<start>[A-Za-z_]\w*|)(?P<open>\((?P<quote>['\"]?)(?P<text>[^'\"()]*))?\Z"
)
#: Verbs that make objects, and do nothing else.
_MAKE_OBJECTS: Final = frozenset(("pool", "route", "cache", "listener"))


@dataclass(frozen=True)
class Completion:
    """
    What can be done for a text.

    :ivar insert: what to add at the cursor; may be empty
    :ivar choices: what to show when there are several ways to go on
    """

    insert: str
    choices: tuple[str, ...] = ()


def complete(text: str, namespace: Mapping[str, Any]) -> Completion:
    """Complete *text*, the line up to the cursor, with what *namespace* holds; calls nothing but attributes' getters."""
    chain = _CHAIN.search(text)
    if chain is not None:
        return _further(chain, namespace)
    call = _ARGUMENTS.search(text)
    if call is not None and isinstance(verb := namespace.get(call[1]), Verb):
        found = _argument(verb, call[2])
        if found is not None:
            return found
    key = _KEY.search(text)
    if key is not None:
        mapping = _value(key[1], namespace)
        names = [name for name in mapping if isinstance(name, str)] if isinstance(mapping, Mapping) else []
        return _chosen(key[3], names, lambda name: key[2] + "]")
    dotted = _DOTTED.search(text)
    if dotted is None:
        return Completion("")
    path, dot, start = dotted[1].rpartition(".")
    if dot:
        value = _value(path, namespace)
        names = [] if value is None else dir(value)
        if not start.startswith("_"):
            names = [name for name in names if not name.startswith("_")]
        return _chosen(start, names, lambda name: "(" if callable(_attribute(value, name)) else "")
    names = [name for name in namespace if start.startswith("_") or not name.startswith("_")]
    if not any(name.startswith(start) for name in names):
        names = [*vars(builtins), *keyword.kwlist]
    return _chosen(start, names, lambda name: "(" if isinstance(namespace.get(name), Verb) else "")


def _further(chain: re.Match[str], namespace: Mapping[str, Any]) -> Completion:
    """Complete what follows an object of the shell: ``pool('app').``, ``pool('app').peer('``."""
    verb = namespace.get(chain["verb"])
    if not isinstance(verb, Verb) or verb.name not in _MAKE_OBJECTS:
        return Completion("")
    try:
        found = verb(chain["name"])
        if chain["inner"] is not None:
            found = found.peer(chain["inner"]) if isinstance(found, PoolObject) else None
    except VerbError:
        return Completion("")
    if chain["open"] is None:
        return _chosen(chain["start"], dir(found), lambda name: "(" if name in found.actions else "")
    if not isinstance(found, PoolObject) or chain["start"] != "peer":
        return Completion("")
    quote = chain["quote"]
    if quote:
        return _chosen(chain["text"], found.peer_names(), lambda name: quote + ")")
    return _chosen("", [f"'{name}'" for name in found.peer_names()], lambda name: ")")


def _argument(verb: Verb, text: str) -> Completion | None:
    """Complete the last argument in *text*, which follows the verb's open parenthesis; None: not ours to say."""
    given: list[str] = []
    position = 0
    while (argument := _ARGUMENT.match(text, position)) is not None:
        given.append(next((group for group in argument.groups()[:3] if group is not None), ""))
        position = argument.end()
    if len(given) >= len(verb.completes):
        return None
    last = text[position:].lstrip()
    quote = last[:1]
    names = list(itertools.islice(verb.completes[len(given)](given), MOST))
    after = ", " if len(given) + 1 < verb.required else ")"
    if quote in ("'", '"'):
        if quote in last[1:]:
            return Completion("")
        return _chosen(last[1:], names, lambda name: quote + after)
    if last:
        return _chosen(last, [name for name in names if name.isdecimal()], lambda name: after) if last.isdecimal() else None
    return _chosen("", [name if name.isdecimal() else f"'{name}'" for name in names], lambda name: after)


def _chosen(start: str, names: Iterable[str], after: Any) -> Completion:
    fitting = sorted({name for name in names if name.startswith(start)})
    if not fitting:
        return Completion("")
    if len(fitting) == 1:
        return Completion(fitting[0][len(start) :] + after(fitting[0]))
    # In sorted order, what the first and the last have in common is common to all.
    first, last = fitting[0], fitting[-1]
    shared = next((index for index, letter in enumerate(first) if last[index : index + 1] != letter), len(first))
    return Completion(first[len(start) : shared], tuple(fitting))


def _value(path: str, namespace: Mapping[str, Any]) -> Any:
    """The object that a dotted *path* leads to, None when it leads nowhere."""
    first, *rest = path.split(".")
    value = namespace.get(first)
    for name in rest:
        value = _attribute(value, name)
    return value


def _attribute(value: Any, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except Exception:
        return None
