"""Small GETs by wrk, by HTTP/2 with h2load; TLS handshakes by ab."""

from __future__ import annotations

import csv
import re
import subprocess
import time
from pathlib import Path

from bench.measure import Load

#: Printed by wrk at its end; wrk's own report rounds latencies.
_WRK_REPORT = """\
done = function(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format("BENCH %d %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(50),
        latency:percentile(99), errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""

#: As browsers ask: no two requests are the same, in their target and in their cookie.
_EACH_NEW = """\
local number = 0
request = function()
    number = number + 1
    return wrk.format("GET", wrk.path .. "?page=" .. number, {
        ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        ["Accept-Language"] = "en-US,en;q=0.5",
        ["Accept-Encoding"] = "gzip, deflate, br",
        ["Cookie"] = "session=f3a9; seen=" .. number,
    })
end
"""


class LoadFailed(Exception):
    """A load generator could not do its work; the text says why."""


def _run(command: list[str], limit: float) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        raise LoadFailed(f"{command[0]} did not end within {limit:.0f} s") from None
    except OSError as error:
        raise LoadFailed(f"{command[0]}: {error.strerror}") from None
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
        raise LoadFailed(f"{command[0]}: {lines[-1]}")
    return done.stdout


def wrk(url: str, seconds: int, *, connections: int, directory: Path, each_new: bool = False) -> Load:
    """
    GET *url* on so many keep-alive connections, each asking again as soon as it is answered.

    :param each_new: as a browser does, with a query and a cookie that no other request has
    """
    script = directory / "report.lua"
    script.write_text(_EACH_NEW + _WRK_REPORT if each_new else _WRK_REPORT)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url]
    output = _run(command, seconds + 15)
    numbers = re.search(r"^BENCH (\d+) (\d+) (\d+) (\d+) (\d+)$", output, re.MULTILINE)
    if numbers is None:
        raise LoadFailed("wrk printed no report")
    units, microseconds, p50, p99, errors = map(int, numbers.groups())
    return Load(units, microseconds / 1e6, p50 / 1e6, p99 / 1e6, errors)


def h2load(url: str, seconds: int, *, connections: int, streams: int) -> Load:
    """GET an https *url* by HTTP/2, with so many streams at a time on each connection."""
    command = ["h2load", f"-c{connections}", f"-m{streams}", f"-D{seconds}", url]
    output = _run(command, seconds + 15)
    numbers = re.search(r"^requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", output, re.MULTILINE)
    if numbers is None or "Application protocol: h2" not in output:
        raise LoadFailed("h2load printed no report, or was not answered by HTTP/2")
    units, *bad = map(int, numbers.groups())
    return Load(units, float(seconds), None, None, sum(bad))


def ab(url: str, seconds: int, *, connections: int, directory: Path) -> Load:
    """GET an https *url* with a new connection for every request: TLS 1.3, and ab never resumes a session."""
    table = directory / "percentiles.csv"
    table.unlink(missing_ok=True)
    started = time.monotonic()
    command = [
        "ab",
        "-q",
        "-d",
        "-S",
        "-r",
        "-f",
        "TLS1.3",
        "-t",
        str(seconds),
        "-n",
        "1000000",
        "-c",
        str(connections),
        "-e",
        str(table),
        url,
    ]
    output = _run(command, seconds + 40)
    complete = re.search(r"^Complete requests:\s+(\d+)", output, re.MULTILINE)
    failed = re.search(r"^Failed requests:\s+(\d+)", output, re.MULTILINE)
    refused = re.search(r"^Non-2xx responses:\s+(\d+)", output, re.MULTILINE)
    taken = re.search(r"^Time taken for tests:\s+([\d.]+)", output, re.MULTILINE)
    if complete is None or failed is None:
        raise LoadFailed("ab printed no report")
    with table.open(newline="") as rows:
        served = {row[0]: float(row[1]) / 1000 for row in list(csv.reader(rows))[1:]}
    return Load(
        int(complete[1]),
        float(taken[1]) if taken else time.monotonic() - started,
        served.get("50"),
        served.get("99"),
        int(failed[1]) + (int(refused[1]) if refused else 0),
    )
