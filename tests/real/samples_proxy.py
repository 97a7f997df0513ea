"""
Many proxies at the price of one start: ``python -m tests.real.samples_proxy`` loads the program once.  For each line that it
reads, the path of a site, a process of its own runs ``twistd revproxy -c`` on it; its id is what is printed.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
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


def main() -> None:
    """Start proxies until there are no more lines."""
    for name in _LOADED:
        importlib.import_module(f"twistedproxy.{name}")
    assert "twisted.internet.reactor" not in sys.modules
    # Nobody waits for them here.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while site := sys.stdin.readline().strip():
        print(_started(site), flush=True)


def _started(site: str) -> int:
    """The id of the process that runs *site*."""
    pid = os.fork()
    if pid:
        return pid
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(os.path.dirname(site))
    out = os.open(f"{site}.out", os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
    for number, file in ((0, os.open(os.devnull, os.O_RDONLY)), (1, out), (2, out)):
        os.dup2(file, number)
    sys.argv = ["twistd", "-n", "--pidfile=", "revproxy", "-c", site]
    from twisted.scripts.twistd import run

    run()
    os._exit(0)


if __name__ == "__main__":
    main()
