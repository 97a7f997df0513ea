"""
Two hundred reloads in a row under wrk and a thousand open WebSockets, by hand:

    python -m tests.real.manual.reloads [RELOADS [WEBSOCKETS]]

Every other reload changes the pool, a route, a listener and a log.  It prints failed requests and closed WebSockets, of which
there must be none, and what the process holds: descriptors and memory must not grow.  nginx answers (its program is needed, and
wrk); the WebSockets lead to a Python program.  WEBSOCKETS beyond the limit of open files (``ulimit -n``) need a higher one.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.real.flock import WebSockets, answers_and_echoes
from tests.real.origins import Origin
from tests.real.programs import Program, eventually, free_ports, resident
from tests.real.proxy import Proxy
from tests.real.test_descriptors import descriptors

SITE = """
[site]
state_dir = state
[listen http]
on = tcp:127.0.0.1:@http
[pool app]
servers = 127.0.0.1:{port}
check = tcp
[pool chat]
servers = 127.0.0.1:{chat}
[route /]
pool = app
[route /ws/]
pool = chat
[log access]
file = access.log
"""
NGINX = """
worker_processes 1; daemon off; pid {directory}/nginx.pid; error_log {directory}/nginx.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  server {{ listen 127.0.0.1:{port}; keepalive_requests 100000000; location / {{ return 200 "hello\\n"; }} }}
}}
"""
#: Seconds between two reloads, at least.
PAUSE = 0.2


def main(reloads: int, number: int) -> int:
    """Do it; returns the status to end with."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with tempfile.TemporaryDirectory() as name, Origin(answers_and_echoes) as chat:
        directory = Path(name)
        port, other = free_ports(2)
        (directory / "nginx.conf").write_text(NGINX.format(directory=directory, port=port))
        nginx = Program("nginx", ["nginx", "-c", str(directory / "nginx.conf")], directory)
        nginx.await_port(port)
        proxy = Proxy(directory, SITE.format(port=port, chat=chat.port))
        try:
            proxy.await_ready()
            return _reload(proxy, reloads, number, other)
        finally:
            proxy.end()
            nginx.end()


def _reload(proxy: Proxy, reloads: int, number: int, other: int) -> int:
    text = proxy.site.read_text()
    changed = text.replace("check = tcp", "check = GET /\nkeepalive = 32").replace("[route /]", "[route /]\nread_timeout = 7s")
    changed = changed.replace("access.log\n", f"access.log\nformat = json\n[listen two]\non = tcp:127.0.0.1:{other}\n")
    with WebSockets(proxy.port, number, "/ws/") as websockets:
        seconds = str(int(reloads * (PAUSE + 0.4)) + 20)
        command = ["wrk", "-t1", "-c32", f"-d{seconds}s", f"http://127.0.0.1:{proxy.port}/"]
        wrk = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        held = []
        longest = 0.0
        eventually((proxy.site.parent / "access.log").read_text, "wrk asks")
        for count in range(1, reloads + 1):
            proxy.site.write_text(changed if count % 2 else text)
            began = time.monotonic()
            proxy.signal(signal.SIGHUP)
            proxy.await_output(f"reload {count} by SIGHUP")
            longest = max(longest, time.monotonic() - began)
            if count % 20 == 0:
                held.append((descriptors(proxy.pid), resident(proxy.pid) // 1024))
                print(f"{count:4} reloads: {held[-1][0]} descriptors, {held[-1][1]} KiB", flush=True)
            time.sleep(PAUSE)  # in which requests go on under the settings that have just come
        said = wrk.communicate()[0]
        alive = websockets.alive()
    failed = re.findall(r"(?:Socket errors|Non-2xx).*", said)
    requests = re.findall(r"(\d+) requests in", said)
    print(f"{requests[0]} requests, failed: {failed or 'none'}; {alive} of {number} WebSockets live")
    print(f"the longest reload took {longest:.2f} s from the signal to the log")
    return 0 if not failed and alive == number else 1


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:3]]
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main(*given, *(200, 1000)[len(given) :]))
