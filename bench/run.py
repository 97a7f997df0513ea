"""
The run: every workload over all subjects, round by round.

All subjects of a workload are started freshly and stay up side by side; a round drives one after the other, and every second
round goes backwards, so that drift of the machine falls on all of them.  A subject that cannot start or fails under a load
becomes a row that says why.
"""

from __future__ import annotations

import contextlib
import http.client
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.certificates import Certificate
from bench.loads.tools import LoadFailed
from bench.measure import Sample, core_seconds, cpu_seconds, resident_bytes
from bench.origin import Origin, start_answers
from bench.processes import Process, Unavailable, free_ports
from bench.subjects.subject import Site, Subject
from bench.workloads import Cost, Target, Workload

#: The row of an origin that stands on the subjects' core, asked without a proxy; in workloads that compare with it.
DIRECT = "direct"


@dataclass(frozen=True)
class Bench:
    """What a run needs: cores, ports, limits, and how long to go on."""

    directory: Path
    certificate: Certificate
    origin: Origin
    subject_cpu: int
    files: int
    idle_count: int
    rounds: int
    seconds: int
    deadline: float
    say: Callable[[str], None]


@dataclass
class Outcome:
    """Everything that one workload gave: samples, and reasons of those that have none."""

    workload: Workload
    samples: list[Sample] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Running:
    subject: str
    target: Target


def run_workload(bench: Bench, workload: Workload, subjects: Sequence[Subject]) -> Outcome:
    """Run all rounds of *workload*; what fails is in the outcome, never raised."""
    outcome = Outcome(workload)
    with contextlib.ExitStack() as stack:
        running = list(_started(bench, outcome, subjects, stack))
        rounds = 1 if workload.once else bench.rounds
        for turn in range(rounds):
            if turn and time.monotonic() > bench.deadline:
                outcome.notes.append(f"{turn} of {rounds} rounds: the time was over")
                break
            for each in running if turn % 2 == 0 else reversed(running):
                if each.subject in outcome.failures:
                    continue
                try:
                    sample = _measured(bench, workload, each, turn)
                    outcome.samples.append(sample)
                    bench.say(f"  {workload.name} round {turn + 1}/{rounds} {each.subject}: {sample.load.units} units")
                except (LoadFailed, OSError) as error:
                    outcome.failures[each.subject] = f"failed: {error}"
    return outcome


def _started(bench: Bench, outcome: Outcome, subjects: Sequence[Subject], stack: contextlib.ExitStack) -> Iterator[_Running]:
    """Start the subjects that can do the work, and see that each gives the right answer."""
    workload = outcome.workload
    if workload.cost is Cost.ADDED:
        port, process = start_answers(bench.directory / DIRECT, cpu=bench.subject_cpu, files=bench.files)
        stack.callback(process.end)
        yield _Running(DIRECT, _target(bench, process, port, 0))
    for subject in subjects:
        if workload.needs not in subject.features:
            outcome.failures[subject.name] = f"no {workload.needs.value}"
            continue
        directory = bench.directory / f"{workload.name}-{subject.name}"
        directory.mkdir()
        plain, secure = free_ports(2)
        site = Site(
            plain, secure, bench.origin.http, bench.origin.echo, bench.certificate, directory, bench.files // 2 - 100, bench.files
        )
        try:
            command = subject.command(site)
            process = Process(
                subject.name,
                command.arguments,
                cpu=bench.subject_cpu,
                log=directory / "output.log",
                environment=command.environment,
            )
            stack.callback(process.end)
            process.await_port(plain)
            process.await_port(secure)
            outcome.notes += [f"{subject.name}: {note}" for note in _answer_check(workload, plain, secure)]
        except (Unavailable, OSError, http.client.HTTPException) as error:
            outcome.failures[subject.name] = f"not available: {error or type(error).__name__}"
            continue
        yield _Running(subject.name, _target(bench, process, plain, secure))


def _target(bench: Bench, process: Process, plain: int, secure: int) -> Target:
    return Target(
        plain,
        secure,
        bench.origin,
        bench.idle_count,
        resident=lambda: resident_bytes(process.family()),
        cpu=lambda: cpu_seconds(process.family()),
        scratch=bench.directory,
    )


def _answer_check(workload: Workload, plain: int, secure: int) -> list[str]:
    """
    Ask once for what will be measured, and see whether the features are on that the comparison promises.

    :returns: features that are missing.
    :raises Unavailable: when the answer is wrong.
    """
    if workload.path is not None:
        for connection in (
            http.client.HTTPConnection("127.0.0.1", plain, timeout=5),
            http.client.HTTPSConnection("127.0.0.1", secure, timeout=5, context=ssl._create_unverified_context()),
        ):
            with contextlib.closing(connection):
                connection.request("GET", workload.path)
                answer = connection.getresponse()
                body = answer.read()
            if answer.status != 200 or len(body) != workload.size:
                raise Unavailable(f"answered {answer.status} with {len(body)} bytes instead of 200 with {workload.size}")
    seen: list[bytes] = []
    for _ in range(2):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", plain, timeout=5)) as connection:
            connection.request("GET", "/seen")
            seen.append(connection.getresponse().read())
    fields = dict(part.partition(b"=")[::2] for part in seen[-1].split(b" "))
    missing = [f"no X-Forwarded-{name.title()}" for name in ("for", "proto", "host") if not fields.get(name.encode())]
    if fields.get(b"turn") == b"1":
        missing.append("no keep-alive upstream")
    return missing


def _measured(bench: Bench, workload: Workload, running: _Running, turn: int) -> Sample:
    core, before, started = core_seconds(bench.subject_cpu), running.target.cpu(), time.perf_counter()
    load = workload.run(running.target, bench.seconds)
    used = running.target.cpu() - before
    foreign = (core_seconds(bench.subject_cpu) - core - used) / (time.perf_counter() - started)
    if not load.units:
        raise LoadFailed("no unit of work was completed")
    if load.errors > load.units // 100:
        raise LoadFailed(f"{load.errors} errors with {load.units} units")
    return Sample(running.subject, turn, load, used if load.cpu is None else load.cpu, max(0.0, foreign))
