"""Peers behind an SSH server: Debian's sshd as the bastion, with keys, known hosts and everything that may be wrong with them."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

from tests.config.sites import errors
from tests.real.client import fetch
from tests.real.conftest import StartProgram, StartProxy
from tests.real.origins import Call, Origin, answering
from tests.real.programs import Program, eventually, free_ports

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
pytestmark = pytest.mark.skipif(not os.path.exists(SSHD), reason="needs sshd (Debian: apt install openssh-server)")

CONFIGURATION = """
Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host_ed25519
HostKey {directory}/host_rsa
PidFile none
AuthorizedKeysFile {directory}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
LogLevel VERBOSE
"""

HTTP = """
[listen http]
on = tcp:127.0.0.1:@http
[pool app]
servers = endpoint:{endpoint}
[route /]
pool = app
max_body = 0
"""
STREAM = """
[stream door]
on = tcp:127.0.0.1:@http
pool = back
[pool back]
servers = endpoint:{endpoint}
"""


@cache
def _keys() -> Path:
    """Keys for all tests."""
    directory = Path(tempfile.mkdtemp(prefix="bastion-"))
    for name in ("host_ed25519", "host_rsa", "mine", "other"):
        options = ("-t", "rsa", "-b", "2048") if name == "host_rsa" else ("-t", "ed25519")
        subprocess.run(["ssh-keygen", "-q", *options, "-N", "", "-f", str(directory / name)], check=True)
    atexit.register(shutil.rmtree, directory)
    return directory


class Bastion:
    """A private sshd."""

    def __init__(self, directory: Path, start: StartProgram, kind: str = "ed25519") -> None:
        self.directory = directory
        (self.port,) = free_ports(1)
        for name in ("host_ed25519", "host_rsa", "mine", "other"):
            for path in (_keys() / name, _keys() / f"{name}.pub"):
                shutil.copy(path, directory)
        (directory / "authorized_keys").write_text((directory / "mine.pub").read_text())
        public = (directory / f"host_{kind}.pub").read_text()
        (directory / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {public}")
        (directory / "sshd_config").write_text(CONFIGURATION.format(port=self.port, directory=directory))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self.program: Program = start("sshd", [SSHD, "-D", "-e", "-f", str(directory / "sshd_config")])
        self.program.await_port(self.port)

    def endpoint(self, port: int, **changed: str) -> str:
        """The way to *port* on the other side of the bastion; with relative files."""
        user = pwd.getpwuid(os.geteuid()).pw_name
        said = {"via": "127.0.0.1", "via_port": str(self.port), "user": user, "key": "mine", "known_hosts": "known_hosts"}
        return f"ssh:127.0.0.1:{port}:" + ":".join(f"{name}={value}" for name, value in {**said, **changed}.items())


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_requests_pass_through_one_ssh_connection(
    start_proxy: StartProxy, start_program: StartProgram, tmp_path: Path, kind: str
) -> None:
    bastion = Bastion(tmp_path, start_program, kind)
    with Origin(answering(b"hello")) as origin:
        proxy = start_proxy(HTTP.format(endpoint=bastion.endpoint(origin.port)).replace("[route", "keepalive = 0\n[route"))
        for _ in range(3):
            assert fetch(proxy.port, "/").body == b"hello"
        assert origin.calls == 3
    assert bastion.program.printed().count("Accepted publickey") == 1


def test_a_stream_through_it_moves_much_in_both_directions_and_keeps_half_closes(
    start_proxy: StartProxy, start_program: StartProgram, tmp_path: Path
) -> None:
    bastion = Bastion(tmp_path, start_program)

    def script(call: Call) -> None:
        heard = 0
        while data := call.some():
            heard += len(data)
        call.send(b"heard %d " % heard)
        call.send(b"y" * 3_000_000)

    with Origin(script) as origin:
        proxy = start_proxy(STREAM.format(endpoint=bastion.endpoint(origin.port)))
        with socket.create_connection(("127.0.0.1", proxy.port), 30) as sock:
            sock.sendall(b"x" * 5_000_000)
            sock.shutdown(socket.SHUT_WR)
            answer = b""
            while data := sock.recv(65536):
                answer += data
        assert answer == b"heard 5000000 " + b"y" * 3_000_000


def test_who_is_not_read_holds_back_whoever_sends(start_proxy: StartProxy, start_program: StartProgram, tmp_path: Path) -> None:
    bastion = Bastion(tmp_path, start_program)
    sent = 0

    def pour(call: Call) -> None:
        nonlocal sent
        for _ in range(160):
            call.send(b"z" * 250_000)
            sent += 250_000

    with Origin(pour) as origin:
        proxy = start_proxy(STREAM.format(endpoint=bastion.endpoint(origin.port)))
        with socket.create_connection(("127.0.0.1", proxy.port), 30) as sock:
            eventually(lambda: sent > 0, "the first bytes")
            stood = 0
            before = -1

            def stands() -> bool:
                nonlocal stood, before
                stood, before = (stood + 1 if before == sent else 0), sent
                return stood == 10

            eventually(stands, "a sender that waits")
            assert sent < 25_000_000
            received = 0
            while received < 40_000_000:
                data = sock.recv(1 << 20)
                assert data
                received += len(data)


def test_a_bastion_that_was_lost_is_found_again(start_proxy: StartProxy, start_program: StartProgram, tmp_path: Path) -> None:
    bastion = Bastion(tmp_path, start_program)
    with Origin(answering(b"hello")) as origin:
        proxy = start_proxy(HTTP.format(endpoint=bastion.endpoint(origin.port)))
        assert fetch(proxy.port, "/").body == b"hello"
        sessions = Path(f"/proc/{bastion.program.pid}/task/{bastion.program.pid}/children").read_text().split()
        bastion.program.end()
        for session in sessions:
            os.kill(int(session), signal.SIGTERM)
        eventually(lambda: fetch(proxy.port, "/").status == 502, "a peer that cannot be reached")
        start_program("sshd2", [SSHD, "-D", "-e", "-f", str(tmp_path / "sshd_config")]).await_port(bastion.port)
        eventually(lambda: fetch(proxy.port, "/").status == 200, "a peer that can be reached")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"key": "other"}, "does not let"),
        ({"user": "nobody"}, "does not let nobody in"),
        ({"known_hosts": "wrong_hosts"}, "is not the one in"),
        ({}, "says: Connection refused"),
    ],
)
def test_what_is_wrong_is_said_in_the_log(
    start_proxy: StartProxy, start_program: StartProgram, tmp_path: Path, changed: dict[str, str], said: str
) -> None:
    bastion = Bastion(tmp_path, start_program)
    wrong = (tmp_path / "other.pub").read_text()
    (tmp_path / "wrong_hosts").write_text(f"[127.0.0.1]:{bastion.port} {wrong}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    proxy = start_proxy(STREAM.format(endpoint=bastion.endpoint(port, **changed)))
    with socket.create_connection(("127.0.0.1", proxy.port), 10) as sock, pytest.raises(ConnectionResetError):
        sock.recv(1)
    proxy.await_output(said)


def test_what_is_wrong_with_its_files_is_said_before(start_program: StartProgram, tmp_path: Path) -> None:
    bastion = Bastion(tmp_path, start_program)
    locked = str(tmp_path / "locked")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", locked], check=True)
    whole = {"key": str(tmp_path / "mine"), "known_hosts": str(tmp_path / "known_hosts")}
    for changed, said in (
        ({}, None),
        ({"key": str(tmp_path / "gone")}, "cannot be read"),
        ({"key": locked}, "has a passphrase, and nobody could be asked for it"),
        ({"key": str(tmp_path / "mine.pub")}, "is a public key"),
        ({"key": str(tmp_path / "sshd_config")}, "is no private key"),
        ({"known_hosts": str(tmp_path / "gone")}, "ssh-keyscan -p"),
        ({"via": "bastion.example"}, "has no key of [bastion.example]"),
        ({"via_port": "0"}, "a port is a number from 1 to 65535"),
        ({"user": ""}, "write ssh:HOST:PORT:via=BASTION:user=NAME:key=FILE"),
        ({"password": "x"}, "write ssh:HOST:PORT:via=BASTION:user=NAME:key=FILE"),
    ):
        found = errors(STREAM.format(endpoint=bastion.endpoint(80, **{**whole, **changed})).replace("@http", "80"))
        assert not found if said is None else said in found[0], found
