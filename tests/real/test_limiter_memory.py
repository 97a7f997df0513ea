"""A million clients, and the memory that a limit takes for them."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

_MEASURE: Final = """
import resource
from twistedproxy.forward.guards.limit import Limit
from twistedproxy.settings.limits import LimitSettings

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

limit = Limit(LimitSettings(name="l", rate=1.0, burst=4), b"secret")
before = resident()
for number in range(1_000_000):
    tag, place, time = limit.look(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 10.0)
    limit.arrivals.note(place, tag, time + 1.0, 10.0)
print(resident() - before)
"""


def test_a_million_clients_take_no_more_than_the_memory_of_the_limit() -> None:
    grown = int(subprocess.run([sys.executable, "-c", _MEASURE], check=True, capture_output=True, timeout=120).stdout)
    assert grown < 16 * 1024**2 + 1024**2
