"""Reloads, drains and upgrades of a real process, under the eyes of clients who must not notice."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from pathlib import Path

import pytest

from tests.real.client import Client, fetch, request
from tests.real.conftest import StartProxy
from tests.real.flock import PoliteLoad, WebSockets, answers_and_echoes
from tests.real.origins import Call, Origin
from tests.real.programs import Program, accepts, eventually, is_alive, revproxy
from tests.real.proxy import TWISTD, Proxy
from tests.real.test_descriptors import descriptors

SITE = """
[site]
state_dir = state
stop_timeout = 2s
drain_delay = 1s
[listen http]
on = tcp:127.0.0.1:@http
[status]
on = tcp:127.0.0.1:@status
[pool app]
servers = 127.0.0.1:{port}
check = tcp
[route /]
pool = app
[log access]
file = access.log
"""


def successor(proxy: Proxy) -> int:
    """The number of the process that has taken over from *proxy*."""
    found = re.findall(r"process (\d+) serves; this one ends", proxy.printed())
    return int(found[-1])


def test_reloads_in_a_row_are_noticed_by_nobody(start_proxy: StartProxy) -> None:
    with Origin(answers_and_echoes) as origin:
        proxy = start_proxy(SITE.format(port=origin.port))
        text = proxy.site.read_text()
        other = text.replace("check = tcp", "check = GET /\nkeepalive = 3").replace("pool = app", "pool = app\nread_timeout = 9s")
        with WebSockets(proxy.port, 20) as websockets, PoliteLoad(proxy.port) as load:
            load.more(50)
            before = descriptors(proxy.pid)
            for count in range(1, 11):
                proxy.site.write_text(other if count % 2 else text)
                proxy.signal(signal.SIGHUP)
                proxy.await_output(f"reload {count} by SIGHUP")
                load.more(20)
            assert websockets.alive() == 20
            assert load.failures == []
            assert descriptors(proxy.pid) <= before + 8
        assert proxy.status_page()["pools"]["app"]["peers"][0]["attempts"] > 200
        assert "Traceback" not in proxy.printed(), proxy.story()


def test_the_command_tells_what_would_change_and_what_has(start_proxy: StartProxy) -> None:
    with Origin(answers_and_echoes) as origin:
        proxy = start_proxy(SITE.format(port=origin.port))
        text = proxy.site.read_text()
        port = _free()
        proxy.site.write_text(text.replace("[pool app]", f"[listen two]\non = tcp:127.0.0.1:{port}\n[pool app]"))
        planned = revproxy(proxy.site.parent, "reload", "--plan", "proxy.ini")
        assert (planned.returncode, planned.stdout) == (0, "+ [listen two]\n"), planned
        assert not accepts(port)
        assert revproxy(proxy.site.parent, "reload", "proxy.ini").returncode == 0
        assert fetch(port, "/").body == b"hello"
        proxy.site.write_text(text)
        assert revproxy(proxy.site.parent, "reload", "proxy.ini").returncode == 0
        eventually(lambda: not accepts(port), "the port is closed")
        assert fetch(proxy.port, "/").body == b"hello"


def test_a_reload_that_fails_says_why_and_changes_nothing(start_proxy: StartProxy) -> None:
    with Origin(answers_and_echoes) as origin, socket.create_server(("127.0.0.1", 0)) as taken:
        proxy = start_proxy(SITE.format(port=origin.port))
        text = proxy.site.read_text()
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        proxy.site.write_text(
            text.replace("[pool app]", f"[listen two]\non = tcp:{where}\n[pool app]") + "[route /x]\npool = app\n"
        )
        failed = revproxy(proxy.site.parent, "reload", "proxy.ini")
        assert failed.returncode == 1
        assert f"cannot listen on {where}: Address already in use" in failed.stderr
        assert [route["name"] for route in proxy.status_page()["routes"]] == ["/"]
        proxy.site.write_text(text.replace("check = tcp", "chek = tcp"))
        assert revproxy(proxy.site.parent, "reload", "proxy.ini").returncode == 1
        proxy.signal(signal.SIGHUP)
        proxy.await_output("reload by SIGHUP: the site stays as it is; 1 error")
        assert fetch(proxy.port, "/").body == b"hello"


def test_nobody_to_reload_is_said(tmp_path: Path) -> None:
    (tmp_path / "site.ini").write_text("[listen http]\non = tcp:1\n[route /]\nredirect = 301 /\n")
    done = revproxy(tmp_path, "reload", "site.ini")
    assert done.returncode == 1
    assert "no process is reached at" in done.stderr


def test_a_new_process_takes_over_and_the_old_one_leaves_with_its_last_websocket(start_proxy: StartProxy) -> None:
    with Origin(answers_and_echoes) as origin:
        proxy = start_proxy(SITE.format(port=origin.port), options=("-n", "--pidfile=the.pid"))
        pidfile = proxy.site.parent / "the.pid"
        with WebSockets(proxy.port, 10) as websockets, PoliteLoad(proxy.port) as load:
            load.more(50)
            proxy.signal(signal.SIGUSR2)
            proxy.await_output("serves; this one ends with its last connection")
            new = successor(proxy)
            try:
                load.more(100)
                assert websockets.alive() == 10
                assert not proxy.ended
                assert int(pidfile.read_text()) == new
                assert fetch(proxy.ports["status"], "/ready").body == b"ready\n"
                websockets.close()
                assert proxy.wait() == 0
                load.more(50)
                assert load.failures == []
                assert int(pidfile.read_text()) == new and not (proxy.site.parent / "the.pid.old").exists()
                # The new one listens where `revproxy` looks, too.
                assert revproxy(proxy.site.parent, "reload", "proxy.ini").returncode == 0
            finally:
                os.kill(new, signal.SIGTERM)
                eventually(lambda: not is_alive(new), "the new process has ended")
        assert "Traceback" not in proxy.printed(), proxy.story()


def test_if_the_new_process_cannot_start_the_old_one_serves_on(start_proxy: StartProxy) -> None:
    with Origin(answers_and_echoes) as origin:
        proxy = start_proxy(SITE.format(port=origin.port), options=("-n", "--pidfile=the.pid"))
        text = proxy.site.read_text()
        proxy.site.write_text(text + "[rout /]\n")
        proxy.signal(signal.SIGUSR2)
        proxy.await_output("the new process cannot take over")
        assert fetch(proxy.port, "/").body == b"hello"
        assert int((proxy.site.parent / "the.pid").read_text()) == proxy.pid
        proxy.site.write_text(text)
        assert revproxy(proxy.site.parent, "reload", "proxy.ini").returncode == 0


def test_a_proxy_that_is_drained_is_not_ready_first_and_ends_with_its_last_connection(start_proxy: StartProxy) -> None:
    with Origin(answers_and_echoes) as origin:
        proxy = start_proxy(SITE.format(port=origin.port))
        assert fetch(proxy.ports["status"], "/ready").status == 200
        with WebSockets(proxy.port, 1) as websockets, Client(proxy.port) as kept:
            kept.send(request("/"))
            assert kept.answer().body == b"hello"
            assert revproxy(proxy.site.parent, "drain", "proxy.ini").returncode == 0
            assert fetch(proxy.ports["status"], "/ready").status == 503
            eventually(lambda: not accepts(proxy.port), "the listener is closed")
            assert kept.read_to_end() == b""
            assert websockets.alive() == 1
            assert not proxy.ended
        assert proxy.wait() == 0
        assert "Traceback" not in proxy.printed(), proxy.story()


def test_a_second_sigterm_waits_for_nobody(start_proxy: StartProxy) -> None:
    def silent(call: Call) -> None:
        call.head()
        call.some()

    with Origin(silent) as origin:
        proxy = start_proxy(SITE.format(port=origin.port).replace("stop_timeout = 2s", "stop_timeout = 1h"))
        with Client(proxy.port) as client:
            client.send(request("/"))
            eventually(lambda: proxy.status_page()["pools"]["app"]["peers"][0]["in_flight"] == 1, "it is under way")
            proxy.signal(signal.SIGTERM)
            eventually(lambda: not accepts(proxy.port), "the listener is closed")
            proxy.signal(signal.SIGTERM)
            assert proxy.wait() == 0


def test_systemd_hears_of_start_reload_and_end(start_proxy: StartProxy, tmp_path: Path) -> None:
    with Origin(answers_and_echoes) as origin, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        proxy = start_proxy(SITE.format(port=origin.port), environ=environ)

        def heard(word: bytes) -> bytes:
            while word not in (said := systemd.recv(1000)):
                pass
            return said

        assert f"MAINPID={proxy.pid}".encode() in heard(b"READY=1")
        heard(b"WATCHDOG=1")
        heard(b"WATCHDOG=1")
        proxy.signal(signal.SIGHUP)
        assert b"MONOTONIC_USEC=" in heard(b"RELOADING=1")
        heard(b"READY=1")
        proxy.signal(signal.SIGTERM)
        heard(b"STOPPING=1")
        assert proxy.wait() == 0


#: Does what systemd does for a socket unit, and becomes the proxy.
ACTIVATION = """
import os, socket, sys
sock = socket.create_server(("127.0.0.1", int(sys.argv[1])))
os.dup2(sock.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_FDNAMES="web", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, "-c", sys.argv[2], "-n", "--pidfile=", "revproxy", "-c", "site.ini"])
"""


def test_a_socket_of_systemd_is_found_by_its_address(tmp_path: Path, started: list[Program]) -> None:
    with Origin(answers_and_echoes) as origin:
        port = _free()
        site = SITE.format(port=origin.port).replace("@http", str(port)).replace("[status]\non = tcp:127.0.0.1:@status\n", "")
        (tmp_path / "site.ini").write_text(site)
        proxy = Program("proxy", [sys.executable, "-c", ACTIVATION, str(port), TWISTD], tmp_path)
        started.append(proxy)
        proxy.await_output(f"listener http: http on 127.0.0.1:{port}")
        assert fetch(port, "/").body == b"hello"
        assert "Address already in use" not in proxy.printed()


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@pytest.mark.parametrize("command", ["reload", "drain", "upgrade"])
def test_each_command_explains_itself(command: str, tmp_path: Path) -> None:
    done = revproxy(tmp_path, command, "--help")
    assert "Exit status: 0 when that was done, 1 when not." in " ".join(done.stdout.split())
