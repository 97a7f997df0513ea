"""The guard of ``limits``: counts a request for every limit of its route, lets it in, lets it wait, or refuses it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from twisted.logger import Logger

from twistedproxy import errors
from twistedproxy.forward.guards.admission import admission_of
from twistedproxy.forward.guards.limit import Limit, rate_fields, whole_seconds
from twistedproxy.forward.guards.pace import Meter, pace_of
from twistedproxy.forward.guards.refusing import refuse
from twistedproxy.message import Field

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange

_log = Logger()


class _Counted:
    """What a request comes to in the table of one limit, before it is known whether all others let it in."""

    __slots__ = ("late", "limit", "place", "tag", "time")

    def __init__(self, limit: Limit, key: str, now: float) -> None:
        assert limit.rate is not None
        self.limit = limit
        self.tag, self.place, self.time = limit.look(key, now)
        self.late = limit.rate.late(self.time, now)

    def take(self, now: float) -> float:
        """Count it; seconds for which the request has to wait."""
        limit = self.limit
        assert limit.rate is not None
        wait = self.time - now if limit.may_wait(self.late, self.time, now) and not limit.settings.dry_run else 0.0
        self.time += limit.rate.interval
        limit.arrivals.note(self.place, self.tag, self.time, now)
        return wait


class Limiting:
    """
    Counts requests.  What one limit refuses counts for none of them.

    :param limits: in the order in which the route names them
    """

    __slots__ = ("_limits", "_only")

    def __init__(self, limits: Sequence[Limit]) -> None:
        self._limits = tuple(limits)
        # The only one, when a rate is all that it has.
        self._only = self._limits[0] if len(self._limits) == 1 and self._limits[0].is_plain else None

    def admit(self, exchange: Exchange, passed: int) -> bool:
        """As :meth:`twistedproxy.forward.routes.Guard.admit`."""
        now = exchange.site.clock.monotonic()
        only = self._only
        if only is not None:
            # The short way of most: the long one would do the same.
            key = only.key(exchange)
            if not key or only.take(key, now):
                return True
        counted: list[_Counted] = []
        places: list[tuple[Limit, str]] = []
        for limit in self._limits:
            key = limit.key(exchange)
            if not key:
                continue
            most = limit.settings.connections
            if most and limit.running[key] >= most and not self._refused(exchange, limit, key):
                return False
            if most:
                places.append((limit, key))
            if limit.rate is not None:
                each = _Counted(limit, key, now)
                if each.late > 0 and not self._refused(exchange, limit, key, each, now):
                    return False
                if each.late <= 0:
                    counted.append(each)
            if limit.settings.bandwidth is not None and not limit.settings.dry_run:
                pace_of(exchange).add(Meter(limit, key))
        for limit, key in places:
            limit.running[key] += 1
            admission_of(exchange).releases.append(partial(_leave, limit, key))
        waits = [(each.take(now), each.limit) for each in counted]
        told = [each for each in counted if each.limit.settings.announce]
        if told:
            admission_of(exchange).fields += _announced(told, now)
        seconds, slowest = max(waits, key=lambda each: each[0], default=(0.0, None))
        for limit in {limit for limit, _ in places} | {each.limit for each in counted}:
            if limit is not slowest or not seconds:
                limit.passed += 1
        if slowest is None or not seconds:
            return True
        self._wait(exchange, passed, slowest, seconds)
        return False

    def _refused(self, exchange: Exchange, limit: Limit, key: str, counted: _Counted | None = None, now: float = 0.0) -> bool:
        """A limit refuses; whether the request is let in all the same, because it is only tried out."""
        limit.refused += 1
        if limit.settings.dry_run:
            _log.info(
                "limit {limit} would refuse {client} on {route}", limit=limit.name, client=exchange.client, route=exchange.route
            )
            return True
        fields: tuple[Field, ...] = ()
        if counted is not None:
            seconds = max(1, whole_seconds(counted.late))
            fields = ((b"Retry-After", b"%d" % seconds), *_announced([counted], now))
        refuse(exchange, errors.TOO_MANY_REQUESTS if counted is not None else errors.TOO_MANY_AT_ONCE, limit.name, fields)
        return False

    def _wait(self, exchange: Exchange, passed: int, limit: Limit, seconds: float) -> None:
        """Let the request wait for its turn."""
        limit.delayed += 1
        limit.waiting += 1
        admission = admission_of(exchange)

        def go_on() -> None:
            limit.waiting -= 1
            admission.waiting = None
            exchange.guard(passed)

        def leave() -> None:
            limit.waiting -= 1
            call.cancel()

        call = exchange.site.reactor.callLater(seconds, go_on)
        admission.waiting = leave


def _announced(counted: Sequence[_Counted], now: float) -> tuple[Field, ...]:
    return rate_fields([each.limit.policy for each in counted], [each.limit.told(each.time, now) for each in counted])


def _leave(limit: Limit, key: str) -> None:
    limit.running[key] -= 1
    if not limit.running[key]:
        del limit.running[key]
