"""A process that has no descriptor left: it waits without spinning, serves whom it has, and recovers."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from pathlib import Path

import pytest

from tests.real.client import Client, fetch, request
from tests.real.conftest import StartProxy
from tests.real.origins import Origin, answering
from tests.real.programs import eventually

SITE = """
[listen http]
on = tcp:127.0.0.1:@http
[pool app]
servers = 127.0.0.1:{port}
[route /]
pool = app
"""


def cpu_seconds(pid: int) -> float:
    """Seconds of processor time that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


def descriptors(pid: int) -> int:
    """Open ones."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_without_descriptors_it_waits_quietly_and_recovers(start_proxy: StartProxy) -> None:
    with Origin(answering(b"hello")) as origin, contextlib.ExitStack() as stack:
        proxy = start_proxy(SITE.format(port=origin.port))
        known = stack.enter_context(Client(proxy.port))
        known.send(request("/"))
        assert known.answer().body == b"hello"
        limit = descriptors(proxy.pid) + 10
        resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (limit, limit))
        crowd = contextlib.ExitStack()
        with crowd:
            for _ in range(40):
                crowd.enter_context(Client(proxy.port))
            eventually(lambda: proxy.said("nothing is accepted"), "it says that nothing is accepted")
            assert descriptors(proxy.pid) == limit
            began, used = time.monotonic(), cpu_seconds(proxy.pid)
            while time.monotonic() - began < 2.0:
                # Who is connected is served, over the connection to the peer that is there.
                known.send(request("/"))
                assert known.answer().body == b"hello"
                time.sleep(0.1)
            assert cpu_seconds(proxy.pid) - used < 0.3, "it spins"
        assert fetch(proxy.port, "/").body == b"hello"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_a_peer_is_not_blamed_for_our_want_of_descriptors(start_proxy: StartProxy) -> None:
    with Origin(answering(b"hello", "Connection: close")) as origin:
        proxy = start_proxy(SITE.format(port=origin.port))
        with Client(proxy.port) as client:
            client.send(request("/"))
            assert client.answer().body == b"hello"
            # Every descriptor below is taken: there is none for another connection.
            resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (3, 10_000))
            for _ in range(5):
                client.send(request("/"))
                assert client.answer().status == 503
            resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (10_000, 10_000))
            client.send(request("/"))
            assert client.answer().body == b"hello", "the peer was not ejected"
