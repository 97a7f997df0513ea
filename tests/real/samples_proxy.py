"""
Many proxies at the price of one start: ``python -m tests.real.samples_proxy SITE…`` loads the program once, and lets a process
of its own run ``twistd revproxy -c`` for each site.  It ends, and they with it, by SIGTERM.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from types import FrameType
from typing import Final

#: Most of the program, but nothing that chooses a reactor: each process needs one of its own.
_LOADED: Final = (
    "admin.metrics",
    "config.load",
    "downstream.stream",
    "forward.guards.fetching",
    "lifecycle",
    "tls.parts",
    "upstream.probes",
)


def main(sites: list[str]) -> None:
    """Start all, and wait for their ends."""
    for name in _LOADED:
        importlib.import_module(f"twistedproxy.{name}")
    assert "twisted.internet.reactor" not in sys.modules
    children = [pid for site in sites if (pid := _started(site))]

    def end(number: int, frame: FrameType | None) -> None:
        for pid in children:
            os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    for pid in children:
        os.waitpid(pid, 0)


def _started(site: str) -> int:
    """The id of the process that runs *site*."""
    pid = os.fork()
    if pid:
        return pid
    os.chdir(os.path.dirname(site))
    out = os.open(f"{site}.out", os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.argv = ["twistd", "-n", "--pidfile=", "revproxy", "-c", site]
    from twisted.scripts.twistd import run

    run()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
