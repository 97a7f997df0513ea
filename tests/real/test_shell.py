"""The shell, with the real ssh."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="needs ssh and ssh-keygen")

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0


class Shell:
    """A proxy's shell in a process of its own, and an operator with a key."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.key("alice", "alice@laptop")
        shutil.copy(directory / "alice.pub", directory / "authorized_keys")
        self.log = directory / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.real.shell_alone", str(directory)],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        self.port = self.process.stdout.readline().strip().rpartition(":")[2]
        assert self.port, self.log.read_text()

    def key(self, name: str, comment: str) -> None:
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(self.directory / name)], check=True
        )

    def ssh(self, *words: str, key: str = "alice", options: tuple[str, ...] = ()) -> list[str]:
        """The command line of an operator's ssh."""
        settings = (
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "GlobalKnownHostsFile=/dev/null",
            "IdentitiesOnly=yes",
            "BatchMode=yes",
            "LogLevel=ERROR",
            *options,
        )
        flags = [flag for setting in settings for flag in ("-o", setting)]
        return ["ssh", "-F", "none", "-p", self.port, "-i", str(self.directory / key), *flags, "operator@127.0.0.1", *words]

    def run(self, *words: str, key: str = "alice", typed: str = "") -> subprocess.CompletedProcess[str]:
        """Run ssh to its end."""
        return subprocess.run(self.ssh(*words, key=key), input=typed, capture_output=True, text=True, timeout=PATIENCE)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    running = Shell(tmp_path_factory.mktemp("shell"))
    yield running
    running.stop()


def test_a_command_prints_its_table_and_exits_with_zero(shell: Shell) -> None:
    done = shell.run("pools()")
    assert done.stderr == ""
    assert done.stdout.splitlines()[1].split() == ["app", "3", "of", "3", "up", "round_robin", "-", "0", "0", "0", "0", "0"]
    assert done.returncode == 0


def test_a_command_that_fails_exits_with_one(shell: Shell) -> None:
    done = shell.run("drain('app', 'spar:3000')")
    assert done.stderr == "error: there is no peer of pool 'app' 'spar:3000'; did you mean 'spare:3000'?\n"
    assert done.returncode == 1


def test_a_change_stays_and_is_logged_with_the_name_of_the_key(shell: Shell) -> None:
    assert shell.run("drain('app', 'app2:3000')").returncode == 0
    assert "app2:3000   draining" in shell.run("peers('app')").stdout
    assert shell.run("restore('app', 'app2:3000')").returncode == 0
    assert "shell: alice@laptop: drain('app', 'app2:3000')" in shell.log.read_text()


def test_commands_can_be_piped_in(shell: Shell) -> None:
    done = shell.run(typed="for pool in pools():\n    print(pool.name)\n")
    assert done.stdout == "app\napi\n"
    assert done.returncode == 0


def test_another_key_is_refused_until_it_stands_in_the_file(shell: Shell) -> None:
    shell.key("bob", "bob@desk")
    refused = shell.run("pools()", key="bob")
    assert refused.returncode == 255
    assert "Permission denied" in refused.stderr
    with (shell.directory / "authorized_keys").open("a") as keys:
        keys.write((shell.directory / "bob.pub").read_text())
    assert shell.run("pools()", key="bob").returncode == 0


def test_a_missing_file_refuses_everybody_and_is_told(shell: Shell) -> None:
    keys = shell.directory / "authorized_keys"
    keys.rename(keys.with_suffix(".away"))
    try:
        assert shell.run("pools()").returncode == 255
        assert "every login is refused" in shell.log.read_text()
    finally:
        keys.with_suffix(".away").rename(keys)


def test_the_host_key_is_kept_to_its_owner(shell: Shell) -> None:
    assert (shell.directory / "var" / "ssh_host_key").stat().st_mode & 0o777 == 0o600


class Screen:
    """ssh on a terminal of our own."""

    def __init__(self, shell: Shell) -> None:
        self.text = ""
        self.process, self._terminal = self._begin(shell.ssh("-tt"))

    @staticmethod
    def _begin(command: list[str]) -> tuple[subprocess.Popen[bytes], int]:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        return process, ours

    def type(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def wait_for(self, text: str) -> None:
        """Read until *text* stands in what came."""
        until = time.monotonic() + PATIENCE
        while text not in self.text:
            assert time.monotonic() < until, f"{text!r} did not come: {self.text!r}"
            if select.select([self._terminal], [], [], 0.5)[0]:
                try:
                    self.text += os.read(self._terminal, 65536).decode("utf-8", "replace")
                except OSError:
                    pytest.fail(f"the session ended before {text!r} came: {self.text!r}")

    def end(self) -> int:
        try:
            return self.process.wait(PATIENCE)
        finally:
            os.close(self._terminal)


def test_a_session_on_a_terminal(shell: Shell) -> None:
    screen = Screen(shell)
    screen.wait_for(">>> ")
    assert "help() lists the verbs" in screen.text
    screen.type("set_w\t'app\t'app2\t5)\r")
    screen.wait_for("app2:3000 has weight 5")
    screen.type("1 / 0\r")
    screen.wait_for("ZeroDivisionError")
    screen.type("help(drain)\r")
    screen.wait_for("WebSockets through the peer stay open")
    screen.type("\x04")
    assert screen.end() == 0
    assert shell.run("pools()['app'].peers[1].weight").stdout == "5\n"


def test_sys_exit_ends_the_session_and_the_proxy_goes_on(shell: Shell) -> None:
    screen = Screen(shell)
    screen.wait_for(">>> ")
    screen.type("import sys; sys.exit(3)\r")
    assert screen.end() == 0
    assert shell.process.poll() is None
    assert shell.run("1 + 1").stdout == "2\n"


def test_a_command_that_never_ends_is_interrupted(shell: Shell) -> None:
    done = shell.run("while True: pass")
    assert "interrupted after 5 s" in done.stderr
    assert done.returncode == 1
    assert shell.run("1 + 1").stdout == "2\n"
