"""HTTP/2 as others speak it, and as no honest client does: curl, nghttp, h2load, httpx, Chromium; raw sockets for the rest."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, ResponseReceived, StreamReset
from hyperframe.frame import ContinuationFrame, Frame, HeadersFrame, PingFrame, SettingsFrame

from tests.real.browser import Browser, needs_chromium
from tests.real.client import fetch
from tests.real.conftest import StartProxy
from tests.real.origins import Call, Origin, answering
from tests.real.programs import eventually, resident
from tests.real.proxy import Proxy
from tests.transport.authority import Authority

SITE = """
[site]
state_dir = state
[listen http]
on = tcp:127.0.0.1:@http
[listen https]
on = tcp:127.0.0.1:@https
tls = site
[tls site]
certificates = {certificate.chain} {certificate.key}
[pool app]
servers = 127.0.0.1:{port}
[route /]
pool = app
max_body = 0
{more}
"""


def needs(program: str, package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"needs {program} (Debian: apt install {package})")


def a_site(origin: Origin, authority: Authority, more: str = "") -> str:
    return SITE.format(certificate=authority.issue("127.0.0.1", "localhost"), port=origin.port, more=more)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return (done.stdout + done.stderr).decode("latin-1")


@needs("curl", "curl")
@needs("nghttp", "nghttp2-client")
def test_programs_that_speak_http2_are_served(tmp_path: Path, start_proxy: StartProxy) -> None:
    authority = Authority(tmp_path)
    with Origin(answering(b"hello")) as origin:
        proxy = start_proxy(a_site(origin, authority))
        plain, secure = f"http://127.0.0.1:{proxy.port}/", f"https://127.0.0.1:{proxy.ports['https']}/"
        upload = tmp_path / "upload"
        upload.write_bytes(bytes(1_000_000))
        written = ("-sS", "-w", " %{http_version} %{http_code}")
        assert run("curl", *written, "--http2", "--cacert", authority.path, secure) == "hello 2 200"
        assert run("curl", *written, "--http2-prior-knowledge", plain) == "hello 2 200"
        # The way by Upgrade is not taken (RFC 9113 §3.1 has done away with it).
        assert run("curl", *written, "--http2", plain) == "hello 1.1 200"
        with httpx.Client(http2=True, verify=authority.path) as client:
            answers = [client.get(secure), client.post(secure, content=b"abc")]
            assert [(answer.http_version, answer.text) for answer in answers] == [("HTTP/2", "hello")] * 2
        assert "hello" in run("nghttp", "--no-verify-peer", secure)
        assert "status codes: 200 2xx" in run("h2load", "-n", "200", "-c", "4", "-m", "10", secure)


def test_an_upload_of_any_size_passes_by_curl(tmp_path: Path, start_proxy: StartProxy) -> None:
    size = 20_000_000
    taken = []

    def script(call: Call) -> None:
        while head := call.head():
            left = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            while left:
                left -= len(call.some())
            taken.append(size)
            call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    authority = Authority(tmp_path)
    upload = tmp_path / "upload"
    upload.write_bytes(bytes(size))
    with Origin(script) as origin:
        proxy = start_proxy(a_site(origin, authority))
        plain = f"http://127.0.0.1:{proxy.port}/"
        assert run("curl", "-sS", "--http2-prior-knowledge", "-T", str(upload), plain) == "ok"
        assert taken == [size]


class Raw:
    """Somebody on a socket who speaks HTTP/2 by the h2 library, or says what that would not."""

    def __init__(self, proxy: Proxy) -> None:
        self.sock = socket.create_connection(("127.0.0.1", proxy.port), 20)
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.flush()
        self.goaway: int | None = None
        self.resets: dict[int, int] = {}
        self.bodies: dict[int, int] = {}
        self.statuses: dict[int, str] = {}

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *error: object) -> None:
        self.sock.close()

    def flush(self) -> None:
        self.sock.sendall(self.h2.data_to_send())

    def asks(self, path: str = "/", method: str = "GET", *, ends: bool = True) -> int:
        stream = self.h2.get_next_available_stream_id()
        head = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "a")]
        self.h2.send_headers(stream, head, end_stream=ends)
        self.flush()
        return stream

    def hears(self, *, opens_windows: bool = True) -> bool:
        """Take what has come; False at the end."""
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            return False
        if not data:
            return False
        for event in self.h2.receive_data(data):
            if isinstance(event, ConnectionTerminated):
                self.goaway = int(event.error_code or 0)
            elif isinstance(event, ResponseReceived):
                self.statuses[event.stream_id] = dict(event.headers)[":status"]
            elif isinstance(event, DataReceived):
                self.bodies[event.stream_id] = self.bodies.get(event.stream_id, 0) + len(event.data)
                if opens_windows and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamReset):
                self.resets[event.stream_id] = int(event.error_code)
        if self.goaway is None:
            self.flush()
        return True

    def floods(self, data: bytes, most: int = 40_000_000) -> int | None:
        """Say *data* again and again until the proxy has had enough: the code of its GOAWAY."""
        said = 0
        goaways: list[int] = []

        def hear() -> None:
            # The library does not know of what it has not said itself.
            heard = b""
            with contextlib.suppress(OSError):
                while data := self.sock.recv(65536):
                    heard += data
            at = heard.rfind(b"\x00\x00\x08\x07\x00\x00\x00\x00\x00")
            if at >= 0:
                goaways.append(int.from_bytes(heard[at + 13 : at + 17], "big"))

        ear = threading.Thread(target=hear, daemon=True)
        ear.start()
        try:
            while said < most and ear.is_alive():
                said += self.sock.send(data)
        except OSError:
            pass  # that is it
        ear.join(20)
        assert said < most
        return goaways[0] if goaways else None


def frames(*each: Frame) -> bytes:
    return b"".join(frame.serialize() for frame in each)


def reset_again_and_again(count: int = 400) -> bytes:
    """HEADERS and RST_STREAM in turns (CVE-2023-44487)."""
    said = b""
    for number in range(1, 2 * count, 2):
        said += frames(HeadersFrame(number, b"\x82\x84\x86\x41\x01a", flags=["END_HEADERS", "END_STREAM"]))
        said += b"\x00\x00\x04\x03\x00" + number.to_bytes(4, "big") + (8).to_bytes(4, "big")
    return said


def broken_again_and_again(count: int = 400) -> bytes:
    """Streams that we have to reset for an update of a window by nothing (CVE-2025-8671)."""
    said = b""
    for number in range(1, 2 * count, 2):
        said += frames(HeadersFrame(number, b"\x82\x84\x86\x41\x01a", flags=["END_HEADERS", "END_STREAM"]))
        said += b"\x00\x00\x04\x08\x00" + number.to_bytes(4, "big") + bytes(4)
    return said


FLOODS = {
    "rapid reset": reset_again_and_again(),
    "made you reset": broken_again_and_again(),
    "settings": frames(*[SettingsFrame(0)] * 200),
    "pings": frames(*[PingFrame(0)] * 200),
    "empty frames": frames(HeadersFrame(1, b"\x83\x84\x86\x41\x01a", flags=["END_HEADERS"])) + (bytes(5) + b"\0\0\0\1") * 200,
    "continuation": frames(HeadersFrame(1, b"\x82"), *[ContinuationFrame(1, bytes(16_000))] * 200),
    "hpack": frames(
        HeadersFrame(1, b"\x82\x84\x86\x41\x01a\x40\x01a\x7f\x81\x1e" + b"x" * 3968, flags=["END_HEADERS", "END_STREAM"]),
        HeadersFrame(3, b"\x82\x84\x86\x41\x01a" + b"\xbf" * 16_000, flags=["END_HEADERS", "END_STREAM"]),
    ),
}


def test_floods_cost_the_client_its_connection_and_others_nothing(tmp_path: Path, start_proxy: StartProxy) -> None:
    authority = Authority(tmp_path)
    with Origin(answering(b"hello")) as origin:
        proxy = start_proxy(a_site(origin, authority))
        before = resident(proxy.pid)
        for what, said in FLOODS.items():
            with Raw(proxy) as attacker:
                assert attacker.floods(said) == ErrorCodes.ENHANCE_YOUR_CALM, what
            with Raw(proxy) as client:
                stream = client.asks()
                while client.bodies.get(stream) != 5:
                    assert client.hears(), what
        assert resident(proxy.pid) - before < 16_000_000


def test_more_streams_than_allowed_are_refused_and_the_others_answered(tmp_path: Path, start_proxy: StartProxy) -> None:
    authority = Authority(tmp_path)
    go = threading.Event()

    def script(call: Call) -> None:
        while call.head():
            go.wait(20)
            call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    with Origin(script) as origin:
        proxy = start_proxy(a_site(origin, authority).replace("[listen https]", "http2_max_streams = 10\n[listen https]"))
        with Raw(proxy) as client:
            streams = [client.asks() for _ in range(15)]
            while len(client.resets) < 5:
                assert client.hears()
            assert client.resets == dict.fromkeys(streams[10:], ErrorCodes.REFUSED_STREAM)
            go.set()
            while sum(client.bodies.values()) < 50:
                assert client.hears()


def test_a_download_that_nobody_reads_takes_no_memory(tmp_path: Path, start_proxy: StartProxy) -> None:
    size = 1_000_000_000
    sent = [0]

    def script(call: Call) -> None:
        call.head()
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        piece = bytes(1_000_000)
        try:
            while sent[0] < size:
                call.send(piece)
                sent[0] += len(piece)
        except OSError:
            pass  # the proxy has given up, as it should

    authority = Authority(tmp_path)
    with Origin(script) as origin:
        proxy = start_proxy(a_site(origin, authority, "client_timeout = 3s"))
        before = resident(proxy.pid)
        with Raw(proxy) as client:
            # The windows would take all of it: it is the socket that nobody reads.
            client.h2.increment_flow_control_window(2**30)
            client.h2.update_settings({4: 2**30})
            client.flush()
            client.asks()
            eventually(lambda: sent[0] > 1_000_000, "the download begins")
            eventually(_stands_still(sent), "the origin is held back")
            assert sent[0] < 100_000_000
            assert resident(proxy.pid) - before < 16_000_000
        with Raw(proxy) as client:
            # And here the window stays closed.
            stream = client.asks()
            while not client.resets:
                assert client.hears(opens_windows=False)
            assert client.resets == {stream: ErrorCodes.CANCEL}
            assert client.bodies[stream] == 65_535
        assert resident(proxy.pid) - before < 16_000_000


def _stands_still(sent: list[int]) -> object:
    seen = [-1, 0.0]

    def still() -> bool:
        now = time.monotonic()
        if sent[0] != seen[0]:
            seen[:] = [sent[0], now]
        return now - seen[1] > 0.5

    return still


def test_a_stop_lets_streams_end(tmp_path: Path, start_proxy: StartProxy) -> None:
    go = threading.Event()

    def script(call: Call) -> None:
        while call.head():
            go.wait(20)
            call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    authority = Authority(tmp_path)
    with Origin(script) as origin:
        proxy = start_proxy(a_site(origin, authority))
        with Raw(proxy) as client:
            stream = client.asks()
            eventually(lambda: origin.calls, "the request is under way")
            proxy.signal(signal.SIGTERM)
            received = b""
            while received.count(b"\x00\x00\x08\x07\x00\x00\x00\x00\x00") < 2:
                received += client.sock.recv(65536)
            go.set()
            while more := client.sock.recv(65536):
                received += more
            # Notice, number, and the answer nevertheless.
            assert b"\x7f\xff\xff\xff\x00\x00\x00\x00" in received
            assert stream.to_bytes(4, "big") + bytes(4) in received
            assert received.endswith(b"hello")
        eventually(lambda: proxy.ended, "the proxy ends")


@needs_chromium
def test_a_browser_speaks_http2_and_opens_websockets_by_it(tmp_path: Path, start_proxy: StartProxy) -> None:
    from websockets.sync.server import serve

    def echo(websocket: object) -> None:
        for message in websocket:  # type: ignore[attr-defined]
            websocket.send(message)  # type: ignore[attr-defined]

    authority = Authority(tmp_path)
    page = b"<!doctype html><title>page</title><link rel=icon href=data:,>"
    with Origin(answering(page, "Content-Type: text/html")) as origin, serve(echo, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.socket.getsockname()[1]
        sockets = f"\n[pool sockets]\nservers = 127.0.0.1:{port}\n"
        sockets += (
            "[route /tunnel]\npool = sockets\nwebsocket = tunnel\n[route /messages]\npool = sockets\nwebsocket = messages\n"
        )
        proxy = start_proxy(a_site(origin, authority) + sockets + "[log access]\nfile = access.log\nformat = json\n")
        browser = Browser(tmp_path)
        try:
            url = f"https://127.0.0.1:{proxy.ports['https']}/"
            with browser.tab(url) as tab:
                tab.wait_for("document.title === 'page'")
                assert tab.run("performance.getEntriesByType('navigation')[0].nextHopProtocol") == "h2"
                for path in ("tunnel", "messages"):
                    script = """
                        window.heard = [];
                        window.socket = new WebSocket(location.origin.replace('http', 'ws') + '/PATH');
                        socket.onopen = () => { socket.send('hello'); socket.send('x'.repeat(300000)); };
                        socket.onmessage = (event) => {
                            heard.push(event.data.length);
                            if (heard.length == 2) socket.close(1000);
                        };
                        socket.onclose = (event) => { heard.push(event.code); };
                        null
                    """
                    tab.run(script.replace("PATH", path))
                    tab.wait_for("heard.length === 3")
                    assert (path, tab.run("heard.join()")) == (path, "5,300000,1000")
        finally:
            browser.end()
        log = tmp_path / "access.log"

        def by_path() -> dict[str, dict[str, object]]:
            lines = [json.loads(line) for line in log.read_text().splitlines()]
            return {str(line.get("uri", line.get("path"))): line for line in lines}

        eventually(lambda: {"/tunnel", "/messages"} <= by_path().keys(), lambda: log.read_text())
        assert all("HTTP/2.0" in json.dumps(by_path()[path]) for path in ("/", "/tunnel", "/messages"))
        server.shutdown()


def test_a_peer_that_does_not_agree_to_http2_is_not_spoken_to(tmp_path: Path, start_proxy: StartProxy) -> None:
    authority = Authority(tmp_path)
    certificate = authority.issue("127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.chain, certificate.key)
    context.set_alpn_protocols(["http/1.1"])
    heard = []

    def script(call: Call) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(call.sock, server_side=True) as secure:
            heard.append(secure.recv(100))

    with Origin(script) as origin:
        site = a_site(origin, authority).replace("servers = ", f"protocol = h2\nca = {authority.path}\nservers = https://")
        proxy = start_proxy(site)
        assert fetch(proxy.port, "/").status == 502
        assert not any(heard)
