"""What is measured: one row a workload, each a function that drives a subject and returns what it saw."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.loads.bodies import transfer_bodies
from bench.loads.tools import LoadFailed, ab, h2load, wrk
from bench.loads.websockets import idle, ping_pong
from bench.measure import Load
from bench.origin import BODY, LARGE, PAGE, SMALL, Origin
from bench.subjects.subject import LARGE_FILE, SMALL_FILE, Feature

#: Connections that wrk and ab keep busy, and that carry large bodies.
CONNECTIONS = 50
HANDSHAKES = 16
TRANSFERS = 4


@dataclass(frozen=True)
class Target:
    """A running subject, as loads see it; ``resident`` reads its memory in bytes, ``cpu`` its CPU time in seconds."""

    http: int
    https: int
    origin: Origin
    idle_count: int
    resident: Callable[[], int]
    cpu: Callable[[], float]
    scratch: Path


class Cost(enum.Enum):
    """What a workload's ratio compares."""

    CPU = "µs CPU"
    MEMORY = "KiB resident"
    ADDED = "µs p50 added"


@dataclass(frozen=True)
class Workload:
    """
    One kind of work.

    *size* is the body's length that a GET of *path* must return; None where a load checks answers by itself.
    """

    name: str
    title: str
    unit: str
    units: str
    run: Callable[[Target, int], Load]
    needs: Feature = Feature.HTTP
    cost: Cost = Cost.CPU
    path: str | None = None
    size: int = 0
    once: bool = False


def _get(
    path: str, *, tls: bool = False, connections: int = CONNECTIONS, each_new: bool = False
) -> Callable[[Target, int], Load]:
    def run(target: Target, seconds: int) -> Load:
        url = _url(target, path, tls)
        return wrk(url, seconds, connections=connections, directory=target.scratch, each_new=each_new)

    return run


def _streams(connections: int, streams: int) -> Callable[[Target, int], Load]:
    def run(target: Target, seconds: int) -> Load:
        return h2load(_url(target, "/small", True), seconds, connections=connections, streams=streams)

    return run


def _url(target: Target, path: str, tls: bool) -> str:
    return f"https://127.0.0.1:{target.https}{path}" if tls else f"http://127.0.0.1:{target.http}{path}"


def _cache_hit(path: str, connections: int) -> Callable[[Target, int], Load]:
    def run(target: Target, seconds: int) -> Load:
        before = target.origin.answered()
        load = _get(path, connections=connections)(target, seconds)
        passed_on = target.origin.answered() - before - 1
        if passed_on > max(5, load.units // 100):
            raise LoadFailed(f"not served from the cache: the origin saw {passed_on} of {load.units} requests")
        return load

    return run


def _handshakes(target: Target, seconds: int) -> Load:
    return ab(_url(target, "/small", True), seconds, connections=HANDSHAKES, directory=target.scratch)


def _download(target: Target, seconds: int) -> Load:
    request = f"GET /large HTTP/1.1\r\nHost: 127.0.0.1:{target.http}\r\n\r\n".encode()
    return transfer_bodies(target.http, request, seconds, connections=TRANSFERS)


def _upload(target: Target, seconds: int) -> Load:
    head = f"POST /upload HTTP/1.1\r\nHost: 127.0.0.1:{target.http}\r\nContent-Length: {LARGE}\r\n\r\n".encode()
    return transfer_bodies(target.http, head + b"u" * LARGE, seconds, connections=TRANSFERS)


def _messages(target: Target, seconds: int) -> Load:
    return ping_pong(target.http, seconds, connections=CONNECTIONS, cpu=target.cpu)


def _idle(target: Target, seconds: int) -> Load:
    return idle(target.http, target.idle_count, target.resident)


WORKLOADS: tuple[Workload, ...] = (
    Workload("small_get", "Small GET (128 bytes)", "request", "requests", _get("/small"), path="/small", size=SMALL),
    Workload(
        "new_get",
        "GET of 128 bytes, every head new",
        "request",
        "requests",
        _get("/new", each_new=True),
        path="/new",
        size=SMALL,
    ),
    Workload("page_get", "GET of 16 KiB", "request", "requests", _get("/page"), path="/page", size=PAGE),
    Workload(
        "cache_hit",
        "Cache hit (128 bytes)",
        "request",
        "requests",
        _cache_hit("/cached/small", CONNECTIONS),
        Feature.CACHE,
        path="/cached/small",
        size=SMALL,
    ),
    Workload(
        "cache_disk",
        "Cache hit from disk (1 MB)",
        "body",
        "bodies",
        _cache_hit("/cached/body", TRANSFERS),
        Feature.DISK_CACHE,
        path="/cached/body",
        size=BODY,
    ),
    Workload(
        "static_small",
        "File of 4 KiB",
        "request",
        "requests",
        _get("/files/small.bin"),
        Feature.FILES,
        path="/files/small.bin",
        size=SMALL_FILE,
    ),
    Workload(
        "static_large",
        "File of 1 MiB",
        "body",
        "bodies",
        _get("/files/large.bin", connections=TRANSFERS),
        Feature.FILES,
        path="/files/large.bin",
        size=LARGE_FILE,
    ),
    Workload("download", "Download of 10 MiB", "body", "bodies", _download),
    Workload("upload", "Upload of 10 MiB", "body", "bodies", _upload),
    Workload(
        "tls_get",
        "Small GET over TLS, keep-alive",
        "request",
        "requests",
        _get("/small", tls=True),
        Feature.TLS,
        path="/small",
        size=SMALL,
    ),
    Workload(
        "tls_download",
        "Download of 10 MiB over TLS",
        "body",
        "bodies",
        _get("/large", tls=True, connections=TRANSFERS),
        Feature.TLS,
        path="/large",
        size=LARGE,
    ),
    Workload(
        "h2_get",
        "Small GET by HTTP/2 over TLS, one at a time on each connection",
        "request",
        "requests",
        _streams(CONNECTIONS, 1),
        Feature.HTTP2,
        path="/small",
        size=SMALL,
    ),
    Workload(
        "h2_streams",
        "Small GET by HTTP/2 over TLS, ten at a time on each connection",
        "request",
        "requests",
        _streams(CONNECTIONS // 10, 10),
        Feature.HTTP2,
        path="/small",
        size=SMALL,
    ),
    Workload(
        "tls_handshake",
        "TLS 1.3 handshake and one GET, no resumption",
        "connection",
        "connections",
        _handshakes,
        Feature.TLS,
        path="/small",
        size=SMALL,
    ),
    Workload("ws_messages", "WebSocket messages (32 bytes)", "message", "messages", _messages, Feature.WEBSOCKET),
    Workload("ws_idle", "Idle WebSockets", "WebSocket", "WebSockets", _idle, Feature.WEBSOCKET, Cost.MEMORY, once=True),
    Workload(
        "latency",
        "Added latency: small GET, one connection",
        "request",
        "requests",
        _get("/small", connections=1),
        cost=Cost.ADDED,
        path="/small",
        size=SMALL,
    ),
)
