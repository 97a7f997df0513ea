"""
The origin behind every subject: Debian's nginx with fixed answers, and a WebSocket echo.  Both run on the load's core.

========================  ==================================================================================
``/small``                128 bytes
``/new``                  128 bytes, with an ETag that no other answer has
``/page``                 16 KiB
``/large``                10 MiB
``/cached/small``         128 bytes with ``Cache-Control: max-age=3600``
``/cached/body``          1 MB, likewise
``/upload``               204, after the whole body has been read
``/seen``                 the forwarding fields of the request, and its number on its connection
``/count``                requests that the origin has answered (stub_status)
========================  ==================================================================================
"""

from __future__ import annotations

import http.client
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Process, free_ports

SMALL = 128
PAGE = 16 * 1024
BODY = 1_000_000
LARGE = 10 * 1024 * 1024

_NGINX = """\
{user}daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {directory}/nginx.pid;
error_log stderr error;
events {{ worker_connections 16000; }}
http {{
    access_log off;
    default_type text/plain;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=16;
    keepalive_requests 100000000;
    keepalive_timeout 3600s;
    client_body_buffer_size 16m;
    client_max_body_size 64m;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {directory}/files;
        location = /small {{ return 200 "{small}"; }}
        location = /new {{ add_header ETag '"$request_id"'; return 200 "{small}"; }}
        location = /cached/small {{ add_header Cache-Control "public, max-age=3600"; return 200 "{small}"; }}
        location = /cached/body {{ add_header Cache-Control "public, max-age=3600"; alias {directory}/files/body; }}
        location = /seen {{
            set $forwarded "for=$http_x_forwarded_for proto=$http_x_forwarded_proto host=$http_x_forwarded_host";
            return 200 "$forwarded turn=$connection_requests";
        }}
        location = /count {{ stub_status; }}
        location = /upload {{
            proxy_pass http://unix:{directory}/read.sock:/;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
        }}
    }}
    server {{
        listen unix:{directory}/read.sock;
        return 204;
    }}
}}
"""


@dataclass(frozen=True)
class Origin:
    """Ports of the running origin."""

    http: int
    echo: int

    def answered(self) -> int:
        """Requests that nginx has answered since it started, this question included."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=5)
        try:
            connection.request("GET", "/count")
            counters = re.search(rb"\n\s*\d+\s+\d+\s+(\d+)", connection.getresponse().read())
        finally:
            connection.close()
        if counters is None:
            raise RuntimeError("the origin does not say how many requests it has answered")
        return int(counters[1])


def start_answers(directory: Path, *, cpu: int, files: int) -> tuple[int, Process]:
    """
    Start nginx with the fixed answers on core *cpu*, with its files in the new *directory*.

    :param files: open files that a process may have.
    :returns: the port, and the process for the caller to end.
    :raises Unavailable: when it does not start.
    """
    content = directory / "files"
    content.mkdir(parents=True)
    (content / "page").write_bytes(b"p" * PAGE)
    (content / "body").write_bytes(b"b" * BODY)
    (content / "large").write_bytes(b"l" * LARGE)
    (port,) = free_ports(1)
    configuration = directory / "nginx.conf"
    configuration.write_text(
        _NGINX.format(
            user="user root;\n" if os.geteuid() == 0 else "", directory=directory, port=port, small="s" * SMALL, files=files
        )
    )
    process = Process("origin", ["nginx", "-c", str(configuration), "-e", "stderr"], cpu=cpu, log=directory / "nginx.log")
    return port, _open(process, port)


def start_echo(directory: Path, *, cpu: int) -> tuple[int, Process]:
    """Start the WebSocket echo on core *cpu*; returns and raises as :func:`start_answers`."""
    (port,) = free_ports(1)
    process = Process(
        "echo",
        [sys.executable, "-m", "bench.programs.echo", str(port)],
        cpu=cpu,
        log=directory / "echo.log",
        environment={"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    return port, _open(process, port)


def _open(process: Process, port: int) -> Process:
    try:
        process.await_port(port)
    except BaseException:
        process.end()
        raise
    return process
