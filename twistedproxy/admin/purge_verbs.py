"""The verbs by which caches forget."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from twistedproxy.admin.changes import Changes
from twistedproxy.admin.purging import Purging
from twistedproxy.admin.roles import Role
from twistedproxy.admin.verb import Said, Verb, known
from twistedproxy.cache.purge import PurgeKind

if TYPE_CHECKING:
    from twistedproxy.admin.live import Live

#: URLs of a cache that Tab offers.
_OFFERED: Final = 50
_WHY_NOT: Final = "what is forgotten is fetched again"


class PurgeVerbs:
    """The verbs of one operator, whose changes are *changes*."""

    def __init__(self, live: Live, changes: Changes) -> None:
        self._live = live
        self._changes = changes
        self._purging = Purging(live)

    def verbs(self) -> Sequence[Verb]:
        """In the order in which help() lists them."""
        return (
            Verb(self.purge, (self.entry_urls,), Role.OPERATE),
            Verb(self.purge_prefix, (self.entry_urls,), Role.OPERATE),
            Verb(self.purge_tag, (), Role.OPERATE),
            Verb(self.purge_all, (self.cache_names,), Role.OPERATE),
        )

    def purge(self, url: str, soft: bool = False) -> Said:
        """
        forget what is stored for a URL, in every cache

        The URL is absolute, as a client would ask for it: purge('https://example.com/a?b=c').
        With soft=True it is stale from now on instead: it is validated, or serves where stale answers may.
        """
        return self._made(
            f"purge({url!r}, soft={bool(soft)})",
            lambda: self._purging.url(url, soft=soft),
            f"{url!r} is {_now(soft)}, in every cache",
            soft,
        )

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
        name = known("cache", cache, self._live.caches)
        would = f"all of {name} is {_now(soft)}"
        return self._made(f"purge_all({name!r}, soft={bool(soft)})", lambda: self._purging.all(name, soft=soft), would, soft)

    def _purge_many(self, verb: str, kind: PurgeKind, value: str, soft: bool, preview: bool) -> Said:
        if preview or self._changes.is_dry:
            return self._purging.preview(kind, value)
        command = f"{verb}({value!r}, soft={bool(soft)})"
        return self._made(command, lambda: self._purging.many(kind, value, soft=soft), "", soft)

    def _made(self, command: str, do: Callable[[], Said], would: str, soft: bool) -> Said:
        said: Said = self._changes.make_for_good(command, do, would, "what is stale is validated" if soft else _WHY_NOT)
        return said

    def cache_names(self, given: Sequence[str]) -> Iterable[str]:
        """What a cache can be called."""
        return self._live.caches

    def entry_urls(self, given: Sequence[str]) -> Iterable[str]:
        """URLs of what is stored."""
        # Every entry is a file to read: only the latest are offered.
        for cache in self._live.caches.values():
            yield from (entry.url for entry in itertools.islice(cache.entries(), _OFFERED))


def _now(soft: bool) -> str:
    """What becomes of what is purged."""
    return "stale" if soft else "forgotten"
