"""
The shell's verbs: what an operator sees and does, in words.

Every verb either returns something that prints well, or raises VerbError with one line that says what is possible instead.
Every change passes through :mod:`twistedproxy.admin.changes`, which writes down who made it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from twistedproxy.admin.apps import AppVerbs
from twistedproxy.admin.certificates import CertificateVerbs
from twistedproxy.admin.change_verbs import ChangeVerbs
from twistedproxy.admin.changes import Changes
from twistedproxy.admin.checks import CheckVerbs
from twistedproxy.admin.interpreter import Interpreter, Screen, VerbError
from twistedproxy.admin.life_verbs import LifeVerbs
from twistedproxy.admin.limited import Limited
from twistedproxy.admin.live import Live
from twistedproxy.admin.objects import Objects
from twistedproxy.admin.peer_verbs import PeerVerbs
from twistedproxy.admin.pool_objects import PoolObject
from twistedproxy.admin.purge_verbs import PurgeVerbs
from twistedproxy.admin.roles import Role, Who
from twistedproxy.admin.story_verbs import StoryVerbs
from twistedproxy.admin.tables import Column, printable, table
from twistedproxy.admin.traffic_objects import CacheObject, ConnectionObject, ListenerObject, RouteObject
from twistedproxy.admin.verb import Listing, Said, Verb, known
from twistedproxy.admin.views import Views, client_of, occupation
from twistedproxy.admin.watch_verbs import WatchVerbs
from twistedproxy.admin.websockets import WebSocketVerbs
from twistedproxy.balance.peer import Peer
from twistedproxy.balance.pool import Pool
from twistedproxy.cache.cache import Cache
from twistedproxy.downstream.door import Door
from twistedproxy.downstream.listener import AnyConnection
from twistedproxy.downstream.stream_connection import StreamConnection
from twistedproxy.errors import RequestError
from twistedproxy.forward.cache_why import NotAsked, cache_why
from twistedproxy.forward.guards.limit import Limit
from twistedproxy.forward.routes import Route


class Verbs:
    """The verbs of one operator, *who*, whose terminal has *width* characters a line (None: no terminal)."""

    def __init__(self, live: Live, who: str | Who, width: Callable[[], int | None]) -> None:
        self.live = live
        self.who = who if isinstance(who, Who) else Who(who)
        self._width = width
        self._views = Views(live, width)
        self._changes = changes = Changes(live, self.who)
        self._objects = Objects(live, self._views, lambda: self._verbs)
        websockets = WebSocketVerbs(live, changes, width)
        peers, purges = PeerVerbs(live, changes), PurgeVerbs(live, changes)
        verbs = (
            Verb(self.pools),
            Verb(self.pool, (peers.pool_names,)),
            Verb(self.peers, (peers.pool_names,)),
            *CheckVerbs(live, width).verbs(),
            Verb(self.routes),
            Verb(self.route, (self._route_names,)),
            *AppVerbs(live, width).verbs(),
            Verb(self.limits),
            Verb(self.listeners),
            Verb(self.listener, (self._listener_names,)),
            Verb(self.connections),
            Verb(self.connection, (self._connection_numbers,)),
            Verb(self.cache, (purges.cache_names,)),
            Verb(self.cache_why, (purges.entry_urls,)),
            *StoryVerbs(live, width).verbs(),
            *peers.verbs(),
            *purges.verbs(),
            Verb(self.kill, (self._connection_numbers, self._listener_names), Role.OPERATE),
            *websockets.verbs(),
            *WatchVerbs(live, websockets, width).verbs(),
            *CertificateVerbs(live, changes, width).verbs(),
            *LifeVerbs(live, changes).verbs(),
            *ChangeVerbs(live, changes, width).verbs(),
            Verb(self.help, (self._verb_names,)),
        )
        self._verbs = {verb.name: verb for verb in verbs if verb.needs <= self.who.role}
        self._others = {verb.name: verb.needs for verb in verbs if verb.needs > self.who.role}

    def namespace(self) -> dict[str, Any]:
        """The names that the operator's Python begins with: the verbs, and ``live``, the proxy itself."""
        return {**self._verbs, "live": self.live, "__name__": "__shell__", "__doc__": None}

    def interpreter(self, screen: Screen) -> Interpreter:
        """What runs the operator's commands, and shows on *screen* what comes of them."""
        made: Interpreter
        if self.who.role is Role.PROGRAM:
            made = Interpreter(self.namespace(), screen)
        else:
            made = Limited(self._verbs, self._others, self._objects, screen)
        if self.who.role > Role.OBSERVE:
            made.heard = self._heard
        return made

    def _heard(self, source: str, result: str) -> None:
        journal = self.live.journal
        journal.audit.command(journal.clock.wall(), self.who, source, result)

    # What is.

    def pools(self) -> Listing[Pool]:
        """the pools: how many peers are up, what runs, what failed"""
        return self._views.pools()

    def pool(self, name: str) -> PoolObject:
        """one pool: pool('app').peers, pool('app').peer('app1:3000').drain(minutes=10)"""
        return self._objects.pool(name)

    def peers(self, pool: str | None = None) -> Listing[Peer]:
        """
        the peers of a pool, or of every pool

        RUNNING counts attempts that have begun and not ended, FAILED those that failed through the peer's fault.
        Only peers whose state is "up" get new requests.
        """
        if pool is None:
            return self._views.peers(self.live.pools.values())
        return self._views.peers([self.live.pools[known("pool", pool, self.live.pools)]])

    def routes(self) -> Listing[Route]:
        """the routes in order of precedence, with their requests by class of status"""
        return self._views.routes()

    def route(self, name: str) -> RouteObject:
        """one route: where it leads, what was answered, how long it took; route('/api/').p95 is in seconds"""
        return self._objects.route(name)

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

    def listener(self, name: str) -> ListenerObject:
        """one listener, with its connections"""
        return self._objects.listener(name)

    def connection(self, number: int) -> ConnectionObject:
        """one connection of a client"""
        return self._objects.connection(number)

    def connections(self) -> Listing[AnyConnection | StreamConnection]:
        """the clients' connections, and what each is doing; kill(number) closes one"""
        return self._views.connections()

    def cache(self, name: str | None = None) -> Listing[Cache] | CacheObject:
        """
        the caches; cache(name): one, with what is stored in it

        HIT RATIO is that of hits to hits, stale and missing ones; PASSED requests were not for the cache.
        Of a cache's entries the first hundred are shown; live.caches[name].entries() gives them all.
        """
        if name is None:
            return self._views.caches()
        return self._objects.cache(name)

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

        def do() -> str:
            connection.close_now()
            return f"connection {number} of {client} is closed"

        command = f"kill({number}, {connection.listener_name!r}) of {client}"
        would = f"connection {number} of {client} is closed, whatever it is doing: {occupation(connection)}"
        said: Said = self._changes.make_for_good(command, do, would, "the client has to connect again")
        return said

    def help(self, verb: object = None) -> Said:
        """this list; help(verb) says more about one"""
        if verb is None:
            rows = [(each.usage, each.summary) for each in self._verbs.values()]
            listed = table((Column("VERB"), Column("WHAT IT DOES")), rows, self._width())
            if self.who.role is Role.PROGRAM:
                return Said(f"{listed}\n\nBeneath is Python: pools()['app'].peers, live.settings, dir(live). Tab completes.")
            return Said(f"{listed}\n\nThis key has the role {self.who.role}. Tab completes.")
        found = verb if isinstance(verb, Verb) else self._verbs[known("verb", verb, self._verbs)]
        return Said(f"{found.usage}: {found.summary}" + (f"\n\n{found.detail}" if found.detail else ""))

    # Names.

    def _listener_names(self, given: Sequence[str]) -> Iterable[str]:
        return [listener.settings.name for listener in self.live.listeners]

    def _route_names(self, given: Sequence[str]) -> Iterable[str]:
        return [route.name for route in self.live.routes.routes]

    def _connection_numbers(self, given: Sequence[str]) -> Iterable[str]:
        return [str(connection.number) for listener in self.live.listeners for connection in listener.connections]

    def _verb_names(self, given: Sequence[str]) -> Iterable[str]:
        return self._verbs
