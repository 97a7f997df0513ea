"""
Upkeep of the files of a cache, in slices between which others get their turn: what is there is found after a start,
what nobody asked for goes, and what is beyond max_size.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twistedproxy.cache.files import remove_file
from twistedproxy.cache.index import pages
from twistedproxy.cache.store import Store
from twistedproxy.clock import Clock

_SHARD: Final = re.compile(r"[0-9a-f]{2}")
_FILE: Final = re.compile(r"([0-9a-f]{30})(?:-([0-9a-f]{16})\.body)?")
_PART: Final = re.compile(r"([0-9]+)-[0-9a-f]{16}\.part")
_CLEARED: Final = re.compile(r"cleared-[0-9a-f]{16}")

#: A file aside whose process seems to live is nevertheless a leftover this many seconds after its last write.
_ABANDONED: Final = 24 * 3600.0
#: Files that are looked at, or removed, before others get their turn.
_SLICE: Final = 32
#: Files that are removed at once when something was stored and there is no room.
_AT_ONCE: Final = 8
#: Seconds that slices may take one after the other before others get their turn.
_TURN: Final = 0.002
#: Seconds between two turns of a sweep: it reads files, and nobody waits for it.
_SWEEP_PAUSE: Final = 0.01
#: Seconds between the beginnings of two sweeps, at least.
_SWEEP_EVERY: Final = 60.0
#: Soft purges that are remembered; what older ones cover is removed.
_SOFT_KEPT: Final = 1000
#: Purges of any kind after which a sweep is due, so that they can be forgotten.
_MOST_PURGES: Final = 4000
#: Seconds between two rounds of upkeep.
_ROUND: Final = 10.0


class Upkeep:
    """
    Keeps the directory of a cache within its bounds.

    :param max_size: bytes on disk
    :param inactive: seconds
    :ivar complete: every file that was there at the start has been seen
    :ivar progress: of that, 0 to 1
    :ivar evicted: files that were removed for lack of room, or because nobody asked for them
    :ivar each_round: called at the beginning of every round
    :ivar swept: files that were removed because a purge covers them
    """

    def __init__(self, store: Store, max_size: int, inactive: float, clock: Clock, reactor: IReactorTime) -> None:
        self.complete = False
        self.progress = 0.0
        self.evicted = 0
        self.swept = 0
        self._store = store
        self._max_size = max_size
        self._inactive = inactive
        self._clock = clock
        self._reactor = reactor
        self._work: Iterator[None] = iter(())
        self._call: IDelayedCall | None = None
        self.each_round: list[Callable[[], object]] = []
        self._pause = 0.0
        self._swept_at = float("-inf")

    def revise(self, max_size: int, inactive: float) -> None:
        """Other bounds from now on; the next round sees to them."""
        self._max_size = max_size
        self._inactive = inactive

    def start(self) -> None:
        """Begins to look at what is there; returns at once."""
        if self._call is None:
            self._work = self.scan()
            self._call = self._reactor.callLater(0, self._turn)

    def stop(self) -> None:
        """Nothing more is done."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _turn(self) -> None:
        started = self._clock.monotonic()
        delay = self._pause
        for _ in range(_SLICE):
            try:
                next(self._work)
            except StopIteration:
                self._work = self._round()
                delay = _ROUND
                break
            if self._clock.monotonic() - started > _TURN:
                break
        self._call = self._reactor.callLater(delay, self._turn)

    def make_room(self) -> None:
        """After something was stored: removes a few files at once if there is no room; the next round does the rest."""
        for _ in range(_AT_ONCE):
            if self._store.index.bytes <= self._max_size or not self.trim_one():
                return

    def _round(self) -> Iterator[None]:
        for action in self.each_round:
            action()
        yield from self._scan_aside()
        yield from self.trim()
        now = self._clock.monotonic()
        purges = self._store.ledger.purges
        if (purges.is_to_be_swept or len(purges) > _MOST_PURGES) and now - self._swept_at >= _SWEEP_EVERY:
            self._swept_at = now
            self._pause = _SWEEP_PAUSE
            yield from self.sweep()
            self._pause = 0.0

    def sweep(self) -> Iterator[None]:
        """Removes, slice by slice, what purges cover; those need not be remembered any more."""
        store = self._store
        ledger = store.ledger
        kept = ledger.purges.kept()
        soft = [purge for purge in kept if purge.soft]
        done = {*(purge for purge in kept if not purge.soft), *soft[: max(0, len(soft) - _SOFT_KEPT)]}
        seen_all = True
        for shard in self._directories():
            for number, entry in enumerate(self._files(os.path.join(store.directory, shard)), 1):
                found = _FILE.fullmatch(entry.name)
                if found is not None and found[2] is None:
                    try:
                        facts = store.facts(shard + found[1])
                    except OSError:
                        seen_all = False
                    else:
                        if facts is not None and ledger.purges.judge(facts) in done:
                            store.remove(shard + found[1])
                            self.swept += 1
                if number % _SLICE == 0:
                    yield
            yield
        if seen_all:
            ledger.forget(done)

    def trim(self) -> Iterator[None]:
        """Removes, slice by slice, what nobody asked for and what is beyond max_size, the least recently used first."""
        removed = 0
        while self.trim_one():
            removed += 1
            if removed % _SLICE == 0:
                yield

    def trim_one(self) -> bool:
        """Removes the least recently used file if it has to go; says whether it had."""
        oldest = self._store.index.oldest()
        if oldest is None:
            return False
        name, record = oldest
        if self._store.index.bytes <= self._max_size and record.used + self._inactive > self._clock.wall():
            return False
        self._store.remove(name)
        self.evicted += 1
        return True

    def scan(self) -> Iterator[None]:
        """Finds, slice by slice, the files of earlier runs; what is not ours is left alone."""
        yield from self._scan_aside()
        shards = self._directories()
        for passed, shard in enumerate(shards):
            self.progress = passed / len(shards)
            for number, entry in enumerate(self._files(os.path.join(self._store.directory, shard)), 1):
                self._found(shard, entry)
                if number % _SLICE == 0:
                    yield
            yield
        self.complete = True
        self.progress = 1.0

    def _directories(self) -> list[str]:
        return sorted(entry.name for entry in self._files(self._store.directory) if _SHARD.fullmatch(entry.name))

    def _files(self, directory: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(directory) as entries:
                return list(entries)
        except FileNotFoundError:
            return []
        except OSError as error:
            self._store.troubles.report("the cache directory cannot be read", error)
            return []

    def _found(self, shard: str, entry: os.DirEntry[str]) -> None:
        found = _FILE.fullmatch(entry.name)
        if found is None:
            return
        try:
            about = entry.stat(follow_symlinks=False)
        except OSError:
            return  # It went in the meantime.
        name, token = shard + found[1], found[2]
        index = self._store.index
        known = index.get(name)
        used = min(about.st_mtime, self._clock.wall())
        if known is None:
            index.put(name, pages(about.st_size), used, () if token is None else (token,), whole=token is None)
        elif token is None and not known.whole:
            index.put(name, known.size + pages(about.st_size), used, known.bodies)
        elif token is not None and token not in known.bodies:
            index.put(name, known.size + pages(about.st_size), known.used, (*known.bodies, token), known.whole)

    def _scan_aside(self) -> Iterator[None]:
        for entry in self._files(self._store.aside):
            found = _PART.fullmatch(entry.name)
            if found is not None and entry.path not in self._store.writing and self._is_leftover(int(found[1]), entry):
                remove_file(entry.path)
            elif _CLEARED.fullmatch(entry.name):
                yield from self._empty(entry.path)
            yield

    def _empty(self, directory: str) -> Iterator[None]:
        for number, entry in enumerate(self._files(directory), 1):
            if _FILE.fullmatch(entry.name):
                remove_file(entry.path)
            if number % _SLICE == 0:
                yield
        with contextlib.suppress(OSError):  # What is not ours keeps the directory.
            os.rmdir(directory)

    def _is_leftover(self, process: int, entry: os.DirEntry[str]) -> bool:
        if process == os.getpid():
            return True
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        except OSError:
            pass  # Somebody else's process: it lives.
        try:
            return self._clock.wall() - entry.stat(follow_symlinks=False).st_mtime > _ABANDONED
        except OSError:
            return False
