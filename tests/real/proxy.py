"""The proxy as its users start it: ``twistd revproxy -c site.ini`` in a process of its own."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.real.client import fetch
from tests.real.programs import Program, free_ports

# A shell lets what it starts in the background, these tests perhaps, ignore SIGINT; the proxy shall not inherit that.
TWISTD: Final = """\
import signal, sys
from twisted.scripts.twistd import run
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv[0] = "twistd"
run()
"""


def twistd(*arguments: str) -> list[str]:
    """The command line of twistd, by the interpreter of the tests."""
    return [sys.executable, "-c", TWISTD, *arguments]


class Proxy(Program):
    """
    A running proxy.

    :param log: the file that *options* name for twistd's log, if they do
    :param environ: what the environment has besides
    :ivar port: of its listener called ``http``
    :ivar ports: every port that the site was given, by the name that stood in the text
    """

    def __init__(
        self,
        directory: Path,
        site: str,
        name: str = "proxy",
        *,
        options: Sequence[str] = ("-n", "--pidfile="),
        log: str = "",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        text, self.ports = with_ports(site)
        self.site = directory / f"{name}.ini"
        self.site.write_text(text)
        super().__init__(name, twistd(*options, "revproxy", "-c", self.site.name), directory, environ)
        if log:
            self.output = directory / log

    @property
    def port(self) -> int:
        """Where clients connect."""
        return self.ports["http"]

    def await_ready(self) -> None:
        """Return when it has said that it listens."""
        self.await_output(f" on 127.0.0.1:{self.port}" if "http" in self.ports else "listener ")

    def status_page(self) -> Any:
        """``/status.json``."""
        return json.loads(fetch(self.ports["status"], "/status.json").body)


def with_ports(site: str, **known: int) -> tuple[str, dict[str, int]]:
    """*site* with a free port for each different ``@NAME``, and those ports; *known* ones are taken as they are."""
    names = sorted(set(re.findall(r"@([a-z_0-9]+)", site)) - set(known))
    ports = {**known, **dict(zip(names, free_ports(len(names)), strict=True))}
    return re.sub(r"@([a-z_0-9]+)", lambda found: str(ports[found[1]]), site), ports
