"""Those who must not notice anything: clients that ask on, and WebSockets that stay open."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import selectors
import socket
from types import TracebackType
from typing import Self

from tests.real.client import Answer, Client, request
from tests.real.load import Load
from tests.real.origins import Call

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def answers_and_echoes(call: Call) -> None:
    """An origin's script: ``hello``, or an echo for whoever upgrades."""
    while head := call.head():
        if b"upgrade: websocket" not in head.lower():
            call.send(ANSWER)
            continue
        key = next(
            line.split(b":", 1)[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:")
        )
        call.send(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Accept: " + accept_of(key) + b"\r\n\r\n"
        )
        call.sock.settimeout(None)
        while data := call.some():
            call.send(data)
        return


def accept_of(key: bytes) -> bytes:
    """RFC 6455 §4.2.2."""
    return base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())


class WebSockets:
    """So many open WebSockets, through a tunnel, to an origin that echoes."""

    def __init__(self, port: int, number: int, path: str = "/ws/") -> None:
        self._socks: list[socket.socket] = []
        for _ in range(number):
            client = Client(port)
            key = base64.b64encode(os.urandom(16)).decode()
            fields = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}")
            client.send(request(path, *fields))
            assert client.read_head().startswith(b"HTTP/1.1 101 ")
            self._socks.append(client.sock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close all of them."""
        for sock in self._socks:
            sock.close()
        self._socks.clear()

    def alive(self) -> int:
        """How many echo."""
        word = b"\x81\x82\0\0\0\0" + os.urandom(1).hex().encode()
        waiting = selectors.DefaultSelector()
        for sock in self._socks:
            with contextlib.suppress(OSError):
                sock.sendall(word)
            waiting.register(sock, selectors.EVENT_READ)
        echoed = 0
        while waiting.get_map():
            ready = waiting.select(10)
            if not ready:
                break
            for key, _ in ready:
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                waiting.unregister(sock)
                with contextlib.suppress(OSError):
                    echoed += sock.recv(100) == word
        waiting.close()
        return echoed


class PoliteLoad(Load):
    """Clients that ask again and again, and come again when they are told that a connection has served its last request."""

    def _leaves(self, answer: Answer) -> bool:
        return answer.field("Connection") == "close"
