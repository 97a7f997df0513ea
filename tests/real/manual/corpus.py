"""
The corpus of raw cases beside nginx and HAProxy, by hand: what each of the three makes of every case.

    python -m tests.real.manual.corpus                   # the cases on which they differ
    python -m tests.real.manual.corpus chunk             # of those, the ones whose name or line holds a word

On Debian the two are the packages ``nginx`` and ``haproxy``; they run from a temporary directory, on free ports, for the time
of the comparison.  A row shows the statuses that the client got and how many requests the origin got (``cut``: not to their end).
"""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.corpus.case import Case, Outcome
from tests.corpus.cases import CASES
from tests.corpus.parse import Broken, Fields, answers_in, fields_of
from tests.corpus.site import SITE
from tests.corpus.stage import Stage
from tests.real.programs import Program, free_ports
from tests.real.proxy import Proxy

NGINX: Final = """
daemon off;
master_process off;
pid nginx.pid;
error_log nginx.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    upstream origin {{ server 127.0.0.1:{origin} max_fails=0; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
        }}
        location /private/ {{ return 302 https://login.example/; }}
    }}
}}
"""
HAPROXY: Final = """
defaults
    mode http
    timeout client 5s
    timeout server 5s
    timeout connect 5s
frontend clients
    bind 127.0.0.1:{port}
    http-request redirect location https://login.example/ if {{ path_beg /private/ }}
    default_backend origin
backend origin
    server origin 127.0.0.1:{origin}
"""

Start = Callable[[Path, int], tuple[Program, int]]


def start_ours(directory: Path, origin: int) -> tuple[Program, int]:
    """This proxy, and its port."""
    proxy = Proxy(directory, SITE.format(origin=origin))
    proxy.await_ready()
    return proxy, proxy.port


def start_nginx(directory: Path, origin: int) -> tuple[Program, int]:
    """nginx, and its port."""
    (port,) = free_ports(1)
    (directory / "nginx.conf").write_text(NGINX.format(origin=origin, port=port))
    program = Program("nginx", ["nginx", "-p", str(directory), "-c", "nginx.conf"], directory)
    program.await_port(port)
    return program, port


def start_haproxy(directory: Path, origin: int) -> tuple[Program, int]:
    """HAProxy, and its port."""
    (port,) = free_ports(1)
    (directory / "haproxy.cfg").write_text(HAPROXY.format(origin=origin, port=port))
    program = Program("haproxy", ["haproxy", "-f", "haproxy.cfg"], directory)
    program.await_port(port)
    return program, port


SUBJECTS: Final[dict[str, Start]] = {"ours": start_ours, "nginx": start_nginx, "haproxy": start_haproxy}


def any_head(head: bytes) -> Fields:
    """The fields of a head, of which nothing else is asked."""
    return fields_of(head[:-4].split(b"\r\n")[1:])


def played(start: Start, cases: list[Case]) -> dict[str, Outcome]:
    """What comes of the *cases* with one subject."""
    with tempfile.TemporaryDirectory() as name:
        stage = Stage(any_head, patience=3.0)
        program, port = start(Path(name), stage.port)
        try:
            outcomes = stage.play([(case, False) for case in cases], {"http": port})
        finally:
            program.end()
    return {case: outcome for (case, _), outcome in outcomes.items()}


def shown(case: Case, outcome: Outcome) -> str:
    """An outcome in a few words."""
    try:
        answers = answers_in(outcome.stream, ended=outcome.ended, to_head=case.to_head)
        statuses = " ".join(str(answer.status) for answer in answers) or "-"
    except Broken:
        statuses = "no HTTP"
    cut = "" if all(each.complete for each in outcome.heard) else " cut"
    return f"{statuses}, {len(outcome.heard)}{cut}"


def main(word: str) -> None:
    """Play, and print the table."""
    logging.disable(logging.CRITICAL)  # asyncio tells of connections that are cut when a subject ends
    cases = [case for case in CASES if case.listener == "http" and word in f"{case.name} {case.covers}"]
    outcomes = {name: played(start, cases) for name, start in SUBJECTS.items()}
    print(f"{'case':64}" + "".join(f"{name:22}" for name in SUBJECTS))
    for case in cases:
        row = [shown(case, outcomes[name][case.name]) for name in SUBJECTS]
        if len(set(row)) > 1:
            print(f"{case.name[:62]:64}" + "".join(f"{cell:22}" for cell in row))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
