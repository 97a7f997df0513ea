"""A client that says exactly what a scene wants, in bytes, and shows exactly what it got."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

_TIMEOUT: Final = 30.0


@dataclass(frozen=True)
class Answer:
    """
    One answer.

    :ivar head: status line and fields as they came, without the empty line
    :ivar whole: the body came to its announced end
    """

    status: int
    head: bytes
    body: bytes
    whole: bool

    def field(self, name: str) -> str | None:
        """The first value of a field."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.lower() == name.lower().encode():
                return value.strip().decode("latin-1")
        return None


class Client:
    """A connection; *where* is a port of 127.0.0.1, or the path of a unix socket."""

    def __init__(self, where: int | str, *, receive_buffer: int = 0, timeout: float = _TIMEOUT) -> None:
        family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.connect(where if isinstance(where, str) else ("127.0.0.1", where))
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.sock.sendall(data)

    def end_sending(self) -> None:
        """Close our sending side."""
        self.sock.shutdown(socket.SHUT_WR)

    def read_head(self) -> bytes:
        """The next head, without its empty line; empty when the connection ended before one."""
        while b"\r\n\r\n" not in self._buffer:
            data = self.sock.recv(65536)
            if not data:
                return b""
            self._buffer += data
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head

    def read_some(self) -> bytes:
        """What comes next; empty at the end."""
        if self._buffer:
            data, self._buffer = self._buffer, b""
            return data
        return self.sock.recv(262144)

    def read_to_end(self) -> bytes:
        """All that comes until the connection ends."""
        parts = []
        while data := self.read_some():
            parts.append(data)
        return b"".join(parts)

    def read_exactly(self, size: int) -> bytes:
        """*size* bytes, or fewer when the connection ends before."""
        data = self._buffer
        while len(data) < size:
            more = self.sock.recv(65536)
            if not more:
                break
            data += more
        data, self._buffer = data[:size], data[size:]
        return data

    def answer(self, *, to_head: bool = False) -> Answer:
        """The next final answer; interim ones are passed over."""
        head = self.read_head()
        while head.startswith(b"HTTP/1.1 1") and not head.startswith(b"HTTP/1.1 101"):
            head = self.read_head()
        if not head:
            raise ConnectionError("the connection ended before an answer")
        status = int(head.split(b" ", 2)[1])
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])}
        if to_head or status in (101, 204, 304):
            return Answer(status, head, b"", True)
        if fields.get(b"transfer-encoding") == b"chunked":
            return Answer(status, head, *self._chunks())
        if b"content-length" in fields:
            size = int(fields[b"content-length"])
            try:
                body = self.read_exactly(size)
            except ConnectionError:
                return Answer(status, head, b"", False)
            return Answer(status, head, body, len(body) == size)
        return Answer(status, head, self.read_to_end(), True)

    def _chunks(self) -> tuple[bytes, bool]:
        body = b""
        try:
            while True:
                size = int(self._line() or b"x", 16)
                if size == 0:
                    while self._line():
                        pass
                    return body, True
                body += self.read_exactly(size)
                self._line()
        except (ConnectionError, ValueError):
            return body, False

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError("ended in mid-line")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line


def request(
    path: str, *fields: str, method: str = "GET", host: str = "test.example", body: bytes = b"", version: str = "1.1"
) -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/{version}", f"Host: {host}", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def fetch(where: int | str, path: str, *fields: str, method: str = "GET", body: bytes = b"") -> Answer:
    """One request on a connection of its own."""
    with Client(where) as client:
        client.send(request(path, *fields, "Connection: close", method=method, body=body))
        return client.answer(to_head=method == "HEAD")
