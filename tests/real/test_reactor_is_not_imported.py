"""Reading a site must not choose a reactor: twistd does that, later."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["twistedproxy.websocket.handshake", "twistedproxy.demo.backends"])
def test_importing_what_uses_autobahn_installs_no_reactor(module: str) -> None:
    program = f"import sys, {module}; sys.exit('twisted.internet.reactor' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
