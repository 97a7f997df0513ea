"""The site's file read again while it runs: what would change, and the change itself; one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock, inlineCallbacks
from twisted.logger import Logger

from twistedproxy.admin.life import Reloaded
from twistedproxy.config.load import Loaded
from twistedproxy.config.plan import Plan, plan
from twistedproxy.config.problems import ConfigError
from twistedproxy.memory import tidy_up
from twistedproxy.running.running import NotReplaced, Running
from twistedproxy.spelling import counted

_log = Logger()

#: Calls something in a thread; the Deferred fires with what it returns.
InThread = Callable[[Callable[[], Loaded]], Deferred[Loaded]]


class Reload:
    """
    Reloads of one site.

    :param read: reads the file and checks it; raises ConfigError.  It runs in a thread, as a large file takes a while
    :ivar count: reloads that were made
    """

    def __init__(self, read: Callable[[], Loaded], running: Running, in_thread: InThread) -> None:
        self.count = 0
        self._read = read
        self._running = running
        self._in_thread = in_thread
        self._lock = DeferredLock()

    def plan(self) -> Deferred[Plan]:
        """What a reload would change; fails with ConfigError, which holds every error of the file."""
        return self._in_thread(self._read).addCallback(self._planned)

    def _planned(self, loaded: Loaded) -> Plan:
        parts, after = self._running.parts, loaded.settings
        before = parts.settings
        assert before is not None
        pools = dict(before.pools)
        for name in pools.keys() & after.pools.keys():
            membership = parts.pools[name].membership
            pools[name] = replace(pools[name], servers=membership.as_it_is(pools[name].servers, after.pools[name].servers))
        return plan(replace(before, pools=pools), after)

    def reload(self, who: str, is_wanted: Callable[[], bool]) -> Deferred[Reloaded]:
        """
        Let the file as it is now be the site; *who* asks for it.

        Fails with ConfigError, or with NotReplaced; the site then is what it was.

        :param is_wanted: asked before anything changes, as the process may be about to end by then
        """
        done: Deferred[Reloaded] = self._lock.run(self._reload, who, is_wanted)
        return done

    @inlineCallbacks
    def _reload(self, who: str, is_wanted: Callable[[], bool]) -> Any:
        try:
            loaded = yield self._in_thread(self._read)
            changes = self._planned(loaded)
            failed = yield self._running.replace(loaded.settings, is_wanted)
        except ConfigError as error:
            _log.error("reload by {who}: the site stays as it is; {count}", who=who, count=counted(len(error.errors), "error"))
            for problem in error.errors:
                _log.error("{problem}", problem=str(problem))
            raise
        except NotReplaced as problem:
            _log.error("reload by {who}: the site stays as it is: {problem}", who=who, problem=str(problem))
            raise
        self.count += 1
        tidy_up(self.count)
        for warning in loaded.warnings:
            _log.warn("{warning}", warning=str(warning))
        parts = self._running.parts
        for log in parts.logs.values():
            log.reopen()
        for watch in parts.certificates.watches.values():
            yield watch.look(again=True)
        _log.info("reload {count} by {who}: {plan}", count=self.count, who=who, plan=changes.brief)
        return Reloaded(changes, loaded.warnings, tuple(failed))
