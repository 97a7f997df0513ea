"""
Ten thousand clients that ask for one cold key at once, by hand:

    python -m tests.real.manual.herd [CLIENTS [BYTES]]

It prints how many requests the origin saw, how long it took, and what the proxy's process has used.  CLIENTS beyond the limit of
open files (``ulimit -n``) need a higher one.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tests.real.crowd import gather
from tests.real.origins import Origin
from tests.real.proxy import Proxy
from tests.real.test_collapsed import SITE, SlowPage


def main(number: int, size: int) -> int:
    """Gather the crowd; returns the status to end with."""
    page = SlowPage(3.0, os.urandom(size))
    with tempfile.TemporaryDirectory() as name, Origin(page) as origin:
        proxy = Proxy(Path(name), SITE.format(port=origin.port))
        try:
            proxy.await_ready()
            found = gather(proxy.port, number, "/page", 300)
            process = Path(f"/proc/{proxy.pid}")
            used = [line.split()[1] for line in (process / "status").read_text().splitlines() if line.startswith("VmHWM")]
            ticks = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
        finally:
            proxy.end()
    seconds = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    print(f"{number} clients, {size} bytes: {page.asked} request(s) at the origin, {found.failed} failed")
    print(f"{len(found.bodies)} different bodies; {found.seconds:.1f} s in all, of which the origin took 4.5 s")
    print(f"the proxy has used {seconds:.1f} s of CPU, and {int(used[0]) // 1024} MB at most")
    for status, times in found.statuses.most_common():
        print(f"{times:6} {status}")
    return 0 if page.asked == 1 and not found.failed and len(found.bodies) == 1 else 1


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:3]]
    sys.exit(main(*given, *(10_000, 65_536)[len(given) :]))
