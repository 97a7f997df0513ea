"""
The cache killed at random moments under load, by hand: two hundred times takes about five minutes.

    python -m tests.real.manual.cache_crashes              # 200 kills
    python -m tests.real.manual.cache_crashes 50 7         # 50, with the seed 7

Fails when any body that a client got whole, before or after a kill, is not one that the origin has sent for its URL.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.real.crashes import Crashes


def main(kills: int = 200, seed: int = 1) -> None:
    """Kill *kills* times, and say what was seen."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="crashes-") as name:
        crashes = Crashes(Path(name), seed)
        crashes.run(kills)
    took = time.monotonic() - began
    print(f"{kills} kills in {took:.0f} s: {crashes.checked} whole bodies, all right, {crashes.hits} of them from the cache;")
    print(f"{crashes.cut} answers were cut by a kill or by the origin.")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
