"""Every sample of etc/ does in a running proxy, with servers behind it, what its tests say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.real.programs import Program, python
from tests.real.samples import ETC, LiveSample

#: The demo brings its own backends: tests/real/test_demo.py plays with it.
SAMPLES = sorted(path.name for path in ETC.glob("*.ini") if path.name != "demo.ini")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, LiveSample]]:
    """All samples, each with a proxy that starts."""
    made = {name: LiveSample(name, tmp_path_factory.mktemp(name)) for name in SAMPLES}
    sites = [str(sample.site) for sample in made.values()]
    proxies = Program("proxies", python("tests.real.samples_proxy", *sites), tmp_path_factory.mktemp("proxies"))
    yield made
    proxies.end()
    for sample in made.values():
        sample.leave()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_does_with_real_servers_what_its_tests_say(name: str, samples: dict[str, LiveSample]) -> None:
    sample = samples[name]
    problems = sample.run()
    assert problems == {test.name: [] for test in sample.settings.tests}
