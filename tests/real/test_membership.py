"""Peers that come and go while the proxy serves: by DNS, by the shell, and over restarts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.real.client import fetch
from tests.real.conftest import StartProgram, StartProxy
from tests.real.origins import Origin, answering
from tests.real.programs import eventually, free_ports, python
from tests.real.proxy import Proxy

SITE = """
[site]
state_dir = state
nameservers = 127.0.0.1:{dns}
[listen http]
on = tcp:127.0.0.1:@http
[status]
on = tcp:127.0.0.1:@status
[shell]
on = tcp:127.0.0.1:@shell
authorized_keys = {key}.pub
[pool app]
servers = {servers}
resolve = 100ms
check = tcp
[route /]
pool = app
"""

NAME = "_http._tcp.app.test"

needs_ssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="needs ssh and ssh-keygen")


@pytest.fixture
def key(tmp_path: Path) -> str:
    path = tmp_path / "key"
    if shutil.which("ssh-keygen") is None:
        (tmp_path / "key.pub").write_text("")
    else:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "alice", "-f", str(path)], check=True)
    return str(path)


def ssh(proxy: Proxy, key: str, command: str) -> str:
    """What an operator's command prints."""
    settings = (
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "IdentitiesOnly=yes",
        "BatchMode=yes",
        "LogLevel=ERROR",
    )
    flags = [flag for setting in settings for flag in ("-o", setting)]
    port = str(proxy.ports["shell"])
    done = subprocess.run(
        ["ssh", "-F", "none", "-p", port, "-i", key, *flags, "operator@127.0.0.1", command],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def peers(proxy: Proxy) -> dict[str, str]:
    """The peers' states by their ports."""
    return {peer["name"].rpartition(":")[2]: peer["state"] for peer in proxy.status_page()["pools"]["app"]["peers"]}


def test_srv_records_are_followed_under_traffic(
    start_proxy: StartProxy, start_program: StartProgram, tmp_path: Path, key: str
) -> None:
    zone = tmp_path / "zone.json"
    (dns,) = free_ports(1)

    def says(*records: tuple[int, int, int, str]) -> None:
        (tmp_path / "new").write_text(json.dumps({NAME: records}))
        os.replace(tmp_path / "new", zone)

    with Origin(answering(b"one")) as one, Origin(answering(b"two")) as two:
        says((10, 3, one.port, "localhost"))
        names = start_program("names", python("tests.real.name_server", str(dns), str(zone)))
        names.await_port(dns)
        proxy = start_proxy(SITE.format(dns=dns, key=key, servers=f"srv:{NAME}"))
        eventually(lambda: str(one.port) in peers(proxy), proxy.story)
        answers: list[bytes] = []

        def asked_until(done: Callable[[], bool]) -> None:
            def ask() -> bool:
                answer = fetch(proxy.port, "/")
                assert answer.status == 200, proxy.story()
                answers.append(answer.body)
                return done()

            eventually(ask, proxy.story)

        asked_until(lambda: answers[-3:] == [b"one"] * 3)
        says((10, 3, one.port, "localhost"), (10, 1, two.port, "localhost"))
        asked_until(lambda: answers[-1] == b"two")
        says((10, 1, two.port, "localhost"))
        asked_until(lambda: answers[-9:] == [b"two"] * 9)
        assert peers(proxy) == {str(two.port): "up"}
        says((10, 1, one.port, "localhost"), (20, 1, two.port, "localhost"))
        asked_until(lambda: answers[-9:] == [b"one"] * 9)
        page = proxy.status_page()["pools"]["app"]
        assert [(peer["origin"], peer["backup"]) for peer in page["peers"]] == [(f"srv:{NAME}", True), (f"srv:{NAME}", False)]
        assert "127.0.0.1" in page["peers"][1]["addresses"]
        assert not proxy.said("DNSDatagramProtocol"), proxy.story()
        # A name that cannot be resolved changes nothing.
        zone.write_text("{}")
        eventually(lambda: proxy.status_page()["pools"]["app"]["names"][0]["problem"], "the name is missed")
        assert fetch(proxy.port, "/").body == b"one"
        # Nor does a restart meanwhile.
        proxy.end()
        again = start_proxy(SITE.format(dns=dns, key=key, servers=f"srv:{NAME}"), name="again")
        assert fetch(again.port, "/").body == b"one"


def test_a_name_server_that_speaks_udp_only_is_asked_so(
    start_proxy: StartProxy, start_program: StartProgram, tmp_path: Path, key: str
) -> None:
    (dns,) = free_ports(1)
    with Origin(answering(b"found")) as origin:
        zone = tmp_path / "zone.json"
        zone.write_text(json.dumps({NAME: [(1, 1, origin.port, "localhost")]}))
        names = start_program("names", python("tests.real.name_server", str(dns), str(zone), "udp"))
        names.await_output("starting on")
        proxy = start_proxy(SITE.format(dns=dns, key=key, servers=f"srv:{NAME}"))
        eventually(lambda: str(origin.port) in peers(proxy), proxy.story)
        assert fetch(proxy.port, "/").body == b"found"


@needs_ssh
def test_what_the_operator_wants_survives_a_kill(start_proxy: StartProxy, tmp_path: Path, key: str) -> None:
    with ExitStack() as stack:
        origins = [stack.enter_context(Origin(answering(name))) for name in (b"one", b"two", b"three")]
        first, second, third = (f"127.0.0.1:{origin.port}" for origin in origins)
        site = SITE.format(dns=1, key=key, servers=f"\n    {first}\n    {second}")
        proxy = start_proxy(site)
        said = ssh(proxy, key, f"drain('app', '{first}', minutes=10)")
        assert said.startswith(f"{first} is draining, nothing runs there; it comes back in 10m00s")
        ssh(proxy, key, f"add_peer('app', '{third} weight=3')")
        ssh(proxy, key, f"remove_peer('app', '{second}')")
        assert {fetch(proxy.port, "/").body for _ in range(6)} == {b"three"}
        state = tmp_path / "state/pools.json"
        eventually(lambda: state.exists() and third in state.read_text(), "the state is written")
        proxy.kill()
        again = start_proxy(site, name="again")
        assert {fetch(again.port, "/").body for _ in range(6)} == {b"three"}
        ours, theirs = again.status_page()["pools"]["app"]["peers"]
        assert (ours["name"], ours["state"], ours["until"] is None) == (first, "draining", False)
        assert (theirs["name"], theirs["weight"], theirs["origin"]) == (third, 3, "shell")
        assert "for 9m" in ssh(again, key, "peers('app')")
