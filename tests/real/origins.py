"""Origins in threads, each connection told by a script what to read and what to send, byte for byte."""

from __future__ import annotations

import contextlib
import socket
import threading
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Call:
    """One connection of the proxy to an origin."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        sock.settimeout(30)
        self.sock = sock
        self.number = number
        self._buffer = b""

    def head(self) -> bytes:
        """The next request's head without its empty line; empty when the connection ended instead."""
        while b"\r\n\r\n" not in self._buffer:
            data = self.sock.recv(65536)
            if not data:
                return b""
            self._buffer += data
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head

    def some(self) -> bytes:
        """What comes next; empty at the end."""
        if self._buffer:
            data, self._buffer = self._buffer, b""
            return data
        return self.sock.recv(262144)

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.sock.sendall(data)

    def reset(self) -> None:
        """End the connection so that the other side cannot take it for an orderly end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()


Script = Callable[[Call], None]


class Origin:
    """
    Listens on a free port, or on a unix socket, and plays *script* on every connection.

    :ivar calls: connections so far
    :ivar troubles: tracebacks of scripts that failed by themselves; a scene may look at them
    """

    def __init__(self, script: Script, path: str = "") -> None:
        self._script = script
        if path:
            self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listening.bind(path)
        else:
            self._listening = socket.socket()
            self._listening.bind(("127.0.0.1", 0))
        self._listening.listen(128)
        self._socks: list[socket.socket] = []
        self.calls = 0
        self.troubles: list[str] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listening.getsockname()[1]
        return port

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for sock in self._socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            self.calls += 1
            self._socks.append(sock)
            threading.Thread(target=self._play, args=(Call(sock, self.calls),), daemon=True).start()

    def _play(self, call: Call) -> None:
        try:
            self._script(call)
        except OSError:
            pass  # the other side left, as scenes have it do
        except Exception:
            self.troubles.append(traceback.format_exc())
        finally:
            call.sock.close()


def answering(body: bytes, *fields: str) -> Script:
    """A script that gives every request of a connection the same answer."""
    head = "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *fields, "", ""]).encode()

    def script(call: Call) -> None:
        while call.head():
            call.send(head + body)

    return script
