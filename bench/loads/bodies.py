"""Large bodies over a few keep-alive connections: what a body costs to relay, in either direction."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import time

from bench.loads.tools import LoadFailed
from bench.measure import Load, percentile

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_READ = 1024 * 1024
#: Seconds that transfers which have begun may take after the time is over.
_GRACE = 15.0


class _Transfer:
    """One connection: request after request, the next when the last is answered."""

    def __init__(self, port: int, request: bytes) -> None:
        self.port = port
        self.request = memoryview(request)
        self.connect()

    def connect(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port), 5)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def begin(self) -> None:
        """A new request."""
        self.started = time.perf_counter()
        self.sent = 0
        self.head = b""
        self.remaining: int | None = None
        self.close = False

    def send(self) -> None:
        """As much of the request as the kernel takes."""
        with contextlib.suppress(BlockingIOError):
            while self.sent < len(self.request):
                self.sent += self.socket.send(self.request[self.sent : self.sent + _READ])

    def receive(self, space: bytearray) -> bool:
        """Read the answer; True when it is complete."""
        while True:
            try:
                count = self.socket.recv_into(space)
            except BlockingIOError:
                return False
            if not count:
                raise LoadFailed("the connection was closed in the middle of an answer")
            if self.remaining is not None:
                self.remaining -= count
            else:
                self.head += space[:count]
                self._parse()
            if self.remaining == 0 and self.sent == len(self.request):
                return True

    def _parse(self) -> None:
        head, end, body = self.head.partition(b"\r\n\r\n")
        if not end:
            return
        status, length = _STATUS.match(head), _LENGTH.search(head)
        if status is None or not 200 <= int(status[1]) < 300:
            raise LoadFailed(f"answered {bytes(head[:60])!r}")
        if length is None and status[1] != b"204":
            raise LoadFailed("an answer without Content-Length")
        self.remaining = (int(length[1]) if length else 0) - len(body)
        self.close = _CLOSE.search(head) is not None


def transfer_bodies(port: int, request: bytes, seconds: int, *, connections: int) -> Load:
    """
    Send *request* again and again for so many *seconds*, on so many connections, and wait for what has begun.

    :raises LoadFailed: at the first answer that is not 2xx, and when an answer is cut short.
    """
    space = bytearray(_READ)
    times: list[float] = []
    poll = select.epoll()
    started = time.perf_counter()
    transfers: dict[int, _Transfer] = {}
    both = select.EPOLLIN | select.EPOLLOUT
    try:
        for _ in range(connections):
            each = _Transfer(port, request)
            transfers[each.socket.fileno()] = each
            poll.register(each.socket.fileno(), both)
            each.begin()
        while transfers:
            for fd, events in poll.poll(1):
                each = transfers[fd]
                if events & select.EPOLLOUT:
                    each.send()
                    if each.sent == len(each.request):
                        poll.modify(fd, select.EPOLLIN)
                if not events & ~select.EPOLLOUT or not each.receive(space):
                    continue
                now = time.perf_counter()
                times.append(now - each.started)
                if now - started >= seconds:
                    each.socket.close()
                    del transfers[fd]
                    continue
                if each.close:
                    each.socket.close()
                    del transfers[fd]
                    each.connect()
                    transfers[each.socket.fileno()] = each
                    poll.register(each.socket.fileno(), both)
                else:
                    poll.modify(fd, both)
                each.begin()
            if time.perf_counter() - started > seconds + _GRACE:
                raise LoadFailed(f"{len(transfers)} transfers did not end")
    except OSError as error:
        raise LoadFailed(f"{type(error).__name__}: {error}") from None
    finally:
        poll.close()
        for each in transfers.values():
            each.socket.close()
    return Load(len(times), time.perf_counter() - started, percentile(times, 0.5), percentile(times, 0.99))
