"""Peers that have names."""

from __future__ import annotations

from pathlib import Path

from tests.real.client import fetch
from tests.real.conftest import StartProxy
from tests.real.origins import Origin, answering
from tests.real.programs import ROOT

SITE = """
[listen http]
on = tcp:127.0.0.1:@http
[status]
on = tcp:127.0.0.1:@status
[pool app]
servers = localhost:{port}
keepalive = 0
max_fails = 1
[route /]
pool = app
"""

#: Every Python that finds this as its sitecustomize has a localhost with two addresses, IPv6 first, whatever the machine says.
TWO_ADDRESSES = """
import socket
def getaddrinfo(host, port, *rest, real=socket.getaddrinfo, **more):
    if host != "localhost":
        return real(host, port, *rest, **more)
    found = (socket.AF_INET6, ("::1", port, 0, 0)), (socket.AF_INET, ("127.0.0.1", port))
    return [(family, socket.SOCK_STREAM, 6, "", name) for family, name in found]
socket.getaddrinfo = getaddrinfo
"""


def test_localhost_is_reached_by_whichever_of_its_addresses_serves(start_proxy: StartProxy, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(TWO_ADDRESSES)
    with Origin(answering(b"found")) as origin:
        proxy = start_proxy(SITE.format(port=origin.port), environ={"PYTHONPATH": f"{tmp_path}:{ROOT}"})
        assert [fetch(proxy.port, "/").status for _ in range(6)] == [200] * 6
        (peer,) = proxy.status_page()["pools"]["app"]["peers"]
        assert (peer["attempts"], peer["failures"]) == (6, 0)
