"""The status port: /status.json and the page."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock, StringTransport

from tests.admin.site import START, HandClock, StillCache, live_site
from twistedproxy.addresses import Tcp, Unix
from twistedproxy.admin.dashboard.recorder import Recorder
from twistedproxy.admin.live import Live
from twistedproxy.admin.ports import Ports
from twistedproxy.admin.status import snapshot
from twistedproxy.admin.status_site import StatusSite, make_status_service
from twistedproxy.balance.pool import Pool
from twistedproxy.balance.standing import CheckResult
from twistedproxy.settings.operators import StatusSettings
from twistedproxy.settings.pools import PoolSettings, QueueSettings
from twistedproxy.settings.servers import ServerSettings


def site_of(live: Live, reactor: Any) -> Any:
    """What is served where nobody can log in."""
    return StatusSite(live, Recorder(live, reactor), reactor)


def ask(live: Live, request: str, *fields: str) -> tuple[str, dict[str, str], str]:
    """Send *request* (``GET /``), with *fields*, to the status port: the status line, the fields and the body."""
    site = site_of(live, MemoryReactorClock())
    site.startFactory()
    protocol: Any = site.buildProtocol(None)
    transport = StringTransport()
    protocol.makeConnection(transport)
    lines = (f"{request} HTTP/1.1", "Host: localhost", "Connection: close", *fields, "", "")
    protocol.dataReceived("\r\n".join(lines).encode())
    head, _, body = transport.value().decode().partition("\r\n\r\n")
    status, *answered = head.split("\r\n")
    site.stopFactory()
    return status, dict(line.split(": ", 1) for line in answered), body


def test_status_json_says_everything() -> None:
    clock = HandClock()
    live = live_site(clock)
    clock.advance(5)
    peer = live.pools["app"].peer("app1:3000")
    peer.begin()
    peer.checked(CheckResult(clock.wall(), 0.0123, passed=False, reason="connection refused"))
    live.pools["app"].drain("app2:3000")
    live.routes.routes[2].requests = 7
    live.routes.routes[2].statuses[2] = 6
    live.routes.routes[2].errors = 1
    joined: Any = object()  # the status only counts them
    live.websockets.opened("192.0.2.1", clock.monotonic(), "", joined)
    status, fields, body = ask(live, "GET /status.json")
    state = json.loads(body)
    assert status == "HTTP/1.1 200 OK"
    assert fields["Content-Type"] == "application/json"
    assert state["uptime"] == 3 * 3600 + 5
    assert state["totals"] == {"accepted": 12, "connections": 3, "websockets": 1, "requests": 7, "errors": 1}
    assert state["process"]["memory"] > 1024 * 1024
    assert state["process"]["files"] > 2
    assert state["listeners"][0] == {
        "name": "https",
        "kind": "listener",
        "addresses": ["0.0.0.0:443"],
        "tls": "site",
        "connections": 3,
        "max_connections": 4096,
        "accepted": 12,
        "turned_away": 0,
        "refused": {"bad_host": 2},
    }
    assert [route["name"] for route in state["routes"]] == ["/old", "/api/", "/"]
    assert state["routes"][2]["statuses"] == {"1xx": 0, "2xx": 6, "3xx": 0, "4xx": 0, "5xx": 0}
    assert state["pools"]["app"]["available"] == 2
    assert state["pools"]["app"]["peers"][0] == {
        "name": "app1:3000",
        "origin": "site.ini",
        "addresses": [],
        "until": None,
        "state": "up",
        "available": True,
        "why": "",
        "since": START,
        "weight": 3,
        "effective_weight": 3,
        "backup": False,
        "in_flight": 1,
        "max_connections": None,
        "idle": 0,
        "attempts": 1,
        "failures": 0,
        "answer_time": None,
        "ejections": 0,
        "last_failure": None,
        "bytes_sent": 0,
        "bytes_received": 0,
        "checks": [{"at": START + 5, "duration": 0.0123, "passed": False, "reason": "connection refused", "counts": True}],
    }
    assert state["pools"]["app"]["peers"][1]["state"] == "draining"
    assert state["caches"]["static"]["counts"]["hits"] == 30


def test_status_json_says_who_waits_and_what_was_tried_again() -> None:
    live = live_site()
    limited = PoolSettings("tight", servers=(ServerSettings(Tcp("a", 80), max_connections=3),), queue=QueueSettings(10))
    pool = live.pools["tight"] = Pool(limited, live.clock)
    pool.retries, pool.hedges, pool.retries_refused = 3, 2, 1
    state = json.loads(ask(live, "GET /status.json")[2])["pools"]
    assert {key: state["tight"][key] for key in ("retries", "hedges", "retries_refused", "ejections", "ejections_refused")} == {
        "retries": 3,
        "hedges": 2,
        "retries_refused": 1,
        "ejections": 0,
        "ejections_refused": 0,
    }
    assert state["tight"]["queue"] == {"waiting": 0, "length": 10, "waits": 0, "refused": 0, "timeouts": 0, "left": 0}
    assert state["tight"]["peers"][0]["max_connections"] == 3
    assert state["app"]["queue"] is None


def test_the_plain_page_shows_the_same_without_scripts() -> None:
    live = live_site()
    live.pools["app"].peers[0].checked(CheckResult(START, 0.01, passed=True))
    status, fields, body = ask(live, "GET /plain")
    assert status == "HTTP/1.1 200 OK"
    assert fields["Content-Type"] == "text/html; charset=utf-8"
    assert '<td>app1:3000</td><td class="up">up</td>' in body
    assert "Pool app: 3 of 3 up" in body
    assert "passed in 10ms" in body
    assert 'href="status.json"' in body
    assert "<script" not in body


def test_the_plain_page_escapes_what_it_shows() -> None:
    live = live_site()
    cache: Any = StillCache()
    live.caches["<img src=x>"] = cache
    live.pools["app"].peers[0].why = "<script>alert(1)</script>"
    _, _, body = ask(live, "GET /plain")
    assert "<img" not in body
    assert "<script" not in body


@pytest.mark.parametrize("path", ["/", "/status.json", "/nothing", "/status.json/x"])
def test_no_answer_is_kept_or_taken_for_something_else(path: str) -> None:
    _, fields, _ = ask(live_site(), f"GET {path}")
    assert fields["Cache-Control"] == "no-store"
    assert fields["X-Content-Type-Options"] == "nosniff"
    assert fields["X-Frame-Options"] == "DENY"
    policy = fields["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'") and "frame-ancestors 'none'" in policy and "unsafe" not in policy


@pytest.mark.parametrize("path", ["/nothing", "/status", "/index.html"])
def test_there_is_nothing_else(path: str) -> None:
    assert ask(live_site(), f"GET {path}")[0] == "HTTP/1.1 404 Not Found"


def test_head_has_the_length_and_no_body() -> None:
    status, fields, body = ask(live_site(), "HEAD /")
    assert status == "HTTP/1.1 200 OK"
    assert int(fields["Content-Length"]) > 1000
    assert body == ""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(method: str) -> None:
    status, fields, _ = ask(live_site(), f"{method} /status.json")
    assert status == "HTTP/1.1 405 Method Not Allowed"
    assert fields["Allow"] == "GET, HEAD"


def test_a_site_without_caches_has_a_page_too() -> None:
    live = live_site()
    live.caches.clear()
    assert "Caches" not in ask(live, "GET /plain")[2]
    assert snapshot(live)["caches"] == {}


def test_the_port_is_opened_before_privileges_drop_and_closed_at_the_stop() -> None:
    reactor = MemoryReactorClock()
    live = live_site()
    settings = StatusSettings(on=(Tcp("127.0.0.1", 8404), Tcp("::1", 8404)))
    premises: Any = None  # nobody can log in
    service: Any = make_status_service(settings, live, Recorder(live, reactor), premises, reactor)
    service.privilegedStartService()
    assert [server[0] for server in reactor.tcpServers] == [8404, 8404]
    service.startService()
    assert len(reactor.tcpServers) == 2
    assert len(service.addresses) == 2
    service.stopService()
    assert service.addresses == []


def test_a_port_may_be_a_socket_in_the_file_system() -> None:
    reactor = MemoryReactorClock()
    service = Ports("status", (Unix("/run/status.sock", 0o660),), site_of(live_site(), reactor), reactor)
    service.startService()
    assert reactor.unixServers[0][0] == "/run/status.sock"
    assert reactor.unixServers[0][3] == 0o660


def test_a_port_that_is_taken_stops_the_start() -> None:
    class Taken(MemoryReactorClock):
        def listenTCP(self, port: int, *args: Any, **kwargs: Any) -> Any:
            raise CannotListenError("127.0.0.1", port, OSError(98, "Address already in use"))

    taken: Any = Taken
    reactor = taken()
    service = Ports("status", (Tcp("127.0.0.1", 8404),), site_of(live_site(), reactor), reactor)
    with pytest.raises(CannotListenError):
        service.privilegedStartService()
