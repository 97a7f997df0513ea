"""Logs by their settings."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificates
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import Certificate, optionsForClientTLS, platformTrust, trustRootFromCertificates

from twistedproxy.clock import Clock
from twistedproxy.logs.access_log import AccessLog
from twistedproxy.logs.file_output import FileOutput
from twistedproxy.logs.output import Output
from twistedproxy.logs.syslog_datagrams import SyslogDatagrams
from twistedproxy.logs.syslog_messages import Messages
from twistedproxy.logs.syslog_stream import SyslogStream
from twistedproxy.settings.logs import LogSettings, SyslogTarget
from twistedproxy.transport.names import LookUp, Names

#: Seconds for which the address of a syslog server is taken as it is.
_KEEP = 60.0


@dataclass(frozen=True)
class Place:
    """Where logs are made."""

    reactor: Any
    clock: Clock
    look_up: LookUp


def make_log(settings: LogSettings, place: Place) -> AccessLog:
    """
    The log that *settings* describe; it writes when it is started.

    :raises OSError: its authorities' file cannot be read any more
    :raises ValueError: or holds none
    """
    return AccessLog(settings, _output(settings, place), place.reactor)


def _output(settings: LogSettings, place: Place) -> Output:
    target = settings.file
    if not isinstance(target, SyslogTarget):
        return FileOutput(target)
    messages = Messages(settings, os.uname().nodename, os.getpid())
    if target.transport in ("udp", "unix"):
        return SyslogDatagrams(target, messages, Names(place.look_up, place.clock, _KEEP), place.clock.wall)
    return SyslogStream(target, _endpoint(target, settings.ca, place.reactor), messages, place.clock.wall, place.reactor)


def _endpoint(target: SyslogTarget, ca: str | None, reactor: Any) -> IStreamClientEndpoint:
    plain: IStreamClientEndpoint = HostnameEndpoint(reactor, target.host, target.port)
    if target.transport == "tcp":
        return plain
    trust = platformTrust() if ca is None else trustRootFromCertificates(_authorities(ca))
    return wrapClientTLS(optionsForClientTLS(target.host, trustRoot=trust), plain)


def _authorities(name: str) -> list[Certificate]:
    with open(name, "rb") as file:
        data = file.read()
    return [Certificate.loadPEM(each.public_bytes(Encoding.PEM)) for each in load_pem_x509_certificates(data)]
