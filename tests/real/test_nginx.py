"""Debian's nginx as origin: its files through the proxy and its cache, and what its own access log says of that."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.real.client import fetch
from tests.real.conftest import StartProgram, StartProxy
from tests.real.programs import eventually, free_ports

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
    log_format short escape=none '$request_method $uri $status inm=$http_if_none_match';
    access_log {directory}/nginx.log short;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {directory}/files;
        location /short/ {{ add_header Cache-Control max-age=1; }}
        location /checked/ {{ add_header Cache-Control no-cache; }}
    }}
}}
"""

SITE = """
[listen http]
on = tcp:127.0.0.1:@http
[pool files]
servers = 127.0.0.1:{port}
check = HEAD /index.html
[cache disk]
directory = cache
[route /]
pool = files
cache = disk
"""


def test_files_of_nginx_are_stored_and_validated_by_their_etag(
    start_proxy: StartProxy, start_program: StartProgram, tmp_path: Path
) -> None:
    files = tmp_path / "files"
    for folder in ("", "short", "checked"):
        (files / folder).mkdir(exist_ok=True)
    (files / "index.html").write_text("the index\n")
    (files / "checked/page.txt").write_text("first edition\n")
    (files / "short/large.bin").write_bytes(os.urandom(700_000))
    (port,) = free_ports(1)
    user = "user root;" if os.geteuid() == 0 else ""
    (tmp_path / "nginx.conf").write_text(CONFIGURATION.format(directory=tmp_path, port=port, user=user))
    start_program("nginx", [NGINX, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]).await_port(port)
    proxy = start_proxy(SITE.format(port=port))

    def log() -> list[str]:
        return [line for line in (tmp_path / "nginx.log").read_text().splitlines() if "/index.html" not in line]

    first = fetch(proxy.port, "/checked/page.txt")
    assert (first.status, first.body) == (200, b"first edition\n")
    assert first.field("X-Cache-Status") == "MISS"
    etag = first.field("ETag")
    eventually(lambda: log() == ["GET /checked/page.txt 200 inm="], lambda: str(log()))

    second = fetch(proxy.port, "/checked/page.txt")
    assert (second.status, second.body) == (200, b"first edition\n")
    assert second.field("X-Cache-Status") == "REVALIDATED", second.head
    eventually(lambda: log()[1:] == [f"GET /checked/page.txt 304 inm={etag}"], lambda: str(log()))

    (files / "checked/page.txt").write_text("second edition, which is longer\n")
    third = fetch(proxy.port, "/checked/page.txt")
    assert third.body == b"second edition, which is longer\n"
    eventually(lambda: log()[2:] == [f"GET /checked/page.txt 200 inm={etag}"], lambda: str(log()))

    assert fetch(proxy.port, "/checked/page.txt", f"If-None-Match: {third.field('ETag')}").status == 304

    large = (files / "short/large.bin").read_bytes()
    for status in ("MISS", "HIT"):
        answer = fetch(proxy.port, "/short/large.bin")
        assert answer.body == large
        assert answer.field("X-Cache-Status") == status
    part = fetch(proxy.port, "/short/large.bin", "Range: bytes=100-199")
    assert part.status in (200, 206)
    assert part.body == (large[100:200] if part.status == 206 else large)

    eventually(lambda: fetch(proxy.port, "/short/large.bin").field("X-Cache-Status") == "REVALIDATED", "its second is over")
    assert any(line.startswith("GET /short/large.bin 304") for line in log())
    head = fetch(proxy.port, "/short/large.bin", method="HEAD")
    assert (head.status, head.field("Content-Length")) == (200, "700000")
    assert fetch(proxy.port, "/nowhere").status == 404


def test_entries_survive_a_restart(start_proxy: StartProxy, start_program: StartProgram, tmp_path: Path) -> None:
    (tmp_path / "files/hour").mkdir(parents=True)
    (tmp_path / "files/index.html").write_text("the index\n")
    (tmp_path / "files/hour/page.txt").write_text("kept\n")
    (port,) = free_ports(1)
    user = "user root;" if os.geteuid() == 0 else ""
    configuration = (
        CONFIGURATION.format(directory=tmp_path, port=port, user=user).replace("/short/", "/hour/").replace("=1;", "=3600;")
    )
    (tmp_path / "nginx.conf").write_text(configuration)
    nginx = start_program("nginx", [NGINX, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")])
    nginx.await_port(port)
    proxy = start_proxy(SITE.format(port=port))
    assert fetch(proxy.port, "/hour/page.txt").field("X-Cache-Status") == "MISS"
    eventually(lambda: fetch(proxy.port, "/hour/page.txt").field("X-Cache-Status") == "HIT", "stored")
    proxy.end()
    nginx.end()
    proxy = start_proxy(SITE.format(port=port).replace("check = HEAD /index.html\n", ""), name="again")
    answer = fetch(proxy.port, "/hour/page.txt")
    assert (answer.body, answer.field("X-Cache-Status")) == (b"kept\n", "HIT"), proxy.story()
    proxy.kill()
    proxy = start_proxy(SITE.format(port=port), name="after_kill")
    assert fetch(proxy.port, "/hour/page.txt").body == b"kept\n"
