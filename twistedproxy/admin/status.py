"""The state of the proxy as values that JSON can say.  Only reads: what is read knows nothing of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from twistedproxy.admin import apps, certificates
from twistedproxy.admin.live import Live
from twistedproxy.admin.process import usage
from twistedproxy.admin.views import destination
from twistedproxy.balance.membership import Membership, Name
from twistedproxy.balance.peer import Peer
from twistedproxy.balance.pool import Pool
from twistedproxy.balance.queue import Queue
from twistedproxy.cache.cache import Cache
from twistedproxy.downstream.door import Door
from twistedproxy.forward.durations import STEPS
from twistedproxy.forward.guards.limit import Limit
from twistedproxy.forward.routes import Route
from twistedproxy.settings.knob import NEVER
from twistedproxy.version import VERSION


def snapshot(live: Live) -> dict[str, Any]:
    """
    Everything that ``/status.json`` says.

    Times of day are seconds since 1970, durations seconds, sizes bytes; counters count from the start of the process.
    """
    now = live.clock.wall()
    for pool in live.pools.values():
        pool.refresh(live.clock.monotonic())
    connections = [connection for listener in live.listeners for connection in listener.connections]
    routes = live.routes.routes
    return {
        "version": VERSION,
        "now": round(now, 3),
        "started": round(live.started, 3),
        "uptime": round(now - live.started, 3),
        "process": usage(),
        "totals": {
            "accepted": sum(listener.accepted for listener in live.listeners),
            "connections": len(connections),
            "websockets": len(live.websockets),
            "requests": sum(route.requests for route in routes),
            "errors": sum(route.errors for route in routes),
        },
        "listeners": [_listener(listener) for listener in live.listeners],
        "routes": [_route(route) for route in routes],
        "pools": {name: _pool(pool, live.memberships.get(name)) for name, pool in live.pools.items()},
        "apps": {name: apps.snapshot(app) for name, app in live.apps.items()},
        "limits": {name: _limit(limit) for name, limit in live.limits.items()},
        "certificates": certificates.snapshot(live),
        "caches": {name: _cache(cache) for name, cache in live.caches.items()},
        "logs": {name: {"lines": log.lines, "lost": log.lost, "held": log.held} for name, log in live.logs.items()},
        "spans": None
        if live.spans is None
        else {"exported": live.spans.exported, "lost": live.spans.lost, "waiting": live.spans.waiting},
    }


def _listener(listener: Door) -> dict[str, Any]:
    return {
        "name": listener.settings.name,
        "kind": listener.kind,
        "addresses": list(listener.addresses),
        "tls": listener.settings.tls,
        "connections": len(listener.connections),
        "max_connections": listener.settings.max_connections,
        "accepted": listener.accepted,
        "turned_away": listener.turned_away,
        "refused": dict(listener.refused),
    }


def _route(route: Route) -> dict[str, Any]:
    return {
        "name": route.name,
        "to": destination(route),
        "pool": route.settings.pool,
        "cache": route.settings.cache,
        "requests": route.requests,
        "statuses": {f"{digit}xx": route.statuses[digit] for digit in range(1, 6)},
        "errors": route.errors,
        "durations": {
            "sum": round(route.durations.total, 6),
            "buckets": dict(zip((*map(str, STEPS), "+Inf"), route.durations.counts, strict=True)),
        },
        **({"not_copied": route.mirror.dropped} if route.mirror is not None else {}),
    }


def _pool(pool: Pool, membership: Membership | None) -> dict[str, Any]:
    return {
        "balance": str(pool.settings.balance),
        "sticky": _sticky(pool),
        "check": str(pool.settings.check) if pool.settings.check is not None else None,
        "available": sum(peer.available for peer in pool.peers),
        "retries": pool.retries,
        "hedges": pool.hedges,
        "retries_refused": pool.retries_refused,
        "ejections": sum(peer.ejections for peer in pool.peers),
        "ejections_refused": pool.ejections_refused,
        "queue": _queue(pool.queue) if pool.queue is not None else None,
        "names": [_name(name) for name in membership.names.values()] if membership is not None else [],
        "peers": [_peer(peer, membership, pool.clock.monotonic()) for peer in (*pool.peers, *pool.leaving)],
    }


def _sticky(pool: Pool) -> dict[str, Any] | None:
    if pool.settings.sticky is None:
        return None
    counts = pool.bindings
    counted = {name: getattr(counts, name) for name in ("kept", "made", "moved", "unknown")} if counts is not None else {}
    return {"by": str(pool.settings.sticky), **counted}


def _queue(queue: Queue) -> dict[str, Any]:
    return {
        "waiting": len(queue),
        "length": queue.length,
        "waits": queue.waits,
        "refused": queue.refused,
        "timeouts": queue.timeouts,
        "left": queue.left,
    }


def _name(name: Name) -> dict[str, Any]:
    return {
        "name": name.line.name,
        "origin": name.origin,
        "peers": None if name.found is None else len(name.found),
        "problem": name.problem or None,
    }


def _peer(peer: Peer, membership: Membership | None, now: float) -> dict[str, Any]:
    return {
        "name": peer.name,
        "origin": peer.origin,
        "addresses": list(membership.addresses(peer)) if membership is not None else [],
        "state": str(peer.state),
        "until": round(peer.will_ends, 3) if peer.will_ends < NEVER else None,
        "available": peer.available,
        "why": peer.why,
        "since": round(peer.since, 3),
        "weight": peer.weight,
        "effective_weight": peer.effective_weight,
        "backup": peer.backup,
        "in_flight": peer.in_flight,
        "max_connections": peer.settings.max_connections or None,
        "idle": len(peer.idle),
        "attempts": peer.attempts,
        "failures": peer.failures,
        "answer_time": round(peer.answer_time.usual(now), 6) if peer.is_timed else None,
        "ejections": peer.ejections,
        "last_failure": peer.last_failure.name if peer.last_failure is not None else None,
        "bytes_sent": peer.bytes_sent,
        "bytes_received": peer.bytes_received,
        "checks": [
            {
                "at": round(check.at, 3),
                "duration": round(check.duration, 6),
                "passed": check.passed,
                "reason": check.reason or None,
                "counts": check.counts,
            }
            for check in peer.last_checks
        ],
    }


def _limit(limit: Limit) -> dict[str, Any]:
    return {
        "key": limit.settings.key,
        "passed": limit.passed,
        "delayed": limit.delayed,
        "refused": limit.refused,
        "dry_run": limit.settings.dry_run,
        "waiting": limit.waiting,
        "running": sum(limit.running.values()),
        "shared": limit.shared,
    }


def _cache(cache: Cache) -> dict[str, Any]:
    return {"max_size": cache.settings.max_size, **asdict(cache.stats())}
