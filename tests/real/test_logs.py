"""Access logs as they stand on disk."""

from __future__ import annotations

import json
import re
import signal

from tests.real.client import fetch
from tests.real.conftest import StartProxy
from tests.real.origins import Origin, answering
from tests.real.programs import eventually

SITE = """
[listen http]
on = tcp:127.0.0.1:@http
[pool app]
servers = 127.0.0.1:{port}
[route /]
pool = app
[log combined]
file = combined.log
[log json]
file = json.log
format = json
[log mine]
file = mine.log
format = {{client}} {{status}} {{pool}} {{peer}} {{request_time}} {{connect_time}} {{header_time}} {{response_time}}
"""

COMBINED = re.compile(
    r'127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /a\?b=1 HTTP/1\.1" 200 5 "-" "a \\"client\\""'
)
TIME = r"\d+\.\d{3,6}"


def test_every_format_is_written(start_proxy: StartProxy) -> None:
    with Origin(answering(b"12345")) as origin:
        proxy = start_proxy(SITE.format(port=origin.port))
        directory = proxy.site.parent
        fetch(proxy.port, "/a?b=1", 'User-Agent: a "client"')

        def line(name: str) -> str:
            log = directory / f"{name}.log"
            eventually(lambda: log.exists() and log.read_text().endswith("\n"), f"a line in {name}.log")
            (only,) = log.read_text().splitlines()
            return only

        combined = line("combined")
        assert COMBINED.fullmatch(combined) or "\\x22" in combined, combined
        fields = json.loads(line("json"))
        assert (fields["method"], fields["uri"], fields["status"], fields["bytes_sent"]) == ("GET", "/a?b=1", 200, 5)
        assert 0 <= fields["response_time"] <= fields["request_time"] < 10
        expected = rf"127\.0\.0\.1 200 app 127\.0\.0\.1:{origin.port} {TIME} {TIME} {TIME} {TIME}"
        assert re.fullmatch(expected, line("mine")), line("mine")


def test_the_last_lines_are_on_disk_when_the_process_has_ended(start_proxy: StartProxy) -> None:
    with Origin(answering(b"12345")) as origin:
        proxy = start_proxy(SITE.format(port=origin.port))
        for number in range(50):
            fetch(proxy.port, f"/{number}")
        proxy.signal(signal.SIGTERM)
        proxy.wait()
        assert len((proxy.site.parent / "mine.log").read_text().splitlines()) == 50


def test_sigusr1_goes_on_in_new_files_and_twistd_rotates_its_own(start_proxy: StartProxy) -> None:
    with Origin(answering(b"12345")) as origin:
        options = ("-n", "--pidfile=", "--logfile=twistd.log")
        proxy = start_proxy(SITE.format(port=origin.port), options=options, log="twistd.log")
        directory = proxy.site.parent
        log, old = directory / "mine.log", directory / "mine.log.old"
        fetch(proxy.port, "/before")
        log.rename(old)
        proxy.signal(signal.SIGUSR1)
        eventually(log.exists, "a new file")
        fetch(proxy.port, "/after")
        eventually(lambda: log.read_text().count("\n") == 1, "a line in the new file")
        assert old.read_text().count("\n") == 1
        assert (directory / "twistd.log.1").exists()
        proxy.await_output("access logs are reopened")
