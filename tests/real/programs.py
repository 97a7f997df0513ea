"""Programs that the scenes start: awaited by what they do, never by a fixed time, and ended by their id."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
#: Seconds that anything may take; generous, because the machine may have better things to do.
PATIENCE: Final = 30.0
_TICK: Final = 0.02


def eventually(condition: Callable[[], object], what: str | Callable[[], str], within: float = PATIENCE) -> float:
    """
    Wait until *condition* is true, and return the seconds that it took.

    :param what: what was waited for, said when it did not come true within *within* seconds
    """
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > within:
            raise AssertionError(f"not within {within:g} s: {what if isinstance(what, str) else what()}")
        time.sleep(_TICK)
    return time.monotonic() - began


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def accepts(port: int) -> bool:
    """Whether somebody listens on *port* of 127.0.0.1; a queue that nobody takes connections from is an error."""
    with contextlib.suppress(ConnectionRefusedError, ConnectionResetError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def resident(pid: int) -> int:
    """Bytes of memory that the process holds now."""
    return _memory(pid, "VmRSS")


def resident_peak(pid: int) -> int:
    """Bytes of memory that the process held at most, since :func:`forget_peak`."""
    return _memory(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """Begin a new measurement of :func:`resident_peak` (man 5 proc, clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _memory(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no {field}")


def is_alive(pid: int) -> bool:
    """Whether the process exists and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Program:
    """
    A child process; what it prints goes to a file, which failures quote.

    :ivar output: that file
    """

    def __init__(self, name: str, command: Sequence[str], directory: Path, environ: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.output = directory / f"{name}.out"
        with self.output.open("ab") as output:
            self._popen = subprocess.Popen(
                command,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(environ or {})},
            )

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._popen.pid

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._popen.poll() is not None

    @property
    def status(self) -> int | None:
        """What it ended with: a status, or the negative number of a signal; None while it runs."""
        return self._popen.poll()

    def said(self, text: str) -> bool:
        """Whether it has printed *text*."""
        return text in self.printed()

    def printed(self) -> str:
        """All that it has printed so far."""
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def story(self) -> str:
        """Its last words, for the message of a failure."""
        return f"{self.name} (status {self.status}) printed:\n{self.printed()[-4000:]}"

    def await_port(self, *ports: int) -> None:
        """Return when every one of *ports* accepts; fail when the program ends before."""
        for port in ports:
            eventually(lambda port=port: accepts(port) or self.ended, lambda port=port: f"port {port}; {self.story()}")  # type: ignore[misc]
            assert not self.ended, self.story()

    def await_output(self, text: str, within: float = PATIENCE) -> None:
        """Return when *text* was printed; fail when the program ends before."""
        eventually(lambda: self.said(text) or self.ended, lambda: f"{text!r}; {self.story()}", within)
        assert self.said(text), self.story()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._popen.send_signal(number)

    def wait(self, within: float = PATIENCE) -> int:
        """Wait for its end; returns its status."""
        try:
            return self._popen.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {within:g} s: {self.story()}") from None

    def kill(self) -> None:
        """``kill -9``."""
        self._popen.kill()
        self._popen.wait()

    def end(self) -> None:
        """End it if it still runs: politely, then by force."""
        if not self.ended:
            self._popen.terminate()
            try:
                self._popen.wait(5)
            except subprocess.TimeoutExpired:
                self._popen.kill()
        self._popen.wait()


def typed(directory: Path, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """What became of *command*, as somebody types it in *directory*; it ends by itself."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=directory, env=environ, capture_output=True, text=True, timeout=2 * PATIENCE, check=False)


def revproxy(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``revproxy …`` as somebody types it in *directory*."""
    return typed(directory, python("twistedproxy.cli", *arguments))


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of ours."""
    return [sys.executable, "-m", module, *arguments]
