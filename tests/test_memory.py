"""What is set for the whole process, tried in a process of its own."""

from __future__ import annotations

import platform
import subprocess
import sys


def _said(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_large_reads_use_the_same_memory_again() -> None:
    # Three reads of 1 MiB at a time, as of three uploads, with something small between them that stays.
    program = (
        "import resource; from twistedproxy import memory; known = memory.keep_read_buffers()\n"
        "def read(n):\n"
        "    for _ in range(n):\n"
        "        three = [bytes(1 << 20) for _ in range(3)]\n"
        "        kept.append(bytes(600))\n"
        "        del three\n"
        "kept = []; read(5); before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt; read(50)\n"
        "print(known, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 50 * 256)"
    )
    assert _said(program) == ("True True" if platform.libc_ver()[0] == "glibc" else "False True")


def test_what_stays_is_out_of_the_garbage_collectors_sight() -> None:
    assert (
        _said("import gc; from twistedproxy import memory; memory.spare_the_collector(); print(gc.get_freeze_count() > 0)")
        == "True"
    )
