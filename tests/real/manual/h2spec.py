"""
All cases of h2spec against the proxy: over TLS, and without.

    python -m tests.real.manual.h2spec [PATH OF h2spec]
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.real.origins import Call, Origin
from tests.real.proxy import Proxy

SITE: Final = """
[site]
state_dir = state
[listen http]
on = tcp:127.0.0.1:@http
protocols = h2
[listen https]
on = tcp:127.0.0.1:@https
tls = own
[tls own]
self_signed = localhost
[pool app]
servers = 127.0.0.1:{port}
[route /]
pool = app
"""


def answer(call: Call) -> None:
    """Answer each request when it is complete: whoever is answered earlier may be right in whatever follows."""
    while head := call.head():
        body = b""
        # The last chunk, perhaps with trailers, ends with an empty line.
        while b"chunked" in head and not body.endswith(b"\r\n\r\n"):
            some = call.some()
            if not some:
                return
            body += some
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")


def main(program: str = "h2spec") -> int:
    """Run both; the number of cases that failed."""
    failed = 0
    with tempfile.TemporaryDirectory() as directory, Origin(answer) as origin:
        proxy = Proxy(Path(directory), SITE.format(port=origin.port))
        try:
            proxy.await_ready()
            for name, options in (("http", ()), ("https", ("-t", "-k"))):
                command = [program, "-h", "127.0.0.1", "-p", str(proxy.ports[name]), "-o", "3", *options]
                said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
                count = re.search(r"^(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", said, re.MULTILINE)
                print(f"{name}: {count[0] if count else said[-2000:]}")
                if count is None or int(count[4]):
                    print(said[said.find("Failures:") :])
                failed += int(count[4]) if count else 1
        finally:
            proxy.end()
    return failed


if __name__ == "__main__":
    sys.exit(min(main(*sys.argv[1:]), 1))
