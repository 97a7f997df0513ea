"""``etc/demo.ini`` on free ports: every port of the file is exchanged for one, and nothing else."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.real.programs import ROOT, Program, accepts, eventually, free_ports
from tests.real.proxy import twistd

TEXT: Final = (ROOT / "etc/demo.ini").read_text()


class Demo(Program):
    """
    A running demo.

    :ivar directory: stands for the checkout
    :ivar ports: by the number in etc/demo.ini
    """

    def __init__(self, directory: Path) -> None:
        named = sorted({int(port) for port in re.findall(r"127\.0\.0\.1:(\d{4})\b", TEXT)})
        self.ports = dict(zip(named, free_ports(len(named)), strict=True))
        self.directory = directory
        text = re.sub(r"127\.0\.0\.1:(\d{4})\b", lambda found: f"127.0.0.1:{self.ports[int(found[1])]}", TEXT)
        text = text.replace("twistedproxy.demo.backends:", "tests.real.demo_app:")
        (directory / "etc").mkdir()
        (directory / "etc/demo.ini").write_text(text)
        shutil.copy(ROOT / "etc/demo_users", directory / "etc")
        command = twistd("-n", "--pidfile=", "revproxy", "-c", "etc/demo.ini")
        super().__init__("demo", command, directory, {"DEMO_PORTS": json.dumps(self.ports)})

    @property
    def http(self) -> int:
        """Where browsers come in."""
        return self.ports[8080]

    @property
    def https(self) -> int:
        """Where they come in by TLS."""
        return self.ports[8443]

    @property
    def shell(self) -> int:
        """Where ssh comes in."""
        return self.ports[6022]

    def await_ready(self) -> None:
        """Return when every door is open."""
        for port in (self.http, self.https, self.shell):
            eventually(lambda port=port: accepts(port) or self.ended, lambda: self.story())  # type: ignore[misc]
        assert not self.ended, self.story()


StartDemo = Callable[[], Demo]
