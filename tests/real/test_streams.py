"""Streams between programs of others: PostgreSQL and its psql, nginx with TLS of its own, OpenSSL and curl."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from tests.real.conftest import StartProgram, StartProxy
from tests.real.origins import Call, Origin
from tests.real.programs import ROOT, eventually, free_ports
from tests.real.test_nginx import NGINX
from tests.transport.authority import Authority

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
needs_postgres = pytest.mark.skipif(
    not POSTGRES or shutil.which("psql") is None, reason="needs postgresql (Debian: apt install postgresql)"
)
needs_nginx = pytest.mark.skipif(not os.path.exists(NGINX), reason="needs nginx (Debian: apt install nginx-light)")
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl (Debian: apt install openssl)")


def run(*command: str, data: bytes = b"") -> str:
    """What a program prints."""
    done = subprocess.run(command, input=data, capture_output=True, timeout=60, check=False)
    return (done.stdout + done.stderr).decode(errors="replace")


class Postgres:
    """A private cluster; the server refuses to run as root."""

    def __init__(self, directory: Path, start: StartProgram) -> None:
        self.directory = directory / "cluster"
        (self.port,) = free_ports(1)
        as_user: list[str] = []
        if os.geteuid() == 0:
            self.directory.mkdir()
            user = pwd.getpwnam("postgres")
            os.chown(self.directory, user.pw_uid, user.pw_gid)
            for parent in (directory, *directory.parents):
                if parent.stat().st_mode & 0o001 == 0:
                    parent.chmod(parent.stat().st_mode | 0o011)
            as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        bin_ = POSTGRES[-1]
        subprocess.run(
            [*as_user, str(bin_ / "initdb"), "-D", str(self.directory), "-U", "me", "-A", "trust", "-N", "--locale=C"],
            check=True,
            capture_output=True,
            cwd="/",
        )
        options = ["-D", str(self.directory), "-p", str(self.port), "-h", "127.0.0.1", "-k", "", "-F"]
        start("postgres", [*as_user, str(bin_ / "postgres"), *options]).await_port(self.port)
        eventually(lambda: "1" in psql(self.port, "select 1"), "an answer of PostgreSQL itself")


def psql(port: int, *queries: str) -> str:
    """What psql prints of the answers."""
    commands = [word for query in queries for word in ("-c", query)]
    return run("psql", "-h", "127.0.0.1", "-p", str(port), "-U", "me", "-d", "postgres", "-X", "-t", "-A", *commands)


@needs_postgres
def test_postgresql_through_a_stream(start_proxy: StartProxy, start_program: StartProgram, tmp_path: Path) -> None:
    server = Postgres(tmp_path, start_program)
    (dead,) = free_ports(1)
    proxy = start_proxy(
        dedent(f"""
        [stream http]
        on = tcp:127.0.0.1:@http
        pool = db
        [pool db]
        servers =
            127.0.0.1:{dead}
            127.0.0.1:{server.port}
        [log streams]
        of = streams
        file = streams.log
    """)
    )
    assert psql(proxy.port, "select 6 * 7") == "42\n"
    # A notice of another session, a large answer, and a copy to the server.
    assert psql(proxy.port, "select length(string_agg(md5(n::text), '')) from generate_series(1, 300000) n") == "9600000\n"
    whole = psql(proxy.port, "select md5(n::text) from generate_series(1, 100000) n")
    assert len(whole) == 3_300_000
    assert "LISTEN" in psql(proxy.port, "listen x", "notify x", "select 1")
    log = tmp_path / "streams.log"
    eventually(lambda: log.exists() and log.read_text().count(" http - db/") == 4, lambda: proxy.story())
    assert all(line.endswith(" -") and f"db/127.0.0.1:{server.port}" in line for line in log.read_text().splitlines())


SERVER = """
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate {issued.chain};
        ssl_certificate_key {issued.key};
        location / {{ return 200 "{name} says $request_uri by $ssl_server_name\\n"; }}
    }}
"""
CONFIGURATION = """
daemon off;
{user}
worker_processes 1;
error_log stderr;
pid {directory}/nginx.pid;
events {{ worker_connections 128; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    {server}
}}
"""

#: Two names are passed on, on a port of their own, or taken out of a listener's.
PASSED = """
[stream passed]
{door}
sni =
    a.example    a
    *.b.example  b
    {rest}
[pool a]
servers = 127.0.0.1:{a}
[pool b]
servers = 127.0.0.1:{b}
"""
SHARED = """
[listen http]
on = tcp:127.0.0.1:@http
tls = site
[tls site]
certificates = {issued.chain} {issued.key}
[pool web]
servers = 127.0.0.1:{web}
[route /]
pool = web
"""


@pytest.fixture
def nginxes(tmp_path: Path, start_program: StartProgram) -> tuple[Authority, int, int]:
    """Two nginx with certificates of their own; the authority of these, and the ports."""
    authority = Authority(tmp_path)
    ports = free_ports(2)
    for name, port, issued in (
        ("first", ports[0], authority.issue("a.example")),
        ("second", ports[1], authority.issue("*.b.example")),
    ):
        directory = tmp_path / name
        directory.mkdir()
        configuration = directory / "nginx.conf"
        server = SERVER.format(port=port, issued=issued, name=name)
        user = "user root;" if os.geteuid() == 0 else ""
        configuration.write_text(CONFIGURATION.format(directory=directory, server=server, user=user))
        start_program(name, [NGINX, "-c", str(configuration), "-p", str(directory)]).await_port(port)
    return authority, *ports


def curl(authority: Authority, port: int, name: str, *options: str) -> str:
    """What curl gets of ``https://name:port/path``, with the certificate verified."""
    return run(
        "curl", "-s", "-S", "-m", "10", "--cacert", authority.path, "--resolve", f"{name}:{port}:127.0.0.1", *options,
        f"https://{name}:{port}/path",
    )  # fmt: skip


@needs_nginx
def test_tls_is_passed_on_to_two_nginx_by_name(start_proxy: StartProxy, nginxes: tuple[Authority, int, int]) -> None:
    authority, first, second = nginxes
    proxy = start_proxy(PASSED.format(door="on = tcp:127.0.0.1:@http", rest="* b", a=first, b=second))
    assert curl(authority, proxy.port, "a.example") == "first says /path by a.example\n"
    assert curl(authority, proxy.port, "www.b.example") == "second says /path by www.b.example\n"
    for version in ("--tls-max", "1.2"), ("--tlsv1.3",):
        assert curl(authority, proxy.port, "a.example", *version) == "first says /path by a.example\n"
    assert "second says /path by" in curl(authority, proxy.port, "c.example", "-k")


@needs_nginx
@needs_openssl
def test_names_that_are_passed_on_share_a_port_with_names_that_are_served(
    start_proxy: StartProxy, nginxes: tuple[Authority, int, int]
) -> None:
    authority, first, second = nginxes

    def served(call: Call) -> None:
        while call.head():
            call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nours\n")

    with Origin(served) as origin:
        site = SHARED.format(issued=authority.issue("www.example"), web=origin.port)
        proxy = start_proxy(site + PASSED.format(door="listen = http", rest="", a=first, b=second))
        for _ in range(2):
            assert curl(authority, proxy.port, "a.example") == "first says /path by a.example\n"
            assert curl(authority, proxy.port, "www.b.example") == "second says /path by www.b.example\n"
            assert curl(authority, proxy.port, "www.example") == "ours\n"
        assert "speaks HTTPS" in run("curl", "-s", "-S", f"http://127.0.0.1:{proxy.port}/")
        s_client = ("openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port}", "-CAfile", authority.path)
        for name, subject in (("a.example", "a.example"), ("x.b.example", "*.b.example"), ("www.example", "www.example")):
            shown = run(*s_client, "-servername", name, "-verify_hostname", name)
            assert f"Verified peername: {subject}" in shown
        assert "Verified peername: www.example" in run(*s_client, "-noservername", "-verify_hostname", "www.example")


def test_a_client_whose_hello_comes_in_pieces_is_passed_on(start_proxy: StartProxy, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    issued = authority.issue("a.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.chain, issued.key)

    def secured(call: Call) -> None:
        with context.wrap_socket(call.sock, server_side=True) as sock:
            sock.sendall(b"hello " + sock.recv(100))

    with Origin(secured) as origin:
        proxy = start_proxy(PASSED.format(door="on = tcp:127.0.0.1:@http", rest="", a=origin.port, b=origin.port))
        trusting = ssl.create_default_context(cafile=authority.path)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = trusting.wrap_bio(incoming, outgoing, server_hostname="a.example")
        with socket.create_connection(("127.0.0.1", proxy.port), 10) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def step(action: Callable[[], object]) -> object:
                while True:
                    try:
                        return action()
                    except ssl.SSLWantReadError:
                        pass
                    finally:
                        for value in outgoing.read():
                            sock.sendall(bytes((value,)))
                    data = sock.recv(65536)
                    assert data
                    incoming.write(data)

            step(client.do_handshake)
            step(lambda: client.write(b"you"))
            assert step(lambda: client.read(100)) == b"hello you"


def test_tls_is_terminated_before_a_peer_and_spoken_to_another(start_proxy: StartProxy, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    issued = authority.issue("localhost", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.chain, issued.key)
    asked: list[str | None] = []

    def plain(call: Call) -> None:
        call.send(b"220 " + call.some())
        call.sock.shutdown(socket.SHUT_RDWR)

    def secured(call: Call) -> None:
        with context.wrap_socket(call.sock, server_side=True) as sock:
            asked.append(sock.selected_alpn_protocol())
            sock.sendall(b"secure " + sock.recv(100))
            sock.unwrap()

    with Origin(plain) as plain_origin, Origin(secured) as secure_origin:
        proxy = start_proxy(
            dedent(f"""
            [stream http]
            on = tcp:127.0.0.1:@http
            tls = site
            protocols = irc
            pool = plain
            [tls site]
            certificates = {issued.chain} {issued.key}
            [pool plain]
            servers = 127.0.0.1:{plain_origin.port}
            [stream out]
            on = tcp:127.0.0.1:@out
            pool = secure
            [pool secure]
            servers = tls://localhost:{secure_origin.port}
            ca = {authority.path}
        """)
        )
        trusting = ssl.create_default_context(cafile=authority.path)
        trusting.set_alpn_protocols(["irc"])
        with (
            socket.create_connection(("127.0.0.1", proxy.port), 10) as sock,
            trusting.wrap_socket(sock, server_hostname="localhost") as client,
        ):
            assert client.selected_alpn_protocol() == "irc"
            client.sendall(b"hello")
            assert client.recv(100) == b"220 hello"
            assert client.recv(100) == b""
        with socket.create_connection(("127.0.0.1", proxy.port), 10) as sock:
            sock.sendall(b"PING\r\n\r\n")
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                answer = sock.recv(100)
            assert b"HTTP" not in answer
        with socket.create_connection(("127.0.0.1", proxy.ports["out"]), 10) as sock:
            sock.sendall(b"hello")
            assert sock.recv(100) == b"secure hello"
            assert sock.recv(100) == b""
    assert asked == [None]


def test_a_proxy_that_stops_lets_streams_come_to_their_end(start_proxy: StartProxy) -> None:
    def echo(call: Call) -> None:
        while data := call.some():
            call.send(data)

    with Origin(echo) as origin:
        proxy = start_proxy(
            dedent(f"""
            [site]
            stop_timeout = 20s
            [stream http]
            on = tcp:127.0.0.1:@http
            pool = echo
            [pool echo]
            servers = 127.0.0.1:{origin.port}
        """)
        )
        with socket.create_connection(("127.0.0.1", proxy.port), 10) as sock:
            sock.sendall(b"one")
            assert sock.recv(100) == b"one"
            proxy.signal(signal.SIGTERM)
            eventually(lambda: refuses(proxy.port), "a closed port")
            sock.sendall(b"two")
            assert sock.recv(100) == b"two"
        proxy.wait()


def refuses(port: int) -> bool:
    """Whether nobody listens on *port*."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_the_sample_runs(start_proxy: StartProxy, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued = Authority(tmp_path).issue("shop.localhost")
    context.load_cert_chain(issued.chain, issued.key)

    def echo(call: Call) -> None:
        while data := call.some():
            call.send(data)

    def shop(call: Call) -> None:
        with context.wrap_socket(call.sock, server_side=True) as sock:
            sock.sendall(b"shop: " + sock.recv(100))

    def mail(call: Call) -> None:
        heard = b""
        while b"mail.localhost" not in heard:
            heard += call.some()
        assert heard.startswith(b"\r\n\r\n\0\r\nQUIT\n")
        call.reset()

    with Origin(echo) as plain, Origin(shop) as secure, Origin(mail) as mails:
        site = (ROOT / "etc/streams.ini").read_text()
        for port, name in (("5433", "http"), ("6380", "redis"), ("8443", "https")):
            site = site.replace(f"127.0.0.1:{port}", f"127.0.0.1:@{name}")
        for port, origin in (("5432", plain), ("6379", plain), ("9443", secure), ("9444", mails)):
            site = site.replace(f"127.0.0.1:{port}", f"127.0.0.1:{origin.port}")
        proxy = start_proxy(site)
        blind = ssl.create_default_context()
        blind.check_hostname = False
        blind.verify_mode = ssl.CERT_NONE

        def said(port: str, name: str | None) -> bytes:
            with socket.create_connection(("127.0.0.1", proxy.ports[port]), 10) as sock:
                client = blind.wrap_socket(sock, server_hostname=name) if name is not None else sock
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                return client.recv(100)

        assert said("http", None).startswith(b"GET /")
        assert said("redis", "localhost").startswith(b"GET /")
        assert said("https", "shop.localhost").startswith(b"shop: GET /")
        assert said("https", "www.localhost").startswith(b"HTTP/1.1 302 ")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            said("https", "a.mail.localhost")
        assert mails.calls == 1 and not mails.troubles
        eventually(lambda: "passed a.mail.localhost mail/" in proxy.printed(), proxy.story)
