"""From a site file to its shell."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from twistedproxy import cli
from twistedproxy.addresses import Tcp, Unix
from twistedproxy.admin import connecting
from twistedproxy.admin.connecting import CannotConnect, connect, ssh_command
from twistedproxy.admin.keys import host_key
from twistedproxy.settings.operators import ShellSettings
from twistedproxy.settings.site import SiteSettings
from twistedproxy.settings.site_ini import Settings

PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJr2z6Q1oT1Y0cVb3bq0bq0bq0bq0bq0bq0bq0bq0bq0 alice\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    keys = tmp_path / "keys"
    keys.write_text(PUBLIC)
    host_key(str(tmp_path))
    shell = ShellSettings(on=(Tcp("127.0.0.1", 6022),), authorized_keys=str(keys))
    return Settings(SiteSettings(state_dir=str(tmp_path)), (), (), shell=shell)


def on(settings: Settings, *addresses: Any) -> ShellSettings:
    assert settings.shell is not None
    return replace(settings.shell, on=addresses)


class Ssh:
    """Stands in for the ssh program."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, status: int = 0) -> None:
        self.words: list[str] = []
        self.known = ""
        self._status = status
        monkeypatch.setattr(subprocess, "run", self._run)
        monkeypatch.setattr(connecting.shutil, "which", lambda name: f"/usr/bin/{name}")

    def _run(self, words: list[str], *, check: bool) -> subprocess.CompletedProcess[str]:
        self.words = words
        path = next(word for word in words if word.startswith("UserKnownHostsFile=")).partition("=")[2]
        self.known = Path(path).read_text()
        return subprocess.CompletedProcess(words, self._status)


def test_ssh_knows_the_proxy_by_its_key(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh = Ssh(monkeypatch)
    assert connect(settings, "site.ini", "pools()", "me") == 0
    assert ssh.known.startswith("revproxy ssh-ed25519 AAAA")
    assert "StrictHostKeyChecking=yes" in ssh.words
    assert ssh.words[-9:] == ["-p", "6022", "-i", "me", "-l", "revproxy", "--", "127.0.0.1", "pools()"]


def test_the_status_is_that_of_the_command(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    Ssh(monkeypatch, 1)
    assert connect(settings, "site.ini", "nonsense()") == 1
    Ssh(monkeypatch, 255)
    with pytest.raises(CannotConnect, match="ssh could not log in: does the site run"):
        connect(settings, "site.ini", None)


def test_the_public_part_of_the_key_is_enough(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ssh = Ssh(monkeypatch)
    public = host_key(str(tmp_path)).public().toString("openssh")
    (tmp_path / "ssh_host_key").unlink()
    (tmp_path / "ssh_host_key.pub").write_bytes(public)
    connect(settings, "site.ini", None)
    assert ssh.known == f"revproxy {public.decode()}\n"


@pytest.mark.parametrize(
    ("host", "asked"), [("", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("10.0.0.1", "10.0.0.1")]
)
def test_where_ssh_goes(settings: Settings, host: str, asked: str) -> None:
    assert ssh_command(on(settings, Tcp(host, 22)), "site.ini", "known")[-1] == asked


def test_a_socket_is_reached_by_socat(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting.shutil, "which", lambda name: f"/usr/bin/{name}")
    words = ssh_command(on(settings, Unix("/run/shell.sock")), "site.ini", "known")
    assert "ProxyCommand=/usr/bin/socat - UNIX-CONNECT:/run/shell.sock" in words
    assert words[-1] == "revproxy"
    monkeypatch.setattr(connecting.shutil, "which", lambda name: None)
    with pytest.raises(CannotConnect, match="by socat only: install it"):
        ssh_command(on(settings, Unix("/run/shell.sock")), "site.ini", "known")


def test_what_is_missing_is_said(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Ssh(monkeypatch)
    with pytest.raises(CannotConnect, match=r"site.ini has no shell; write \[shell\] with on = "):
        connect(replace(settings, shell=None), "site.ini", None)
    with pytest.raises(CannotConnect, match="ssh needs tcp:HOST:PORT"):
        ssh_command(on(settings), "site.ini", "known")
    keys = tmp_path / "keys"
    keys.write_text("# nobody\n")
    with pytest.raises(CannotConnect, match="holds no key; add yours"):
        connect(settings, "site.ini", None)
    keys.unlink()
    with pytest.raises(CannotConnect, match=r"nobody may log in: .*: No such file"):
        connect(settings, "site.ini", None)
    (tmp_path / "ssh_host_key").write_text("nonsense")
    with pytest.raises(CannotConnect, match="ssh_host_key cannot be used"):
        connect(settings, "site.ini", None)
    (tmp_path / "ssh_host_key").unlink()
    with pytest.raises(CannotConnect, match=r"the proxy makes its key when it starts; has site.ini been started yet\?"):
        connect(settings, "site.ini", None)
    monkeypatch.setattr(connecting.shutil, "which", lambda name: None)
    with pytest.raises(CannotConnect, match="install OpenSSH's client"):
        connect(settings, "site.ini", None)


def test_the_command_line_tells_errors_of_the_site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = tmp_path / "site.ini"
    site.write_text("[listen http]\non = tcp:127.0.0.1:8000\n[route /]\nredirect = 301 /x\n")
    assert cli.main(["shell", str(site)]) == 1
    assert "has no shell" in capsys.readouterr().err
    site.write_text("[nonsense]\n")
    assert cli.main(["shell", str(site), "--command", "pools()"]) == 1
