"""The sample for logrotate, by the real logrotate, while requests come in: every line is somewhere, once."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from tests.real.client import fetch
from tests.real.conftest import StartProxy
from tests.real.programs import ROOT, eventually

LOGROTATE = shutil.which("logrotate", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
SITE = """
[listen http]
on = tcp:127.0.0.1:@http
keepalive_requests = 1000000
[route /]
respond = 200 well
[log access]
file = logs/access.log
format = {uri}
[log other]
file = logs/other.log
format = json
"""
ROTATIONS = 3


class Load:
    """Requests with numbers, one after the other on a few connections, until it is stopped."""

    def __init__(self, port: int) -> None:
        self.asked: list[str] = []
        self._port = port
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(2)]
        for each in self._threads:
            each.start()

    def _ask(self, thread: int) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            uri = f"/{thread}/{number}"
            fetch(self._port, uri)
            self.asked.append(uri)

    def stop(self) -> None:
        """Return when every request is answered."""
        self._over.set()
        for each in self._threads:
            each.join()


def written(directory: Path, name: str) -> list[str]:
    """The lines of a log and of all that it was before."""
    found: list[str] = []
    for path in directory.glob(f"{name}.log*"):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        assert data.endswith(b"\n") or not data, path
        found += data.decode().splitlines()
    return found


def rotate(log: Path, *options: str) -> None:
    """Have *log*, which has lines by then, rotated; return when there is a new one."""
    eventually(lambda: log.exists() and log.stat().st_size > 0, "lines in the present file")
    before = log.stat().st_ino
    told = subprocess.run([LOGROTATE or "", "--force", *options], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    eventually(lambda: log.exists() and log.stat().st_ino != before, "a new file")


@pytest.mark.skipif(LOGROTATE is None, reason="there is no logrotate here")
def test_logrotate_under_load_loses_no_line_and_doubles_none(start_proxy: StartProxy, tmp_path: Path) -> None:
    directory = tmp_path / "logs"
    directory.mkdir(mode=0o755)
    proxy = start_proxy(SITE)
    (tmp_path / "pid").write_text(str(proxy.pid))
    sample = (ROOT / "etc" / "logrotate.conf").read_text()
    config = tmp_path / "logrotate.conf"
    config.write_text(sample.replace("/var/log/revproxy", str(directory)).replace("/run/revproxy.pid", str(tmp_path / "pid")))
    config.chmod(0o644)
    log = directory / "access.log"
    load = Load(proxy.port)
    try:
        for _ in range(ROTATIONS):
            rotate(log, "--state", str(tmp_path / "state"), str(config))
    finally:
        load.stop()
    proxy.end()
    assert len(load.asked) > 20
    assert sorted(written(directory, "access")) == sorted(load.asked)
    assert len(written(directory, "other")) == len(load.asked)
    assert len(list(directory.glob("access.log.*.gz"))) == ROTATIONS - 1
