"""
``python -m bench.checks``: what active checks cost, a second of them at a time.

A proxy with 200 peers and one check of each a second runs on the last core; the peers are sockets of this process, on another.
For each kind of check the table says what one costs in CPU time, and the share of a core that all of them use; what the idle
proxy uses is taken off.  The first line is what the same costs a program that only connects, asks, reads and closes: on a busy
machine both rise.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from bench.certificates import Certificate, make_certificate
from bench.measure import cpu_seconds
from bench.processes import Process, free_ports
from bench.programs.echo import handshake_answer

_ROOT = str(Path(__file__).parents[1])
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Type: text/plain\r\n\r\nok\n"
_PONG = 10
#: Of what a peer is, and of its check.
KINDS = {
    "none": ("", ""),
    "tcp": ("", "check = tcp"),
    "GET /health": ("", "check = GET /health\ncheck_body = ok"),
    "GET /health, check_keepalive = no": ("", "check = GET /health\ncheck_body = ok\ncheck_keepalive = no"),
    "websocket /ws": ("", "check = websocket /ws"),
    "GET /health, https": ("https://", "check = GET /health\nca = {ca}"),
    "tls": ("https://", "check = tls\nca = {ca}"),
}
_SITE = """\
[site]
state_dir = {directory}/state
[listen http]
on = tcp:127.0.0.1:{http}
[pool app]
servers =
    {servers}
{knobs}
[route /]
pool = app
"""


#: What the system takes: a program that does for each check what cannot be left out, and waits in between.
_BARE = """\
import socket, sys, time
seconds, *ports = map(int, sys.argv[1:])
end, count = time.monotonic() + seconds, 0
began = time.process_time()
while time.monotonic() < end:
    sock = socket.create_connection(("127.0.0.1", ports[count % len(ports)]))
    sock.send(b"GET /health HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
    sock.recv(65536)
    sock.close()
    count += 1
    time.sleep(1 / len(ports))
print((time.process_time() - began) / count)
"""


class Peers:
    """So many servers in one thread; *asked* counts their connections, and what is asked on one beyond the first time."""

    def __init__(self, count: int, certificate: Certificate) -> None:
        self.ports: list[int] = []
        self.asked = 0
        self._count = count
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate.chain, certificate.key)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @contextlib.contextmanager
    def up(self, *, tls: bool) -> Iterator[None]:
        """While they listen."""
        self._context = self._tls if tls else None
        self._thread.start()
        self._ready.wait(10)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        # Whoever leaves in mid-handshake when the proxy ends is no news.
        self._loop.set_exception_handler(lambda _loop, _context: None)
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _listen(self) -> None:
        for _ in range(self._count):
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
            self.ports.append(server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        # tcp and tls checks say nothing, and leave.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if b"\r\nUpgrade: websocket" in head:
                writer.write(handshake_answer(head))
                _, size = await reader.readexactly(2)
                mask = await reader.readexactly(4)
                payload = await reader.readexactly(size & 0x7F)
                writer.write(bytes((0x80 | _PONG, len(payload))) + bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload)))
                await reader.read(100)  # its last frame
            else:
                writer.write(_ANSWER)
                while b"\r\nConnection: close" not in head:
                    head = await reader.readuntil(b"\r\n\r\n")
                    self.asked += 1
                    writer.write(_ANSWER)
            await writer.drain()
        writer.close()


def measure(kind: str, count: int, seconds: float, cpu: int, directory: Path, certificate: Certificate) -> tuple[float, int]:
    """CPU seconds that *count* peers with checks of *kind* cost in *seconds*, and how many checks those were."""
    scheme, check = KINDS[kind]
    peers = Peers(count, certificate)
    with peers.up(tls=bool(scheme)):
        (http,) = free_ports(1)
        site = directory / "site.ini"
        servers = "\n    ".join(f"{scheme}127.0.0.1:{port}" for port in peers.ports)
        knobs = f"{check.format(ca=certificate.chain)}\ncheck_interval = 1s\ncheck_timeout = 5s" if check else ""
        site.write_text(_SITE.format(directory=directory, http=http, servers=servers, knobs=knobs))
        twistd = Path(sys.executable).with_name("twistd")
        command = [str(twistd), "-n", "--pidfile=", "--logfile=-", "revproxy", "-c", str(site)]
        proxy = Process("proxy", command, cpu=cpu, log=directory / "proxy.log", environment={"PYTHONPATH": _ROOT})
        try:
            proxy.await_port(http)
            time.sleep(3)
            asked, used = peers.asked, cpu_seconds(proxy.family())
            time.sleep(seconds)
            return cpu_seconds(proxy.family()) - used, peers.asked - asked
        finally:
            proxy.end()


def bare(count: int, seconds: float, cpu: int, directory: Path, certificate: Certificate) -> float:
    """CPU seconds that one check costs the barest program that there is."""
    peers = Peers(count, certificate)
    with peers.up(tls=False):
        command = [sys.executable, "-c", _BARE, str(int(seconds)), *map(str, peers.ports)]
        done = subprocess.run(["taskset", "-c", str(cpu), *command], cwd=directory, capture_output=True, text=True, check=True)
        return float(done.stdout)


def main() -> None:
    """Measure every kind, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.checks", description=__doc__)
    parser.add_argument("--peers", type=int, default=200, help="peers, each checked once a second (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10, help="for each kind of check (default: %(default)s)")
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:1])
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        certificate = make_certificate(directory)
        print("| check | µs CPU | × bare | % of a core |\n| --- | ---: | ---: | ---: |")
        least = bare(arguments.peers, arguments.seconds, cores[-1], directory, certificate)
        print(f"| *a bare program's* | {least * 1e6:.0f} | 1.00 | |")
        idle = 0.0
        for kind in KINDS:
            used, checks = measure(kind, arguments.peers, arguments.seconds, cores[-1], directory, certificate)
            if kind == "none":
                idle = used
                continue
            cost = max(0.0, used - idle)
            each = cost / max(1, checks)
            print(f"| `{kind}` | {each * 1e6:.0f} | {each / least:.2f} | {100 * cost / arguments.seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
