"""The cache's directory in the real world: processes that are killed, that share it, and a file system that is full."""

from __future__ import annotations

from pathlib import Path

from tests.real.crashes import Crashes


def test_a_proxy_that_is_killed_under_load_serves_nothing_wrong_afterwards(tmp_path: Path) -> None:
    crashes = Crashes(tmp_path, 5)
    crashes.run(4)
    assert crashes.checked > 50
    assert crashes.hits
