"""A proxy with a cache that is killed again and again under load, and clients that check every body that they get."""

from __future__ import annotations

import hashlib
import http.client
import random
import signal
import threading
import time
from pathlib import Path
from typing import Final

from tests.real.origins import Call, Origin
from tests.real.proxy import Proxy

SITE: Final = """
[listen http]
on = tcp:127.0.0.1:@http
[pool app]
servers = 127.0.0.1:{origin}
max_fails = 0
[cache pages]
directory = cache
max_size = 12m
memory = 1m
[route /]
pool = app
cache = pages
cache_purge = 127.0.0.1
"""

#: Bodies that are kept with their fields, in a file of their own, and of several blocks; some of everything is in use at a time.
SIZES: Final = (0, 1, 900, 40_000, 262_144, 262_145, 700_000)
PATHS: Final = tuple(f"/{size}/{number}" for size in SIZES for number in range(6))

_NOISE: Final = hashlib.shake_256(b"noise").digest(2**20)
#: Seconds between the requests of one thread, so that the machine does something else, too; nothing is awaited.
_PAUSE: Final = 0.002


def body_of(path: str, turn: int) -> bytes:
    """What the origin answers to *path* in its *turn*; no two answers are alike."""
    size = int(path.split("/")[1])
    start = turn * 7919 % (2**20 - 700_100)
    return (f"{path} {turn}\n".encode() + _NOISE[start:])[:size]


def digest_of(body: bytes) -> str:
    """By which a client knows a whole body."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()


class Turns:
    """An origin whose every answer is new, and says what it has to be; now and then one is cut, or longer than it says."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._turn = 0

    def play(self, call: Call) -> None:
        """The script."""
        while head := call.head():
            self._turn += 1
            path = head.split(b" ", 2)[1].decode()
            body = body_of(path, self._turn)
            fate = self._random.random()
            length = len(body) + (5 if fate < 0.03 else 0)
            fields = f'Cache-Control: max-age=2\r\nETag: "{self._turn}"\r\nSurrogate-Key: all\r\nX-Digest: {digest_of(body)}'
            call.send(f"HTTP/1.1 200 OK\r\n{fields}\r\nContent-Length: {length}\r\n\r\n".encode())
            call.send(body)
            if fate < 0.03:
                call.reset()
                return
            if fate > 0.98:
                # Longer than it says.
                call.send(b"and more")
                return


class Wrong(AssertionError):
    """A client got what nobody has said."""


def check(path: str, answer: http.client.HTTPResponse, body: bytes) -> None:
    """Fail when a complete answer to *path* is not one that the origin has made for it."""
    if answer.status in (502, 504):
        return  # The origin's answer was cut before it began; or nothing is stored, where only that was wanted.
    if answer.status != 200:
        raise Wrong(f"{path}: {answer.status}")
    if digest_of(body) != answer.headers["X-Digest"]:
        raise Wrong(f"{path}: the body of {answer.headers.items()} is another one")
    if len(body) > 30 and not body.startswith(path.encode() + b" "):
        raise Wrong(f"{path}: the body is of another path: {body[:30]!r}")


class Crashes:
    """
    The scene.

    :ivar checked: whole bodies that were right
    :ivar hits: of these, bodies from the cache
    :ivar cut: answers that ended early, visibly
    """

    def __init__(self, directory: Path, seed: int) -> None:
        self.checked = 0
        self.hits = 0
        self.cut = 0
        self._directory = directory
        self._random = random.Random(seed)
        self._wrong: list[Exception] = []
        self._stop = False
        self._port = 0

    def run(self, kills: int) -> None:
        """Kill so many times; fail when anything that was served is wrong, also after the last restart."""
        with Origin(Turns(self._random.randrange(2**32)).play) as origin:
            site = SITE.format(origin=origin.port)
            for number in range(kills + 1):
                proxy = Proxy(self._directory, site, f"proxy{number}")
                try:
                    proxy.await_ready()
                    self._port = proxy.port
                    self._check_stored()
                    if number < kills:
                        self._load_and_kill(proxy)
                    assert "Traceback" not in proxy.printed(), proxy.story()
                finally:
                    proxy.end()
                    proxy.output.unlink()
                if self._wrong:
                    raise self._wrong[0]

    def _load_and_kill(self, proxy: Proxy) -> None:
        self._stop = False
        seeds = [self._random.randrange(2**32) for _ in range(4)]
        clients = [threading.Thread(target=self._load, args=(seed,)) for seed in seeds]
        for client in clients:
            client.start()
        # At any moment of whatever goes on there; chance says which.
        time.sleep(self._random.uniform(0.02, 0.7))
        proxy.signal(signal.SIGKILL)
        self._stop = True
        for client in clients:
            client.join()

    def _load(self, seed: int) -> None:
        chance = random.Random(seed)
        while not self._stop:
            path = chance.choice(PATHS)
            kind = chance.random()
            try:
                if kind < 0.02:
                    self._ask("PURGE", path, {"Surrogate-Key": "all"} if kind < 0.002 else {})
                else:
                    self._ask("GET", path, {"Cache-Control": "no-cache"} if kind < 0.2 else {})
            except Wrong as wrong:
                self._wrong.append(wrong)
                return
            time.sleep(_PAUSE)

    def _check_stored(self) -> None:
        for path in PATHS:
            self._ask("GET", path, {"Cache-Control": "only-if-cached, max-stale=999999"})

    def _ask(self, method: str, path: str, fields: dict[str, str]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request(method, path, headers=fields)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            self.cut += 1
            return
        finally:
            connection.close()
        if method == "GET":
            check(path, answer, body)
            if answer.status == 200:
                self.checked += 1
                self.hits += answer.headers["X-Cache-Status"] in ("HIT", "STALE")
