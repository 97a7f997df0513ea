"""
Processes that the benchmark starts: pinned to a core, awaited, accounted for, and ended by their id.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

#: Seconds that a process may take to accept its first connection, and to end after SIGTERM.
START_WITHIN = 20.0
END_WITHIN = 5.0


class Unavailable(Exception):
    """A subject cannot take part; the text says why."""


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def children_of(parent: int) -> list[int]:
    """Every process below *parent*, read from /proc."""
    below: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                below.setdefault(int(fields[1]), []).append(int(entry))
    found: list[int] = []
    waiting = [parent]
    while waiting:
        new = below.get(waiting.pop(), [])
        found += new
        waiting += new
    return found


class Process:
    """
    A command that runs on one core (by taskset, which becomes the command) until :meth:`end`.

    Its output goes to *log*; when it fails to start, the last line of that file is the reason.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, cpu: int, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self._log = log
        with log.open("wb") as output:
            try:
                self._popen = subprocess.Popen(
                    ["taskset", "-c", str(cpu), *command],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=log.parent,
                    env={**os.environ, **(environment or {})},
                )
            except OSError as error:
                raise Unavailable(f"taskset: {error.strerror}") from None

    @property
    def pid(self) -> int:
        """The id of the process that was started; its children are in :meth:`family`."""
        return self._popen.pid

    def family(self) -> list[int]:
        """The ids of the process and of everything that it has started."""
        return [self.pid, *children_of(self.pid)]

    def last_words(self) -> str:
        """The last line of its output that says something."""
        lines = [line.strip() for line in self._log.read_text(errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line), "no output")

    def await_port(self, port: int) -> None:
        """Return when *port* of 127.0.0.1 accepts; raise :class:`Unavailable` when the process ends or takes too long."""
        deadline = time.monotonic() + START_WITHIN
        while time.monotonic() < deadline:
            if self._popen.poll() is not None:
                raise Unavailable(f"ended with status {self._popen.returncode}: {self.last_words()}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
                return
            time.sleep(0.05)
        raise Unavailable(f"port {port} not open within {START_WITHIN:.0f} s: {self.last_words()}")

    def end(self) -> None:
        """End the process and its children: SIGTERM first, SIGKILL for what remains."""
        family = self.family()
        if self._popen.poll() is None:
            self._popen.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(END_WITHIN)
        for pid in family[1:] if self._popen.returncode is not None else family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._popen.wait()
