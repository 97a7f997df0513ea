"""`revproxy check`: what it prints, where, and with which exit status."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.sites import SMALL, loaded
from twistedproxy.cli import main
from twistedproxy.config.load import load
from twistedproxy.version import VERSION


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A small site in a file."""
    (tmp_path / "site.ini").write_text(SMALL)
    return str(tmp_path / "site.ini")


def test_a_sound_site_is_summed_up_in_a_line(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", path]) == 0
    assert capsys.readouterr() == (f"{path}: OK, 1 listener, 1 route, 1 pool, 0 warnings\n", "")


def test_warnings_go_to_standard_error_and_do_not_fail(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(path).write_text(SMALL + "[pool b]\nservers = a:1\n")
    assert main(["check", path]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{path}: OK, 1 listener, 1 route, 2 pools, 1 warning\n"
    assert printed.err == f"warning: {path}:8 [pool b]: is not used; name it by pool = b, or remove it\n"


def test_what_is_printed_is_a_site_file(path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--print", path]) == 0
    assert loaded(capsys.readouterr().out).settings == load(path, {}).settings


def test_errors_exit_with_one(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(path).write_text(SMALL + "[pool b]\n")
    assert main(["check", "--print", path]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.endswith(f"{path}: 1 error\n")


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"revproxy {VERSION}\n"


def test_a_wrong_command_line_is_told_from_a_wrong_site(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["chekc"])
    assert left.value.code == 2
