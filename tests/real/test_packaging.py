"""What a user installs: the wheel, the command lines from it, and the plugin as twistd finds it.  Needs no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Final

import pytest

from twistedproxy.version import VERSION

ROOT: Final = Path(__file__).resolve().parents[2]
TWISTD: Final = "import sys; from twisted.scripts.twistd import run; sys.argv[0] = 'twistd'; run()"
#: Without what the environment of the tests may say about Python.
ENVIRON: Final = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def run(*command: str | Path, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run *command* to its end."""
    return subprocess.run(command, cwd=cwd, env={**ENVIRON, **environ}, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a clone of the repository has, as far as packaging reads it."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("twistedproxy", "twisted"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "dropin.cache"))
    return copy


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that ``pip install .`` builds on its way."""
    directory = tmp_path_factory.mktemp("wheel")
    options = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", directory)
    built = run(sys.executable, "-m", "pip", "wheel", *options, checkout, cwd=directory)
    assert built.returncode == 0, built.stderr
    (path,) = directory.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of a fresh virtual environment with the wheel in it; Twisted and its like come from that of the tests."""
    directory = tmp_path_factory.mktemp("venv")
    made = run(sys.executable, "-m", "venv", "--without-pip", directory, cwd=directory)
    assert made.returncode == 0, made.stderr
    (packages,) = directory.glob("lib/python*/site-packages")
    # A .pth file only adds a folder: an editable install there is not followed, and the wheel is all that is found of ours.
    (packages / "tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = directory / "bin/python"
    done = run(
        sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=directory
    )
    assert done.returncode == 0, done.stderr
    return directory / "bin"


def test_the_wheel_has_every_file_of_the_program_and_nothing_of_twisteds(wheel: Path, checkout: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    ours = {path.relative_to(checkout).as_posix() for path in (checkout / "twistedproxy").rglob("*.*") if path.is_file()}
    assert names == {name for name in ours if "__pycache__" not in name} | {"twisted/plugins/revproxy.py"}


def test_twistd_lists_revproxy_after_an_installation(installed: Path, tmp_path: Path) -> None:
    listed = run(installed / "python", "-c", TWISTD, "--help", cwd=tmp_path)
    assert "    revproxy " in listed.stdout
    assert listed.stderr == ""


def test_twistd_lists_revproxy_in_a_checkout(checkout: Path, tmp_path: Path) -> None:
    listed = run(sys.executable, "-c", TWISTD, "--help", cwd=tmp_path, PYTHONPATH=str(checkout))
    assert "    revproxy " in listed.stdout
    assert listed.stderr == ""


def test_a_plugin_cache_that_cannot_be_written_bothers_nobody(checkout: Path, tmp_path: Path) -> None:
    copy = tmp_path / "checkout"
    shutil.copytree(checkout, copy, ignore=shutil.ignore_patterns("dropin.cache", "build", "*.egg-info"))
    (copy / "twisted/plugins/dropin.cache").mkdir()  # neither read nor replaced, not even by root
    listed = run(sys.executable, "-c", TWISTD, "--help", cwd=tmp_path, PYTHONPATH=str(copy))
    assert "    revproxy " in listed.stdout
    assert listed.stderr == ""


def test_the_console_script_checks_a_site(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "revproxy", "--version", cwd=tmp_path).stdout == f"revproxy {VERSION}\n"
    (tmp_path / "site.ini").write_text("[listen http]\non = tcp:8080\n[route /]\nredirect = 301 https://{host}{uri}\n")
    checked = run(installed / "revproxy", "check", "site.ini", cwd=tmp_path)
    assert (checked.returncode, checked.stdout) == (0, "site.ini: OK, 1 listener, 1 route, 0 pools, 0 warnings\n")


def test_twistd_tells_the_errors_of_a_site_and_leaves(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "site.ini").write_text("[listen http]\non = 8080\n")
    started = run(installed / "python", "-c", TWISTD, "-n", "revproxy", "-c", "site.ini", cwd=tmp_path)
    assert started.returncode == 1
    assert started.stdout.endswith(
        "site.ini cannot be used:\n"
        "site.ini:2 [listen http] on: '8080' is not an address to listen on; write tcp:8080\n"
        "site.ini: there is no [route …] section; add one, for instance [route /] with pool = NAME\n"
    )
    assert "Traceback" not in started.stdout + started.stderr
    assert not (tmp_path / "twistd.pid").exists()
