"""A crowd that asks for the same at once: one request at the origin, and the same body for everybody."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Final

from tests.real.conftest import StartProxy
from tests.real.crowd import gather
from tests.real.origins import Call, Origin

SITE: Final = """
[listen http]
on = tcp:127.0.0.1:@http
max_connections = 20000
header_timeout = 60s
[pool app]
servers = 127.0.0.1:{port}
[cache pages]
directory = cache
[route /]
pool = app
cache = pages
cache_lock_timeout = 60s
"""

#: Larger than what is kept in memory, so that the crowd reads from the file.
BODY: Final = bytes(range(251)) * 4000


class SlowPage:
    """An origin that takes its time, for the head and in mid-body, and counts who asks."""

    def __init__(self, wait: float, body: bytes) -> None:
        self.asked = 0
        self._wait = wait
        self._body = body
        self._lock = threading.Lock()

    def __call__(self, call: Call) -> None:
        while call.head():
            with self._lock:
                self.asked += 1
            time.sleep(self._wait)
            half = len(self._body) // 2
            call.send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: %d\r\n\r\n" % len(self._body))
            call.send(self._body[:half])
            time.sleep(self._wait / 2)
            call.send(self._body[half:])


def test_a_crowd_makes_one_request_at_the_origin(start_proxy: StartProxy) -> None:
    page = SlowPage(0.5, BODY)
    with Origin(page) as origin:
        proxy = start_proxy(SITE.format(port=origin.port))
        found = gather(proxy.port, 200, "/page", 30)
    assert found.failed == 0
    assert found.bodies == {hashlib.sha256(BODY).hexdigest(): 200}
    assert page.asked == 1
