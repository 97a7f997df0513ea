"""
The state of the proxy as Prometheus reads it: ``/metrics``.

Everything is read from the snapshot of :mod:`twistedproxy.admin.status` at the moment of the scrape; the data path counts for it
what it counts anyway.  Labels are names from the site file, peers that belong to a pool now, and named reasons: their number is
bounded by the site, never by clients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from twistedproxy.admin.status import snapshot
from twistedproxy.balance.peer import PeerState

State = dict[str, Any]
#: Labels and a value.
Sample = tuple[tuple[str, ...], float]

_PREFIX: Final = "twistedproxy_"
#: The label for each state that a snapshot tells.
_STATES: Final = {str(state): state.name.lower() for state in PeerState}


class Metrics:
    """
    What is scraped, by a registry of its own.

    :param live: the running proxy, as :func:`twistedproxy.admin.status.snapshot` takes it
    """

    def __init__(self, live: Any) -> None:
        self._live = live
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: what there is depends on the site."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All families of the present state."""
        state = snapshot(self._live)
        yield _gauge("info", "What runs here; always 1.", ("version",), [((state["version"],), 1.0)])
        yield _gauge("start_time_seconds", "When the proxy started, seconds since 1970.", (), [((), state["started"])])
        for families in (_listeners, _routes, _pools, _peers, _caches, _apps, _limits, _certificates, _logs, _spans):
            yield from families(state)

    def page(self, accepts: str) -> tuple[bytes, bytes]:
        """
        The media type and the text of a scrape.

        :param accepts: the scraper's Accept field, by which OpenMetrics or Prometheus's own format is chosen
        """
        encoder, kind = choose_encoder(accepts)
        return kind.encode("ascii"), encoder(self._registry)


def _counter(name: str, text: str, labels: tuple[str, ...], samples: Iterable[Sample]) -> Metric:
    family = CounterMetricFamily(_PREFIX + name, text, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _gauge(name: str, text: str, labels: tuple[str, ...], samples: Iterable[Sample]) -> Metric:
    family = GaugeMetricFamily(_PREFIX + name, text, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _listeners(state: State) -> Iterator[Metric]:
    listeners = state["listeners"]

    def each(key: str) -> list[Sample]:
        return [((listener["name"],), listener[key]) for listener in listeners]

    yield _gauge("connections", "Clients' connections that are open.", ("listener",), each("connections"))
    yield _counter("connections_accepted", "Connections that were accepted.", ("listener",), each("accepted"))
    yield _counter("connections_turned_away", "Connections beyond what one client may have.", ("listener",), each("turned_away"))
    refused = [((listener["name"], reason), number) for listener in listeners for reason, number in listener["refused"].items()]
    yield _counter("requests_refused", "What came and was no request, by reason.", ("listener", "reason"), refused)
    yield _gauge("websockets", "WebSockets that are open.", (), [((), state["totals"]["websockets"])])


def _routes(state: State) -> Iterator[Metric]:
    routes = state["routes"]
    answers = [((route["name"], kind), number) for route in routes for kind, number in route["statuses"].items()]
    yield _counter("requests", "Requests, by the class of the status that answered them.", ("route", "status"), answers)
    failures = [((route["name"],), route["errors"]) for route in routes]
    yield _counter("request_failures", "Requests that ended with an error, whoever's.", ("route",), failures)
    durations = HistogramMetricFamily(
        _PREFIX + "request_duration_seconds", "From a request's head to the last byte of its answer.", labels=("route",)
    )
    for route in routes:
        total, buckets = 0, []
        for bound, number in route["durations"]["buckets"].items():
            total += number
            buckets.append((bound, total))
        durations.add_metric((route["name"],), buckets, route["durations"]["sum"])
    yield durations


def _pools(state: State) -> Iterator[Metric]:
    pools = state["pools"].items()
    counted = (
        ("retries", "retries", "Attempts after a first one that failed."),
        ("retries_refused", "retries_refused", "Retries that the pool's budget did not allow."),
        ("hedges", "hedges", "Second attempts beside a slow first one."),
        ("ejections_refused", "ejections_refused", "Ejections that max_ejected did not allow."),
    )
    available = [((name,), pool["available"]) for name, pool in pools]
    yield _gauge("pool_available_peers", "Peers that take new requests.", ("pool",), available)
    for key, called, text in counted:
        yield _counter(f"pool_{called}", text, ("pool",), [((name,), pool[key]) for name, pool in pools])
    queues = [(name, pool["queue"]) for name, pool in pools if pool["queue"] is not None]
    yield _gauge(
        "queue_waiting", "Requests that wait for a peer.", ("pool",), [((name,), each["waiting"]) for name, each in queues]
    )
    outcomes = [((name, key), each[key]) for name, each in queues for key in ("waits", "refused", "timeouts", "left")]
    yield _counter(
        "queue_events", "Requests that began to wait, found the queue full, waited in vain, left.", ("pool", "event"), outcomes
    )


def _peers(state: State) -> Iterator[Metric]:
    peers = [(name, peer) for name, pool in state["pools"].items() for peer in pool["peers"]]
    labels = ("pool", "peer")

    def each(value: Callable[[State], float | None]) -> list[Sample]:
        found = (((name, peer["name"]), value(peer)) for name, peer in peers)
        return [(values, number) for values, number in found if number is not None]

    yield _gauge("peer_up", "Whether the peer takes new requests.", labels, each(lambda peer: peer["available"]))
    states = [
        ((name, peer["name"], label), float(peer["state"] == state)) for name, peer in peers for state, label in _STATES.items()
    ]
    yield _gauge("peer_state", "1 for the state that the peer is in.", (*labels, "state"), states)
    yield _gauge(
        "peer_weight",
        "The share that it is to have; less after a slow start.",
        labels,
        each(lambda peer: peer["effective_weight"]),
    )
    yield _gauge("peer_requests_in_flight", "Requests that it works at.", labels, each(lambda peer: peer["in_flight"]))
    yield _gauge(
        "peer_idle_connections", "Connections that are kept for further requests.", labels, each(lambda peer: peer["idle"])
    )
    yield _counter("peer_attempts", "Tries of requests.", labels, each(lambda peer: peer["attempts"]))
    yield _counter("peer_failures", "Tries that failed by its fault.", labels, each(lambda peer: peer["failures"]))
    yield _counter("peer_ejections", "Times that failing tries took it out.", labels, each(lambda peer: peer["ejections"]))
    yield _counter("peer_sent_bytes", "Bytes sent to it.", labels, each(lambda peer: peer["bytes_sent"]))
    yield _counter("peer_received_bytes", "Bytes that came from it.", labels, each(lambda peer: peer["bytes_received"]))
    yield _gauge("peer_check_passed", "Whether its last active check passed.", labels, each(lambda peer: _last(peer, "passed")))
    yield _gauge(
        "peer_check_duration_seconds", "How long its last active check took.", labels, each(lambda peer: _last(peer, "duration"))
    )


def _last(peer: State, key: str) -> float | None:
    """A fact of the last active check; None before the first."""
    return peer["checks"][-1][key] if peer["checks"] else None


def _caches(state: State) -> Iterator[Metric]:
    caches = state["caches"].items()
    labels = ("cache",)
    lookups = [
        ((name, word), cache["counts"][key])
        for name, cache in caches
        for word, key in (("hit", "hits"), ("stale", "stale"), ("miss", "misses"), ("pass", "passed"))
    ]
    yield _counter("cache_requests", "Requests by what the cache had for them.", ("cache", "result"), lookups)
    for key, text in (
        ("stored", "Answers that were stored."),
        ("freshened", "Stored answers that a 304 made fresh again."),
        ("collapsed", "Requests that were served by the answer to another one."),
    ):
        yield _counter(f"cache_{key}", text, labels, [((name,), cache["counts"][key]) for name, cache in caches])
    for key, text in (
        ("evicted", "Files removed for lack of room or of use."),
        ("damaged", "Files that were not what was written."),
        ("troubles", "Failures of the disk."),
        ("purges", "Purges asked for."),
    ):
        yield _counter(f"cache_{key}", text, labels, [((name,), cache[key]) for name, cache in caches])
    for key, called, text in (
        ("files", "files", "Files on disk."),
        ("bytes", "size_bytes", "Bytes on disk."),
        ("max_size", "max_size_bytes", "Bytes that it may take on disk."),
        ("memory_bytes", "memory_bytes", "Bytes of answers that are held in memory as well."),
    ):
        yield _gauge(f"cache_{called}", text, labels, [((name,), cache[key]) for name, cache in caches])


def _apps(state: State) -> Iterator[Metric]:
    apps = state["apps"].items()
    for key, text in (("requests", "Requests to an app in this process."), ("failures", "Requests that it has failed.")):
        yield _counter(f"app_{key}", text, ("app",), [((name,), app[key]) for name, app in apps])
    yield _gauge("app_running", "Requests that run in it.", ("app",), [((name,), app["running"]) for name, app in apps])
    waiting = [((name,), app["waiting"]) for name, app in apps if "waiting" in app]
    yield _gauge("app_waiting", "Requests that wait for one of its threads.", ("app",), waiting)


def _limits(state: State) -> Iterator[Metric]:
    limits = state["limits"].items()
    outcomes = [((name, key), limit[key]) for name, limit in limits for key in ("passed", "delayed", "refused")]
    yield _counter("limit_requests", "Requests by what the limit said of them.", ("limit", "result"), outcomes)
    waiting = [((name,), limit["waiting"]) for name, limit in limits]
    yield _gauge("limit_waiting", "Requests that a limit holds back at the moment.", ("limit",), waiting)


def _certificates(state: State) -> Iterator[Metric]:
    shown = state["certificates"]
    expires = {(each["tls"], each["names"][0] if each["names"] else "", each["key"]): each["expires"] for each in shown}
    yield _gauge(
        "certificate_expiry_timestamp_seconds", "When a certificate that is shown ends.", ("tls", "name", "key"), expires.items()
    )


def _logs(state: State) -> Iterator[Metric]:
    logs = state["logs"].items()
    for key, text in (("lines", "Lines that were logged."), ("lost", "Of these, lines that could not be written.")):
        name = "log_lines" if key == "lines" else "log_lines_lost"
        yield _counter(name, text, ("log",), [((log,), counts[key]) for log, counts in logs])
    held = [((log,), counts["held"]) for log, counts in logs]
    yield _gauge("log_held_bytes", "Bytes of lines that are not written yet.", ("log",), held)


def _spans(state: State) -> Iterator[Metric]:
    spans = state["spans"]
    for key, text in (("exported", "Spans that the collector has taken."), ("lost", "Spans that could not be sent.")):
        yield _counter(f"spans_{key}", text, (), [((), spans[key])] if spans is not None else [])
    yield _gauge("spans_waiting", "Spans that wait to be sent.", (), [((), spans["waiting"])] if spans is not None else [])
