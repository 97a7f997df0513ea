"""
Affinity: which peer an exchange is bound to, by a key of its request, a cookie of ours, or the application's own cookie.

Who is bound to a peer that cannot be asked goes to another one, and is bound to that.  Peers that drain, or have weight 0, keep
those who are bound to them; backups do as long as they serve.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Final, Self

from twisted.logger import Logger

from twistedproxy.balance.stickiness import Sessions, Tags
from twistedproxy.forward.values import value_of
from twistedproxy.message import ResponseHead
from twistedproxy.templates import REQUEST_NAMES, Template

if TYPE_CHECKING:
    from twistedproxy.balance.peer import Peer
    from twistedproxy.balance.pool import Pool
    from twistedproxy.forward.exchange import Exchange
    from twistedproxy.forward.routes import Affinity
    from twistedproxy.settings.pools import PoolSettings, StickySettings

#: What templates have for what is not there.
_NOTHING: Final = ("-", "")

_KEY_LENGTH: Final = 32

_log = Logger()


def affinity_of(pool: Pool, key: Callable[[], bytes], settings: PoolSettings | None = None) -> Affinity | None:
    """
    What binds the clients of *pool*; None when nothing does.

    :param key: gives the secret of cookies, if one is needed
    :param settings: what the pool is about to have, if not what it has
    """
    settings = settings or pool.settings
    otherwise = ByKey(pool, settings.balance.key, None) if settings.balance.key else None
    sticky = settings.sticky
    if sticky is None:
        return otherwise
    if sticky.kind == "hash":
        return ByKey(pool, sticky.key, otherwise)
    if sticky.kind == "learn":
        return ByLearntCookie(pool, sticky, otherwise)
    return ByCookie(pool, sticky, Tags(key()), otherwise)


class _Binding:
    """What every way to bind clients has: a pool, and who chooses for those who are not bound."""

    __slots__ = ("_otherwise", "_pool")

    def __init__(self, pool: Pool, otherwise: ByKey | None) -> None:
        self._pool = pool
        self._otherwise: ByKey | _Scheduled = otherwise or _Scheduled(pool)

    def twin(self, pool: Pool, peers: Mapping[Peer, Peer]) -> Self:
        """As :meth:`twistedproxy.forward.routes.Affinity.twin`."""
        twin = copy(self)
        twin._pool = pool
        twin._otherwise = self._otherwise.twin(pool, peers)
        return twin


class ByKey(_Binding):
    """
    Requests with the same key go to the same peer; those without one as *otherwise* has it, or the pool's scheduler.

    There is no key when every name of its template stands for nothing.
    """

    __slots__ = ("_name", "_names", "_template")

    def __init__(self, pool: Pool, key: str, otherwise: ByKey | None) -> None:
        super().__init__(pool, otherwise)
        self._template = Template.parse(key, REQUEST_NAMES)
        self._names = self._template.names
        self._name = self._names[0] if self._template.literals == ("", "") else ""

    def choose(self, exchange: Exchange, tried: Sequence[Peer], now: float) -> Peer | None:
        """As :meth:`twistedproxy.forward.routes.Affinity.choose`."""
        key = value_of(exchange, self._name) if self._name else self._key(exchange)
        if key not in _NOTHING:
            return self._pool.choose_for(key, tried, now)
        return self._otherwise.choose(exchange, tried, now)

    def _key(self, exchange: Exchange) -> str:
        values = {name: value_of(exchange, name) for name in self._names}
        if all(value in _NOTHING for value in values.values()):
            return ""
        return self._template.render(values.__getitem__)

    def mark(self, exchange: Exchange, head: ResponseHead) -> ResponseHead:
        """Its clients need no mark."""
        return head


class ByCookie(_Binding):
    """Clients get a cookie that stands for the peer that has answered them."""

    __slots__ = ("_attributes", "_name", "_prefix", "_renewed", "_tags")

    def __init__(self, pool: Pool, settings: StickySettings, tags: Tags, otherwise: ByKey | None) -> None:
        super().__init__(pool, otherwise)
        self._tags = tags
        self._name = f"cookie.{settings.cookie}"
        self._prefix = f"{settings.cookie}=".encode("ascii")
        self._attributes = _attributes(settings)
        self._renewed = settings.expires is not None

    def twin(self, pool: Pool, peers: Mapping[Peer, Peer]) -> Self:
        """As :meth:`twistedproxy.forward.routes.Affinity.twin`."""
        twin = super().twin(pool, peers)
        twin._tags = self._tags.twin()
        return twin

    def choose(self, exchange: Exchange, tried: Sequence[Peer], now: float) -> Peer | None:
        """As :meth:`twistedproxy.forward.routes.Affinity.choose`."""
        if not tried:
            bound = self._tags.peer(value_of(exchange, self._name), self._pool.peers)
            if bound is not None and self._pool.choose_bound(bound, now) and not bound.is_full:
                return bound
        return self._otherwise.choose(exchange, tried, now)

    def mark(self, exchange: Exchange, head: ResponseHead) -> ResponseHead:
        """As :meth:`twistedproxy.forward.routes.Affinity.mark`."""
        peer = _answering(exchange)
        counts = self._pool.bindings
        if peer is None or counts is None:
            return head
        said = value_of(exchange, self._name)
        bound = self._tags.peer(said, self._pool.peers)
        if bound is peer:
            counts.kept += 1
            if not self._renewed:
                return head
        elif bound is None:
            counts.made += 1
            counts.unknown += said not in _NOTHING
        elif _may_return(exchange, self._pool, bound):
            return head
        else:
            counts.moved += 1
        cookie = self._prefix + self._tags.tag(peer).encode("ascii") + self._attributes
        return ResponseHead(head.status, head.reason, head.headers.plus((b"Set-Cookie", cookie)), length=head.length)


class ByLearntCookie(_Binding):
    """Clients whose application has given them a session go where that was."""

    __slots__ = ("_cookie", "_name", "sessions")

    def __init__(self, pool: Pool, settings: StickySettings, otherwise: ByKey | None) -> None:
        super().__init__(pool, otherwise)
        self._name = f"cookie.{settings.cookie}"
        self._cookie = settings.cookie.encode("ascii")
        self.sessions = Sessions(settings.size, settings.timeout)

    def twin(self, pool: Pool, peers: Mapping[Peer, Peer]) -> Self:
        """As :meth:`twistedproxy.forward.routes.Affinity.twin`."""
        twin = super().twin(pool, peers)
        twin.sessions = self.sessions.twin(peers)
        return twin

    def choose(self, exchange: Exchange, tried: Sequence[Peer], now: float) -> Peer | None:
        """As :meth:`twistedproxy.forward.routes.Affinity.choose`."""
        if not tried:
            said = value_of(exchange, self._name)
            bound = None if said in _NOTHING else self.sessions.find(said, now)
            if bound is not None and self._pool.choose_bound(bound, now) and not bound.is_full:
                return bound
        return self._otherwise.choose(exchange, tried, now)

    def mark(self, exchange: Exchange, head: ResponseHead) -> ResponseHead:
        """Learn from an answer; it stays as it is."""
        peer = _answering(exchange)
        counts = self._pool.bindings
        if peer is None or counts is None:
            return head
        now = exchange.site.clock.monotonic()
        said = value_of(exchange, self._name)
        bound = None if said in _NOTHING else self.sessions.find(said, now)
        counts.kept += bound is peer
        counts.unknown += bound is None and said not in _NOTHING
        given = self._given(head)
        if given == "":
            self.sessions.forget(said)
        elif given is not None:
            if self.sessions.bind(given, peer, now) is None and bound is None:
                counts.made += 1
        elif bound is not None and bound is not peer and not _may_return(exchange, self._pool, bound):
            self.sessions.bind(said, peer, now)
            counts.moved += 1
        return head

    def _given(self, head: ResponseHead) -> str | None:
        """The session that an answer begins; empty when it ends one, None when it does neither."""
        for field in head.headers.get_all(b"set-cookie"):
            name, _, rest = field.partition(b"=")
            if name.strip() == self._cookie:
                value, *attributes = (part.strip() for part in rest.split(b";"))
                ended = any(_ends(attribute.lower().replace(b" ", b"")) for attribute in attributes)
                return "" if ended else value.decode("latin-1")
        return None


class _Scheduled:
    """The choice of a pool's scheduler."""

    __slots__ = ("_pool",)

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def choose(self, exchange: Exchange, tried: Sequence[Peer], now: float) -> Peer | None:
        return self._pool.choose(tried, now)

    def twin(self, pool: Pool, peers: Mapping[Peer, Peer]) -> _Scheduled:
        return _Scheduled(pool)


def _answering(exchange: Exchange) -> Peer | None:
    """The peer whose answer goes to the client; None when what goes there comes from the cache, or is our own."""
    attempt = exchange.attempt
    if attempt is None or attempt.header_time is None or attempt.response_time is not None or attempt.reason is not None:
        return None
    return attempt.peer


def _may_return(exchange: Exchange, pool: Pool, bound: Peer) -> bool:
    """Whether the client stays bound to *bound*, which did not answer it this time: it is full, or another one was quicker."""
    return bound not in exchange.tried and pool.choose_bound(bound, exchange.site.clock.monotonic())


def _ends(attribute: bytes) -> bool:
    """Whether an *attribute* says that the cookie is to be forgotten (RFC 6265 §5.3)."""
    return attribute.startswith((b"max-age=0", b"max-age=-")) or (attribute.startswith(b"expires=") and b"1970" in attribute)


def _attributes(settings: StickySettings) -> bytes:
    """The attributes of our cookie (RFC 6265 §4.1.2, and SameSite as browsers have it)."""
    parts = [f"; Path={settings.path}"]
    if settings.expires is not None:
        parts.append(f"; Max-Age={int(settings.expires)}")
    if settings.domain:
        parts.append(f"; Domain={settings.domain}")
    if settings.secure:
        parts.append("; Secure")
    if settings.httponly:
        parts.append("; HttpOnly")
    if settings.same_site:
        parts.append(f"; SameSite={settings.same_site.capitalize()}")
    return "".join(parts).encode("ascii")


def sticky_key(state_dir: str) -> bytes:
    """
    The secret by which cookies are made, kept in *state_dir*; made at the first start.

    Where it cannot be kept, one is made for this run: clients are bound anew after the next start, which is told.
    """
    path = os.path.join(state_dir, "sticky.key")
    try:
        return _kept_key(path)
    except OSError as problem:
        _log.warn(
            "{path}: {problem}; after a restart the clients of sticky pools are bound anew", path=path, problem=problem.strerror
        )
        return secrets.token_bytes(_KEY_LENGTH)


def _kept_key(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            key = file.read()
        if len(key) >= _KEY_LENGTH:
            return key
        os.unlink(path)
    except FileNotFoundError:
        pass
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    key = secrets.token_bytes(_KEY_LENGTH)
    aside = f"{path}.{os.getpid()}"
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    try:
        # Of several processes that start at once the first one's stays.
        os.link(aside, path)
    except FileExistsError:
        with open(path, "rb") as file:
            key = file.read()
    finally:
        os.unlink(aside)
    return key
