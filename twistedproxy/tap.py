"""``twistd revproxy -c site.ini``: options, and the service that twistd runs."""

from __future__ import annotations

import os
from typing import Any

from twisted.application.service import IService
from twisted.logger import Logger
from twisted.python import usage

from twistedproxy.config.load import load
from twistedproxy.config.problems import ConfigError

log = Logger()


class Options(usage.Options):
    """The command line behind ``twistd revproxy``."""

    synopsis = "[-c site.ini]"
    longdesc = "Runs the site that site.ini describes. `revproxy check site.ini` tells beforehand whether it can."
    optParameters: list[list[Any]] = [["config", "c", "site.ini", "The site file"]]  # noqa: RUF012 (usage.Options wants a list)


def makeService(options: usage.Options) -> IService:
    """
    The whole proxy as one service, by the site file of *options*; no port is opened before it starts.

    :raises twisted.python.usage.UsageError: the site file has errors; the text has one line for each
    """
    path = options["config"]
    try:
        loaded = load(path, os.environ)
    except ConfigError as error:
        raise usage.UsageError(f"{path} cannot be used:\n{error}") from None
    for warning in loaded.warnings:
        log.warn("{warning}", warning=str(warning))

    # Twisted chooses its reactor before it makes services, and installs it with this import.
    from twisted.internet import reactor

    from twistedproxy.service import make_service

    return make_service(loaded.settings, reactor)
