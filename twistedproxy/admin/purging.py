"""What the shell's purge verbs do, and what they say of it."""

from __future__ import annotations

from typing import Final

from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.live import Live
from twistedproxy.admin.tables import count, printable
from twistedproxy.admin.verb import Said
from twistedproxy.cache.key import key_of_url
from twistedproxy.cache.purge import PurgeKind
from twistedproxy.cache.removals import Purged
from twistedproxy.spelling import counted

#: Seconds for which a preview may read files of one cache, while nothing else happens.
_PREVIEW: Final = 0.2


class Purging:
    """Purges in every cache of a proxy."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def url(self, url: str, *, soft: bool) -> Said:
        """Purge one absolute URL."""
        done = self._purge(PurgeKind.URL, _key(url), soft=soft)
        gone = {name: purged.count for name, purged in done.items() if purged.count}
        if not gone:
            return Said(f"nothing was stored for {printable(url)}{_warning(done)}")
        where = ", ".join(f"{counted(number, 'response')} in {name}" for name, number in gone.items())
        return Said(f"{printable(url)} is {'stale' if soft else 'forgotten'}: {where}{_warning(done)}")

    def many(self, kind: PurgeKind, value: str, *, soft: bool) -> Said:
        """Purge by prefix or tag."""
        done = self._purge(kind, _value(kind, value), soft=soft)
        now = "stale" if soft else "forgotten; the files go behind"
        return Said(f"whatever {_what(kind)} {printable(value)} is {now}{_warning(done)}")

    def all(self, name: str, *, soft: bool) -> Said:
        """Purge all of one cache."""
        done = self._live.caches[name].removals.purge(PurgeKind.ALL, b"", soft=soft)
        now = "stale" if soft else "forgotten"
        return Said(f"all of {name} is {now}: {counted(done.count, 'file')}{_warning({name: done})}")

    def preview(self, kind: PurgeKind, value: str) -> Said:
        """Say what a purge by prefix or tag would cover."""
        asked = _value(kind, value)
        lines = []
        for name, cache in self._live.caches.items():
            seen = cache.removals.preview(kind, asked, _PREVIEW)
            of = "all" if seen.looked_at == seen.known else f"the latest {count(seen.looked_at)} of"
            lines.append(f"{name}: {counted(seen.count, 'response')} among {of} {counted(seen.known, 'file')}")
        return Said("\n".join(lines) or "no caches")

    def _purge(self, kind: PurgeKind, value: bytes, *, soft: bool) -> dict[str, Purged]:
        return {name: cache.removals.purge(kind, value, soft=soft) for name, cache in self._live.caches.items()}


def _what(kind: PurgeKind) -> str:
    return "begins with" if kind is PurgeKind.PREFIX else "has the tag"


def _warning(done: dict[str, Purged]) -> str:
    names = ", ".join(name for name, purged in done.items() if not purged.written)
    return f"; in {names} until the next start only, and only here: it could not be written down" if names else ""


def _key(url: str) -> bytes:
    key = key_of_url(url.encode("utf-8", "backslashreplace")) if isinstance(url, str) else None
    if key is None:
        raise VerbError(f"a URL is absolute, like 'https://example.com/a?b=c', not {url!r}")
    return key


def _value(kind: PurgeKind, value: str) -> bytes:
    if kind is PurgeKind.PREFIX:
        return _key(value)
    tag = value.encode("utf-8", "backslashreplace") if isinstance(value, str) else b""
    if not tag or any(apart in tag for apart in (b" ", b",")):
        raise VerbError(f"a tag is one word, without blanks and commas, not {value!r}")
    return tag
