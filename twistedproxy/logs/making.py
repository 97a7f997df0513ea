"""Logs by their settings."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from twistedproxy.logs.access_log import AccessLog
from twistedproxy.logs.file_output import FileOutput
from twistedproxy.settings import LogSettings


def make_log(settings: LogSettings, reactor: IReactorTime) -> AccessLog:
    """The log that *settings* describe; it writes when it is started."""
    return AccessLog(settings, FileOutput(settings.file), reactor)
