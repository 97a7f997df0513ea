"""The systemd units in etc/ are ones that systemd understands; skipped where it is not there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.real.programs import ROOT


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_no_fault_with_the_units(tmp_path: Path) -> None:
    for name in ("revproxy.service", "revproxy.socket"):
        text = (ROOT / "etc" / name).read_text()
        # What is to be installed is not there.
        (tmp_path / name).write_text(re.sub(r"/opt/revproxy/bin/\w+", "/bin/true", text))
    done = subprocess.run(
        ["systemd-analyze", "verify", "./revproxy.service", "./revproxy.socket"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert [line for line in done.stderr.splitlines() if "revproxy" in line] == []


def test_the_unit_asks_for_a_reload_that_tells_its_outcome() -> None:
    text = (ROOT / "etc" / "revproxy.service").read_text()
    assert "Type=notify\n" in text
    assert re.search(r"^ExecReload=\S+/revproxy reload /etc/revproxy/site\.ini$", text, re.MULTILINE)
