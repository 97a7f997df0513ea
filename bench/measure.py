"""
What a process has used: CPU time and resident memory.

CPU time is read from the process's CPU clock (clock_getcpuclockid(3)), which is utime + stime of ``/proc/PID/stat`` in
nanoseconds instead of ticks.  It covers every thread, also those that have ended.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SCHEDULER_CLOCK = 2


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU seconds that the processes have used so far, all threads together; processes that have ended count nothing."""
    nanoseconds = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            nanoseconds += time.clock_gettime_ns((~pid << 3) | _SCHEDULER_CLOCK)
    return nanoseconds / 1e9


def core_seconds(cpu: int) -> float:
    """Seconds for which core *cpu* was not idle since the machine started, whoever used it; ticks of 10 ms."""
    with open("/proc/stat") as stat:
        for line in stat:
            name, *ticks = line.split()
            if name == f"cpu{cpu}":
                user, nice, system, _idle, _iowait, *others = map(int, ticks[:8])
                return (user + nice + system + sum(others)) / _TICKS
    raise ValueError(f"no core {cpu}")


def resident_bytes(pids: Iterable[int]) -> int:
    """Resident memory of the processes in bytes; pages that they share count once for each."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/statm") as statm:
            total += int(statm.read().split()[1]) * _PAGE
    return total


def percentile(values: list[float], share: float) -> float | None:
    """The value below which *share* (0 to 1) of *values* lie; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@dataclass(frozen=True)
class Load:
    """
    What a load generator saw: units of work that were completed, and how long each took.

    *seconds* is the time of the whole run; *p50* and *p99* are seconds for one unit.  *memory* is set by loads that hold
    connections: resident bytes that the subject gained.  *cpu* is set by loads whose preparations must not count: CPU seconds
    that the subject used for the units alone.
    """

    units: int
    seconds: float
    p50: float | None
    p99: float | None
    errors: int = 0
    memory: int | None = None
    cpu: float | None = None


@dataclass(frozen=True)
class Sample:
    """
    One subject under one load in one round.

    *cpu* is the CPU seconds that it used; *foreign* the share of its core (0 to 1) that went to other processes meanwhile.
    """

    subject: str
    round: int
    load: Load
    cpu: float
    foreign: float

    @property
    def busy(self) -> float:
        """The share of one core that the subject used (0 to 1)."""
        return self.cpu / self.load.seconds
