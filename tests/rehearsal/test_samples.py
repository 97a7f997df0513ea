"""Every sample in etc/ says by tests what it does, and does it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from twistedproxy.config.load import Loaded, load_text
from twistedproxy.demo.keys import shell_key
from twistedproxy.rehearsal.expectations import run

ETC = Path(__file__).parents[2] / "etc"


def sample(name: str, directory: Path) -> Loaded:
    """A sample, read as if it stood in a fresh checkout whose demo was started once."""
    shell_key(directory / "var")
    shutil.copytree(ETC, directory / "etc")
    return load_text((ETC / name).read_text(), str(directory / "etc" / name), {})


@pytest.mark.parametrize("name", sorted(path.name for path in ETC.glob("*.ini")))
def test_a_sample_does_what_its_tests_say(name: str, tmp_path: Path) -> None:
    settings = sample(name, tmp_path).settings
    assert settings.tests, f"{name} has no [test …]"
    assert {test.name: run(settings, test) for test in settings.tests} == {test.name: [] for test in settings.tests}
