"""The process: how it starts, as whom it runs, what it leaves, and how it ends."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from tests.real.client import Client, fetch, request
from tests.real.conftest import StartProxy
from tests.real.origins import Call, Origin, answering
from tests.real.programs import Program, accepts, eventually, free_ports, is_alive, revproxy, typed
from tests.real.proxy import Proxy, twistd, with_ports

SITE = """
[site]
state_dir = state
stop_timeout = 5s
[listen http]
on = tcp:127.0.0.1:@http
[pool app]
servers = 127.0.0.1:{port}
[route /]
pool = app
"""


class Patient:
    """An origin that begins an answer, and ends it when it is told to."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.go_on = threading.Event()
        self.origin = Origin(self._script)

    def _script(self, call: Call) -> None:
        while call.head():
            call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
            self.began.set()
            if not self.go_on.wait(30):
                return
            call.send(b"-last")


def test_sigterm_lets_running_exchanges_finish_and_takes_no_new_ones(start_proxy: StartProxy) -> None:
    patient = Patient()
    with patient.origin:
        proxy = start_proxy(SITE.format(port=patient.origin.port))
        with Client(proxy.port) as running, Client(proxy.port) as idle:
            running.send(request("/long"))
            assert patient.began.wait(10)
            proxy.signal(signal.SIGTERM)
            assert idle.read_to_end() == b""
            eventually(lambda: not accepts(proxy.port), "nobody listens any more")
            assert not proxy.ended
            patient.go_on.set()
            answer = running.answer()
            assert (answer.status, answer.body, answer.whole) == (200, b"first-last", True)
            assert running.read_to_end() == b""
            assert proxy.wait() == 0
        assert "Traceback" not in proxy.printed(), proxy.story()
        assert "Unhandled" not in proxy.printed(), proxy.story()


def test_sigterm_waits_no_longer_than_stop_timeout_and_the_client_sees_the_cut(start_proxy: StartProxy) -> None:
    patient = Patient()
    with patient.origin:
        proxy = start_proxy(SITE.format(port=patient.origin.port).replace("5s", "500ms"))
        with Client(proxy.port) as running:
            running.send(request("/long"))
            assert patient.began.wait(10)
            proxy.signal(signal.SIGTERM)
            assert not running.answer().whole
            assert proxy.wait() == 0
        patient.go_on.set()
        assert "Traceback" not in proxy.printed(), proxy.story()


def test_sigint_ends_it_as_well(start_proxy: StartProxy) -> None:
    with Origin(answering(b"x")) as origin:
        proxy = start_proxy(SITE.format(port=origin.port))
        proxy.signal(signal.SIGINT)
        assert proxy.wait() == -signal.SIGINT


def started(directory: Path, site: str, *options: str) -> subprocess.CompletedProcess[str]:
    """What became of a proxy that was to leave by itself; *site* lacks routes and state_dir."""
    (directory / "site.ini").write_text(f"[site]\nstate_dir = state\n[route /]\nredirect = 301 /elsewhere\n{site}")
    return typed(directory, twistd(*options, "revproxy", "-c", "site.ini"))


@pytest.mark.parametrize("section", ["listen http", "status", "shell"])
def test_a_taken_port_is_said_in_one_line_and_the_program_leaves(section: str, tmp_path: Path) -> None:
    with Origin(answering(b"x")) as origin:
        site = f"[{section}]\non = tcp:127.0.0.1:{origin.port}\n"
        if section == "shell":
            site += "authorized_keys = keys\n"
            (tmp_path / "keys").touch()
        if section != "listen http":
            site += "[listen http]\non = tcp:127.0.0.1:0\n"
        done = started(tmp_path, site, "-n", "--pidfile=the.pid")
        assert done.returncode == 1
        said = (done.stdout + done.stderr).splitlines()
        told = [line for line in said if f"listen on 127.0.0.1:{origin.port}: " in line and "Address already in use" in line]
        assert len(told) == 1, said
        assert not [line for line in said if "Traceback" in line], said
        assert not (tmp_path / "the.pid").exists()


def test_who_starts_a_daemon_on_a_taken_port_is_told(tmp_path: Path) -> None:
    with Origin(answering(b"x")) as origin:
        done = started(tmp_path, f"[listen http]\non = tcp:127.0.0.1:{origin.port}\n", "--pidfile=the.pid", "--logfile=the.log")
        assert done.returncode == 1
        assert f"cannot listen on 127.0.0.1:{origin.port}" in done.stderr
        log = (tmp_path / "the.log").read_text()
        assert log.count(f"cannot listen on 127.0.0.1:{origin.port}: Address already in use") == 1, log
        assert "Traceback" not in log
        assert not (tmp_path / "the.pid").exists()


def test_what_cannot_be_written_is_said_in_one_line_and_the_program_leaves(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    site = "[listen https]\non = tcp:127.0.0.1:0\ntls = own\n[tls own]\nself_signed = localhost\n"
    done = started(tmp_path, site, "-n", "--pidfile=")
    assert done.returncode == 1
    assert done.stderr.startswith("site.ini cannot be run: ") and "see state_dir" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_daemon_writes_its_pidfile_and_its_log_and_ends_by_its_id(tmp_path: Path) -> None:
    with Origin(answering(b"from a daemon's origin")) as origin:
        text, ports = with_ports(SITE.format(port=origin.port))
        (tmp_path / "site.ini").write_text(text)
        starter = Program("starter", twistd("--pidfile=the.pid", "--logfile=the.log", "revproxy", "-c", "site.ini"), tmp_path)
        assert starter.wait() == 0, starter.story()
        pidfile = tmp_path / "the.pid"
        eventually(pidfile.exists, "a pidfile")
        pid = int(pidfile.read_text())
        try:
            eventually(lambda: accepts(ports["http"]), lambda: f"listens; {(tmp_path / 'the.log').read_text()}")
            assert fetch(ports["http"], "/").body == b"from a daemon's origin"
            assert "listener http: http on 127.0.0.1" in (tmp_path / "the.log").read_text()
        finally:
            os.kill(pid, signal.SIGTERM)
            eventually(lambda: not is_alive(pid), "the daemon has ended")
        assert not pidfile.exists()
        assert "Traceback" not in (tmp_path / "the.log").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_ports_are_bound_before_privileges_drop(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Ports below 1024 are root's, wherever the kernel has not been told otherwise; a socket in root's folder always is."""
    nobody = pwd.getpwnam("nobody")
    directory = tmp_path_factory.mktemp("privileged")
    state = directory / "state"
    state.mkdir()
    os.chown(state, nobody.pw_uid, nobody.pw_gid)
    for above in [directory, *directory.parents][:3]:
        above.chmod(above.stat().st_mode | 0o011)
    roots = directory / "roots"
    roots.mkdir(mode=0o711)
    with Origin(answering(b"served by nobody")) as origin:
        site = SITE.format(port=origin.port) + f"[listen rooted]\non = unix:{roots}/door.sock\n"
        options = ("-n", "--pidfile=", f"--uid={nobody.pw_uid}", f"--gid={nobody.pw_gid}")
        proxy = Proxy(directory, site, options=options)
        try:
            proxy.await_ready()
            owner = next(line for line in Path(f"/proc/{proxy.pid}/status").read_text().splitlines() if line.startswith("Uid:"))
            assert owner.split()[2] == str(nobody.pw_uid)
            assert fetch(proxy.port, "/").body == b"served by nobody"
            assert fetch(str(roots / "door.sock"), "/").body == b"served by nobody"
        finally:
            proxy.end()
        assert "Traceback" not in proxy.printed(), proxy.story()


def test_ten_mistakes_are_ten_lines(tmp_path: Path) -> None:
    (tmp_path / "site.ini").write_text(
        """\
[site]
stat_dir = state
[listen http]
on = 8080
header_timeout = soon
[listen https]
on = tcp:8443
tls = nowhere
[pool app]
servers = 127.0.0.1:3000 wieght=3
balance = fair
rise = 0
[route /]
pool = ap
[route example.com/old]
redirect = 301 https://{hots}/
[rout /x]
pool = app
[log access]
file = -
format = common
"""
    )
    done = revproxy(tmp_path, "check", "site.ini")
    assert done.returncode == 1
    lines = (done.stdout + done.stderr).splitlines()
    mistakes = [line for line in lines if line.startswith("site.ini:") and "errors" not in line]
    numbers = [int(line.split(":")[1].split()[0]) for line in mistakes]
    assert numbers == [2, 4, 5, 8, 10, 11, 12, 14, 16, 17, 21], "\n".join(lines)


def test_free_ports_differ() -> None:
    assert len(set(free_ports(20))) == 20
