"""
Which route a request takes.

Precedence, the first difference decides: a route that names the scheme before one that does not; an exact host before a
wildcard, a longer wildcard before a shorter one, any before no host; an exact path, then regular expressions in the order of
the file, then a longer prefix before a shorter one; a route that names the port, then one that names listeners, then the one
with more conditions; at last the order of the file.

Hosts, exact paths and prefixes are looked up in tables: a site of ten thousand routes is as fast as one of ten.  Regular
expressions are tried one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twistedproxy.forward.error_pages import SitePages
from twistedproxy.forward.guards.disguises import is_guarded
from twistedproxy.forward.patterns import compiled
from twistedproxy.settings.routes import RouteMatch, RouteSettings

if TYPE_CHECKING:
    from twistedproxy.forward.conditions import Condition
    from twistedproxy.forward.exchange import Exchange
    from twistedproxy.forward.routes import Route

#: (scheme, host) pairs whose groups are remembered; hosts are clients' words, so there must be a bound.
_REMEMBERED: Final = 1024


#: Routes that were passed over, and why.
Seen = list[tuple["Route", str]]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A route, and what it wants beside scheme, host and path."""

    route: Route
    port: int | None
    listen: frozenset[str]
    conditions: Sequence[Condition]
    place: int

    @property
    def rank(self) -> tuple[bool, bool, int, int]:
        """The least one is asked first."""
        return (self.port is None, not self.listen, -len(self.conditions), self.place)


class _Group:
    """The routes of one scheme (or of either) and one host pattern."""

    __slots__ = ("_deepest", "_exact", "_patterns", "_prefixes")

    def __init__(self) -> None:
        self._exact: dict[bytes, list[_Candidate]] = {}
        self._prefixes: dict[bytes, list[_Candidate]] = {}
        self._patterns: list[tuple[re.Pattern[bytes], list[_Candidate]]] = []
        # Slashes in the longest prefix: no more of a path are looked at, whatever clients invent.
        self._deepest = 0

    def add(self, match: RouteMatch, candidate: _Candidate) -> None:
        """Routes come in the order of the file."""
        path = match.path.encode("utf-8")
        if match.pattern:
            pattern = compiled(match)
            for known, candidates in self._patterns:
                if known == pattern:
                    candidates.append(candidate)
                    return
            self._patterns.append((pattern, [candidate]))
        elif match.is_prefix:
            self._prefixes.setdefault(path, []).append(candidate)
            self._deepest = max(self._deepest, path.count(b"/"))
        else:
            self._exact.setdefault(path, []).append(candidate)

    def sort(self) -> None:
        """All routes are there."""
        for candidates in (*self._exact.values(), *self._prefixes.values(), *(each for _, each in self._patterns)):
            candidates.sort(key=lambda candidate: candidate.rank)

    def match(self, path: bytes, port: int, listener: str, asked: Exchange | None, seen: Seen | None) -> Route | None:
        candidates = self._exact.get(path)
        if candidates is not None:
            found = _qualified(candidates, port, listener, asked, seen)
            if found is not None:
                return found
        for pattern, candidates in self._patterns:
            if pattern.search(path) is not None:
                found = _qualified(candidates, port, listener, asked, seen)
                if found is not None:
                    return found
        prefixes = self._prefixes
        if not prefixes:
            return None
        ends: list[int] = []
        end = path.find(b"/")
        while end >= 0 and len(ends) < self._deepest:
            ends.append(end + 1)
            end = path.find(b"/", end + 1)
        for end in reversed(ends):
            candidates = prefixes.get(path[:end])
            if candidates is not None:
                found = _qualified(candidates, port, listener, asked, seen)
                if found is not None:
                    return found
        return None


def _qualified(candidates: list[_Candidate], port: int, listener: str, asked: Exchange | None, seen: Seen | None) -> Route | None:
    for candidate in candidates:
        if candidate.port is not None and candidate.port != port:
            why = f"the port is {port}"
        elif candidate.listen and listener not in candidate.listen:
            why = f"it came in by [listen {listener}]"
        elif not candidate.conditions or asked is None:
            if not candidate.conditions:
                return candidate.route
            why = "it has conditions"
        else:
            failed = next((each for each in candidate.conditions if not each.holds(asked)), None)
            if failed is None:
                return candidate.route
            why = f"it does not hold that {failed.settings}"
        if seen is not None:
            seen.append((candidate.route, why))
    return None


_NO_PAGES: Final = SitePages()


class RouteTable:
    """
    All routes of a site.

    :ivar routes: in order of precedence; in place of one that is split, its arms; behind one with a mirror, its copies'
    :ivar guarded: some ask who may in
    :ivar remembers: the head of a request, and where it comes in, decide: who sends the same again takes the same route
    """

    def __init__(self, routes: Iterable[Route], pages: SitePages = _NO_PAGES) -> None:
        """*routes*: in the order of the file; *pages* for errors that no route has any for."""
        self.pages = pages
        self.given = given = list(routes)
        self.routes: list[Route] = []
        for route in sorted(given, key=lambda route: precedence(route.settings)):
            for arm in route.split.arms if route.split is not None else (route,):
                self.routes += (arm,) if arm.mirror is None else (arm, arm.mirror.route)
        self.guarded = any(is_guarded(route.settings) for route in given)
        self.remembers = not any(condition.varies for route in given for condition in route.conditions)
        self._groups: dict[tuple[str | None, str | None], _Group] = {}
        for place, route in enumerate(given):
            listen = frozenset(route.settings.listen)
            for match in route.settings.matches:
                candidate = _Candidate(route, match.port, listen, route.conditions, place)
                self._groups.setdefault((match.scheme, match.host), _Group()).add(match, candidate)
        for group in self._groups.values():
            group.sort()
        self._remembered: dict[tuple[bytes, bytes], list[_Group]] = {}

    def match(
        self,
        scheme: bytes,
        host: bytes,
        port: int,
        path: bytes,
        listener: str,
        asked: Exchange | None = None,
        seen: Seen | None = None,
    ) -> Route | None:
        """
        The route of a request.

        :param host: in lower case, without a port; empty when the request names none
        :param path: normalised for routing
        :param listener: the name of the listener that the request came in by
        :param asked: the exchange, for routes with conditions; without it, no condition holds
        :param seen: gets routes that were passed over, and why
        """
        groups = self._remembered.get((scheme, host))
        if groups is None:
            groups = self._groups_for(scheme, host)
        for group in groups:
            route = group.match(path, port, listener, asked, seen)
            if route is not None:
                return route
        # OPTIONS * concerns the server as a whole (RFC 9110 §9.3.7): here, whoever serves the root.
        return self.match(scheme, host, port, b"/", listener, asked, seen) if path == b"*" else None

    def _groups_for(self, scheme: bytes, host: bytes) -> list[_Group]:
        name = host.decode("ascii")
        hosts: list[str | None] = [name]
        labels = name.split(".")
        hosts += ["*." + ".".join(labels[i:]) for i in range(1, len(labels))]
        hosts.append(None)
        groups = [self._groups[key] for s in (scheme.decode("ascii"), None) for h in hosts if (key := (s, h)) in self._groups]
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        self._remembered[scheme, host] = groups
        return groups


#: What one match is sorted by.
_Key = tuple[bool, int, int, int, int, bool]


def _key(match: RouteMatch) -> _Key:
    host = match.host
    return (
        match.scheme is None,
        2 if host is None else 1 if host.startswith("*.") else 0,
        -host.count(".") if host else 0,
        1 if match.pattern else 2 if match.is_prefix else 0,
        -len(match.path),
        match.port is None,
    )


def precedence(route: RouteSettings) -> tuple[_Key, bool, int]:
    """What routes are sorted by, before the order of the file: of those that mean a request, the least one gets it."""
    return min(map(_key, route.matches)), not route.listen, -len(route.match)
