"""``twistd revproxy -c site.ini``: options, and the service that twistd runs."""

from __future__ import annotations

import gc
import os
import sys
from typing import Final, NoReturn

from twisted.application.service import IService
from twisted.logger import Logger
from twisted.python import usage

from twistedproxy.config.load import Loaded, load
from twistedproxy.config.problems import ConfigError
from twistedproxy.version import VERSION

log = Logger()

#: New objects, less those that are gone, after which the garbage collector looks at them; Python's own number is 700.
_YOUNG: Final = 20_000


class Options(usage.Options):
    """
    The command line behind ``twistd revproxy``.

    :ivar loaded: the site; read as soon as the command line is, so that twistd can print its errors and leave
    """

    synopsis = "[-c site.ini]"
    longdesc = "Runs the site that site.ini describes. `revproxy check site.ini` tells beforehand whether it can be run."
    optParameters = (("config", "c", "site.ini", "The site file"),)

    loaded: Loaded

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


def makeService(options: Options) -> IService:
    """
    The whole proxy as one service, by the site that *options* have read; no port is opened before it is started.

    :raises SystemExit: a file or directory that the site names cannot be used; twistd prints the text and leaves
    """
    # twistd has chosen its reactor by now; to import it earlier, or on a machine that only checks a file, would install one.
    from twisted.internet import reactor

    from twistedproxy.service import make_service
    from twistedproxy.transport.certificates import CertificateProblem

    for warning in options.loaded.warnings:
        log.warn("{warning}", warning=str(warning))
    try:
        service: IService = make_service(options.loaded.settings, reactor)
    except (OSError, CertificateProblem) as problem:
        sys.exit(f"{options['config']} cannot be run: {problem}")
    _spare_the_collector()
    return service


def _spare_the_collector() -> None:
    """
    Let the garbage collector leave alone what stays, and look seldom at the rest.

    The modules and the objects of the site, sixty thousand and more, live as long as the process, so that to walk through them
    again and again finds nothing and holds up every exchange (30 ms each time).  Exchanges leave no cycles behind: what
    they are made of goes by reference counts, at once.  What is left for the collector is rare (failures with tracebacks, the
    shell, the checks' HTTP client), and the objects of ten thousand clients who come and stay are no reason to look for it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 20)
