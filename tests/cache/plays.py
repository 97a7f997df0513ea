"""Plays for the cache: requests and responses in one line each, and a cache in a directory with a clock advanced by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import Clock
from zope.interface import implementer

from twistedproxy.cache.cache import Cache
from twistedproxy.cache.dates import format_date
from twistedproxy.cache.entry import Entry
from twistedproxy.cache.fill import Fill
from twistedproxy.cache.outcomes import Outcome, StoreVerdict
from twistedproxy.cache.responses import Lookup
from twistedproxy.cache.rules import Rules
from twistedproxy.message import Headers, RequestFields, RequestHead, ResponseHead
from twistedproxy.settings.caches import CacheSettings, CacheValid

START = 1_800_000_000.0
#: What a cache is when nothing is said of it.
USUAL = CacheSettings(name="play", directory="")


@implementer(IReactorTime)
class HandClock(Clock):
    """Reactor time, monotonic and wall time, advanced by hand; the wall clock can also be set."""

    set_by = 0.0
    turns = 0

    def callLater(  # the names are those of Twisted's
        self,
        delay: float,
        callable: Callable[..., object],  # noqa: A002
        *args: object,
        **kw: object,
    ) -> IDelayedCall:
        self.turns += 1
        return super().callLater(delay, callable, *args, **kw)

    def monotonic(self) -> float:
        return float(self.seconds())

    def wall(self) -> float:
        return START + float(self.seconds()) + self.set_by


def headers(text: str = "") -> Headers:
    """Fields, one a line."""
    fields = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, _, value = line.partition(":")
        fields.append((name.encode("latin-1"), value.strip().encode("latin-1")))
    return Headers(fields)


def request(text: str = "", *, method: str = "GET", target: str = "/page", length: int = 0, upgrade: bool = False) -> RequestHead:
    """A request for example.com."""
    fields = RequestFields(headers(text), length=length, upgrade=(b"websocket",) if upgrade else ())
    raw = target.encode("latin-1")
    return RequestHead(method.encode(), raw, 11, fields, path=raw, query=None, route_path=raw, authority=b"example.com")


def response(text: str = "", *, status: int = 200, length: int = 0) -> ResponseHead:
    """A response."""
    return ResponseHead(status, b"OK", headers(text), length=length)


def date(offset: float = 0.0) -> str:
    """An HTTP-date *offset* seconds from the start."""
    return format_date(START + offset).decode("ascii")


class Stage:
    """
    A cache in a directory, and what a proxy does with it.

    :param scan: let the cache find what is there
    :param at: seconds after START
    """

    def __init__(
        self,
        directory: Path | str,
        *,
        scan: bool = True,
        at: float = 0.0,
        max_size: int = USUAL.max_size,
        memory: int = USUAL.memory,
        max_entry: int = USUAL.max_entry,
        inactive: float = USUAL.inactive,
    ) -> None:
        self.clock = HandClock()
        self.clock.set_by = at
        settings = CacheSettings(
            name="play",
            directory=str(directory),
            max_size=max_size,
            memory=memory,
            max_entry=max_entry,
            inactive=inactive,
        )
        self.cache = Cache(settings, self.clock, self.clock)
        self.cache.start()
        if scan:
            self.settle()

    def settle(self) -> None:
        """Lets the upkeep do what it has to do at this moment."""
        self.clock.advance(0)

    def later(self, seconds: float) -> None:
        """Time goes by, and the upkeep with it."""
        self.clock.advance(seconds)
        self.settle()

    def lookup(self, asked: RequestHead | None = None) -> Lookup:
        """What the cache says of a request now."""
        return self.cache.lookup(asked or request(), b"http", self.clock.wall())

    def fetch(
        self,
        fields: str = "Cache-Control: max-age=60",
        body: bytes = b"hello",
        asked: RequestHead | None = None,
        *,
        status: int = 200,
        cache_valid: CacheValid = (),
    ) -> StoreVerdict:
        """A request that goes to the peer, whose answer is offered to the cache: what became of it."""
        asked = asked or request()
        now = self.clock.wall()
        lookup = self.cache.lookup(asked, b"http", now)
        answer = response(fields, status=status, length=len(body))
        admitted = self.cache.admit(lookup, asked, answer, now, now, Rules(cache_valid))
        if not isinstance(admitted, Fill):
            return admitted
        for start in range(0, len(body), 100_000):
            admitted.write(body[start : start + 100_000])
        return admitted.commit()

    def served(self, asked: RequestHead | None = None) -> bytes | None:
        """The body that a client would get from the cache; None when a peer has to be asked."""
        lookup = self.lookup(asked)
        if lookup.outcome is not Outcome.SERVE:
            return None
        assert lookup.entry is not None
        return body_of(lookup.entry)

    def forget_memory(self) -> None:
        """Empties the hot tier, so that the next lookup goes to the disk."""
        self.cache._memory.clear()

    def files(self) -> list[Path]:
        """Every file of entries below the cache's directory, in a fixed order."""
        found = Path(self.cache.settings.directory).rglob("*")
        return sorted(path for path in found if path.is_file() and path.name != "purges")


def body_of(entry: Entry) -> bytes:
    """The whole body of an entry, read as a proxy reads it."""
    if entry.body is not None:
        return entry.body
    reader = entry.open()
    blocks = []
    while block := reader.read():
        blocks.append(block)
    return b"".join(blocks)
