"""
slowhttptest (Debian) in its three modes: many clients that are as slow as can be, and the others who are served meanwhile.

A few seconds of each; ``make slow`` takes as long as the program's own defaults, with a thousand connections.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from typing import Final

import pytest

from tests.real.client import fetch
from tests.real.conftest import StartProgram, StartProxy
from tests.real.origins import Call, Origin

SLOWHTTPTEST: Final = shutil.which("slowhttptest") or ""
#: ``make slow`` sets them.
SECONDS: Final = int(os.environ.get("SLOW_SECONDS", "5"))
CONNECTIONS: Final = int(os.environ.get("SLOW_CONNECTIONS", "200"))

SITE: Final = """
[listen http]
on = tcp:127.0.0.1:@http
max_connections = 20000
[pool app]
servers = 127.0.0.1:{port}
[route /]
pool = app
"""

COLOURS: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

MODES: Final = {
    "slow headers": ["-H", "-i", "1", "-x", "24"],
    "slow body": ["-B", "-i", "1", "-x", "10", "-s", "8192", "-t", "POST"],
    "slow read": ["-X", "-n", "1", "-w", "16", "-y", "64", "-z", "16", "-k", "2"],
}


def origin_script(call: Call) -> None:
    """Uploads are read to their end, downloads are larger than what kernels keep."""
    while head := call.head():
        length = re.search(rb"Content-Length: (\d+)", head)
        left = int(length[1]) if length else 0
        while left:
            left -= len(call.some())
        body = b"ok" if b"GET /quick" in head else b"x" * 400_000
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@pytest.mark.skipif(not SLOWHTTPTEST, reason="slowhttptest is not installed")
@pytest.mark.parametrize("mode", MODES)
def test_slow_clients_stop_nobody_else(mode: str, start_proxy: StartProxy, start_program: StartProgram) -> None:
    with Origin(origin_script) as origin:
        proxy = start_proxy(SITE.format(port=origin.port))
        attack = start_program(
            "slowhttptest",
            [
                SLOWHTTPTEST,
                *MODES[mode],
                *("-c", str(CONNECTIONS), "-r", "200", "-l", str(SECONDS), "-p", "3"),
                *("-u", f"http://127.0.0.1:{proxy.port}/large"),
            ],
        )
        waits = []
        while not attack.ended:
            began = time.monotonic()
            answer = fetch(proxy.port, "/quick")
            waits.append(time.monotonic() - began)
            assert answer.status == 200 and answer.body == b"ok"
            time.sleep(0.05)
        report = COLOURS.sub("", attack.printed())
        print(f"{mode}: {len(waits)} others served, the slowest in {max(waits) * 1000:.0f} ms")
        print(report[report.rindex("slow HTTP test status") :])
        assert set(re.findall(r"service available: +(\w+)", report)) == {"YES"}, report
        assert max(map(int, re.findall(r"connected: +(\d+)", report))) > CONNECTIONS // 2, report
        assert len(waits) > SECONDS
        assert max(waits) < 3.0
