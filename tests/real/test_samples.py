"""Every sample of etc/ does in a running proxy, with servers behind it, what its tests say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.samples import ETC, LiveSample, Proxies

#: The demo brings its own backends: tests/real/test_demo.py plays with it.
SAMPLES = sorted(path.name for path in ETC.glob("*.ini") if path.name != "demo.ini")


@pytest.fixture(scope="module")
def proxies() -> Iterator[Proxies]:
    """Starts proxies, one after the other."""
    made = Proxies()
    yield made
    made.end()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_does_with_real_servers_what_its_tests_say(name: str, proxies: Proxies, tmp_path: Path) -> None:
    sample = LiveSample(name, tmp_path)
    assert sample.run(proxies) == {test.name: [] for test in sample.settings.tests}
