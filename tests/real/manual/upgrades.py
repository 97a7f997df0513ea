"""
The program started anew, again and again, under wrk, by hand:

    python -m tests.real.manual.upgrades [UPGRADES]

Each takes the sockets over from the one before.  It prints failed requests, of which there must be none.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.real.manual.reloads import NGINX
from tests.real.programs import Program, eventually, free_ports, is_alive
from tests.real.proxy import Proxy

SITE = """
[site]
state_dir = state
[listen http]
on = tcp:127.0.0.1:@http
[pool app]
servers = 127.0.0.1:{port}
[route /]
pool = app
"""
#: What the log says of each.
_TAKEN = re.compile(r"process (\d+) serves; this one ends")


def main(upgrades: int) -> int:
    """Do it; returns the status to end with."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (port,) = free_ports(1)
        (directory / "nginx.conf").write_text(NGINX.format(directory=directory, port=port))
        nginx = Program("nginx", ["nginx", "-c", str(directory / "nginx.conf")], directory)
        nginx.await_port(port)
        proxy = Proxy(directory, SITE.format(port=port))
        pid = proxy.pid
        try:
            proxy.await_ready()
            command = ["wrk", "-t1", "-c32", f"-d{upgrades * 12}s", f"http://127.0.0.1:{proxy.port}/"]
            wrk = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            for count in range(1, upgrades + 1):
                pid = _upgrade(proxy, pid, count)
            said = wrk.communicate()[0]
        finally:
            if pid != proxy.pid:
                os.kill(pid, signal.SIGTERM)
            proxy.end()
            nginx.end()
    failed = re.findall(r"(?:Socket errors|Non-2xx).*", said)
    print(f"{re.findall(r'([0-9]+) requests in', said)[0]} requests, failed: {failed or 'none'}")
    return 1 if failed else 0


def _upgrade(proxy: Proxy, pid: int, count: int) -> int:
    """The *count*-th time another takes the place of process *pid*, which ends; returns the other one's."""
    os.kill(pid, signal.SIGUSR2)
    eventually(lambda: len(_TAKEN.findall(proxy.printed())) == count, proxy.story)
    new = int(_TAKEN.findall(proxy.printed())[-1])
    eventually(lambda: not is_alive(pid), f"{pid} has ended")
    print(f"{new} has taken over from {pid}", flush=True)
    return new


if __name__ == "__main__":
    sys.exit(main(*([int(text) for text in sys.argv[1:2]] or [5])))
