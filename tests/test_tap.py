"""The command line behind `twistd revproxy`."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.python.usage import UsageError

from twistedproxy.tap import Options, makeService
from twistedproxy.version import VERSION


def test_every_error_of_the_site_is_in_the_usage_error(tmp_path: Path) -> None:
    path = tmp_path / "site.ini"
    path.write_text("[listen http]\non = 80\n")
    with pytest.raises(UsageError) as caught:
        Options().parseOptions(["-c", str(path)])
    assert str(caught.value).splitlines() == [
        f"{path} cannot be used:",
        f"{path}:2 [listen http] on: '80' is not an address to listen on; write tcp:80",
        f"{path}: there is no [route …] section; add one, for instance [route /] with pool = NAME",
    ]


def test_the_site_is_read_with_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "site.ini"
    path.write_text("[listen http]\non = tcp:8080\n[route /]\nredirect = 301 https://{host}{uri}\n")
    options = Options()
    options.parseOptions(["--config", str(path)])
    assert options.loaded.settings.listen[0].name == "http"


def test_the_version_is_ours(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        Options().parseOptions(["--version"])
    assert capsys.readouterr().out == f"revproxy {VERSION}\n"


def test_a_file_that_was_spoilt_since_the_site_was_read_ends_the_start_with_a_line(tmp_path: Path) -> None:
    path, users = tmp_path / "site.ini", tmp_path / "users"
    users.write_text("ann:$2y$05$rCM4f2dwKYmHqqkmhIT8X.MSpIEVtOVeZDN3uEm/7mNUPDpxmAbvS\n")
    path.write_text(f"[listen http]\non = tcp:8080\n[route /]\nrespond = 200 hi\nbasic_auth = {users}\n")
    options = Options()
    options.parseOptions(["-c", str(path)])
    users.write_text("ann:nothing that can be checked\n")
    with pytest.raises(SystemExit, match=r"site\.ini cannot be run: .*line 1"):
        makeService(options)
