"""``twistd revproxy -c site.ini``: options, and the service that twistd runs."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from twisted.application.service import IService
from twisted.logger import Logger
from twisted.python import usage

from twistedproxy import memory
from twistedproxy.config.load import Loaded, load
from twistedproxy.config.problems import ConfigError
from twistedproxy.running.upgrade import Command, this_command
from twistedproxy.version import VERSION

log = Logger()


class Options(usage.Options):
    """
    The command line behind ``twistd revproxy``.

    :ivar loaded: the site; read as soon as the command line is, so that twistd can print its errors and leave
    :ivar file: its file, by a path that holds wherever the process goes
    :ivar command: how the process was started, for the one that takes over from it
    """

    synopsis = "[-c site.ini]"
    longdesc = "Runs the site that site.ini describes. `revproxy check site.ini` tells beforehand whether it can be run."
    optParameters = (("config", "c", "site.ini", "The site file"),)

    loaded: Loaded
    command: Command

    def opt_version(self) -> NoReturn:
        """Print the version of the proxy and leave."""
        print(f"revproxy {VERSION}")
        sys.exit(0)

    def postOptions(self) -> None:
        """
        Read the site file.

        :raises twisted.python.usage.UsageError: it has errors; the text has a line for each
        """
        try:
            self.loaded = load(self["config"], os.environ)
        except ConfigError as error:
            raise usage.UsageError(f"{self['config']} cannot be used:\n{error}") from None
        self.file = os.path.abspath(self["config"])
        self.command = this_command(self.parent if self.parent is not None else {})


def makeService(options: Options) -> IService:
    """
    The whole proxy as one service, by the site that *options* have read; no port is opened before it is started.

    :raises SystemExit: a file or directory that the site names cannot be used; twistd prints the text and leaves
    """
    # twistd has chosen its reactor by now; to import it earlier, or on a machine that only checks a file, would install one.
    from twisted.internet import reactor

    from twistedproxy.apps.loading import CannotLoad
    from twistedproxy.service import Origin, make_service
    from twistedproxy.transport.certificates import CertificateProblem

    for warning in options.loaded.warnings:
        log.warn("{warning}", warning=str(warning))
    try:
        service: IService = make_service(options.loaded.settings, reactor, Origin(options.file, options.command))
    except (OSError, ValueError, CertificateProblem, CannotLoad) as problem:
        sys.exit(f"{options['config']} cannot be run: {problem}")
    memory.spare_the_collector()
    memory.keep_read_buffers()
    return service
