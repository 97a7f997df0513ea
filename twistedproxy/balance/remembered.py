"""
What is remembered of pools over a restart, as values and as text.

The text is JSON, for people to read; what cannot be understood as a whole is not understood at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, Final, NoReturn

from twistedproxy.balance.peer import PeerState
from twistedproxy.settings.knob import NEVER
from twistedproxy.settings.servers import ServerSettings

#: Of the text; another number is another format.
FORMAT: Final = 1

_WILLS: Final = {state.name.lower(): state for state in (PeerState.UP, PeerState.DRAINING, PeerState.MAINTENANCE)}

#: A server as a line of ``servers``, and back; reading raises an exception when that is not understood.
WriteServer = Callable[[ServerSettings], str]
ReadServer = Callable[[str], ServerSettings]


class NotUnderstood(Exception):
    """The text is not what this version has written; its own text says why."""


@dataclass(frozen=True)
class RememberedPeer:
    """
    What is remembered of a peer.

    :ivar will: the operator's, where that is not what site.ini says; None otherwise
    :ivar will_ends: when that ends by itself, seconds since 1970; NEVER: it does not
    :ivar weight: the operator's, where that is not what site.ini says; None otherwise
    :ivar said: what site.ini said when the operator said something else: whether the peer is down, and its weight
    :ivar passes_checks: as in :attr:`twistedproxy.balance.peer.Peer.passes_checks`
    :ivar ejected_for: seconds that were left of an ejection; 0.0 without one
    :ivar why: the reason of its state, for people
    """

    will: PeerState | None = None
    will_ends: float = NEVER
    weight: int | None = None
    said: tuple[bool, int] = (False, 1)
    passes_checks: bool = True
    ejected_for: float = 0.0
    why: str = ""


@dataclass(frozen=True)
class RememberedPool:
    """
    What is remembered of a pool.

    :ivar added: servers from the shell
    :ivar removed: names of servers of site.ini that the operator has removed
    :ivar found: for each name by which peers are found, those that it stood for
    :ivar peers: by their names
    """

    added: tuple[ServerSettings, ...] = ()
    removed: frozenset[str] = frozenset()
    found: Mapping[str, tuple[ServerSettings, ...]] = field(default_factory=dict)
    peers: Mapping[str, RememberedPeer] = field(default_factory=dict)


def written(pools: Mapping[str, RememberedPool], now: float, write: WriteServer) -> str:
    """The text; *now* is the wall clock's."""
    value = {"format": FORMAT, "written": now, "pools": {name: _pool_value(pool, write) for name, pool in pools.items()}}
    return json.dumps(value, indent=1) + "\n"


def _pool_value(pool: RememberedPool, write: WriteServer) -> dict[str, Any]:
    return {
        "added": [write(server) for server in pool.added],
        "removed": sorted(pool.removed),
        "found": {name: [_found_value(server, write) for server in found] for name, found in pool.found.items()},
        "peers": {name: _peer_value(peer) for name, peer in pool.peers.items()},
    }


def _found_value(server: ServerSettings, write: WriteServer) -> dict[str, Any]:
    return {"server": write(server), "found_by": server.found_by, "tier": server.tier}


def _peer_value(peer: RememberedPeer) -> dict[str, Any]:
    return {
        "will": peer.will.name.lower() if peer.will is not None else None,
        "will_ends": peer.will_ends if isfinite(peer.will_ends) else None,
        "weight": peer.weight,
        "site_says": {"down": peer.said[0], "weight": peer.said[1]},
        "passes_checks": peer.passes_checks,
        "ejected_for": peer.ejected_for,
        "why": peer.why,
    }


def read(text: str, now: float, read_server: ReadServer) -> dict[str, RememberedPool]:
    """
    The way back, *now* by the wall clock: ejections have gone on meanwhile.

    :raises NotUnderstood: it was damaged, or written by somebody else
    """
    try:
        value = json.loads(text, parse_constant=_no_number)
        if value["format"] != FORMAT:
            raise NotUnderstood(f"it has format {value['format']!r}, not {FORMAT}")
        passed = max(0.0, now - _number(value["written"]))
        return {str(name): _pool(pool, passed, read_server) for name, pool in value["pools"].items()}
    except NotUnderstood:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as problem:
        raise NotUnderstood(f"it is damaged ({type(problem).__name__}: {problem})") from None


def _pool(value: Any, passed: float, read_server: ReadServer) -> RememberedPool:
    return RememberedPool(
        added=tuple(_server(line, read_server) for line in value["added"]),
        removed=frozenset(_text(name) for name in value["removed"]),
        found={name: tuple(_found(each, read_server) for each in found) for name, found in value["found"].items()},
        peers={name: _peer(peer, passed) for name, peer in value["peers"].items()},
    )


def _server(line: Any, read_server: ReadServer) -> ServerSettings:
    try:
        return read_server(_text(line))
    except Exception as problem:
        raise NotUnderstood(f"{line!r} is not a server: {problem}") from None


def _found(value: Any, read_server: ReadServer) -> ServerSettings:
    server = _server(value["server"], read_server)
    return replace(server, found_by=_text(value["found_by"]), tier=int(_number(value["tier"])))


def _peer(value: Any, passed: float) -> RememberedPeer:
    ends, weight, said = value["will_ends"], value["weight"], value["site_says"]
    return RememberedPeer(
        will=None if value["will"] is None else _WILLS[value["will"]],
        will_ends=NEVER if ends is None else _number(ends),
        weight=None if weight is None else int(_number(weight)),
        said=(bool(said["down"]), int(_number(said["weight"]))),
        passes_checks=bool(value["passes_checks"]),
        ejected_for=max(0.0, _number(value["ejected_for"]) - passed),
        why=_text(value["why"]),
    )


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < NEVER:
        raise TypeError(f"{value!r} is not a number from 0")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")
