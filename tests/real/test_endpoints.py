"""Twisted's endpoint strings, to listen on and as peers, and sockets that systemd hands over."""

from __future__ import annotations

import socket
import ssl
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from h2.connection import H2Connection
from h2.events import DataReceived

from tests.real.client import fetch
from tests.real.conftest import StartProxy
from tests.real.origins import Call, Origin, answering
from tests.real.programs import Program, eventually
from tests.real.proxy import TWISTD, Proxy
from tests.transport.authority import Authority

SITE = """
[listen http]
on = {on}
[pool app]
servers = {server}
[route /]
pool = app
max_body = 0
"""


def test_requests_come_and_go_by_transports_of_twisted(start_proxy: StartProxy, tmp_path: Path) -> None:
    with Origin(answering(b"hello"), str(tmp_path / "app.sock")):
        site = SITE.format(on="tcp:@http:interface=127.0.0.1:backlog=50", server=f"endpoint:unix:{tmp_path / 'app.sock'}")
        proxy = start_proxy(site + "[status]\non = tcp:port=@status:interface=127.0.0.1\n")
        for _ in range(3):
            assert fetch(proxy.port, "/").body == b"hello"
        (listener,) = proxy.status_page()["listeners"]
        (peer,) = proxy.status_page()["pools"]["app"]["peers"]
    assert listener["accepted"] == 3
    assert peer["name"].startswith("endpoint:unix:") and peer["failures"] == 0 and peer["idle"] == 1


def test_large_bodies_pass_through_them_whole(start_proxy: StartProxy) -> None:
    body = bytes(range(256)) * 40_000

    def echo(call: Call) -> None:
        while call.head():
            received = b""
            while len(received) < len(body):
                received += call.some()
            call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(received) + received)

    with Origin(echo) as origin:
        proxy = start_proxy(
            SITE.format(on="tcp:@http:interface=127.0.0.1:backlog=50", server=f"endpoint:tcp:host=127.0.0.1:port={origin.port}")
        )
        with socket.create_connection(("127.0.0.1", proxy.port), 30) as sock:
            for _ in range(2):
                sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                received = b""
                while not received.endswith(body[-1000:]) or len(received) < len(body):
                    data = sock.recv(65536)
                    assert data
                    received += data
                assert received.endswith(body)


def test_streams_of_http2_share_a_connection_of_theirs(start_proxy: StartProxy) -> None:
    with Origin(answering(b"hello")) as origin:
        proxy = start_proxy(SITE.format(on="tcp:@http:interface=127.0.0.1:backlog=50", server=f"127.0.0.1:{origin.port}"))
        client = H2Connection()
        client.initiate_connection()
        head = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")]
        for stream in (1, 3, 5):
            client.send_headers(stream, head, end_stream=True)
        bodies: dict[int, bytes] = {}
        with socket.create_connection(("127.0.0.1", proxy.port), 30) as sock:
            while bodies != {1: b"hello", 3: b"hello", 5: b"hello"}:
                sock.sendall(client.data_to_send())
                data = sock.recv(65536)
                assert data, bodies
                for event in client.receive_data(data):
                    if isinstance(event, DataReceived):
                        bodies[event.stream_id] = bodies.get(event.stream_id, b"") + event.data


def test_a_stream_between_them_keeps_half_closes(start_proxy: StartProxy) -> None:
    def script(call: Call) -> None:
        heard = b""
        while data := call.some():
            heard += data
        call.send(b"heard %d" % len(heard))

    with Origin(script) as origin:
        proxy = start_proxy(
            dedent(f"""
                [stream door]
                on = tcp:@http:interface=127.0.0.1:backlog=50
                pool = back
                [pool back]
                servers = endpoint:tcp:127.0.0.1:{origin.port}
                check = tcp
            """)
        )
        with socket.create_connection(("127.0.0.1", proxy.port), 30) as sock:
            sock.sendall(b"x" * 5_000_000)
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(100) == b"heard 5000000"
            assert sock.recv(100) == b""


def test_tls_of_twisted_on_both_sides(start_proxy: StartProxy, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    issued = authority.issue("localhost", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.chain, issued.key)
    told: list[bytes] = []

    def secured(call: Call) -> None:
        with context.wrap_socket(call.sock, server_side=True) as sock:
            call.sock = sock
            while head := call.head():
                told.append(head)
                call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    roots = tmp_path / "roots"
    roots.mkdir()
    (roots / "root.pem").write_bytes(Path(authority.path).read_bytes())
    with Origin(secured) as origin:
        proxy = start_proxy(
            SITE.format(
                on=f"ssl:port=@http:interface=127.0.0.1:privateKey={issued.key}:certKey={issued.chain}",
                server=f"endpoint:tls:host=localhost:port={origin.port}:trustRoots={roots}",
            )
        )
        trusting = ssl.create_default_context(cafile=authority.path)
        with (
            socket.create_connection(("127.0.0.1", proxy.port), 10) as sock,
            trusting.wrap_socket(sock, server_hostname="localhost") as client,
        ):
            for _ in range(2):
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert client.recv(1000).endswith(b"hello")
    assert b"X-Forwarded-Proto: https" in told[0]


def test_a_peer_that_is_not_there_is_a_refused_one(start_proxy: StartProxy, tmp_path: Path) -> None:
    with Origin(answering(b"hello")) as origin:
        site = SITE.format(
            on="tcp:127.0.0.1:@http", server=f"\n    endpoint:unix:{tmp_path / 'gone'}\n    127.0.0.1:{origin.port}"
        )
        proxy = start_proxy(site)
        for _ in range(2):
            assert fetch(proxy.port, "/").body == b"hello"


def test_an_endpoint_that_is_taken_is_told(start_proxy: StartProxy, tmp_path: Path) -> None:
    with Origin(answering(b"hello")) as origin:
        site = SITE.format(on=f"tcp:{origin.port}:interface=127.0.0.1:backlog=5", server="127.0.0.1:1")
        with pytest.raises(AssertionError, match=r"cannot listen on tcp:[0-9]+:.*Address already in use"):
            start_proxy(site)


#: Does what systemd does for a socket unit, and becomes the proxy.
ACTIVATION = """
import os, socket, sys
kind, where = sys.argv[1:3]
sock = socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET)
sock.bind(where if kind == "unix" else ("127.0.0.1", int(where)))
sock.listen(10)
os.dup2(sock.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_FDNAMES="web", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, "-c", sys.argv[3], "-n", "--pidfile=", "revproxy", "-c", "site.ini"])
"""


@pytest.mark.parametrize(("domain", "which"), [("INET", "index=0"), ("UNIX", "name=web")])
def test_a_socket_of_systemd_is_taken_over(tmp_path: Path, started: list[Program], domain: str, which: str) -> None:
    with Origin(answering(b"hello")) as origin:
        (tmp_path / "site.ini").write_text(SITE.format(on=f"systemd:domain={domain}:{which}", server=f"127.0.0.1:{origin.port}"))
        path = str(tmp_path / "web.sock")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        where = ["unix", path] if domain == "UNIX" else ["tcp", str(port)]
        proxy = Program("proxy", [sys.executable, "-c", ACTIVATION, *where, TWISTD], tmp_path)
        started.append(proxy)
        proxy.await_output("listener http: http on ")
        with socket.socket(socket.AF_UNIX if domain == "UNIX" else socket.AF_INET) as sock:
            sock.settimeout(10)
            sock.connect(path if domain == "UNIX" else ("127.0.0.1", port))
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"hello" in sock.recv(1000)
        proxy.end()
        eventually(lambda: proxy.ended, proxy.story)
    # What systemd has made is systemd's to remove.
    assert domain != "UNIX" or Path(path).exists()


def test_without_systemd_there_is_no_such_socket(tmp_path: Path, started: list[Program]) -> None:
    proxy = Proxy(tmp_path, SITE.format(on="systemd:domain=INET:name=web", server="127.0.0.1:1"))
    started.append(proxy)
    proxy.await_output("systemd has handed over no socket called web")
    assert proxy.wait() == 1
