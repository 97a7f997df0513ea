"""``python -m bench``: run the benchmarks, print a table for each workload, and write all samples as JSON."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn, TypeVar

from bench.certificates import make_certificate
from bench.origin import Origin, start_answers, start_echo
from bench.processes import Unavailable
from bench.report import as_json, table
from bench.run import Bench, Outcome, run_workload
from bench.subjects.catalogue import REFERENCE, SUBJECTS
from bench.subjects.subject import Subject
from bench.workloads import WORKLOADS, Workload

_WANTED_FILES = 65_536
_IDLE = 10_000
#: Files that a proxy opens beside two for each WebSocket.
_OTHER_FILES = 256

_Named = TypeVar("_Named", Subject, Workload)


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds over all subjects (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=1, help="length of one load (default: %(default)s)")
    parser.add_argument("--only", metavar="WORKLOAD,…", help=f"of {', '.join(each.name for each in WORKLOADS)}")
    parser.add_argument("--subjects", metavar="SUBJECT,…", help=f"of {', '.join(each.name for each in SUBJECTS)}")
    parser.add_argument("--minutes", type=float, default=9.5, help="no round begins after so long (default: %(default)s)")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), help="where samples go (default: %(default)s)")
    arguments = parser.parse_args(words)
    if arguments.rounds < 1 or arguments.seconds < 1:
        parser.error("at least one round of one second")
    arguments.only = _chosen(parser, "--only", arguments.only, WORKLOADS)
    arguments.subjects = _chosen(parser, "--subjects", arguments.subjects, SUBJECTS)
    return arguments


def _chosen(parser: argparse.ArgumentParser, option: str, text: str | None, known: Sequence[_Named]) -> list[_Named]:
    if text is None:
        return list(known)
    names = [name.strip() for name in text.split(",")]
    unknown = set(names) - {each.name for each in known}
    if unknown:
        parser.error(f"{option}: {', '.join(sorted(unknown))} is none of {', '.join(each.name for each in known)}")
    return [each for each in known if each.name in names]


def _raise_file_limit() -> int:
    """Allow this process and its children as many open files as the system gives; returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (_WANTED_FILES, max(_WANTED_FILES, hard)))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < min(hard, _WANTED_FILES):
        soft = min(hard, _WANTED_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def main(words: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; returns the exit status."""
    arguments = _arguments(words)
    signal.signal(signal.SIGTERM, _terminated)
    started = time.monotonic()
    cores = sorted(os.sched_getaffinity(0))
    files = _raise_file_limit()
    idle_count = min(_IDLE, (files - _OTHER_FILES) // 2)
    heading = [
        f"Rounds: {arguments.rounds}, {arguments.seconds} s each.",
        f"Subjects on core {cores[-1]}, load and origin on core {cores[0]}.",
    ]
    if len(cores) == 1:
        heading.append("Note: there is only one core, so the load competes with the subjects.")
    if idle_count < _IDLE:
        heading.append(f"Note: {files} open files are allowed, so {idle_count} idle WebSockets are opened instead of {_IDLE}.")
    versions = {each.name: each.version() for each in arguments.subjects}
    heading += [f"{name}: {version}" for name, version in versions.items()]
    print("\n".join(heading) + "\n", flush=True)
    os.sched_setaffinity(0, {cores[0]})
    names = [each.name for each in arguments.subjects]
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name, contextlib.ExitStack() as stack:
        directory = Path(name)
        try:
            http_port, answers = start_answers(directory / "origin", cpu=cores[0], files=files)
            stack.callback(answers.end)
            echo_port, echo = start_echo(directory, cpu=cores[0])
            stack.callback(echo.end)
        except Unavailable as error:
            print(f"The origin does not start: {error}", file=sys.stderr)
            return 1
        bench = Bench(
            directory,
            make_certificate(directory),
            Origin(http_port, echo_port),
            cores[-1],
            files,
            idle_count,
            arguments.rounds,
            arguments.seconds,
            started + arguments.minutes * 60,
            _progress,
        )
        for workload in arguments.only:
            outcomes.append(run_workload(bench, workload, arguments.subjects))
            print(table(outcomes[-1], names, REFERENCE), flush=True)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    results = {each.workload.name: as_json(each, names, REFERENCE) for each in outcomes}
    arguments.json.write_text(
        json.dumps({"heading": heading, "versions": versions, "workloads": results}, indent=1, ensure_ascii=False)
    )
    print(f"Samples: {arguments.json}. The run took {time.monotonic() - started:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
