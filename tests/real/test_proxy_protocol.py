"""The PROXY protocol as others speak it: curl and HAProxy before us, over TCP, TLS and unix sockets."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.real.conftest import StartProgram, StartProxy
from tests.real.origins import Call, Origin
from tests.real.programs import eventually, free_ports
from tests.transport.authority import Authority

SITE = """
[listen http]
on =
    tcp:127.0.0.1:@http
    unix:door.sock
trusted_proxies = 127.0.0.1 unix:
proxy_protocol = require
[listen https]
on = tcp:127.0.0.1:@https
tls = site
trusted_proxies = 127.0.0.1
proxy_protocol = accept
[tls site]
certificates = {chain} {key}
[pool app]
servers = 127.0.0.1:{port}
[route /]
pool = app
"""

HAPROXY = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend front
    bind 127.0.0.1:{port}
    default_backend back
backend back
    server proxy {where} {version}
"""


def told(call: Call) -> None:
    """An origin that answers with what it is told of the client."""
    while head := call.head():
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        body = json.dumps(fields).encode()
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def curl(*arguments: str) -> str:
    """What curl prints."""
    done = subprocess.run(["curl", "-s", "-S", "-m", "10", *arguments], capture_output=True, timeout=30, check=False)
    return (done.stdout + done.stderr).decode()


def site(tmp_path: Path, port: int) -> str:
    issued = Authority(tmp_path).issue("localhost")
    return SITE.format(chain=issued.chain, key=issued.key, port=port)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl (Debian: apt install curl)")
def test_curl_says_who_the_client_is_before_tls_too(start_proxy: StartProxy, tmp_path: Path) -> None:
    with Origin(told) as origin:
        proxy = start_proxy(site(tmp_path, origin.port))
        plain = json.loads(curl("--haproxy-protocol", f"http://127.0.0.1:{proxy.port}/"))
        secure = json.loads(curl("-k", "--haproxy-protocol", f"https://127.0.0.1:{proxy.ports['https']}/"))
        without = json.loads(curl("-k", f"https://127.0.0.1:{proxy.ports['https']}/"))
        refused = curl(f"http://127.0.0.1:{proxy.port}/")
    assert [fields["X-Forwarded-For"] for fields in (plain, secure, without)] == ["127.0.0.1"] * 3
    assert secure["X-Forwarded-Proto"] == "https"
    assert "curl:" in refused


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="needs haproxy (Debian: apt install haproxy)")
@pytest.mark.parametrize("version", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options ssl,crc32c,unique-id"])
@pytest.mark.parametrize("by_unix", [False, True])
def test_haproxy_says_who_the_client_is(
    start_proxy: StartProxy, start_program: StartProgram, tmp_path: Path, version: str, by_unix: bool
) -> None:
    with Origin(told) as origin:
        proxy = start_proxy(site(tmp_path, origin.port))
        (port,) = free_ports(1)
        where = f"unix@{tmp_path / 'door.sock'}" if by_unix else f"127.0.0.1:{proxy.port}"
        configuration = tmp_path / "haproxy.cfg"
        configuration.write_text(HAPROXY.format(port=port, where=where, version=version))
        start_program("haproxy", ["haproxy", "-db", "-f", str(configuration)]).await_port(port)
        fields: dict[str, str] = {}

        def answered() -> bool:
            nonlocal fields
            said = curl("--interface", "127.0.0.9", f"http://127.0.0.1:{port}/")
            fields = json.loads(said) if said.startswith("{") else {}
            return bool(fields)

        eventually(answered, "an answer through haproxy")
    assert fields["X-Forwarded-For"] == "127.0.0.9"
    assert fields["X-Forwarded-Port"] == str(port)
