"""Many clients at once, in one thread: each asks for the same, and all are read as answers come."""

from __future__ import annotations

import hashlib
import selectors
import socket
import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Crowd:
    """
    What a crowd has seen.

    :ivar bodies: how many got which body, by its SHA-256
    :ivar statuses: how many got which Cache-Status
    :ivar failed: connections that ended without a whole answer
    :ivar seconds: from the first request to the last byte
    """

    bodies: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    seconds: float = 0.0


def gather(port: int, number: int, target: str, patience: float = 60.0) -> Crowd:
    """Connect *number* clients to the proxy at *port*, let all of them ask for *target*, and read every answer."""
    request = f"GET {target} HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n".encode()
    chooser = selectors.DefaultSelector()
    clients = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(number)]
    found = Crowd()
    heard: dict[socket.socket, bytearray] = {}
    started = time.monotonic()
    for client in clients:
        client.sendall(request)
    for client in clients:
        client.setblocking(False)
        heard[client] = bytearray()
        chooser.register(client, selectors.EVENT_READ)
    while heard and time.monotonic() - started < patience:
        for key, _ in chooser.select(1.0):
            client = key.fileobj
            assert isinstance(client, socket.socket)
            try:
                data = client.recv(256 * 1024)
            except ConnectionError:
                data = b""
            if data:
                heard[client] += data
                continue
            chooser.unregister(client)
            client.close()
            _count(bytes(heard.pop(client)), found)
    found.failed += len(heard)
    for client in heard:
        client.close()
    chooser.close()
    found.seconds = time.monotonic() - started
    return found


def _count(answer: bytes, found: Crowd) -> None:
    head, mark, body = answer.partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:])
    if not mark or int(fields.get("Content-Length", "-1")) != len(body):
        found.failed += 1
        return
    found.bodies[hashlib.sha256(body).hexdigest()] += 1
    found.statuses[fields["Cache-Status"]] += 1
