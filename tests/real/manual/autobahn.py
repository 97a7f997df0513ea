"""
The Autobahn test suite through the proxy, by hand: directly against an echo server, and through the proxy, both its ways.

The suite (PyPI autobahntestsuite 25.10.1) runs on Python 2.7 with Twisted 19.10; it gets an environment of its own:

    virtualenv -p python2.7 /tmp/autobahn && /tmp/autobahn/bin/pip install Twisted==19.10.0 autobahntestsuite==25.10.1
    python -m tests.real.manual.autobahn /tmp/autobahn/bin/wstest
    python -m tests.real.manual.autobahn /tmp/autobahn/bin/wstest --cases 1.* 7.* --ways messages

Its fuzzing client plays each of its cases against the echo server (autobahn_echo.py), and against the proxy in front of
it with ``websocket = tunnel`` and with ``websocket = messages``, compression on both sides.  What is printed is how many cases
got which verdict, and every case whose verdict is not the one of the echo server alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from tests.real.programs import Program, free_ports, python
from tests.real.proxy import Proxy

SITE: Final = """
[site]
state_dir = state
[listen http]
on = tcp:127.0.0.1:@http
[pool echo]
servers = 127.0.0.1:{port}
[route /tunnel]
pool = echo
[route /messages]
pool = echo
websocket = messages
websocket_compress = both
websocket_max_message = 64m
"""
WAYS: Final = ("direct", "tunnel", "messages")
#: Verdicts that are no failure.
GOOD: Final = ("OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED")


def verdicts(
    wstest: str, directory: Path, way: str, url: str, cases: list[str], excluded: list[str]
) -> dict[str, tuple[str, str]]:
    """Play *cases* against *url*; the verdict of each on its behaviour and on how it closed."""
    reports = directory / way
    spec = {
        "outdir": str(reports),
        "servers": [{"agent": way, "url": url}],
        "cases": cases,
        "exclude-cases": excluded,
        "exclude-agent-cases": {},
    }
    file = directory / f"{way}.json"
    file.write_text(json.dumps(spec))
    began = time.monotonic()
    with (directory / f"{way}.out").open("wb") as output:
        subprocess.run([wstest, "-m", "fuzzingclient", "-s", str(file)], cwd=directory, stdout=output, stderr=output, check=True)
    found: dict[str, Any] = json.loads((reports / "index.json").read_text())[way]
    outcome = {case: (each["behavior"], each["behaviorClose"]) for case, each in found.items()}
    counts = Counter(behaviour for behaviour, _ in outcome.values())
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    print(f"{way}: {len(outcome)} cases in {time.monotonic() - began:.0f} s: {told}", flush=True)
    return outcome


def main() -> int:
    """Run it; the exit status is 1 when a verdict differs, or is a failure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("wstest", help="the suite's program")
    parser.add_argument("--cases", nargs="+", default=["*"])
    parser.add_argument("--exclude", nargs="+", default=[])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="autobahn-"))
    (port,) = free_ports(1)
    echo = Program("echo", python("tests.real.manual.autobahn_echo", str(port)), directory)
    proxy = Proxy(directory, SITE.format(port=port))
    differing = 0
    try:
        echo.await_port(port)
        proxy.await_ready()
        known: dict[str, tuple[str, str]] = {}
        for way in options.ways:
            url = f"ws://127.0.0.1:{port}" if way == "direct" else f"ws://127.0.0.1:{proxy.port}/{way}"
            outcome = verdicts(options.wstest, directory, way, url, options.cases, options.exclude)
            if way == "direct":
                known = outcome
            for case, verdict in sorted(outcome.items(), key=lambda item: [int(part) for part in item[0].split(".")]):
                expected = known.get(case, verdict)
                if verdict != expected or verdict[0] not in GOOD:
                    differing += 1
                    print(f"  {way} {case}: {' / '.join(verdict)}, directly {' / '.join(expected)}")
    finally:
        proxy.end()
        echo.end()
    print(f"{differing or 'no'} verdicts differ or are failures; the reports are in {directory}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
