"""TLS as others speak it: OpenSSL's own client, Python's ssl module, httpx; as clients and as origins."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.real.client import fetch
from tests.real.conftest import StartProxy
from tests.real.origins import Call, Origin, Script, answering
from tests.real.programs import eventually
from tests.real.proxy import Proxy
from tests.transport.authority import Authority

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl (Debian: apt install openssl)")
VERSIONS = pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])

SITE = """
[site]
state_dir = state
[listen https]
on = tcp:127.0.0.1:@https
tls = site
handshake_timeout = 1s
[tls site]
certificates =
    {first.chain} {first.key}
    {second.chain} {second.key}
[pool app]
servers = 127.0.0.1:{port}
[route /]
pool = app
max_body = 0
"""

SECURE_PEER = """
[listen http]
on = tcp:127.0.0.1:@http
[pool app]
servers = https://127.0.0.1:{port}
{more}
[route /]
pool = app
tries = 1
"""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def start(start_proxy: StartProxy, authority: Authority) -> Callable[[Origin], Proxy]:
    """Start a proxy with two certificates before *origin*."""

    def started(origin: Origin) -> Proxy:
        first, second = authority.issue("127.0.0.1", "localhost"), authority.issue("*.shop.example")
        return start_proxy(SITE.format(first=first, second=second, port=origin.port))

    return started


def s_client(proxy: Proxy, authority: Authority, *options: str) -> str:
    """What ``openssl s_client`` prints about one request."""
    finished = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.ports['https']}", "-CAfile", authority.path, "-ign_eof", *options],
        input=b"GET /path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        capture_output=True,
        timeout=30,
        check=False,
    )
    return (finished.stdout + finished.stderr).decode(errors="replace")


def over_tls(context: ssl.SSLContext, script: Script, resumed: list[bool | None] | None = None) -> Script:
    """*script*, spoken over TLS; a handshake that fails ends the connection.  *resumed*: whether each resumed a session."""

    def secured(call: Call) -> None:
        try:
            secure = context.wrap_socket(call.sock, server_side=True)
        except (ssl.SSLError, ConnectionError):
            call.sock.close()
            return
        if resumed is not None:
            resumed.append(secure.session_reused)
        call.sock = secure
        script(call)

    return secured


def server_context(authority: Authority, *names: str, version: str | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    files = authority.issue(*names)
    context.load_cert_chain(files.chain, files.key)
    if version:
        context.minimum_version = context.maximum_version = {
            "TLSv1.2": ssl.TLSVersion.TLSv1_2,
            "TLSv1.3": ssl.TLSVersion.TLSv1_3,
        }[version]
    return context


@needs_openssl
@VERSIONS
def test_openssl_gets_an_answer(start: Callable[[Origin], Proxy], authority: Authority, version: str) -> None:
    with Origin(answering(b"hello over TLS")) as origin:
        proxy = start(origin)
        said = s_client(proxy, authority, f"-{version.lower().replace('v', '').replace('.', '_')}", "-alpn", "http/1.1")
    assert "hello over TLS" in said
    assert f"{version}, Cipher is" in said
    assert "ALPN protocol: http/1.1" in said
    assert "Verify return code: 0 (ok)" in said
    assert "unexpected eof" not in said


@needs_openssl
def test_openssl_sees_the_certificate_of_the_name_that_it_asks_for(
    start: Callable[[Origin], Proxy], authority: Authority
) -> None:
    with Origin(answering(b"hello")) as origin:
        proxy = start(origin)
        asked = s_client(proxy, authority, "-servername", "www.shop.example", "-verify_hostname", "www.shop.example")
        default = s_client(proxy, authority, "-servername", "elsewhere.example", "-verify_hostname", "localhost")
    assert "Verified peername: *.shop.example" in asked
    assert "Verified peername: localhost" in default


@needs_openssl
@VERSIONS
def test_openssl_resumes_its_session(
    start: Callable[[Origin], Proxy], authority: Authority, version: str, tmp_path: Path
) -> None:
    session = str(tmp_path / "session.pem")
    flag = f"-{version.lower().replace('v', '').replace('.', '_')}"
    with Origin(answering(b"hello")) as origin:
        proxy = start(origin)
        assert f"New, {version}" in s_client(proxy, authority, flag, "-sess_out", session)
        resumed = s_client(proxy, authority, flag, "-sess_in", session)
    assert f"Reused, {version}" in resumed
    assert "hello" in resumed


@needs_openssl
def test_keys_may_be_updated_between_requests(start: Callable[[Origin], Proxy], tmp_path: Path) -> None:
    with Origin(answering(b"hello over TLS")) as origin:
        proxy = start(origin)
        printed = tmp_path / "printed"
        with (
            printed.open("wb") as output,
            subprocess.Popen(
                ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.ports['https']}", "-tls1_3"],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
            ) as client,
        ):
            assert client.stdin is not None

            def say(line: bytes, until: str, times: int = 1) -> None:
                assert client.stdin is not None
                client.stdin.write(line)
                client.stdin.flush()
                eventually(lambda: printed.read_text(errors="replace").count(until) >= times, lambda: printed.read_text())

            get = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
            say(get, "hello over TLS")
            say(b"K\n", "KEYUPDATE")
            say(get, "hello over TLS", 2)
            say(b"k\n", "KEYUPDATE", 2)
            say(get, "hello over TLS", 3)
            client.stdin.close()
            client.terminate()


def test_bodies_arrive_whole_in_both_directions(start: Callable[[Origin], Proxy], authority: Authority) -> None:
    body = bytes(range(256)) * 20_000

    def echo(call: Call) -> None:
        while call.head():
            received = b""
            while len(received) < len(body):
                received += call.some()
            call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(received))
            call.send(received)

    with Origin(echo) as origin:
        proxy = start(origin)
        with httpx.Client(verify=ssl.create_default_context(cafile=authority.path), timeout=30) as client:
            for _ in range(2):
                assert client.post(f"https://localhost:{proxy.ports['https']}/", content=body).content == body


def test_plain_http_is_told_to_come_with_tls(start: Callable[[Origin], Proxy]) -> None:
    with Origin(answering(b"hello")) as origin:
        proxy = start(origin)
        answer = fetch(proxy.ports["https"], "/")
    assert answer.status == 400
    assert b"HTTPS" in answer.body


def test_a_client_that_never_shakes_hands_is_cut(start: Callable[[Origin], Proxy]) -> None:
    with Origin(answering(b"hello")) as origin:
        proxy = start(origin)
        with socket.create_connection(("127.0.0.1", proxy.ports["https"]), 10) as sock:
            sock.sendall(b"\x16\x03\x01")
            assert sock.recv(100) == b""


def test_curl_is_let_in_with_its_certificate_and_told_so_without(
    start_proxy: StartProxy, authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "clients").mkdir()
    clients = Authority(tmp_path / "clients", "Clients")
    alice = clients.issue(alternatives=False, common_name="Alice")
    site = SITE.format(first=authority.issue("localhost"), second=authority.issue("b.example"), port="{port}")
    site = site.replace("[pool", f"verify_client = require\nclient_ca = {clients.path}\nhsts = 365d\n[pool")
    seen: list[bytes] = []

    def told(call: Call) -> None:
        while head := call.head():
            seen.append(head)
            call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    with Origin(told) as origin:
        proxy = start_proxy(site.format(port=origin.port) + "client_cert_headers = yes\n")

        def curl(*options: str) -> str:
            url = f"https://localhost:{proxy.ports['https']}/"
            command = ["curl", "-sS", "-i", "--cacert", authority.path, *options, url]
            return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.lower()

        for version in ("--http1.1", "--http2"):
            refused = curl(version)
            assert refused.split()[1] == "400"
            assert "a client certificate is needed here" in refused
            answer = curl(version, "--cert", alice.chain, "--key", alice.key, "-H", "X-Client-Cert-Subject: CN=root")
            assert answer.split()[1] == "200"
            assert "strict-transport-security: max-age=31536000" in answer
    assert len(seen) == 2
    for head in seen:
        assert head.lower().count(b"x-client-cert-subject") == 1
        assert b"X-Client-Cert-Subject: CN=Alice\r\n" in head


# Peers.


@VERSIONS
def test_a_peer_is_spoken_to_over_tls_and_its_session_resumed(
    start_proxy: StartProxy, authority: Authority, version: str
) -> None:
    resumed: list[bool | None] = []

    def once(call: Call) -> None:
        if call.head():
            call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
            call.sock.close()

    context = server_context(authority, "127.0.0.1", version=version)
    with Origin(over_tls(context, once, resumed)) as origin:
        proxy = start_proxy(SECURE_PEER.format(port=origin.port, more=f"ca = {authority.path}"))
        for _ in range(3):
            assert fetch(proxy.port, "/").body == b"hello"
    assert resumed == [False, True, True]


def test_a_peer_with_another_name_is_not_believed(start_proxy: StartProxy, authority: Authority) -> None:
    with Origin(over_tls(server_context(authority, "other.example"), answering(b"secret"))) as origin:
        site = SECURE_PEER.format(port=origin.port, more=f"ca = {authority.path}")
        answer = fetch(start_proxy(site).port, "/")
        assert answer.status == 502
        assert b"secret" not in answer.body
        named = start_proxy(site.replace("ca =", "server_name = other.example\nca ="), name="named")
        assert fetch(named.port, "/").body == b"secret"


def test_a_peer_of_an_unknown_authority_is_believed_only_when_told(start_proxy: StartProxy, authority: Authority) -> None:
    with Origin(over_tls(server_context(authority, "127.0.0.1"), answering(b"hello"))) as origin:
        assert fetch(start_proxy(SECURE_PEER.format(port=origin.port, more="")).port, "/").status == 502
        blind = start_proxy(SECURE_PEER.format(port=origin.port, more="verify = no"), name="blind")
        assert fetch(blind.port, "/").body == b"hello"


@pytest.mark.parametrize("notified", [True, False])
def test_a_body_that_ends_with_the_connection_counts_only_with_close_notify(
    start_proxy: StartProxy, authority: Authority, notified: bool
) -> None:
    def until_close(call: Call) -> None:
        call.head()
        call.send(b"HTTP/1.1 200 OK\r\n\r\nall of it?")
        if notified:
            assert isinstance(call.sock, ssl.SSLSocket)
            call.sock = call.sock.unwrap()
        call.sock.shutdown(socket.SHUT_RDWR)
        call.sock.close()

    with Origin(over_tls(server_context(authority, "127.0.0.1"), until_close)) as origin:
        proxy = start_proxy(SECURE_PEER.format(port=origin.port, more=f"ca = {authority.path}"))
        answer = fetch(proxy.port, "/")
    assert answer.field("transfer-encoding") == "chunked"
    assert answer.body == b"all of it?" or not notified
    assert answer.whole is notified
