"""
The public conformance suite of HTTP caches (https://github.com/http-tests/cache-tests) against our cache, by hand.

The suite is no dependency of the tests; take a checkout of its newest revision, and Node.js 18 or newer:

    git clone https://github.com/http-tests/cache-tests && (cd cache-tests && npm install --omit=dev)
    python -m tests.real.manual.cache_conformance cache-tests

The suite's own origin server runs behind the proxy, and its client in front.  After about a minute the results of all tests are
in docs/cache-conformance.json, in the form in which the suite publishes results, and docs/cache-conformance.md has the numbers
and the table of what is not passed, with the reasons below.  It ends with 1 when a test is not passed that has no reason here,
or has a reason here and is passed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Final

from tests.real.programs import ROOT, Program, accepts, eventually, free_ports
from tests.real.proxy import Proxy

#: The suite asks for these: heuristic freshness to see it at all, stale answers to see when they are not given, and POST.
SITE: Final = """
[site]
state_dir = state
[listen http]
on = tcp:127.0.0.1:@http
[pool origin]
servers = 127.0.0.1:{port}
[cache suite]
directory = cache
[route /]
pool = origin
cache = suite
cache_heuristic = yes
cache_use_stale = error timeout
cache_methods = GET HEAD POST
"""

_COOKIES: Final = (
    "By choice. An answer with Set-Cookie is stored only when it says `public` or `s-maxage`: `max-age` alone is what frameworks "
    "write on pages that log somebody in."
)
_PARTS: Final = (
    "By choice. The test's 206 says that it has bytes 4 to 9, which are six, and brings five: a part that is not what it says is "
    "not stored (RFC 9110 §15.3.7)."
)

#: Why a test is not passed.
REASONS: Final[dict[str, str]] = {
    "headers-store-Set-Cookie": _COOKIES,
    "other-set-cookie": _COOKIES,
    "headers-store-Transfer-Encoding": "The test's answer has a Transfer-Encoding that nobody can decode. RFC 9112 §6.3 leaves "
    "no way to find the end of such a body: the proxy answers 502, as most do.",
    "vary-normalise-lang-order": "By choice. Some origins take the order of languages as a preference (RFC 9110 §12.5.4), "
    "so that another order may be another answer.",
    "vary-normalise-lang-select": "By choice. To select by Content-Language would be to negotiate in the origin's place, "
    "without knowing what else it has.",
    "vary-normalise-space": "By choice. In a field of unknown syntax blanks may mean something (RFC 9111 §4.1 allows to ignore "
    "them only where the syntax does).",
    "conditional-lm-fresh-no-lm": "The test's If-Modified-Since lies 3000 s before the Date of what is stored, which has no "
    "Last-Modified: Date counts (RFC 9111 §4.3.2), and it is later, so the answer is 200.",
    **dict.fromkeys(
        (
            "partial-store-partial-reuse-partial",
            "partial-store-partial-reuse-partial-byterange",
            "partial-store-partial-reuse-partial-absent",
            "partial-store-partial-reuse-partial-suffix",
        ),
        _PARTS,
    ),
    "partial-store-partial-complete": "By choice. The test's part has no ETag: what a peer sends of the rest could be another "
    "representation's, and must not be joined to it (RFC 9111 §3.4).",
}

#: Asks the suite itself what the results mean: argv are the checkout and the file of the results.
_VERDICTS: Final = """
import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
const [suite, file] = process.argv.slice(-2)
const load = name => import(pathToFileURL(path.join(suite, name)))
const tests = (await load('tests/index.mjs')).default
const { determineTestResult, resultTypes } = await load('test-engine/lib/results.mjs')
const results = JSON.parse(fs.readFileSync(file))
const named = type => Object.keys(resultTypes).find(name => resultTypes[name] === type)
console.log(JSON.stringify(tests.flatMap(group => group.tests).filter(test => !test.browser_only).map(test => ({
  id: test.id, name: test.name, kind: test.kind ?? 'required', result: named(determineTestResult(tests, test.id, results))
}))))
"""


def measured(suite: Path, directory: Path) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Run the suite: the raw results by test, and what the suite makes of each."""
    (port,) = free_ports(1)
    # The suite's programs read what npm would hand them; an empty id means every test.
    settings = {"npm_config_protocol": "http", "npm_config_port": str(port), "npm_config_pidfile": str(directory / "origin.pid")}
    origin = Program("origin", ["node", str(suite / "test-engine/server/server.mjs")], directory, settings)
    proxy = Proxy(directory, SITE.format(port=port))
    try:
        eventually(lambda: accepts(port), origin.printed)
        proxy.await_ready()
        base = {"npm_config_base": f"http://127.0.0.1:{proxy.port}", "npm_package_config_id": ""}
        client = [str(suite / "test-engine/cli.mjs")]
        results = _node(client, suite, base)
    finally:
        proxy.end()
        origin.end()
    file = directory / "results.json"
    file.write_text(results)
    verdicts = _node(["--input-type=module", "-e", _VERDICTS, "--", str(suite), str(file)], suite, {})
    return json.loads(results), json.loads(verdicts)


def _node(arguments: list[str], directory: Path, environ: dict[str, str]) -> str:
    command = ["node", "--no-warnings", *arguments]
    done = subprocess.run(command, cwd=directory, env={**os.environ, **environ}, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def report(verdicts: list[dict[str, str]]) -> str:
    """docs/cache-conformance.md."""
    lines = [
        "# The cache and the public conformance suite",
        "",
        "Generated by `python -m tests.real.manual.cache_conformance CHECKOUT`, which says how; the results of each test are",
        "in [cache-conformance.json](cache-conformance.json). The suite is <https://github.com/http-tests/cache-tests>; its",
        "site file has `cache_heuristic = yes`, `cache_use_stale = error timeout` and `cache_methods = GET HEAD POST`, the rest",
        "is by default. Tests for browsers only are left out. *Required* is what RFC 9111 demands, *optimal* what it allows to",
        "save work; *check* only asks what a cache does.",
        "",
        "| | passed | of |",
        "| --- | ---: | ---: |",
    ]
    for kind in ("required", "optimal"):
        found = Counter(each["result"] for each in verdicts if each["kind"] == kind)
        lines.append(f"| {kind} | {found['pass']} | {found.total()} |")
    found = Counter(each["result"] for each in verdicts if each["kind"] == "check")
    lines.append(f"| check | {found['yes']} yes, {found['no']} no | {found.total()} |")
    lines += ["", "## What is not passed, and why", "", "| test | kind | result | reason |", "| --- | --- | --- | --- |"]
    for each in not_passed(verdicts):
        reason = REASONS.get(each["id"], "**unknown**")
        lines.append(f"| `{each['id']}` | {each['kind']} | {each['result'].replace('_', ' ')} | {reason} |")
    return "\n".join(lines) + "\n"


def not_passed(verdicts: list[dict[str, str]]) -> list[dict[str, str]]:
    """The tests that are not passed, the required ones first."""
    failed = [each for each in verdicts if each["kind"] != "check" and each["result"] != "pass"]
    return sorted(failed, key=lambda each: each["kind"], reverse=True)


def main(checkout: str) -> int:
    """Run the suite at *checkout* and write the two files; returns the status to end with."""
    with tempfile.TemporaryDirectory() as directory:
        results, verdicts = measured(Path(checkout).resolve(), Path(directory))
    (ROOT / "docs/cache-conformance.json").write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    (ROOT / "docs/cache-conformance.md").write_text(report(verdicts))
    failed = {each["id"] for each in not_passed(verdicts)}
    for test in sorted(failed ^ REASONS.keys()):
        print(f"{test}: {'is not passed, and has no reason' if test in failed else 'has a reason, and is passed'}")
    print(*report(verdicts).splitlines()[9:14], sep="\n")
    return 1 if failed ^ REASONS.keys() else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
