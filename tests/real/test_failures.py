"""Three peers under load, each ill in its own way, and no request that may be repeated fails."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time

from tests.real.conftest import StartProgram, StartProxy
from tests.real.load import Load
from tests.real.programs import Program, eventually, free_ports, python

SITE = """
[listen http]
on = tcp:127.0.0.1:@http
[pool app]
servers =
    127.0.0.1:{one}
    127.0.0.1:{two}
    127.0.0.1:{three}
fail_statuses = 500
max_fails = 2
fail_timeout = 500ms
max_fail_timeout = 1s
eject_ratio = 50%
eject_latency = 100ms
eject_window = 2s
eject_min_requests = 4
[route /]
pool = app
retry = error timeout 500
connect_timeout = 1s
read_timeout = 3s
hedge = 100ms
[status]
on = tcp:127.0.0.1:@status
"""


def test_killed_hanging_failing_and_restarting_peers_cost_no_get(start_proxy: StartProxy, start_program: StartProgram) -> None:
    ports = dict(zip(("one", "two", "three"), free_ports(3), strict=True))

    def start(name: str, *more: str) -> Program:
        peer = start_program(name, python("tests.real.peer", str(ports[name]), name, *more))
        peer.await_port(ports[name])
        return peer

    one, two, _ = start("one"), start("two"), start("three", "0.3")
    proxy = start_proxy(SITE.format(**ports))

    def fact(name: str, key: str) -> int:
        pool = proxy.status_page()["pools"]["app"]
        return int(next(peer for peer in pool["peers"] if peer["name"].endswith(f":{ports[name]}"))[key])

    wrk = None
    if shutil.which("wrk"):
        # Longer than the play; ended below by SIGINT, after which it prints what it has seen.
        command = ["wrk", "-t1", "-c4", "-d60s", f"http://127.0.0.1:{proxy.port}/"]
        wrk = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        with Load(proxy.port, clients=2) as load:
            eventually(lambda: fact("three", "ejections") >= 2, "the failing peer was ejected, returned, and failed again")
            # One hangs, and is mended.
            ejections = fact("one", "ejections")
            one.signal(signal.SIGSTOP)
            eventually(lambda: fact("one", "ejections") > ejections, "the hanging peer was ejected")
            load.more(50)
            one.signal(signal.SIGCONT)
            served = fact("one", "attempts")
            eventually(lambda: fact("one", "attempts") > served + 20, "the mended peer serves")
            # Another is restarted again and again.
            for _ in range(3):
                two.kill()
                load.more(50)
                two = start("two")
                served = fact("two", "attempts")
                eventually(lambda served=served: fact("two", "attempts") > served + 20, "the restarted peer serves")  # type: ignore[misc]
            # The first dies for good.
            one.kill()
            load.more(100)
            time_of_death = time.monotonic()
            eventually(lambda: fact("one", "in_flight") == 0, "nothing hangs at the dead peer")
            assert time.monotonic() - time_of_death < 5
    finally:
        if wrk is not None:
            wrk.send_signal(signal.SIGINT)
            printed, _ = wrk.communicate(timeout=60)
    assert load.failures == []
    if wrk is not None:
        assert "Requests/sec" in printed
        assert "Socket errors" not in printed, printed
        assert "Non-2xx" not in printed, printed
    pool = proxy.status_page()["pools"]["app"]
    assert pool["retries"] > 0
    assert pool["hedges"] > 0
    assert pool["ejections"] > 3
    said = proxy.printed()
    for words in (
        "is ejected",
        "failed or were slow",
        "is up: the time of its ejection is over",
        "the peer refused the connection",
    ):
        assert words in said, said
