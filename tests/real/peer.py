"""
A peer in a process of its own, so that a scene can kill it: ``python -m tests.real.peer PORT NAME [SHARE]``.

It says who it is at any path, and keeps connections open as long as the proxy likes.  For a SHARE of each second it answers 500.
"""

from __future__ import annotations

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Peer(BaseHTTPRequestHandler):
    """Answers with its name."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """The name that stood on the command line."""
        body = sys.argv[2].encode()
        self.send_response(500 if len(sys.argv) > 3 and time.monotonic() % 1 < float(sys.argv[3]) else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Server(ThreadingHTTPServer):
    """Its backlog is long enough for a pool's worth of connections at once."""

    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Peer).serve_forever()
