"""
Who may change something by the dashboard: names and passwords of a file, and what a browser shows once it has said one.

A browser gets a token and says it in a field of its own (``Operator-Token``) with all that it asks for.  Nothing is sent by
itself, as cookies and Basic credentials are: other sites, and other ports of the same host, cannot make a browser change anything
here, nor do they ever see the token.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from hashlib import sha256
from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from twistedproxy.admin.tables import printable
from twistedproxy.clock import Clock
from twistedproxy.forward.guards.basic import Passwords

#: Seconds for which one need not log in again.
SESSION: Final = 12 * 3600.0
#: Who logs in when so many are logged in sends away the one who has been longest.
_MOST_SESSIONS: Final = 100
#: Wrong passwords of an address that are heard at once; from then on one in so many seconds.
STRIKES: Final = 5
STRIKE_EVERY: Final = 12.0
_MOST_ADDRESSES: Final = 4096
#: Seconds for which the credentials of programs, which say them each time, need not be checked again.
_REMEMBERED: Final = 60.0


class Refused(Enum):
    """Why somebody is not let in."""

    WRONG = "name or password is wrong"
    TOO_OFTEN = "too many wrong passwords came from there; wait a minute"
    BUSY = "too many log in at the same time; try again"


@dataclass(frozen=True, slots=True)
class Session:
    """
    Somebody who is logged in.

    :ivar name: of the password file
    :ivar stored: the hash of the password at that time
    :ivar ends: monotonic time
    """

    name: str
    stored: str
    ends: float


class Strikes:
    """How often addresses were wrong: each may be so a few times, and then only now and then."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def wait(self, address: str, now: float) -> float:
        """Seconds until *address* may try again; 0.0: now."""
        return max(0.0, self._until.get(_network(address), 0.0) - now - (STRIKES - 1) * STRIKE_EVERY)

    def add(self, address: str, now: float) -> None:
        """*address* tries: wrong until it is known better."""
        key = _network(address)
        until = max(self._until.pop(key, 0.0), now) + STRIKE_EVERY
        if len(self._until) >= _MOST_ADDRESSES:
            del self._until[next(iter(self._until))]
        self._until[key] = until

    def take_back(self, address: str) -> None:
        """It was right."""
        key = _network(address)
        if key in self._until:
            self._until[key] -= STRIKE_EVERY


class Operators:
    """Those who are in the file of users."""

    log = Logger()

    def __init__(self, users: Passwords, clock: Clock, random: Callable[[int], bytes] = os.urandom) -> None:
        self._users = users
        self._clock = clock
        self._random = random
        self._strikes = Strikes()
        self._sessions: dict[bytes, Session] = {}

    def log_in(self, name: str, password: str, address: str) -> Deferred[str | Refused]:
        """A token for *name*, or why there is none; fires when the password has been checked, beside the reactor."""
        checking = self._check(name.encode("utf-8", "surrogatepass"), password.encode("utf-8", "surrogatepass"), address, 0.0)
        return checking.addCallback(partial(self._begin, name, address))

    def knows(self, name: bytes, password: bytes, address: str) -> Deferred[bool | Refused]:
        """Whether credentials that a program says (RFC 7617) are somebody's."""
        return self._check(name, password, address, _REMEMBERED)

    def who(self, token: str) -> str | None:
        """Whose *token* it is; None: nobody's, or not any more."""
        key = _digest(token)
        session = self._sessions.get(key)
        if session is None:
            return None
        # Whoever has left the file, or has another password there, has to log in again.
        if session.ends <= self._clock.monotonic() or self._users.stored(session.name.encode()) != session.stored:
            del self._sessions[key]
            return None
        return session.name

    def log_out(self, token: str) -> None:
        """The token is nobody's from now on."""
        self._sessions.pop(_digest(token), None)

    def _check(self, name: bytes, password: bytes, address: str, remember: float) -> Deferred[bool | Refused]:
        now = self._clock.monotonic()
        if self._strikes.wait(address, now) > 0:
            return succeed(Refused.TOO_OFTEN)
        self._strikes.add(address, now)
        right = self._users.check(name, password, remember)
        told: Deferred[bool | None] = right if isinstance(right, Deferred) else succeed(right)
        return told.addCallback(self._checked, name, address)

    def _checked(self, right: bool | None, name: bytes, address: str) -> bool | Refused:
        if right is None or right:
            self._strikes.take_back(address)
            return Refused.BUSY if right is None else True
        shown = printable(name[:80].decode("utf-8", "backslashreplace"))
        self.log.warn("status: {address} said a wrong password for {name}", address=address, name=repr(shown))
        return Refused.WRONG

    def _begin(self, name: str, address: str, right: bool | Refused) -> str | Refused:
        stored = self._users.stored(name.encode("utf-8", "surrogatepass"))
        if right is not True or stored is None:
            return right if isinstance(right, Refused) else Refused.WRONG
        token = self._random(32).hex()
        if len(self._sessions) >= _MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[_digest(token)] = Session(name, stored, self._clock.monotonic() + SESSION)
        self.log.info("status: {name} logs in from {address}", name=name, address=address)
        return token


def _digest(token: str) -> bytes:
    """What a token is known by; it is not kept itself, and how long a look-up takes tells nothing of others."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def _network(address: str) -> str:
    """An address as far as one client cannot choose it: of IPv6 the first 64 bits."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address
