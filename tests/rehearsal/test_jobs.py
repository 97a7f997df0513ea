"""Every site file in docs/jobs/ is one that can be copied, checked and run, and does what its tests say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from twistedproxy.config.load import load
from twistedproxy.config.problems import ConfigError
from twistedproxy.demo.keys import shell_key
from twistedproxy.rehearsal.expectations import run

JOBS = Path(__file__).parents[2] / "docs" / "jobs"
_BLOCK = re.compile(r"(?ms)^```ini\n(.*?)^```$")
BLOCKS = {
    f"{page.stem} {number}": block
    for page in sorted(JOBS.glob("*.md"))
    for number, block in enumerate(_BLOCK.findall(page.read_text()), 1)
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """With what the pages tell their readers to put beside the site file."""
    (tmp_path / "var").mkdir()
    public = Path(f"{shell_key(tmp_path / 'var')}.pub")
    public.rename(tmp_path / "var" / "authorized_keys")
    (tmp_path / "htpasswd").write_text("anna:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC\n")
    for page in ("down.html", "dist/index.html", "dist/assets/app.1a2b.js"):
        (tmp_path / page).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / page).write_text(f'<div id="app">{page}</div>')
    return tmp_path


def test_every_job_has_a_site_file() -> None:
    pages = {page.stem for page in JOBS.glob("*.md")} - {"README"}
    assert {name.partition(" ")[0] for name in BLOCKS} == pages
    index = (JOBS / "README.md").read_text()
    assert all(f"({page}.md)" in index for page in pages)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_site_file_of_the_manual_is_free_of_mistakes_and_does_what_its_tests_say(name: str, directory: Path) -> None:
    site = directory / "site.ini"
    site.write_text(BLOCKS[name])
    try:
        loaded = load(str(site), {})
    except ConfigError as error:
        pytest.fail(str(error))
    assert not [str(warning) for warning in loaded.warnings]
    assert loaded.settings.tests, f"{name} has no [test …]"
    for test in loaded.settings.tests:
        assert run(loaded.settings, test) == [], test.name
