"""The shell's verbs that tell what became of requests, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from twistedproxy.admin.expressions import Expression, ExpressionError
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.live import Live
from twistedproxy.admin.ongoing import Ongoing
from twistedproxy.admin.recall import Recall
from twistedproxy.admin.tables import Column, duration, printable, size
from twistedproxy.admin.trace import Trace, told
from twistedproxy.admin.verb import Listing, Said, Verb, known
from twistedproxy.errors import RequestError
from twistedproxy.forward.remembered import Remembered
from twistedproxy.rehearsal.live_stage import LiveStage
from twistedproxy.rehearsal.request import NotAsked, made_up
from twistedproxy.remedies import remedy_for
from twistedproxy.story.lines import lasting
from twistedproxy.story.tale import Tale

#: Rows of recent() at most.
_MOST_ROWS: Final = 1000
#: Stories of one trace(), and its seconds, at most.
_MOST_STORIES: Final = 100
_LONGEST: Final = 3600
#: Characters of a URL in a row.
_SHOWN: Final = 80


class StoryVerbs:
    """The verbs of one operator, whose terminal has *width* characters a line."""

    def __init__(self, live: Live, width: Callable[[], int | None]) -> None:
        self._live = live
        self._width = width
        self._recall = Recall(live)

    def verbs(self) -> Sequence[Verb]:
        """All of them."""
        return (Verb(self.why, (self._numbers,)), Verb(self.recent), Verb(self.trace))

    def why(
        self, request: int | str | None = None, url: str | None = None, *fields: str, client: str = "", listen: str = ""
    ) -> Said:
        """
        what became of a request, phase by phase, and why

        why(1234): by its number, as the error log and recent() have it; why('4bf92f…'): by its request id; why(): the last one
        that was answered with 500 or above, or else the last one.
        why('GET', 'https://example.com/a', 'Name: value'): what would become of one, with the peers, limits and caches as they
        are; nothing is sent, and nothing changes.  client: its address; listen: the listener by which it comes.
        """
        if url is None:
            return Said(told(self._found(request)))
        return Said(self._would(f"{request} {url}", fields, client, listen))

    def _would(self, line: str, fields: Sequence[str], client: str, listen: str) -> str:
        """What would become of the request *line*."""
        live = self._live
        if live.site is None:
            raise VerbError("this proxy has no routes")
        try:
            request = made_up(live.settings, line, [str(field) for field in fields], client=str(client), listener=str(listen))
        except (NotAsked, UnicodeError) as problem:
            raise VerbError(str(problem)) from None
        except RequestError as error:
            return f"{'parse':9}{error.reason.status}, nothing is forwarded: {printable(str(error))}"
        try:
            with LiveStage(live.settings, live.site, live.caches, live.limits) as stage:
                return told(stage.tale_of(stage.ask(request)))
        except (OSError, ValueError) as problem:
            raise VerbError(f"a file of the site cannot be used: {problem}") from None

    def recent(self, status: int | str | None = None, route: str | None = None, most: int = 20) -> Listing[Remembered]:
        """
        the requests that have ended lately, the latest first

        recent(status=502), recent(status='5xx'), recent(route='/api/'), recent(most=100).  why(number) tells all of one.
        """
        self._remembers()
        if route is not None:
            known("route", route, (each.name for each in self._live.routes.routes))
        if not isinstance(most, int) or not 1 <= most <= _MOST_ROWS:
            raise VerbError(f"most is a number from 1 to {_MOST_ROWS}, not {most!r}")
        fits = _statuses(status)
        chosen: list[Remembered] = []
        for past in self._recall.latest():
            if fits(past.status) and (route is None or (past.route is not None and past.route.name == route)):
                chosen.append(past)
                if len(chosen) == most:
                    break
        return self._listing(chosen)

    def trace(self, which: str | None = None, most: int = 10, seconds: float = 60) -> Ongoing:
        """
        the stories of the next requests, as they end

        trace("status >= 500 and route == '/api/'"): of those for which that is true; the names are those of templates.  It ends
        after so many requests, after so many seconds, with q, and with the connection.
        """
        if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= _MOST_STORIES:
            raise VerbError(f"most is a number from 1 to {_MOST_STORIES}, not {most!r}")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= _LONGEST:
            raise VerbError(f"seconds is a number up to {_LONGEST}, not {seconds!r}")
        if self._live.site is None:
            raise VerbError("this proxy has no routes")
        try:
            expression = None if which is None else Expression(which)
        except ExpressionError as problem:
            raise VerbError(str(problem)) from None
        return Trace(self._live, expression, most, float(seconds))

    def _listing(self, chosen: Iterable[Remembered]) -> Listing[Remembered]:
        columns = (
            Column("NUMBER", right=True),
            Column("AGO", right=True),
            Column("STATUS", right=True),
            Column("REQUEST"),
            Column("ROUTE", drop=3),
            Column("PEER", drop=2),
            Column("CACHE", drop=5),
            Column("TOOK", right=True),
            Column("SENT", right=True, drop=6),
            Column("CLIENT", drop=7),
            Column("CAUSE", drop=1),
        )
        now = self._live.clock.monotonic()

        def row(past: Remembered) -> list[str]:
            remedy = remedy_for(past.reason) if past.reason is not None else None
            return [
                str(past.number),
                duration(now - past.ended),
                str(past.status),
                f"{past.head.method.decode('latin-1')} {past.url}"[:_SHOWN],
                past.route.name if past.route is not None else "-",
                past.attempt.peer.name if past.attempt is not None else "-",
                past.cache_status or "-",
                lasting(past.request_time).replace(" ", ""),
                size(past.bytes_sent),
                past.client,
                remedy.cause if remedy is not None else past.reason.name if past.reason is not None else "-",
            ]

        named = [(str(past.number), past) for past in chosen]
        return Listing(named, columns, row, self._width, empty="no such requests")

    def _found(self, request: int | str | None) -> Tale:
        if request is not None and (isinstance(request, bool) or not isinstance(request, int | str)):
            raise VerbError(f"a request is its number or its id, not {request!r}")
        if isinstance(request, str) and request.isdecimal() and len(request) < 16:
            request = int(request)
        tale = self._recall.last() if request is None else self._recall.find(request)
        if tale is not None:
            return tale
        self._remembers()
        if request is None:
            raise VerbError("no request has ended yet")
        raise VerbError(
            f"request {request!r} is not among the last {self._recall.most} that have ended ([site] remember), nor does it run; "
            "recent() lists them"
        )

    def _remembers(self) -> None:
        if not self._recall.most:
            raise VerbError("nothing is remembered of requests that have ended: [site] remember = 0")

    def _numbers(self, given: Sequence[str]) -> Iterable[str]:
        return [str(past.number) for past in self._recall.latest()][:_MOST_ROWS]


def _statuses(wanted: int | str | None) -> Callable[[int], bool]:
    """Which statuses *wanted* means: ``502``, ``'5xx'``."""
    if wanted is None:
        return lambda status: True
    text = str(wanted).lower()
    if text.isdecimal() and len(text) == 3:
        return lambda status: str(status) == text
    if len(text) == 3 and text[0].isdecimal() and text[1:] == "xx":
        return lambda status: str(status)[0] == text[0]
    raise VerbError(f"a status is a number such as 502, or a class such as '5xx', not {wanted!r}")
