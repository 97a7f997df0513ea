"""This proxy, as anybody starts it: ``twistd -n revproxy -c site.ini``."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

from bench.subjects.subject import Command, Feature, Site

_ROOT = str(Path(__file__).parents[2])

_CONFIGURATION = """\
[site]
state_dir = {directory}/state

[defaults]
max_body = 64m

[listen http]
on = tcp:127.0.0.1:{http}
max_connections = {connections}
keepalive_requests = 100000000

[listen https]
on = tcp:127.0.0.1:{https}
tls = bench
max_connections = {connections}
keepalive_requests = 100000000

[tls bench]
certificates = {chain} {key}

[pool origin]
servers = 127.0.0.1:{origin}
keepalive = 128
max_fails = 0

[pool echo]
servers = 127.0.0.1:{echo}
max_fails = 0

[cache bench]
directory = {directory}/cache

[route /]
pool = origin

[route /cached/]
pool = origin
cache = bench

[route /files/]
static = {documents}

[route /ws]
pool = echo
"""
_MESSAGES = "websocket = messages\n"


class Ours:
    """The work tree that the benchmark is part of."""

    name = "ours"
    features = frozenset(Feature)
    _configuration = _CONFIGURATION

    def version(self) -> str:
        return f"this proxy on Twisted {importlib.metadata.version('twisted')}, Python {sys.version.split()[0]}"

    def command(self, site: Site) -> Command:
        path = site.write(
            "site.ini",
            self._configuration.format(
                directory=site.directory,
                documents=site.documents(),
                connections=site.connections,
                http=site.http,
                https=site.https,
                origin=site.origin,
                echo=site.echo,
                chain=site.certificate.chain,
                key=site.certificate.key,
            ),
        )
        twistd = Path(sys.executable).with_name("twistd")
        return Command((str(twistd), "-n", "--pidfile=", "--logfile=-", "revproxy", "-c", path), {"PYTHONPATH": _ROOT})


class OursByMessages(Ours):
    """The same, its WebSockets relayed message by message."""

    name = "ours-messages"
    features = frozenset((Feature.WEBSOCKET,))
    _configuration = _CONFIGURATION + _MESSAGES
