"""Peers that die, come back, and are drained by an operator, while clients ask on."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.real.client import fetch
from tests.real.conftest import StartProgram, StartProxy
from tests.real.load import Load
from tests.real.origins import Origin, answering
from tests.real.programs import Program, eventually, free_ports, python
from tests.real.proxy import Proxy

INTERVAL, FALL, RISE = 0.25, 3, 2
#: Seconds that a busy machine may add to what is due.
SLACK = 3.0

SITE = """
[site]
state_dir = state
[listen http]
on = tcp:127.0.0.1:@http
[pool app]
servers =
    127.0.0.1:{one} weight=3
    127.0.0.1:{two} weight=1
    127.0.0.1:{three} weight=2
check = GET /health
check_interval = 250ms
check_timeout = 200ms
fall = 3
rise = 2
max_fails = 0
[route /]
pool = app
[status]
on = tcp:127.0.0.1:@status
[shell]
on = tcp:127.0.0.1:@shell
authorized_keys = key.pub
"""


class Team:
    """Three peers as processes, and the proxy before them."""

    def __init__(self, start_proxy: StartProxy, start_program: StartProgram, directory: Path) -> None:
        self._start_program = start_program
        self.names = ("one", "two", "three")
        self.ports = dict(zip(self.names, free_ports(3), strict=True))
        self.peers = {name: self.start(name) for name in self.names}
        key = directory / "key"
        if shutil.which("ssh-keygen"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        else:
            key.with_suffix(".pub").write_text("")
        self.proxy: Proxy = start_proxy(SITE.format(**self.ports))
        eventually(lambda: all(self.state(name) == "up" for name in self.names), lambda: f"all up: {self.facts()}")

    def start(self, name: str) -> Program:
        """Start a peer, for the first time or again."""
        peer = self._start_program(name, python("tests.real.peer", str(self.ports[name]), name))
        peer.await_port(self.ports[name])
        return peer

    def facts(self) -> dict[str, Any]:
        """What the status page says of each peer."""
        pool = self.proxy.status_page()["pools"]["app"]
        return {name: peer for name in self.names for peer in pool["peers"] if peer["name"].endswith(f":{self.ports[name]}")}

    def state(self, name: str) -> str:
        """Up, down, draining…"""
        state: str = self.facts()[name]["state"]
        return state


@pytest.fixture
def team(start_proxy: StartProxy, start_program: StartProgram, tmp_path: Path) -> Team:
    return Team(start_proxy, start_program, tmp_path)


def test_a_peer_that_is_killed_costs_no_get_is_down_in_time_and_up_again_in_time(team: Team) -> None:
    with Load(team.proxy.port) as load:
        load.more(200)
        for _ in range(2):
            team.peers["one"].kill()
            killed = time.monotonic()
            eventually(lambda: team.state("one") == "down", lambda: f"down: {team.facts()}")
            assert time.monotonic() - killed < INTERVAL * FALL + SLACK
            assert set(load.counted(200)) == {"two", "three"}
            team.peers["one"] = team.start("one")
            back = time.monotonic()
            eventually(lambda: team.state("one") == "up", lambda: f"up: {team.facts()}")
            assert time.monotonic() - back < INTERVAL * RISE + SLACK
            load.more(50)
            assert load.counted(200)["one"] > 50
    assert load.failures == []
    said = team.proxy.printed()
    assert re.search(r"app.*127\.0\.0\.1:\d+.* down", said), said
    assert re.search(r"app.*127\.0\.0\.1:\d+.* up", said), said


def test_peers_are_asked_in_the_ratio_of_their_weights(team: Team) -> None:
    with Load(team.proxy.port, clients=1) as load:
        counted = load.counted(600)
    total = counted.total()
    for name, share in (("one", 3 / 6), ("two", 1 / 6), ("three", 2 / 6)):
        assert abs(counted[name] - total * share) <= 2, counted


@pytest.mark.skipif(shutil.which("ssh") is None, reason="needs ssh and ssh-keygen")
def test_ssh_drains_a_peer_under_load_and_no_request_fails(team: Team, tmp_path: Path) -> None:
    name = f"127.0.0.1:{team.ports['one']}"

    def ssh(words: str) -> str:
        options = (
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "IdentitiesOnly=yes",
            "BatchMode=yes",
            "LogLevel=ERROR",
        )
        flags = [flag for option in options for flag in ("-o", option)]
        command = ["ssh", "-F", "none", "-p", str(team.proxy.ports["shell"]), "-i", str(tmp_path / "key"), *flags]
        done = subprocess.run([*command, "admin@127.0.0.1", words], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr + team.proxy.story()
        return done.stdout

    with Load(team.proxy.port) as load:
        load.more(100)
        assert "draining" in ssh(f"drain('app', '{name}')")
        eventually(lambda: team.facts()["one"]["in_flight"] == 0, "nothing runs at the drained peer")
        assert set(load.counted(200)) == {"two", "three"}
        team.peers["one"].kill()  # the reason why people drain
        load.more(100)
        team.peers["one"] = team.start("one")
        ssh(f"restore('app', '{name}')")
        eventually(lambda: team.state("one") == "up", lambda: f"up: {team.facts()}")
        assert load.counted(200)["one"] > 50
    assert load.failures == []


@pytest.mark.skipif(shutil.which("ssh") is None or shutil.which("wrk") is None, reason="needs ssh and wrk")
def test_ssh_drains_a_peer_while_wrk_runs_and_no_request_fails(team: Team, tmp_path: Path) -> None:
    wrk = subprocess.Popen(
        ["wrk", "-t1", "-c16", "-d4s", f"http://127.0.0.1:{team.proxy.port}/"], stdout=subprocess.PIPE, text=True
    )
    try:
        eventually(lambda: team.facts()["one"]["in_flight"] > 0, "wrk has begun")
        flags = [
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
            "-o",
            "BatchMode=yes",
        ]
        command = ["ssh", "-F", "none", "-p", str(team.proxy.ports["shell"]), "-i", str(tmp_path / "key"), *flags]
        verb = f"drain('app', '127.0.0.1:{team.ports['one']}')"
        done = subprocess.run([*command, "admin@127.0.0.1", verb], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        eventually(lambda: team.facts()["one"]["in_flight"] == 0, "nothing runs at the drained peer")
        printed, _ = wrk.communicate(timeout=60)
    finally:
        wrk.kill()
        wrk.wait()
    assert "Requests/sec" in printed
    assert "Socket errors" not in printed, printed
    assert "Non-2xx" not in printed, printed


def test_a_peer_behind_a_unix_socket_is_served_and_checked(start_proxy: StartProxy, tmp_path: Path) -> None:
    with Origin(answering(b"from a unix socket"), path=str(tmp_path / "peer.sock")) as origin:
        site = f"""
[listen http]
on = tcp:127.0.0.1:@http
[listen local]
on = unix:{tmp_path}/door.sock
[pool app]
servers = unix:{tmp_path}/peer.sock
check = GET /health
[route /]
pool = app
"""
        proxy = start_proxy(site)
        assert fetch(proxy.port, "/").body == b"from a unix socket"
        assert fetch(str(tmp_path / "door.sock"), "/").body == b"from a unix socket"
        assert origin.calls >= 1
        proxy.end()
        assert not (tmp_path / "door.sock").exists()


def test_a_peer_that_refuses_is_a_502_with_its_cause_in_the_log(start_proxy: StartProxy) -> None:
    (nobody,) = free_ports(1)
    proxy = start_proxy(
        f"""
[listen http]
on = tcp:127.0.0.1:@http
[pool app]
servers = 127.0.0.1:{nobody}
[route /]
pool = app
[log errors]
file = -
format = LINE {{status}} {{peer}} {{error}}
"""
    )
    assert fetch(proxy.port, "/").status == 502
    proxy.await_output(f"LINE 502 127.0.0.1:{nobody} refused")


def test_checks_that_pass_say_nothing_in_the_log(team: Team) -> None:
    said = team.proxy.printed()
    eventually(lambda: all(len(peer["checks"]) > 2 for peer in team.facts().values()), "some more checks")
    assert team.proxy.printed() == said
