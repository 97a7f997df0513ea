"""``basic_auth``: names and passwords (RFC 7617), against a password file."""

from __future__ import annotations

import base64
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.python.failure import Failure

from twistedproxy import errors
from twistedproxy.forward.guards import passwords
from twistedproxy.forward.guards.decisions import Decision, Refusal
from twistedproxy.forward.guards.identity import Identity
from twistedproxy.forward.guards.premises import Premises
from twistedproxy.forward.guards.watched_file import WatchedFile
from twistedproxy.message import Field
from twistedproxy.settings.routes import RouteSettings

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange

#: Passwords that are checked at a time; more wait, and beyond that many nobody waits.
_AT_A_TIME: Final = 2
_WAITING: Final = 100
#: Outcomes that are remembered, of each kind; and for how many seconds that a password is wrong.
_REMEMBERED: Final = 4096
_WRONG_FOR: Final = 10.0
#: Hashed for names that nobody has, where the file has nobody either.
_NOBODY: Final = "$2b$10$" + "." * 53


class Passwords:
    """
    A password file, whose hashes are checked beside the reactor, and what came of it.

    What is remembered is kept under a keyed hash of name, password and the file's hash: neither stays in memory, and who changes
    the file changes what counts at once.
    """

    def __init__(self, path: str, premises: Premises) -> None:
        self._premises = premises
        self._file = WatchedFile(path, _users, premises.clock)
        self._right: dict[bytes, float] = {}
        self._wrong: dict[bytes, float] = {}
        self._running: dict[bytes, list[Deferred[bool | None]]] = {}
        self._gate = DeferredSemaphore(_AT_A_TIME)

    def stored(self, name: bytes) -> str | None:
        """The hash of *name*'s password; None: nobody is called so."""
        return self._file.said.get(name)

    def check(self, name: bytes, password: bytes, remember: float) -> bool | Deferred[bool | None] | None:
        """
        Whether *password* is the one of *name*; None: too many ask to find out.

        :param remember: seconds for which a right one need not be checked again
        """
        users = self._file.said
        stored = users.get(name)
        # A name that nobody has takes as long as one that somebody has.
        hashed = stored or next(iter(users.values()), _NOBODY)
        key = blake2b(b"\0".join((name, hashed.encode("latin-1"), b"1" if stored else b"", password)), key=self._premises.secret)
        digest = key.digest()
        now = self._premises.clock.monotonic()
        if self._right.get(digest, 0.0) > now:
            return True
        if self._wrong.get(digest, 0.0) > now:
            return False
        answer: Deferred[bool | None] = Deferred()
        running = self._running.get(digest)
        if running is not None:
            running.append(answer)
            return answer
        if len(self._running) >= _WAITING:
            return None
        self._running[digest] = [answer]
        checked = self._gate.run(self._premises.in_thread, partial(passwords.verify, hashed, password))
        checked.addCallback(lambda right: right and stored is not None)
        checked.addBoth(self._checked, digest, remember)
        return answer

    def _checked(self, right: bool | Failure, digest: bytes, remember: float) -> None:
        now = self._premises.clock.monotonic()
        if isinstance(right, bool):
            until = now + (remember if right else min(remember, _WRONG_FOR))
            table = self._right if right else self._wrong
            if len(table) >= _REMEMBERED:
                del table[next(iter(table))]
            table[digest] = until
        for answer in self._running.pop(digest):
            if isinstance(right, Failure):
                answer.errback(right)
            else:
                answer.callback(right)


class BasicAuth:
    """Asks for name and password."""

    __slots__ = ("_challenge", "_passwords", "_settings", "dropped")

    def __init__(self, settings: RouteSettings, passwords: Passwords) -> None:
        self._settings = settings
        self._passwords = passwords
        self.dropped = frozenset() if settings.basic_auth_pass else frozenset((b"authorization",))
        realm = settings.realm.replace("\\", "\\\\").replace('"', '\\"')
        self._challenge: tuple[Field, ...] = ((b"WWW-Authenticate", f'Basic realm="{realm}", charset="UTF-8"'.encode()),)

    def ask(self, exchange: Exchange) -> Decision | Deferred[Decision]:
        """As :meth:`twistedproxy.forward.guards.decisions.Authenticator.ask`."""
        given = exchange.head.headers.get_all(b"authorization")
        credentials = credentials_of(given[0]) if len(given) == 1 else None
        if credentials is None:
            return Refusal(errors.CREDENTIALS_MISSING, "", self._challenge)
        name, password = credentials
        if len(password) > passwords.LONGEST:
            return self._decision(name, False)
        right = self._passwords.check(name, password, self._settings.basic_auth_remember)
        if isinstance(right, Deferred):
            return right.addCallback(partial(self._decision, name))
        return self._decision(name, right)

    def _decision(self, name: bytes, right: bool | None) -> Decision:
        if right:
            return Identity(name.decode("utf-8", "backslashreplace"), dropped=self.dropped)
        if right is None:
            return Refusal(errors.AUTH_BUSY)
        shown = name.decode("utf-8", "backslashreplace")
        return Refusal(errors.CREDENTIALS_WRONG, f"user {shown[:80]!r}", self._challenge, delay=self._settings.basic_auth_delay)


def credentials_of(authorization: bytes) -> tuple[bytes, bytes] | None:
    """Name and password of Basic credentials (RFC 7617 §2); None for anything else."""
    scheme, _, rest = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        name, colon, password = base64.b64decode(rest.strip(b" "), validate=True).partition(b":")
    except ValueError:
        return None
    return (name, password) if colon else None


def _users(data: bytes) -> dict[bytes, str]:
    users, bad = passwords.parse(data)
    if bad:
        raise ValueError(f"line {bad[0].number} {bad[0].reason}")
    return users
