"""
Ten thousand WebSockets that are open and idle, and a message among them, by hand:

    python -m tests.real.manual.websocket_crowd            # 10,000, both in tunnels and by messages
    python -m tests.real.manual.websocket_crowd 2000

It prints what each costs the proxy in memory, what the crowd costs it in CPU while nothing happens, and how long a message takes,
there and back, over WebSockets chosen by chance while all the others are open.  10,000 need 20,100 open files in the proxy's
process; where the limit (``ulimit -Hn``) is lower, fewer are opened.
"""

from __future__ import annotations

import random
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.loads.websockets import close_all, exchange, open_websockets
from bench.measure import cpu_seconds, percentile
from tests.real.programs import Program, free_ports, python, resident
from tests.real.proxy import Proxy

SITE: Final = """
[site]
state_dir = state
[listen http]
on = tcp:127.0.0.1:@http
max_connections = 20000
[pool echo]
servers = 127.0.0.1:{port}
max_fails = 0
[route /]
pool = echo
websocket = {way}
"""
#: Files of the proxy besides the connections.
_OTHERS: Final = 60
_MESSAGES: Final = 2000


def measure(way: str, number: int) -> None:
    """Open them, let them rest, speak over some."""
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="crowd-") as name:
        echo = Program("echo", python("bench.programs.echo", str(port)), Path(name))
        proxy = Proxy(Path(name), SITE.format(port=port, way=way))
        try:
            echo.await_port(port)
            proxy.await_ready()
            for each in open_websockets(proxy.port, 1)[0]:  # what is loaded for the first one is not counted
                exchange(each)
                close_all([each])
            before = resident(proxy.pid)
            began = time.monotonic()
            sockets, _ = open_websockets(proxy.port, number)
            took = time.monotonic() - began
            used = cpu_seconds([proxy.pid])
            time.sleep(5)  # nothing happens, which is what is measured
            used = cpu_seconds([proxy.pid]) - used
            each_one = (resident(proxy.pid) - before) / number
            chance = random.Random(1)
            times = [exchange(chance.choice(sockets)) for _ in range(_MESSAGES)]
            for each in sockets:  # and every one of them is alive
                exchange(each)
            close_all(sockets)
        finally:
            proxy.end()
            echo.end()
    print(f"{way}: {number} open after {took:.1f} s, {each_one / 1024:.1f} KiB each, {used / 5:.1%} of a core at rest")
    shown = ", ".join(f"{percentile(times, share) * 1000:.2f} ms ({share:.0%})" for share in (0.5, 0.99))
    print(f"{way}: a message of 32 bytes there and back: {shown}, {max(times) * 1000:.1f} ms at most of {_MESSAGES}", flush=True)


def main(number: int = 10_000) -> None:
    """Both ways."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    number = min(number, (most - _OTHERS) // 2)
    for way in ("tunnel", "messages"):
        measure(way, number)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
