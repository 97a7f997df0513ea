"""Limits in the shell and in /status.json."""

from __future__ import annotations

from tests.admin.site import live_site, names
from twistedproxy.admin.status import snapshot
from twistedproxy.forward.guards.limit import Limit
from twistedproxy.settings.limits import LimitSettings


def test_limits_are_listed_with_what_they_did() -> None:
    live = live_site()
    limit = Limit(LimitSettings("per_client", rate=10.0), b"s")
    limit.passed, limit.refused, limit.waiting = 1234, 56, 7
    trial = Limit(LimitSettings("trial", key="{user}", connections=2, dry_run=True), b"s")
    trial.running["anna"] = 2
    live.limits = {"per_client": limit, "trial": trial}
    table = repr(names(live, 120)["limits"]())
    assert [line.split() for line in table.splitlines()[:3]] == [
        ["LIMIT", "KEY", "PASSED", "DELAYED", "REFUSED", "WAITING", "RUNNING", "TOGETHER"],
        ["per_client", "{client}", "1,234", "0", "56", "7", "0", "0"],
        ["trial", "(dry", "run)", "{user}", "0", "0", "0", "0", "2", "0"],
    ]
    said = snapshot(live)["limits"]
    assert said["per_client"]["refused"] == 56
    assert said["trial"] == {
        "key": "{user}",
        "passed": 0,
        "delayed": 0,
        "refused": 0,
        "dry_run": True,
        "waiting": 0,
        "running": 2,
        "shared": 0,
    }


def test_without_limits_there_is_nothing_to_list() -> None:
    assert "no limits" in repr(names(live_site())["limits"]())
