"""Debian's pebble: an ACME server that really looks at what it has asked for, and a DNS server in which all names are here."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.real.programs import accepts, eventually
from tests.transport.authority import Authority

PEBBLE = shutil.which("pebble")
DNS = shutil.which("pebble-challtestsrv")


def quiet_ports(count: int) -> list[int]:
    """
    Ports of 127.0.0.1 that nobody has now, and that the kernel gives to no connection meanwhile.

    The server must know them before the proxy listens.
    """
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(10_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            if port not in found:
                found.append(port)
    return found


class Pebble:
    """
    A running server.

    :ivar http: the port where it asks for HTTP-01; *tls*: where it shakes hands for TLS-ALPN-01
    :ivar directory: the URL of its directory; *authority*: the file of the authority by which that URL is believed
    """

    def __init__(self, directory: Path, *, binding: tuple[str, str] | None = None) -> None:
        assert PEBBLE is not None
        assert DNS is not None
        where = directory / "pebble"
        where.mkdir()
        self.http, self.tls, api, management, dns, dns_management = quiet_ports(6)
        made = Authority(where)
        files = made.issue("127.0.0.1")
        self.authority = made.path
        self.directory = f"https://127.0.0.1:{api}/dir"
        settings = {
            "listenAddress": f"127.0.0.1:{api}",
            "managementListenAddress": f"127.0.0.1:{management}",
            "certificate": files.chain,
            "privateKey": files.key,
            "httpPort": self.http,
            "tlsPort": self.tls,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": binding is not None,
            "externalAccountMACKeys": dict([binding]) if binding else {},
        }
        config = where / "pebble.json"
        config.write_text(json.dumps({"pebble": settings}))
        quiet = ["-http01", "", "-https01", "", "-tlsalpn01", ""]
        names = [DNS, "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01", f"127.0.0.1:{dns}", *quiet]
        self._output = (where / "output").open("wb")
        self._programs = [
            subprocess.Popen(
                [*names, "-management", f"127.0.0.1:{dns_management}"], stdout=self._output, stderr=subprocess.STDOUT
            ),
            subprocess.Popen(
                [PEBBLE, "-config", str(config), "-dnsserver", f"127.0.0.1:{dns}"],
                stdout=self._output,
                stderr=subprocess.STDOUT,
                env={"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0", "PEBBLE_WFE_NONCEREJECT": "0"},
            ),
        ]
        eventually(lambda: accepts(api) and accepts(dns_management), lambda: self.said)

    @property
    def said(self) -> str:
        """What it has printed."""
        return Path(self._output.name).read_text(errors="replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for program in self._programs:
            program.terminate()
            program.wait(10)
        self._output.close()
