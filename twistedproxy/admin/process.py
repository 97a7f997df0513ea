"""What the proxy's own process uses."""

from __future__ import annotations

import os
import resource
from typing import Any, Final

_PAGE: Final = resource.getpagesize()


def usage() -> dict[str, Any]:
    """
    The process as the kernel sees it.

    ``pid``; ``memory`` (resident bytes now, or the peak where /proc is missing); ``files`` (open descriptors, None where
    /proc is missing); ``max_files``; ``cpu`` (seconds of user and system time).
    """
    own = resource.getrusage(resource.RUSAGE_SELF)
    files: int | None = None
    try:
        files = len(os.listdir("/proc/self/fd")) - 1
    except OSError:
        pass
    return {
        "pid": os.getpid(),
        "memory": resident(),
        "files": files,
        "max_files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "cpu": round(own.ru_utime + own.ru_stime, 3),
    }


def resident() -> int:
    """Resident bytes now, or the peak where /proc is missing."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * _PAGE
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
