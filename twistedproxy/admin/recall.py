"""Requests that have ended lately, and those that run: found, and told."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest

from twistedproxy.admin.live import Live
from twistedproxy.admin.tables import duration
from twistedproxy.balance.lookback import Seen
from twistedproxy.balance.peer import Peer
from twistedproxy.forward.exchange import Exchange
from twistedproxy.forward.remembered import Remembered, facts
from twistedproxy.forward.routes import Route
from twistedproxy.settings.knob import NEVER
from twistedproxy.story.tale import RanAt, Tale


class Recall:
    """What is remembered of the requests of one proxy."""

    def __init__(self, live: Live) -> None:
        self._live = live

    @property
    def most(self) -> int:
        """So many are remembered; 0: none are."""
        site = self._live.site
        return site.remembered.maxlen or 0 if site is not None and site.remembered is not None else 0

    def latest(self) -> Iterator[Remembered]:
        """Those that have ended, the latest first."""
        site = self._live.site
        for each in reversed(list(site.remembered) if site is not None and site.remembered is not None else []):
            yield Remembered(*each)

    def find(self, wanted: int | str) -> Tale | None:
        """The request with that number, or that request id; None: it is not known (any more)."""
        for past in self.latest():
            if wanted in (past.number, past.request_id or None):
                return self.tale(past)
        for exchange in self._live.running():
            known = Remembered(*facts(exchange))
            if wanted in (known.number, known.request_id or None):
                lasts = self._live.clock.monotonic() - known.started
                return self.tale(known._replace(request_time=lasts), exchange)
        return None

    def last(self) -> Tale | None:
        """The last one that has failed through a peer's or the proxy's fault; without any, the last one; None: there is none."""
        latest = list(self.latest())
        failed = next((past for past in latest if past.status >= 500), None)
        return self.tale(failed or latest[0]) if latest else None

    def tale(self, past: Remembered, runs: Exchange | None = None) -> Tale:
        """What is known of *past*; *runs*: its exchange, if that has not ended."""
        live = self._live
        now = live.clock.monotonic()
        began = time.gmtime(live.clock.wall() - (now - past.started))
        ago = "it runs" if runs is not None else f"ended {duration(now - past.ended)} ago"
        tale = Tale(
            past,
            None if past.head.is_large else self._passed_over(past),
            when=f"begun at {time.strftime('%H:%M:%S', began)} UTC, {ago}",
            finished=runs is None,
            is_websocket=runs is not None and runs.upgrade is not None,
            ran_at=self._ran_at(past),
        )
        if past.head.is_large:
            tale.lost = "its head was large, of which little is kept"
        return tale

    def _passed_over(self, past: Remembered) -> list[tuple[Route, str]] | None:
        """Asks the table once more, to be told; None: it is another one since."""
        live = self._live
        assert live.site is not None
        if past.route is not None and past.route not in live.routes.routes:
            return None
        seen: list[tuple[Route, str]] = []
        port = past.head.fields.port or past.port
        asked = _Asked(past, live)
        live.routes.match(past.scheme, past.head.fields.host, port, past.head.route_path, past.listener, asked, seen)  # type: ignore[arg-type]
        return seen

    def _ran_at(self, past: Remembered) -> RanAt:
        """Counts the exchanges other than *past* that had an attempt on a peer."""
        known: dict[float, Counter[Peer] | None] = {}

        def ran_at(seen: Seen, moment: float) -> int | None:
            if moment not in known:
                known[moment] = self._busy(past, moment)
            busy = known[moment]
            return None if busy is None else busy[seen.peer]

        return ran_at

    def _busy(self, past: Remembered, moment: float) -> Counter[Peer] | None:
        """By peer, at *moment* (monotonic); None: requests that would have to be counted are remembered no more."""
        latest = list(self.latest())
        if len(latest) >= self.most and latest and latest[-1].ended > moment:
            return None
        others = [*latest, *(Remembered(*facts(exchange)) for exchange in self._live.running())]
        return Counter(peer for other in others if other.number != past.number for peer in _on(other, moment))


class _Door:
    """Where it came in; of its certificate, if it had one, nothing is kept."""

    secured = None
    trusted = False

    def __init__(self, past: Remembered) -> None:
        self.port = past.port
        self.scheme = past.scheme
        self.listener_name = past.listener
        self.address = past.address


class _Asked:
    """What the conditions of routes ask of an exchange that has ended."""

    def __init__(self, past: Remembered, live: Live) -> None:
        self.head = past.head
        self.scheme = past.scheme
        self.client = past.client
        self.client_port = 0
        self.downstream = _Door(past)
        self.route = past.route
        self.site = live.site
        self.identity = None
        self.noted = past.noted


def _on(other: Remembered, moment: float) -> Iterator[Peer]:
    """The peers on which *other* had an attempt at *moment*."""
    attempts = other.attempts
    for attempt, after in zip_longest(attempts, attempts[1:]):
        if attempt.response_time is not None:
            ended = attempt.started + attempt.response_time
        elif attempt.failed_after is not None:
            ended = attempt.started + attempt.failed_after
        elif attempt.upstream is not None:
            ended = NEVER
        else:
            ended = after.started if after is not None else other.ended
        if attempt.started <= moment < ended:
            yield attempt.peer
