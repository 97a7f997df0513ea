"""
The proxy as a part of another Twisted program.

    from twistedproxy.embedding import proxy_service

    service = proxy_service(open("site.ini").read(), reactor)
    service.setServiceParent(application)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from twisted.application.service import IService
from twisted.logger import Logger

from twistedproxy.config.load import load_text
from twistedproxy.service import make_service

_log = Logger()


def proxy_service(text: str, reactor: Any, *, file: str = "site.ini", environ: Mapping[str, str] = os.environ) -> IService:
    """
    The site that *text* describes, as a service; no port is opened before it is started.

    It is stopped as every service is: by ``stopService``, whose Deferred fires when what ran has ended, within ``stop_timeout``.
    It reads no file again and takes over from no other process: reloads and upgrades are ``twistd revproxy``'s.

    :param reactor: of the program: one with file descriptors (epoll, poll, select, asyncio's)
    :param file: relative paths of *text* begin in its directory, and errors name it; it need not exist
    :param environ: what ``${NAME}`` refers to
    :raises twistedproxy.config.problems.ConfigError: the text has errors; it holds all of them
    :raises OSError: a file that it names cannot be used any more
    :raises ValueError: or has become something else
    :raises twistedproxy.transport.certificates.CertificateProblem: a certificate cannot be used
    :raises twistedproxy.apps.loading.CannotLoad: an app of it cannot be had
    """
    loaded = load_text(text, file, environ)
    for warning in loaded.warnings:
        _log.warn("{warning}", warning=str(warning))
    return make_service(loaded.settings, reactor)
