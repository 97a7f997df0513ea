"""
The start of a proxy whose cache has a hundred thousand entries on disk, by hand:

    python -m tests.real.manual.cache_start            # 100,000 entries
    python -m tests.real.manual.cache_start 20000

The entries are written first, by the cache itself.  It prints how long the first answer took, from the start of the process and
from the moment at which it listens; whether it came from the disk; and how long requests took while the directory was looked
through.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.cache import plays
from tests.real.client import Client, request
from tests.real.origins import Origin, answering
from tests.real.programs import accepts
from tests.real.proxy import Proxy

SITE = """
[listen http]
on = tcp:127.0.0.1:@http
[pool app]
servers = 127.0.0.1:{origin}
[cache pages]
directory = cache
max_size = 10g
[status]
on = tcp:127.0.0.1:@status
[route /]
pool = app
cache = pages
"""


def fill(directory: Path, number: int) -> None:
    """Store *number* pages of a kilobyte, as an earlier run would have."""
    stage = plays.Stage(directory, at=time.time() - plays.START, memory=0, max_size=10 * 1024**3, inactive=86_400.0)
    for each in range(number):
        stage.fetch("Cache-Control: max-age=86400", b"%08d" % each * 128, plays.request(target=f"/{each}"))
    stage.cache.stop()


def main(number: int = 100_000) -> None:
    """Store, start, ask."""
    with tempfile.TemporaryDirectory(prefix="start-") as name, Origin(answering(b"of the origin")) as origin:
        began = time.monotonic()
        fill(Path(name, "cache"), number)
        print(f"{number} entries written in {time.monotonic() - began:.0f} s", flush=True)
        began = time.monotonic()
        proxy = Proxy(Path(name), SITE.format(origin=origin.port))
        try:
            while not accepts(proxy.port):
                assert not proxy.ended, proxy.story()
                time.sleep(0.001)  # more often than eventually() looks: times are told from this moment on
            listens = time.monotonic()
            with Client(proxy.port) as client:
                client.send(request(f"/{number // 2}", host="example.com"))
                first = client.answer()
            answered = time.monotonic()
            print(f"first answer {answered - listens:.3f} s after it listens, {answered - began:.2f} s after its start")
            print(f"it was a {first.field('X-Cache-Status')}, {len(first.body)} bytes")
            slowest, asked = 0.0, 0
            with Client(proxy.port) as client:
                while (found := proxy.status_page()["caches"]["pages"])["progress"] < 1:
                    for _ in range(20):
                        asked += 1
                        sent = time.monotonic()
                        client.send(request(f"/{asked * 7919 % number}", host="example.com"))
                        assert client.answer().field("X-Cache-Status") == "HIT"
                        slowest = max(slowest, time.monotonic() - sent)
            print(f"the directory was looked through after {time.monotonic() - listens:.1f} s; {found['files']} files")
            print(f"of {asked} requests meanwhile, all of them hits, the slowest took {slowest * 1000:.0f} ms")
        finally:
            proxy.end()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
