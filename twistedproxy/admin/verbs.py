"""
The shell's verbs: what an operator sees and does, in words.

Every verb either returns something that prints well, or raises VerbError with one line that says what is possible instead.
Every change is logged with the name of who made it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from twisted.logger import Logger

from twistedproxy.admin.certificates import CertificateVerbs
from twistedproxy.admin.checks import CheckVerbs
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.life_verbs import LifeVerbs
from twistedproxy.admin.live import Live
from twistedproxy.admin.purging import Purging
from twistedproxy.admin.story_verbs import StoryVerbs
from twistedproxy.admin.tables import Column, duration, printable, table
from twistedproxy.admin.verb import Listing, Said, Verb, known
from twistedproxy.admin.views import Views, client_of
from twistedproxy.admin.websockets import WebSocketVerbs
from twistedproxy.balance.membership import FoundByName, Membership
from twistedproxy.balance.peer import Peer, counted
from twistedproxy.balance.pool import PeerExists, Pool
from twistedproxy.cache.cache import Cache
from twistedproxy.cache.purge import PurgeKind
from twistedproxy.cache.responses import Summary
from twistedproxy.config import network
from twistedproxy.config.problems import BadValue
from twistedproxy.config.scalars import Context
from twistedproxy.downstream.door import Door
from twistedproxy.downstream.listener import AnyConnection
from twistedproxy.downstream.stream_connection import StreamConnection
from twistedproxy.errors import RequestError
from twistedproxy.forward.cache_why import NotAsked, cache_why
from twistedproxy.forward.guards.limit import Limit
from twistedproxy.forward.routes import Route
from twistedproxy.settings import ServerSettings, StandsFor

#: URLs of a cache that Tab offers.
_OFFERED: Final = 50


class Verbs:
    """The verbs of one operator, *who*, whose terminal has *width* characters a line (None: no terminal)."""

    log = Logger()

    def __init__(self, live: Live, who: str, width: Callable[[], int | None]) -> None:
        self.live = live
        self.who = who
        self._width = width
        self._views = Views(live, width)
        self._purging = Purging(live)
        pool_and_peer = (self._pool_names, self._peer_names)
        verbs = (
            Verb(self.pools),
            Verb(self.peers, (self._pool_names,)),
            *CheckVerbs(live, width).verbs(),
            Verb(self.routes),
            Verb(self.limits),
            Verb(self.listeners),
            Verb(self.connections),
            Verb(self.cache, (self._cache_names,)),
            Verb(self.cache_why, (self._entry_urls,)),
            *StoryVerbs(live, width).verbs(),
            Verb(self.drain, pool_and_peer),
            Verb(self.restore, pool_and_peer),
            Verb(self.set_weight, pool_and_peer),
            Verb(self.add_peer, (self._pool_names,)),
            Verb(self.remove_peer, (self._pool_names, self._member_names)),
            Verb(self.purge, (self._entry_urls,)),
            Verb(self.purge_prefix, (self._entry_urls,)),
            Verb(self.purge_tag),
            Verb(self.purge_all, (self._cache_names,)),
            Verb(self.kill, (self._no_names, self._listener_names)),
            *WebSocketVerbs(live, who, width).verbs(),
            *CertificateVerbs(live, who, width).verbs(),
            *LifeVerbs(live, who).verbs(),
            Verb(self.help, (self._verb_names,)),
        )
        self._verbs = {verb.name: verb for verb in verbs}

    def namespace(self) -> dict[str, Any]:
        """The names that the operator's Python begins with: the verbs, and ``live``, the proxy itself."""
        return {**self._verbs, "live": self.live, "__name__": "__shell__", "__doc__": None}

    # What is.

    def pools(self) -> Listing[Pool]:
        """the pools: how many peers are up, what runs, what failed"""
        return self._views.pools()

    def peers(self, pool: str | None = None) -> Listing[Peer]:
        """
        the peers of a pool, or of every pool

        RUNNING counts attempts that have begun and not ended, FAILED those that failed through the peer's fault.
        Only peers whose state is "up" get new requests.
        """
        if pool is None:
            return self._views.peers(self.live.pools.values())
        return self._views.peers([self._pool(pool)])

    def routes(self) -> Listing[Route]:
        """the routes in order of precedence, with their requests by class of status"""
        return self._views.routes()

    def limits(self) -> Listing[Limit]:
        """
        what limits let pass, delayed and refused

        With dry_run, REFUSED counts what would have been. TOGETHER counts keys that had to share what is known of them.
        """
        return self._views.limits()

    def listeners(self) -> Listing[Door]:
        """
        where clients connect

        TURNED AWAY counts connections beyond max_connections_per_client, REFUSED what could not be read, and connections of
        streams for which no peer could be reached.
        """
        return self._views.listeners()

    def connections(self) -> Listing[AnyConnection | StreamConnection]:
        """the clients' connections, and what each is doing; kill(number) closes one"""
        return self._views.connections()

    def cache(self, name: str | None = None) -> Listing[Cache] | Listing[Summary]:
        """
        the caches; cache(name): what is stored in one

        HIT RATIO is that of hits to hits, stale and missing ones; PASSED requests were not for the cache.
        Of a cache's entries the first hundred are shown; entries() of the object itself gives them all.
        """
        if name is None:
            return self._views.caches()
        return self._views.entries(self.live.caches[known("cache", name, self.live.caches)])

    def cache_why(self, url: str, *fields: str) -> Said:
        """
        why a GET of a URL is served from the cache or not, and what of it is stored or not

        Fields stand for those of a request: cache_why('https://example.com/a', 'Cookie: user=ann').  Nothing is asked of a
        peer; NOT STORED is what became of the last answer that was not stored.
        """
        names = [listener.settings.name for listener in self.live.listeners if listener.kind == "listener"]
        try:
            found = cache_why(self.live.routes, str(url), fields, names, self.live.clock.wall())
        except (NotAsked, RequestError, UnicodeError) as error:
            raise VerbError(str(error)) from None
        return Said("\n".join(f"{word:<12}{printable(text)}" for word, text in found))

    # What changes.

    def drain(self, pool: str, peer: str, minutes: float | None = None, seconds: float | None = None) -> Said:
        """
        give a peer no new requests; those that run finish

        WebSockets through the peer stay open.  restore(pool, peer) takes it back; drain(pool, peer, minutes=10) ends by itself.
        A restart does not end it.  The log tells when the last exchange is gone.
        """
        found = self._peer(pool, peer)
        lasts = _lasts(minutes, seconds)
        self._pool(pool).drain(found.name, lasts)
        limit = "" if lasts is None else f", seconds={lasts:g}"
        self._changed(f"drain({pool!r}, {found.name!r}{limit})")
        running = f"{counted(found.in_flight, 'attempt')} still running" if found.in_flight else "nothing runs there"
        takes_back = f"restore({pool!r}, {found.name!r}) takes it back"
        if lasts is not None:
            takes_back = f"it comes back in {duration(lasts)}, or by restore({pool!r}, {found.name!r})"
        return Said(f"{found.name} is {found.state}, {running}; {takes_back}")

    def restore(self, pool: str, peer: str) -> Said:
        """
        undo drain, "down" in site.ini, or an ejection: the peer gets requests again

        A peer that its checks have found down stays down until they pass.
        """
        found = self._peer(pool, peer)
        self._pool(pool).restore(found.name)
        self._changed(f"restore({pool!r}, {found.name!r})")
        because = f": {found.why}" if not found.available and found.why else ""
        return Said(f"{found.name} is {found.state}{because}")

    def set_weight(self, pool: str, peer: str, weight: int) -> Said:
        """
        change a peer's share of its pool's requests

        0 gives it no new requests.  It is kept over restarts, until site.ini says another weight than now.
        """
        found = self._peer(pool, peer)
        if not isinstance(weight, int) or isinstance(weight, bool) or weight < 0:
            raise VerbError(f"a weight is a whole number, 0 or more, not {weight!r}")
        before = found.weight
        self._pool(pool).set_weight(found.name, weight)
        self._changed(f"set_weight({pool!r}, {found.name!r}, {weight}), before: {before}")
        total = sum(other.weight for other in self._pool(pool).peers if other.available and other.backup is found.backup)
        share = f", {100 * weight / total:.0f}% of the requests" if found.available and total else ""
        return Said(f"{found.name} has weight {weight}{share}; before: {before}")

    def add_peer(self, pool: str, server: str) -> Said:
        """
        let a peer into a pool; the server is written as in site.ini

        add_peer('app', 'app4.internal:3000 weight=2 backup').  Names by which peers are found are followed:
        'NAME:PORT addresses=all', 'srv:_http._tcp.NAME'.  It is kept over restarts, until remove_peer(pool, peer).
        """
        membership = self._membership(pool)
        line = _server(server)
        try:
            membership.add(line)
        except PeerExists as problem:
            raise VerbError(str(problem)) from None
        self._changed(f"add_peer({pool!r}, {server!r})")
        if line.stands_for is not StandsFor.PEER:
            return Said(f"{line.name} is followed from now on; peers({pool!r}) shows who was found")
        return Said(f"{line.name} is {self._pool(pool).peer(line.name).state}; remove_peer({pool!r}, {line.name!r}) takes it out")

    def remove_peer(self, pool: str, peer: str) -> Said:
        """
        take a peer out of a pool; what runs on it finishes

        Also a name by which peers are found, with all of them.  It is kept over restarts: a peer of site.ini stays away until
        add_peer, or until its line has gone from the file.
        """
        membership = self._membership(pool)
        called = known(f"peer of pool {pool!r}", peer, self._member_names((pool,)))
        try:
            gone = membership.remove(called, "the operator removed it")
        except FoundByName as problem:
            raise VerbError(str(problem)) from None
        self._changed(f"remove_peer({pool!r}, {called!r})")
        running = sum(each.in_flight for each in gone)
        left = f"{counted(running, 'attempt')} still running" if running else "nothing runs there"
        peers = "" if [each.name for each in gone] == [called] else f" with {counted(len(gone), 'peer')}"
        return Said(f"{called} is removed{peers}, {left}")

    def purge(self, url: str, soft: bool = False) -> Said:
        """
        forget what is stored for a URL, in every cache

        The URL is absolute, as a client would ask for it: purge('https://example.com/a?b=c').
        With soft=True it is stale from now on instead: it is validated, or serves where stale answers may.
        """
        gone = self._purging.url(url, soft=soft)
        self._changed(f"purge({url!r}, soft={bool(soft)})")
        return gone

    def purge_prefix(self, prefix: str, soft: bool = False, preview: bool = False) -> Said:
        """
        forget what is stored for all URLs that begin so, in every cache

        purge_prefix('https://example.com/images/').  soft=True: stale instead.  preview=True: only count what that would be.
        """
        return self._purge_many("purge_prefix", PurgeKind.PREFIX, prefix, soft, preview)

    def purge_tag(self, tag: str, soft: bool = False, preview: bool = False) -> Said:
        """
        forget what has a tag (Cache-Tag, Surrogate-Key), in every cache

        soft=True: stale instead.  preview=True: only count what that would be.
        """
        return self._purge_many("purge_tag", PurgeKind.TAG, tag, soft, preview)

    def purge_all(self, cache: str, soft: bool = False) -> Said:
        """
        forget all that a cache has stored

        soft=True: all of it is stale instead.
        """
        said = self._purging.all(known("cache", cache, self.live.caches), soft=soft)
        self._changed(f"purge_all({cache!r}, soft={bool(soft)})")
        return said

    def _purge_many(self, verb: str, kind: PurgeKind, value: str, soft: bool, preview: bool) -> Said:
        if preview:
            return self._purging.preview(kind, value)
        said = self._purging.many(kind, value, soft=soft)
        self._changed(f"{verb}({value!r}, soft={bool(soft)})")
        return said

    def kill(self, number: int, listener: str | None = None) -> Said:
        """
        close a client's connection at once, whatever it is doing

        The number is that of connections().  Each listener counts its own; when two have the same, name the listener.
        """
        if listener is not None:
            known("listener", listener, (each.settings.name for each in self.live.listeners))
        found = [
            connection
            for each in self.live.listeners
            for connection in each.connections
            if connection.number == number and listener in (None, each.settings.name)
        ]
        if not found:
            raise VerbError(f"there is no connection {number!r}; connections() lists them")
        if len(found) > 1:
            ways = " or ".join(f"kill({number}, {connection.listener_name!r})" for connection in found)
            raise VerbError(f"several listeners have a connection {number}; say {ways}")
        (connection,) = found
        client = client_of(connection)
        connection.close_now()
        self._changed(f"kill({number}, {connection.listener_name!r}) of {client}")
        return Said(f"connection {number} of {client} is closed")

    def help(self, verb: object = None) -> Said:
        """this list; help(verb) says more about one"""
        if verb is None:
            rows = [(each.usage, each.summary) for each in self._verbs.values()]
            listed = table((Column("VERB"), Column("WHAT IT DOES")), rows, self._width())
            return Said(f"{listed}\n\nBeneath is Python: pools()['app'].peers, live.settings, dir(live). Tab completes.")
        found = verb if isinstance(verb, Verb) else self._verbs[known("verb", verb, self._verbs)]
        return Said(f"{found.usage}: {found.summary}" + (f"\n\n{found.detail}" if found.detail else ""))

    # Names.

    def _pool(self, name: str) -> Pool:
        return self.live.pools[known("pool", name, self.live.pools)]

    def _membership(self, name: str) -> Membership:
        return self.live.memberships[known("pool", name, self.live.memberships)]

    def _peer(self, pool: str, name: str) -> Peer:
        peers = {peer.name: peer for peer in self._pool(pool).peers}
        return peers[known(f"peer of pool {pool!r}", name, peers)]

    def _pool_names(self, given: Sequence[str]) -> Iterable[str]:
        return self.live.pools

    def _peer_names(self, given: Sequence[str]) -> Iterable[str]:
        pool = self.live.pools.get(given[0])
        return [] if pool is None else [peer.name for peer in pool.peers]

    def _member_names(self, given: Sequence[str]) -> Iterable[str]:
        membership = self.live.memberships.get(given[0])
        return [] if membership is None else [*(peer.name for peer in membership.pool.peers), *membership.names]

    def _cache_names(self, given: Sequence[str]) -> Iterable[str]:
        return self.live.caches

    def _entry_urls(self, given: Sequence[str]) -> Iterable[str]:
        # Every entry is a file to read: only the latest are offered.
        for cache in self.live.caches.values():
            yield from (entry.url for entry in itertools.islice(cache.entries(), _OFFERED))

    def _listener_names(self, given: Sequence[str]) -> Iterable[str]:
        return [listener.settings.name for listener in self.live.listeners]

    def _no_names(self, given: Sequence[str]) -> Iterable[str]:
        return ()

    def _verb_names(self, given: Sequence[str]) -> Iterable[str]:
        return self._verbs

    def _changed(self, what: str) -> None:
        self.log.info("shell: {who}: {what}", who=self.who, what=printable(what))


def _lasts(minutes: object, seconds: object) -> float | None:
    """Seconds from two arguments of a verb; None when neither was given."""
    if minutes is None and seconds is None:
        return None
    given = [0.0 if each is None else each for each in (minutes, seconds)]
    if not all(isinstance(each, int | float) and not isinstance(each, bool) and 0 <= each < 1e9 for each in given):
        raise VerbError(f"minutes and seconds are numbers, not {', '.join(repr(each) for each in given if each != 0.0)}")
    lasts = float(60 * given[0] + given[1])  # type: ignore[operator]
    if not lasts:
        raise VerbError("a drain of no time is none; leave the time out for one without end")
    return lasts


def _server(text: object) -> ServerSettings:
    """A line of ``servers``; what is wrong with it is said as of site.ini."""
    if not isinstance(text, str) or not text.strip():
        raise VerbError("a server is written as in site.ini, for instance 'app4.internal:3000 weight=2'")
    if text.startswith("unix:") and not text.startswith("unix:/"):
        raise VerbError(f"{text!r} begins in no directory here; write unix:/…")
    try:
        return network.server(text, Context("/", {}))
    except BadValue as bad:
        raise VerbError(str(bad)) from None
