"""
Samples of etc/ in a running proxy: their ports become free ones, their servers are small backends, and what their [test …]
sections expect is held against what clients and backends see.

The address that a test's request comes from is told by a PROXY protocol header, as all of them come from this machine.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from tests.real.client import Client
from tests.real.programs import PATIENCE, ROOT, accepts, eventually, free_ports, is_alive, python
from twistedproxy.addresses import Tcp
from twistedproxy.cache.key import split_url
from twistedproxy.config.load import load_text
from twistedproxy.errors import RequestError
from twistedproxy.message import Headers, ResponseHead
from twistedproxy.rehearsal.expectations import answer_of, unmet
from twistedproxy.rehearsal.peers import Answer
from twistedproxy.rehearsal.request import SOMEBODY, made_up
from twistedproxy.settings.listen import ListenSettings
from twistedproxy.settings.site_ini import Settings
from twistedproxy.settings.trials import TrialSettings

ETC: Final = Path(__file__).parents[2] / "etc"
_LOG: Final = """
[log of_the_test]
file = trace.log
format = {route} | {pool} | {cache_status} | {error}
"""


@dataclass
class Heard:
    """What a backend was asked; as rehearsals tell of it."""

    peer: str
    start: str = ""
    fields: list[tuple[str, str]] = field(default_factory=list)

    @property
    def target(self) -> str:
        """What is asked for."""
        return self.start.split(" ")[1] if self.start else ""


class Backend:
    """A server of a sample: says what the test wants, and notes what it is asked."""

    def __init__(self, port: int, stage: LiveSample) -> None:
        self._address = ("127.0.0.1", port)
        self._stage = stage
        self._listening: socket.socket | None = None
        self._connections: list[socket.socket] = []

    def listen(self) -> None:
        """Be there."""
        self._listening = socket.create_server(self._address, backlog=64)
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def leave(self) -> None:
        """Be gone: connections are refused."""
        if self._listening is None:
            return
        for each in (self._listening, *self._connections):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._listening, self._connections = None, []

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(30)
        with contextlib.suppress(OSError, ValueError), connection, connection.makefile("rb") as lines:
            while start := lines.readline():
                fields = []
                while line := lines.readline().strip():
                    name, _, value = line.decode("latin-1").partition(": ")
                    fields.append((name, value))
                known = {name.lower(): value for name, value in fields}
                lines.read(int(known.get("content-length", "0")))
                name = f"{self._address[0]}:{self._address[1]}"
                connection.sendall(self._stage.asked(Heard(name, start.decode("latin-1").strip(), fields)))


@dataclass
class Said:
    """One test's answer, and what backends were asked for it."""

    test: TrialSettings
    head: ResponseHead
    body: bytes
    heard: list[Heard] = field(default_factory=list)


class Proxies:
    """Starts proxies, each for a site; see tests/real/samples_proxy.py."""

    def __init__(self) -> None:
        self._program = subprocess.Popen(
            python("tests.real.samples_proxy"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def start(self, site: Path) -> int:
        """Begin to run *site*: the id of its process."""
        assert self._program.stdin is not None and self._program.stdout is not None
        self._program.stdin.write(f"{site}\n")
        self._program.stdin.flush()
        return int(self._program.stdout.readline())

    def end(self) -> None:
        """Start no more."""
        self._program.communicate(timeout=PATIENCE)


class LiveSample:
    """
    A sample of etc/ that runs.

    :ivar settings: with the ports that it has here
    """

    def __init__(self, name: str, directory: Path) -> None:
        shutil.copytree(ETC, directory / "etc")
        text = _changed(name, (directory / "etc" / name).read_text())
        path = directory / "etc" / name
        before = load_text(text, str(path), {}).settings
        ports = sorted(_ports(before))
        free = dict(zip(ports, free_ports(len(ports)), strict=True))
        text = re.sub(r"tcp:(?:127\.0\.0\.1:)?(\d+)\b", r"tcp:127.0.0.1:\1", text)
        text = re.sub(r":(\d{2,5})\b", lambda found: f":{free.get(int(found[1]), found[1])}", text)
        path.write_text(_with_proxy_headers(text) + _LOG)
        self.settings = load_text(path.read_text(), str(path), {}).settings
        self._log = directory / "etc" / "trace.log"
        self._lock = threading.Lock()
        self._heard: list[Heard] = []
        self._answer = answer_of(())
        self._backends = [
            Backend(server.address.port, self)
            for pool in self.settings.pools.values()
            for server in pool.servers
            if isinstance(server.address, Tcp)
        ]
        self.site = path

    def run(self, proxies: Proxies) -> dict[str, list[str]]:
        """What is not as the tests expect, by their names."""
        for backend in self._backends:
            backend.listen()
        pid = proxies.start(self.site)
        try:
            said = self._said()
        finally:
            os.kill(pid, signal.SIGTERM)
            eventually(lambda: not is_alive(pid), self._story)
            for backend in self._backends:
                backend.leave()
        return self._problems(said)

    def _said(self) -> list[Said]:
        doors = [address for door in self.settings.listen for address in door.on]
        for address in doors:
            assert isinstance(address, Tcp)
            eventually(partial(accepts, address.port), self._story)
        return [self._try(test) for test in self.settings.tests]

    def _problems(self, said: list[Said]) -> dict[str, list[str]]:
        # Lines of the log are those of the requests, each of which has waited for the one before.
        asked = sum(test.repeat for test in self.settings.tests)
        lines = self._lines()
        assert len(lines) == asked, f"{asked} requests; {self._story()}"
        problems: dict[str, list[str]] = {}
        for each in said:
            last, lines = lines[each.test.repeat - 1], lines[each.test.repeat :]
            told = self._told(each, last)
            expected = [expectation for line in each.test.expect for expectation in line]
            if told.exchange.pool_name and told.exchange.pool_name not in self.settings.pools:
                # What an app in the proxy's own process hears is seen by rehearsals only.
                expected = [expectation for expectation in expected if expectation.what not in ("path", "target", "header")]
            problems[each.test.name] = [problem for expectation in expected if (problem := unmet(expectation, told))]
        return problems

    def _lines(self) -> list[list[str]]:
        return [line.split(" | ") for line in self._log.read_text().splitlines()] if self._log.exists() else []

    def _story(self) -> str:
        out = self.site.with_name(f"{self.site.name}.out")
        return f"the log has {self._lines()}, and the proxy printed {out.read_text() if out.exists() else 'nothing'}"

    def asked(self, heard: Heard) -> bytes:
        """What a backend says to what it has *heard*; checks, which come from the proxy itself, pass."""
        if "via" not in {name.lower() for name, _ in heard.fields}:
            return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        with self._lock:
            self._heard.append(heard)
            answer = self._answer
        return _written(answer, is_head=heard.start.startswith("HEAD "))

    def _try(self, test: TrialSettings) -> Said:
        self._answer = answer_of(test.answer)
        refused = self._answer.head is None
        if refused:
            for backend in self._backends:
                backend.leave()
        for _ in range(test.repeat):
            self._heard.clear()
            head, body = self._ask(test)
        if any(each.what == "mirror" and not each.negated for line in test.expect for each in line):
            eventually(lambda: len(self._heard) > 1, f"{test.name}: no copy has come")
        with self._lock:
            said = Said(test, head, body, list(self._heard))
        if refused:
            for backend in self._backends:
                backend.listen()
        return said

    def _ask(self, test: TrialSettings) -> tuple[ResponseHead, bytes]:
        line, *fields = test.request
        method, url = line.split()
        parts = split_url(url.encode())
        assert parts is not None, url
        scheme, authority, target = parts
        body = (test.body or "").encode()
        names = {each.partition(":")[0].lower() for each in fields}
        lines = [f"{method} {target.decode()} HTTP/1.1", *fields, "Connection: close"]
        if "connection" in names:
            lines.pop()
        if "host" not in names:
            lines.append(f"Host: {authority.decode()}")
        if body and not names & {"content-length", "transfer-encoding"}:
            lines.append(f"Content-Length: {len(body)}")
        door = _door(self.settings, test)
        address = door.on[0]
        assert isinstance(address, Tcp)
        client = test.client or SOMEBODY
        family = "TCP6" if ":" in client else "TCP4"
        here = "::1" if ":" in client else "127.0.0.1"
        with Client(address.port) as connection:
            connection.send(f"PROXY {family} {client} {here} 50000 {address.port}\r\n".encode())
            if scheme == b"https":
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                connection.sock = context.wrap_socket(connection.sock, server_hostname=authority.decode().partition(":")[0])
            connection.send("\r\n".join([*lines, "", ""]).encode() + body)
            answer = connection.answer(to_head=method == "HEAD")
        pairs = [each.partition(b":")[::2] for each in answer.head.split(b"\r\n")[1:]]
        return ResponseHead(answer.status, b"", Headers((name, value.strip()) for name, value in pairs)), answer.body

    def _told(self, said: Said, line: list[str]) -> Any:
        """As the rehearsal tells of it."""
        route, pool, cache_status, error = ("" if word == "-" else word for word in line)
        known = self.settings.pools.get(pool)
        # A pool that is not in the file is an app in the proxy's own process: kind:target.
        app = SimpleNamespace(target=pool.partition(":")[2]) if pool and known is None else None
        peers = {server.name for server in known.servers} if known is not None else set()
        exchange = SimpleNamespace(
            route=SimpleNamespace(name=route, settings=SimpleNamespace(hosted=app)) if route else None,
            pool_name=pool,
            cache_status=cache_status,
            reason=SimpleNamespace(name=error) if error else None,
        )
        heard = [each for each in said.heard if each.peer in peers]
        if said.test.answer == ("refused",) and not heard and pool:
            heard = [Heard(sorted(peers)[0])]
        if app is not None and not error:
            heard = [Heard(pool)]
        copies = [each for each in said.heard if each.peer not in peers]
        return SimpleNamespace(exchange=exchange, head=said.head, body=said.body, heard=heard, copies=copies)


def _changed(name: str, text: str) -> str:
    """What a sample cannot do here: certificates do not come from Let's Encrypt."""
    if name == "letsencrypt.ini":
        text = re.sub(r"^(acme|email) = .*\n", "", text, flags=re.MULTILINE)
        text = re.sub(r"^names = ", "self_signed = ", text, flags=re.MULTILINE)
    return text


def _ports(settings: Settings) -> set[int]:
    """Every port that is listened on by the sample, or by one of its servers."""
    doors: list[Any] = [*settings.listen, *settings.streams, *(each for each in (settings.status, settings.shell) if each)]
    ports = {address.port for door in doors for address in door.on if isinstance(address, Tcp)}
    servers = (server for pool in settings.pools.values() for server in pool.servers)
    return ports | {server.address.port for server in servers if isinstance(server.address, Tcp)}


def _with_proxy_headers(text: str) -> str:
    """Every listener believes this machine who the client is."""
    made = []
    for section in re.split(r"(?m)^(?=\[)", text):
        title, line_end, rest = section.partition("\n")
        if title.startswith("[listen "):
            more = "proxy_protocol = accept\n"
            if not re.search(r"(?m)^trusted_proxies", rest):
                more += "trusted_proxies = 127.0.0.1\n"
            section = f"{title}{line_end}{more}{rest}"
        made.append(section)
    return "".join(made)


def _door(settings: Settings, test: TrialSettings) -> ListenSettings:
    line = test.request[0]
    try:
        return made_up(settings, line, listener=test.listen or "").listener
    except RequestError:
        # What is no request comes in all the same.
        return made_up(settings, re.sub(r"(://[^/]*).*", r"\1/", line), listener=test.listen or "").listener


def _written(answer: Answer, *, is_head: bool) -> bytes:
    head = answer.head
    assert head is not None
    body = b"" if is_head or head.status in (204, 304) else answer.body
    return b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (head.status, head.reason, head.headers.block, body)
