"""/metrics: what Prometheus reads, parsed by Prometheus's own library."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as families

from tests.admin.site import HandClock, live_site
from tests.admin.test_status import ask
from tests.logs.exchanges import exchange
from tests.logs.places import place
from twistedproxy.admin.live import Live
from twistedproxy.balance.standing import CheckResult
from twistedproxy.logs.making import make_log
from twistedproxy.settings.logs import LogSettings


def scraped(live: Live) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by its name and its labels."""
    status, fields, body = ask(live, "GET /metrics")
    assert status == "HTTP/1.1 200 OK"
    assert fields["Content-Type"].startswith("text/plain; version=")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families(body)
        for sample in family.samples
    }


def test_routes_tell_their_answers_and_how_long_they_took() -> None:
    live = live_site()
    route = live.routes.routes[0]
    route.statuses[2], route.statuses[5], route.errors = 6, 1, 1
    for seconds in (0.0009, 0.004, 0.004, 120.0):
        route.durations.note(seconds)
    samples = scraped(live)
    labels = ("route", route.name)
    assert samples["twistedproxy_requests_total", (labels, ("status", "2xx"))] == 6
    assert samples["twistedproxy_requests_total", (labels, ("status", "5xx"))] == 1
    assert samples["twistedproxy_request_failures_total", (labels,)] == 1
    buckets = {
        bound: samples["twistedproxy_request_duration_seconds_bucket", (("le", bound), labels)]
        for bound in ("0.001", "0.005", "30.0", "+Inf")
    }
    assert buckets == {"0.001": 1, "0.005": 3, "30.0": 3, "+Inf": 4}
    assert samples["twistedproxy_request_duration_seconds_count", (labels,)] == 4
    assert round(samples["twistedproxy_request_duration_seconds_sum", (labels,)], 4) == 120.0089


def test_peers_tell_their_state_and_their_checks() -> None:
    clock = HandClock()
    live = live_site(clock)
    peer = live.pools["app"].peer("app1:3000")
    peer.begin()
    peer.checked(CheckResult(clock.wall(), 0.0123, passed=False, reason="connection refused"))
    live.pools["app"].drain("app2:3000")
    live.pools["app"].maintain("spare:3000")
    samples = scraped(live)
    one, two = (("peer", "app1:3000"), ("pool", "app")), (("peer", "app2:3000"), ("pool", "app"))
    assert samples["twistedproxy_peer_up", one] == 1
    assert samples["twistedproxy_peer_up", two] == 0
    assert samples["twistedproxy_peer_state", (*two, ("state", "draining"))] == 1
    assert samples["twistedproxy_peer_state", (*two, ("state", "up"))] == 0
    assert samples["twistedproxy_peer_state", (("peer", "spare:3000"), ("pool", "app"), ("state", "maintenance"))] == 1
    assert samples["twistedproxy_peer_requests_in_flight", one] == 1
    assert samples["twistedproxy_peer_attempts_total", one] == 1
    assert samples["twistedproxy_peer_check_passed", one] == 0
    assert samples["twistedproxy_peer_check_duration_seconds", one] == 0.0123
    assert ("twistedproxy_peer_check_passed", two) not in samples


def test_caches_listeners_and_the_process_have_their_numbers() -> None:
    samples = scraped(live_site())
    assert samples["twistedproxy_cache_requests_total", (("cache", "static"), ("result", "hit"))] == 30
    assert samples["twistedproxy_cache_size_bytes", (("cache", "static"),)] == 512 * 1024
    assert samples["twistedproxy_connections", (("listener", "https"),)] == 3
    assert samples["process_resident_memory_bytes", ()] > 0


def test_logs_tell_how_many_lines_they_could_not_write(tmp_path: Path) -> None:
    clock = HandClock()
    live = live_site(clock)
    live.logs["access"] = log = make_log(
        LogSettings("access", file=str(tmp_path / "absent" / "log"), format="{uri}"), place(clock)
    )
    for _ in range(3):
        log.exchange_finished(exchange())
    nobody: Any = None
    log.exchange_finished(nobody)
    samples = scraped(live)
    labels = (("log", "access"),)
    assert samples["twistedproxy_log_lines_total", labels] == 3
    assert samples["twistedproxy_log_lines_lost_total", labels] == 1
    assert samples["twistedproxy_log_held_bytes", labels] == 3 * len("/a?b=c\n")


def test_who_asks_for_openmetrics_gets_it() -> None:
    status, fields, body = ask(live_site(), "GET /metrics", "Accept: application/openmetrics-text; version=1.0.0")
    assert status == "HTTP/1.1 200 OK"
    assert fields["Content-Type"].startswith("application/openmetrics-text")
    assert "twistedproxy_requests" in {family.name for family in open_metrics(body)}


def test_the_metrics_can_only_be_read() -> None:
    status, fields, _ = ask(live_site(), "POST /metrics")
    assert (status, fields["Allow"]) == ("HTTP/1.1 405 Method Not Allowed", "GET, HEAD")


def test_the_dashboard_for_grafana_asks_for_what_there_is() -> None:
    live = live_site()
    live.routes.routes[0].durations.note(0.1)
    asked = set(re.findall(r"(?:twistedproxy|process)_\w+", (Path(__file__).parents[2] / "etc" / "grafana.json").read_text()))
    _, _, body = ask(live, "GET /metrics")
    told = {sample.name for family in families(body) for sample in family.samples} | {family.name for family in families(body)}
    typed = {line.split()[2] for line in body.splitlines() if line.startswith("# TYPE")}
    assert asked <= told | typed


def test_every_metric_is_in_the_manual() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text()
    _, _, body = ask(live_site(), "GET /metrics")
    typed = {line.split()[2] for line in body.splitlines() if line.startswith("# TYPE twistedproxy_")}
    assert [name for name in sorted(typed) if f"`{name.removeprefix('twistedproxy_')}`" not in manual] == []
