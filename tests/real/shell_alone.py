"""A process that runs nothing but the shell, on a free port, over a site that holds still: ``shell_alone.py DIRECTORY``."""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet import reactor
from twisted.logger import globalLogBeginner, textFileLogObserver

from tests.admin.site import live_site
from twistedproxy.addresses import Tcp, Unix
from twistedproxy.admin.manhole import make_shell_service
from twistedproxy.settings.operators import ShellSettings


def main(directory: str) -> None:
    """Serve until the process is told to end; the first line of output is where."""
    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stderr)], redirectStandardIO=False)
    settings = ShellSettings(
        on=(Tcp("127.0.0.1", 0), Unix(f"{directory}/shell.sock", 0o600)), authorized_keys=f"{directory}/authorized_keys"
    )
    service: Any = make_shell_service(settings, f"{directory}/var", live_site(), reactor)
    service.privilegedStartService()
    service.startService()
    print(service.ports.addresses[0], flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()


if __name__ == "__main__":
    main(sys.argv[1])
