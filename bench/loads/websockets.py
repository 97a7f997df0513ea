"""WebSockets by the thousand from one process: opening, ping-pong, idling (RFC 6455)."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import struct
import time
from collections.abc import Callable

from bench.loads.tools import LoadFailed
from bench.measure import Load, percentile

#: A text frame of 32 bytes from the client, masked, and the echo's answer, which is not.
_TEXT = b"0123456789abcdef0123456789abcdef"
_MASK = b"\x12\x34\x56\x78"
_FRAME = bytes((0x81, 0x80 | len(_TEXT))) + _MASK + bytes(byte ^ _MASK[i % 4] for i, byte in enumerate(_TEXT))
_ECHO = bytes((0x81, len(_TEXT))) + _TEXT
_ACCEPT = re.compile(rb"HTTP/1\.1 101 .*\r\nsec-websocket-accept: *s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n", re.IGNORECASE | re.DOTALL)
_RESET = struct.pack("ii", 1, 0)

#: Handshakes under way at one time, and seconds that one may take.
_IN_FLIGHT = 64
_OPEN_WITHIN = 20.0


def _handshake(port: int) -> bytes:
    return (
        b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n" % port
    )


def close_all(sockets: list[socket.socket]) -> None:
    """Close by reset, so that no port lingers in TIME_WAIT."""
    for each in sockets:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        each.close()


def open_websockets(port: int, count: int) -> tuple[list[socket.socket], list[float]]:
    """
    Open *count* WebSockets, and return them with the seconds that each took.

    :raises LoadFailed: at the first refusal, and when the subject makes no progress.
    """
    request = _handshake(port)
    done: list[socket.socket] = []
    times: list[float] = []
    waiting: dict[int, tuple[socket.socket, float, bytes]] = {}
    poll = select.epoll()
    begun = 0
    try:
        while len(done) < count:
            while begun < count and len(waiting) < _IN_FLIGHT:
                now = time.perf_counter()
                each = socket.create_connection(("127.0.0.1", port), _OPEN_WITHIN)
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                each.sendall(request)
                each.setblocking(False)
                waiting[each.fileno()] = each, now, b""
                poll.register(each.fileno(), select.EPOLLIN)
                begun += 1
            events = poll.poll(_OPEN_WITHIN)
            if not events:
                raise LoadFailed(f"no handshake answered within {_OPEN_WITHIN:.0f} s, {len(done)} open")
            for fd, _ in events:
                each, started, head = waiting[fd]
                head += each.recv(4096)
                if not head.endswith(b"\r\n\r\n"):
                    if not head or len(head) > 8192:
                        raise LoadFailed(f"connection closed instead of a handshake, {len(done)} open")
                    waiting[fd] = each, started, head
                    continue
                if _ACCEPT.match(head) is None:
                    raise LoadFailed(f"handshake answered {head[:60]!r}")
                times.append(time.perf_counter() - started)
                poll.unregister(fd)
                done.append(each)
                del waiting[fd]
    except BaseException as error:
        close_all([*done, *(each for each, _, _ in waiting.values())])
        if isinstance(error, OSError):
            raise LoadFailed(f"{type(error).__name__}: {error}; {len(done)} open") from None
        raise
    finally:
        poll.close()
    return done, times


def exchange(each: socket.socket) -> float:
    """
    Say the text over an open WebSocket and hear its echo; returns the seconds that it took.

    :raises LoadFailed: nothing comes back within 5 s, or something else
    """
    each.setblocking(True)
    each.settimeout(5)
    began = time.perf_counter()
    heard = b""
    with contextlib.suppress(TimeoutError):
        each.sendall(_FRAME)
        while len(heard) < len(_ECHO) and (data := each.recv(4096)):
            heard += data
    took = time.perf_counter() - began
    if heard != _ECHO:
        raise LoadFailed("an idle WebSocket does not echo")
    return took


def ping_pong(port: int, seconds: int, *, connections: int, cpu: Callable[[], float]) -> Load:
    """
    Send a text of 32 bytes on every connection, and again as soon as its echo is back.

    A unit is a message that the subject has relayed: two for each echo.  p50 and p99 are of the whole way there and back.
    *cpu* returns the CPU seconds that the subject has used; the opening handshakes are left out of them.
    """
    sockets, _ = open_websockets(port, connections)
    by_fd = {each.fileno(): each for each in sockets}
    poll = select.epoll()
    times: list[float] = []
    sent: dict[int, float] = {}
    partial: dict[int, bytes] = {}
    used = cpu()
    started = time.perf_counter()
    end = started + seconds
    try:
        for fd, each in by_fd.items():
            poll.register(fd, select.EPOLLIN)
            sent[fd] = time.perf_counter()
            each.send(_FRAME)
        now = started
        while now < end:
            events = poll.poll(2)
            if not events:
                raise LoadFailed("no echo within 2 s")
            for fd, _ in events:
                each = by_fd[fd]
                data = each.recv(4096)
                if data != _ECHO:
                    data = partial.pop(fd, b"") + data
                    if not data or not _ECHO.startswith(data):
                        raise LoadFailed(f"an echo came back as {data[:40]!r}")
                    if data != _ECHO:
                        partial[fd] = data
                        continue
                now = time.perf_counter()
                times.append(now - sent[fd])
                sent[fd] = now
                each.send(_FRAME)
        used = cpu() - used
    except OSError as error:
        raise LoadFailed(f"{type(error).__name__}: {error}") from None
    finally:
        poll.close()
        close_all(sockets)
    return Load(2 * len(times), now - started, percentile(times, 0.5), percentile(times, 0.99), cpu=used)


def _readable(sockets: list[socket.socket]) -> int:
    """How many have something to read; of idle ones, that is their end."""
    poll = select.poll()
    for each in sockets:
        poll.register(each.fileno(), select.POLLIN)
    return len(poll.poll(0))


def idle(port: int, count: int, resident: Callable[[], int]) -> Load:
    """
    Open *count* WebSockets, let them rest, and see how much memory the subject has gained.

    *resident* returns the subject's resident bytes.  p50 and p99 are of the opening handshakes.
    """
    before = resident()
    started = time.perf_counter()
    sockets, times = open_websockets(port, count)
    seconds = time.perf_counter() - started
    try:
        time.sleep(1.0)
        gained = resident() - before
        closed = _readable(sockets)
        if closed:
            raise LoadFailed(f"{closed} of {count} idle WebSockets were closed")
        for each in (sockets[0], sockets[-1]):
            exchange(each)
    except OSError as error:
        raise LoadFailed(f"{type(error).__name__}: {error}") from None
    finally:
        close_all(sockets)
    return Load(count, seconds, percentile(times, 0.5), percentile(times, 0.99), memory=gained)
