"""What an operator does by docs/shell.md, typed over the real ssh against a running proxy."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from tests.real.client import fetch
from tests.real.conftest import StartProxy
from tests.real.operator import Operator, needs_ssh
from tests.real.origins import Origin, answering
from tests.real.programs import PATIENCE, ROOT, eventually
from tests.real.proxy import Proxy

pytestmark = needs_ssh

SITE = """
[site]
state_dir = state
include = saved*.ini
[listen http]
on = tcp:127.0.0.1:@http
[pool app]
servers =
    127.0.0.1:{one} weight=3
    127.0.0.1:{two}
[pool live]
servers = 127.0.0.1:{live}
[route /]
pool = app
[route /ws/]
pool = live
websocket = messages
[shell]
on = tcp:127.0.0.1:@shell
authorized_keys = keys
"""


class Keyboard:
    """An operator at a terminal."""

    def __init__(self, command: list[str], directory: Path) -> None:
        self.text = ""
        self._terminal, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 110, 0, 0))
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, cwd=directory, env=environ()
        )
        os.close(theirs)
        self.wait_for(">>> ")

    def type(self, keys: str, *, until: str) -> str:
        """Press keys; what was shown until *until* was."""
        self.text = ""
        os.write(self._terminal, keys.encode())
        return self.wait_for(until)

    def wait_for(self, text: str) -> str:
        ends = time.monotonic() + PATIENCE
        while text not in self.text:
            assert time.monotonic() < ends, f"{text!r} did not come: {self.text!r}"
            self.look(0.5)
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.text)

    def look(self, seconds: float) -> None:
        """Take in what is shown, if anything is within *seconds*."""
        if select.select([self._terminal], [], [], seconds)[0]:
            try:
                self.text += os.read(self._terminal, 65536).decode("utf-8", "replace")
            except OSError:
                pytest.fail(f"the session has ended: {self.text!r}")

    def hang_up(self) -> None:
        """The connection dies."""
        self.process.kill()
        self.process.wait(PATIENCE)
        os.close(self._terminal)


def environ() -> dict[str, str]:
    """Where our own tree is found by programs that run elsewhere."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}


class Site:
    """A proxy with two peers, and an operator whose key is in its file, with a role."""

    def __init__(self, directory: Path, start: StartProxy, origins: list[Origin], live: int, role: str = "") -> None:
        self.directory = directory
        self.operator = Operator(directory)
        (directory / "keys").write_text(role + (directory / "key.pub").read_text())
        one, two = (origin.port for origin in origins)
        self.peers = [f"127.0.0.1:{one}", f"127.0.0.1:{two}"]
        self.proxy: Proxy = start(SITE.format(one=one, two=two, live=live))

    def revproxy(self, *words: str) -> list[str]:
        """The command line of revproxy shell."""
        return [sys.executable, "-m", "twistedproxy.cli", "shell", self.proxy.site.name, "-i", "key", *words]

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """``revproxy shell site.ini --command …``."""
        words = self.revproxy("--command", command)
        return subprocess.run(
            words, cwd=self.directory, env=environ(), capture_output=True, text=True, timeout=PATIENCE, check=False
        )


@pytest.fixture
def origins() -> Iterator[list[Origin]]:
    with Origin(answering(b"one")) as one, Origin(answering(b"two")) as two:
        yield [one, two]


def test_an_operator_drains_undoes_tries_dry_and_saves(tmp_path: Path, start_proxy: StartProxy, origins: list[Origin]) -> None:
    site = Site(tmp_path, start_proxy, origins, 9)
    one, two = site.peers
    fetch(site.proxy.port, "/a")
    screen = Keyboard(site.revproxy(), tmp_path)
    # Drain a server for ten minutes, first dry.
    assert f"would: {one}, which is up" in screen.type(f"with dry_run(): drain('app', '{one}', minutes=10)\r\r", until="would: ")
    screen.wait_for(">>> ")
    screen.type(f"pool('app').peer('{one}').dr\tminutes=10)\r", until="it comes back in 10m00s")
    shown = screen.type("pool('app')\r", until=two)
    assert "pool app: 1 of 2 up" in shown
    assert "draining for 9m5" in shown or "draining for 10m00s" in shown
    for _ in range(4):
        assert fetch(site.proxy.port, "/").body == b"two"
    # What was done, and the way back.
    assert "undo(1)" in screen.type("history()\r", until="undo(1)")
    screen.type("undo()\r", until="undone: drain(")
    assert {fetch(site.proxy.port, "/").body for _ in range(8)} == {b"one", b"two"}
    # See what happens, until q.
    screen.type("top()\r", until="requests/s")
    screen.type("q", until=">>> ")
    screen.type("tail(\"starts(uri, '/watched')\")\r", until="\n")

    def is_shown() -> bool:
        # From what moment on it looks is not told.
        for path in ("/not", "/watched?x=1"):
            fetch(site.proxy.port, path)
        screen.look(0.1)
        return "/watched?x=1" in screen.text

    eventually(is_shown, lambda: f"the tail shows nothing: {screen.text!r}")
    assert "/not" not in screen.text
    screen.type("q", until=">>> ")
    # A change that cuts the operator off reverts itself.
    screen.type("commit_confirmed(2)\r", until="unless you say confirm()")
    screen.type(f"set_weight('app', '{two}', 9)\r", until="has weight 9")
    screen.hang_up()
    weight = f"pool('app').peer('{two}').weight"
    eventually(lambda: site.operator.says(site.proxy, weight) == "1\n", "the weight did not come back")
    # Who observes changes nothing; the file of keys is read at each login.
    keys = tmp_path / "keys"
    keys.write_text(f'role="observe" {keys.read_text()}')
    done = site.run(f"drain('app', '{one}')")
    assert (done.returncode, done.stderr) == (1, "error: drain takes a key with the role operate\n")
    keys.write_text(keys.read_text().removeprefix('role="observe" '))
    # Save what is to stay; a reload then changes nothing.
    assert site.run(f"drain('app', '{one}'); save(); reload(); pool('app').up; peers('app')").stdout.count("draining") >= 2
    assert f"{one} drain" in (tmp_path / "saved.ini").read_text()
    check = [sys.executable, "-m", "twistedproxy.cli", "check", site.proxy.site.name]
    assert subprocess.run(check, cwd=tmp_path, env=environ(), capture_output=True, check=False).returncode == 0
    lines = [json.loads(line) for line in (tmp_path / "state" / "audit.log").read_text().splitlines()]
    assert {line["who"] for line in lines} == {"alice", "the deadline"}
    assert {line["key"][:7] for line in lines if line["who"] == "alice"} == {"SHA256:"}
    assert any(line["from"].startswith("127.0.0.1:") for line in lines)


def test_an_operator_watches_one_websocket_and_kills_it(tmp_path: Path, start_proxy: StartProxy, origins: list[Origin]) -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(f"heard {message!r}")

    async def scene() -> None:
        async with serve(echo, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            site = await asyncio.to_thread(Site, tmp_path, start_proxy, origins, port, 'role="operate" ')
            async with connect(f"ws://127.0.0.1:{site.proxy.port}/ws/chat") as client:
                await client.send("first")
                await client.recv()
                screen = await asyncio.to_thread(Keyboard, site.revproxy(), tmp_path)
                shown = await asyncio.to_thread(screen.type, "websockets()\r", until="/ws/  ")
                assert "127.0.0.1:" in shown
                await asyncio.to_thread(screen.type, "tail(1, messages=2)\r", until="the result follows")
                await client.send("hello")
                shown = await asyncio.to_thread(screen.wait_for, "heard")
                assert "→ hello" in shown
                # A key with this role runs no Python, and has no way to.
                await asyncio.to_thread(screen.type, "import os\r", until="takes a key with the role program")
                await asyncio.to_thread(screen.type, "while True: pass\r\r", until="takes a key with the role program")
                await asyncio.to_thread(screen.type, "connections()\r", until="websocket /ws/")
                number = re.findall(r"^ *(\d+) .*websocket /ws/", screen.text, re.MULTILINE)[0]
                await asyncio.to_thread(screen.type, f"kill({number})\r", until="is closed")
                screen.hang_up()
                await asyncio.wait_for(client.wait_closed(), PATIENCE)

    asyncio.run(asyncio.wait_for(scene(), 60))
