"""
A WebSocket echo on raw sockets and epoll: ``python -m bench.programs.echo PORT``.

It answers the opening handshake (RFC 6455 §4.2.2) and sends every frame of at most 125 bytes back, unmasked.  It is the
origin of a benchmark, so it trusts its client: longer frames and fragments are not understood.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import select
import socket
import sys

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(rb"\r\nSec-WebSocket-Key: *([^\r]+)\r\n", re.IGNORECASE)
_SHORT = 125


def accept_key(key: bytes) -> bytes:
    """The value of Sec-WebSocket-Accept for a Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1(key + _GUID).digest())


def handshake_answer(head: bytes) -> bytes:
    """The 101 for a request *head*; 400 when it has no key."""
    key = _KEY.search(head)
    if key is None:
        return b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept_key(key[1]) + b"\r\n\r\n"
    )


def echo_frames(data: bytes) -> tuple[bytes, bytes]:
    """The answers to the complete frames in *data*, and the bytes that are left over."""
    answers = b""
    while len(data) >= 6:
        length = data[1] & 0x7F
        end = 6 + length
        if length > _SHORT or len(data) < end:
            break
        mask = int.from_bytes((data[2:6] * (length // 4 + 1))[:length], "big")
        payload = int.from_bytes(data[6:end], "big") ^ mask
        answers += data[:1] + bytes((length,)) + payload.to_bytes(length, "big")
        data = data[end:]
    return answers, data


def serve(port: int) -> None:
    """Echo until the process is ended."""
    listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    listener.setblocking(False)
    poll = select.epoll()
    poll.register(listener.fileno(), select.EPOLLIN)
    sockets: dict[int, socket.socket] = {}
    opened: set[int] = set()
    left: dict[int, bytes] = {}

    def drop(fd: int) -> None:
        poll.unregister(fd)
        sockets.pop(fd).close()
        opened.discard(fd)
        left.pop(fd, None)

    def receive(fd: int) -> None:
        connection = sockets[fd]
        data = left.pop(fd, b"") + connection.recv(65536)
        if not data:
            drop(fd)
            return
        if fd not in opened:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                left[fd] = head
                return
            opened.add(fd)
            connection.send(handshake_answer(head + end))
        answers, rest = echo_frames(data)
        if answers:
            connection.send(answers)
        if rest:
            left[fd] = rest

    while True:
        for fd, _ in poll.poll():
            if fd != listener.fileno():
                try:
                    receive(fd)
                except OSError:
                    drop(fd)
                continue
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connection.setblocking(False)
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    sockets[connection.fileno()] = connection
                    poll.register(connection.fileno(), select.EPOLLIN)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
