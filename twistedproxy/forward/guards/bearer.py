"""``jwt``: tokens (RFC 6750) that a key, or the keys that a server publishes, must have signed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedproxy import errors
from twistedproxy.forward import values
from twistedproxy.forward.guards import tokens
from twistedproxy.forward.guards.decisions import Decision, Refusal
from twistedproxy.forward.guards.identity import Identity, claim_text, plain_name
from twistedproxy.forward.guards.premises import Fetched, Premises
from twistedproxy.forward.guards.tokens import BadKeys, BadToken, Checker, Expected, KnownKey
from twistedproxy.forward.guards.watched_file import WatchedFile
from twistedproxy.message import Field
from twistedproxy.settings.routes import RouteSettings
from twistedproxy.settings.tokens import JWT_PAIRS

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange

#: Seconds within which a server must send its keys, and their bytes at most.
_TIMEOUT: Final = 10.0
_MOST: Final = 256 * 1024
#: Seconds before it is asked again after it has failed, or because a token names a key that is not known.
_AGAIN: Final = 30.0
_INVISIBLE: Final = re.compile(r"[\x00-\x1f\x7f]")

_log = Logger()


class FileKeys:
    """The keys in a file."""

    def __init__(self, path: str, algorithms: Sequence[str], premises: Premises) -> None:
        self._file = WatchedFile(path, partial(tokens.read_keys, algorithms=algorithms), premises.clock)

    def known(self) -> tuple[KnownKey, ...]:
        """The keys as the file has them now."""
        return self._file.said

    def renewed(self) -> Deferred[tuple[KnownKey, ...]] | None:
        """A file says nothing new when it is asked again."""
        return None


class FetchedKeys:
    """
    The keys that a server publishes at a URL.

    They are fetched when they are first needed, and again, behind, when they are older than *refresh* seconds, and when a token
    names a key that is not among them, but not more often than twice a minute.  A server that fails leaves the old ones standing.
    """

    def __init__(self, url: str, algorithms: Sequence[str], refresh: float, premises: Premises) -> None:
        self._url = url
        self._algorithms = tuple(algorithms)
        self._refresh = refresh
        self._premises = premises
        self._keys: tuple[KnownKey, ...] = ()
        self._fresh_until = 0.0
        self._not_before = 0.0
        self._waiting: list[Deferred[tuple[KnownKey, ...]]] | None = None

    def known(self) -> tuple[KnownKey, ...]:
        """The keys that are here; those that are old are renewed behind."""
        if self._keys and self._premises.clock.monotonic() >= self._fresh_until:
            self._ask()
        return self._keys

    def renewed(self) -> Deferred[tuple[KnownKey, ...]] | None:
        """The keys as the server has them; None when it was asked just now, or has failed."""
        if not self._ask():
            return None
        assert self._waiting is not None
        answer: Deferred[tuple[KnownKey, ...]] = Deferred()
        self._waiting.append(answer)
        return answer

    def _ask(self) -> bool:
        """See to it that the server is being asked."""
        if self._waiting is not None:
            return True
        now = self._premises.clock.monotonic()
        if now < self._not_before:
            return False
        self._not_before = now + _AGAIN
        self._waiting = []
        fetched = self._premises.fetch(self._url, ((b"Accept", b"application/json"),), _TIMEOUT, _MOST)
        fetched.addCallback(self._understand).addErrback(self._failed).addCallback(self._tell)
        return True

    def _understand(self, answer: Fetched) -> None:
        if answer.status != 200:
            raise BadKeys(f"status {answer.status}")
        self._keys = tokens.read_keys(answer.body, self._algorithms)
        self._fresh_until = self._premises.clock.monotonic() + self._refresh

    def _failed(self, failure: Failure) -> None:
        _log.warn(
            "keys of tokens cannot be had from {url}: {problem}{old}",
            url=self._url,
            problem=str(failure.value) or type(failure.value).__name__,
            old="; the old ones count" if self._keys else "",
        )

    def _tell(self, _: None) -> None:
        waiting, self._waiting = self._waiting, None
        for answer in waiting or ():
            answer.callback(self._keys)


Keys = FileKeys | FetchedKeys


class TokenAuth:
    """Asks for a token."""

    __slots__ = ("_checker", "_clock", "_headers", "_keys", "_realm", "_settings", "_where", "dropped")

    def __init__(self, settings: RouteSettings, keys: Keys, premises: Premises) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = premises.clock
        self._where, _, name = settings.jwt_from.partition(" ")
        if self._where != "bearer":
            self._where = f"{self._where}.{name.lower() if self._where == 'header' else name}"
        self._headers = [(claim, header.encode("ascii")) for claim, header in settings.jwt_headers]
        dropped = {plain_name(header) for _, header in self._headers}
        if not settings.jwt_pass and self._where == "bearer":
            dropped.add(b"authorization")
        elif not settings.jwt_pass and self._where.startswith("header."):
            dropped.add(plain_name(name.encode("ascii")))
        self.dropped = frozenset(dropped)
        realm = settings.realm.replace("\\", "\\\\").replace('"', '\\"')
        self._realm = f'Bearer realm="{realm}"'.encode()
        self._checker = Checker(
            Expected(
                settings.jwt_algorithms or JWT_PAIRS,
                settings.jwt_issuer,
                settings.jwt_audience,
                settings.jwt_leeway,
                settings.jwt_expires,
            )
        )

    def ask(self, exchange: Exchange) -> Decision | Deferred[Decision]:
        """As :meth:`twistedproxy.forward.guards.decisions.Authenticator.ask`."""
        token = self._token(exchange)
        if token is None:
            return Refusal(errors.TOKEN_MISSING, "", ((b"WWW-Authenticate", self._realm),))
        keys = self._keys.known()
        if keys:
            try:
                return self._identity(self._checker.check(token, keys, self._clock.wall()))
            except BadToken as bad:
                renewed = self._keys.renewed() if bad.unknown_key else None
                if renewed is None:
                    return self._refusal(bad)
        else:
            renewed = self._keys.renewed()
        if renewed is None:
            return Refusal(errors.KEYS_UNKNOWN)
        return renewed.addCallback(partial(self._with_new_keys, token))

    def _token(self, exchange: Exchange) -> bytes | None:
        if self._where == "bearer":
            given = exchange.head.headers.get_all(b"authorization")
            scheme, _, rest = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
            return rest.strip(b" ") or None if scheme.lower() == b"bearer" else None
        value = values.value_of(exchange, self._where)
        return None if value in ("-", "") else value.removeprefix("Bearer ").encode("latin-1")

    def _with_new_keys(self, token: bytes, keys: tuple[KnownKey, ...]) -> Decision:
        if not keys:
            return Refusal(errors.KEYS_UNKNOWN)
        try:
            return self._identity(self._checker.check(token, keys, self._clock.wall()))
        except BadToken as bad:
            return self._refusal(bad)

    def _identity(self, claims: tokens.Claims) -> Identity:
        fields: list[Field] = []
        for claim, header in self._headers:
            text = claim_text(claims, claim)
            if text is not None:
                # What a token says of somebody is somebody's word: it begins no line of its own.
                fields.append((header, _INVISIBLE.sub(" ", text).strip().encode("utf-8", "replace")))
        user = claim_text(claims, self._settings.jwt_user) or ""
        return Identity(user, claims, self.dropped, tuple(fields))

    def _refusal(self, bad: BadToken) -> Refusal:
        challenge = self._realm + b', error="invalid_token"'
        return Refusal(errors.TOKEN_INVALID, str(bad), ((b"WWW-Authenticate", challenge),))
