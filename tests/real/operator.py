"""Somebody with a key for the shell of a proxy, by the real ssh."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.real.programs import PATIENCE
from tests.real.proxy import Proxy

needs_ssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="needs ssh and ssh-keygen")

#: What a site has for the operator, whose key must be there before the proxy starts.
SHELL: Final = """
[shell]
on = tcp:127.0.0.1:@shell
authorized_keys = key.pub
"""
_OPTIONS: Final = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes", "LogLevel=ERROR")


class Operator:
    """Has a key in *directory*, from before the start of the proxy."""

    def __init__(self, directory: Path) -> None:
        self._key = directory / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "alice", "-f", str(self._key)], check=True)

    def command_line(self, proxy: Proxy, command: str) -> list[str]:
        """By which the shell of *proxy* is asked."""
        flags = [flag for option in _OPTIONS for flag in ("-o", option)]
        port = str(proxy.ports["shell"])
        return ["ssh", "-F", "none", *flags, "-p", port, "-i", str(self._key), "operator@127.0.0.1", command]

    def says(self, proxy: Proxy, command: str) -> str:
        """What the shell of *proxy* prints."""
        words = self.command_line(proxy, command)
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert (done.returncode, done.stderr) == (0, ""), (command, done.stdout, done.stderr)
        return done.stdout
