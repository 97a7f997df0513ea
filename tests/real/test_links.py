"""Links to peers, with Debian's nginx as the peer: our certificate, and the PROXY protocol."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path

import pytest

from tests.real.client import fetch
from tests.real.conftest import StartProgram, StartProxy
from tests.real.programs import eventually, free_ports
from tests.transport.authority import Authority

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
pytestmark = pytest.mark.skipif(not os.path.exists(NGINX), reason="needs nginx (Debian: apt install nginx-light)")

CONFIGURATION = """
daemon off;
{user}
worker_processes 1;
error_log stderr;
pid {directory}/nginx.pid;
events {{ worker_connections 128; }}
http {{
    log_format told escape=json '{{"uri":"$uri","client":"$proxy_protocol_addr","port":"$proxy_protocol_port",'
        '"server":"$proxy_protocol_server_addr","connection":"$connection"}}';
    access_log {directory}/nginx.log told;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} {options};
        {server}
        location / {{ return 200 "$ssl_client_verify $ssl_client_s_dn $host"; }}
    }}
}}
"""

TLS = """
        ssl_certificate {mine.chain};
        ssl_certificate_key {mine.key};
        ssl_client_certificate {authority};
        ssl_verify_client on;
"""

SITE = """
[listen http]
on =
    tcp:127.0.0.1:@http
    tcp:[::1]:@six
[status]
on = tcp:127.0.0.1:@status
[pool nginx]
servers = {server}
check = GET /check
check_interval = 200ms
check_timeout = 5s
check_expect = 200
rise = 1
fall = 1
{more}
[route /]
pool = nginx
tries = 1
host = upstream
"""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


def start_nginx(start: StartProgram, directory: Path, options: str = "", server: str = "") -> int:
    """Returns the port of an nginx."""
    (port,) = free_ports(1)
    user = "user root;" if os.geteuid() == 0 else ""
    text = CONFIGURATION.format(directory=directory, port=port, user=user, options=options, server=server)
    (directory / "nginx.conf").write_text(text)
    start("nginx", [NGINX, "-p", str(directory), "-c", str(directory / "nginx.conf")]).await_port(port)
    return port


def log(directory: Path, uri: str) -> list[dict[str, str]]:
    """What nginx was told of the clients that asked for *uri*."""
    lines = (directory / "nginx.log").read_text().splitlines()
    return [told for line in lines if (told := json.loads(line))["uri"] == uri]


def checked(proxy: object) -> list[bool]:
    """What the checks of the only peer have found."""
    (peer,) = proxy.status_page()["pools"]["nginx"]["peers"]  # type: ignore[attr-defined]
    return [check["passed"] for check in peer["checks"]]


def test_a_peer_that_insists_on_a_certificate_is_shown_ours(
    start_proxy: StartProxy, start_program: StartProgram, authority: Authority, tmp_path: Path
) -> None:
    mine, ours = authority.issue("app.example"), authority.issue("proxy.example", common_name="the proxy")
    port = start_nginx(start_program, tmp_path, "ssl", TLS.format(mine=mine, authority=authority.path))
    server = f"https://127.0.0.1:{port} server_name=app.example"
    more = f"ca = {authority.path}\nclient_certificate = {ours.chain} {ours.key}"
    proxy = start_proxy(SITE.format(server=server, more=more))
    for _ in range(3):
        assert fetch(proxy.port, "/").body == b"SUCCESS CN=the proxy 127.0.0.1"
    eventually(lambda: checked(proxy)[-1:] == [True], lambda: str(checked(proxy)))

    without = start_proxy(SITE.format(server=server, more=f"ca = {authority.path}"), name="without")
    answer = fetch(without.port, "/")
    # nginx says it in HTTP, behind the handshake; its check has failed or is going to.
    assert answer.status in (400, 502, 503)
    eventually(lambda: checked(without)[-1:] == [False], lambda: str(checked(without)))


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("encrypted", [False, True])
def test_nginx_is_told_whose_connections_they_are(
    start_proxy: StartProxy,
    start_program: StartProgram,
    authority: Authority,
    tmp_path: Path,
    version: str,
    encrypted: bool,
) -> None:
    tls = TLS.format(mine=authority.issue("127.0.0.1"), authority=authority.path).replace("verify_client on", "verify_client off")
    port = start_nginx(start_program, tmp_path, f"{'ssl ' * encrypted}proxy_protocol", tls * encrypted)
    more = f"proxy_protocol = {version}" + f"\nca = {authority.path}" * encrypted
    proxy = start_proxy(SITE.format(server=f"{'https://' * encrypted}127.0.0.1:{port}", more=more))

    ports = []
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", proxy.port), 10) as client:
            ports.append(str(client.getsockname()[1]))
            for _ in range(2):
                client.sendall(b"GET /four HTTP/1.1\r\nHost: a\r\n\r\n")
                data = b""
                while b"\r\n\r\n" not in data or not data.endswith(b"127.0.0.1"):
                    piece = client.recv(65536)
                    assert piece, data
                    data += piece
                assert data.startswith(b"HTTP/1.1 200 OK"), data
    eventually(lambda: len(log(tmp_path, "/four")) == 4, "four lines")
    told = log(tmp_path, "/four")
    assert [each["client"] for each in told] == ["127.0.0.1"] * 4
    assert [each["port"] for each in told] == [ports[0], ports[0], ports[1], ports[1]]
    # A connection serves the client's connection that it was made for, again, and no other.
    assert told[0]["connection"] == told[1]["connection"] != told[2]["connection"] == told[3]["connection"]

    with socket.create_connection(("::1", proxy.ports["six"]), 10) as client:
        client.sendall(b"GET /six HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        while client.recv(65536):
            pass
    eventually(lambda: log(tmp_path, "/six"), "a line")
    assert (log(tmp_path, "/six")[0]["client"], log(tmp_path, "/six")[0]["server"]) == ("::1", "::1")

    # Checks are our own.
    eventually(lambda: checked(proxy)[-1:] == [True], lambda: str(checked(proxy)))
    assert log(tmp_path, "/check")[0]["client"] in ("", "-")
