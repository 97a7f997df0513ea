"""Active checks with real processes: all peers die and come back, and a WebSocket server of others answers pings."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.server import ServerConnection, serve

from tests.real.client import fetch
from tests.real.conftest import StartProgram, StartProxy
from tests.real.programs import Program, eventually, free_ports, python
from tests.real.proxy import Proxy

INTERVAL = 2.0
SITE = """
[listen http]
on = tcp:127.0.0.1:@http
[pool app]
servers =
    127.0.0.1:{one}
    127.0.0.1:{two}
check = GET /health
check_interval = 2s
check_timeout = 1s
check_body = one|two
fall = 2
[route /]
pool = app
[route /stored/]
pool = app
cache = c
cache_valid = 200 1s
cache_use_stale = error
[cache c]
directory = {directory}
[status]
on = tcp:127.0.0.1:@status
"""


def states(proxy: Proxy, pool: str) -> list[str]:
    """Of the peers of a pool."""
    return [peer["state"] for peer in proxy.status_page()["pools"][pool]["peers"]]


def test_all_peers_die_and_come_back(start_proxy: StartProxy, start_program: StartProgram, tmp_path: Path) -> None:
    one, two = free_ports(2)

    def start(name: str, port: int) -> Program:
        peer = start_program(name, python("tests.real.peer", str(port), name))
        peer.await_port(port)
        return peer

    peers = [start("one", one), start("two", two)]
    proxy = start_proxy(SITE.format(one=one, two=two, directory=tmp_path / "cache"))
    stored = fetch(proxy.port, "/stored/a")
    assert stored.status == 200
    for peer in peers:
        peer.kill()
    eventually(lambda: states(proxy, "app") == ["down", "down"], lambda: str(states(proxy, "app")))
    answer = fetch(proxy.port, "/")
    assert answer.status == 503
    assert int(answer.field("Retry-After") or 0) > 0
    stale = fetch(proxy.port, "/stored/a")
    assert (stale.status, stale.body) == (200, stored.body)
    start("one", one)
    start("two", two)
    back = time.monotonic()
    eventually(lambda: fetch(proxy.port, "/").status == 200, "a peer serves again")
    assert time.monotonic() - back < INTERVAL + 3.0  # what a busy machine adds
    eventually(lambda: states(proxy, "app") == ["up", "up"], lambda: str(states(proxy, "app")))
    said = proxy.printed()
    assert "is down: 2 checks failed, the last: connection refused" in said
    assert "is up: 2 checks passed" in said


@pytest.fixture
def chat() -> Iterator[int]:
    """The port of a WebSocket server that is not ours."""

    def talk(connection: ServerConnection) -> None:
        connection.send("welcome")
        for message in connection:
            connection.send(message)

    with serve(talk, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join(10)


def test_a_websocket_server_of_others_answers_pings_and_a_web_server_does_not(
    start_proxy: StartProxy, start_program: StartProgram, chat: int
) -> None:
    (web,) = free_ports(1)
    start_program("web", python("tests.real.peer", str(web), "web")).await_port(web)
    proxy = start_proxy(f"""
[listen http]
on = tcp:127.0.0.1:@http
[pool chat]
servers =
    127.0.0.1:{chat}
    127.0.0.1:{web}
check = websocket /ws
check_interval = 500ms
check_timeout = 5s
check_initial = unknown
[route /]
pool = chat
[status]
on = tcp:127.0.0.1:@status
""")
    eventually(lambda: states(proxy, "chat") == ["up", "down"], lambda: str(states(proxy, "chat")))
    peers = proxy.status_page()["pools"]["chat"]["peers"]
    assert peers[1]["why"] == "its first check failed: no WebSocket, but status 200"
    eventually(lambda: len(proxy.status_page()["pools"]["chat"]["peers"][0]["checks"]) > 3, "more checks")
    assert all(check["passed"] for check in proxy.status_page()["pools"]["chat"]["peers"][0]["checks"])
