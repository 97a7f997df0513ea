"""
A DNS server in a process of its own: ``python -m tests.real.name_server PORT FILE [udp]``.

FILE is JSON and read for every question: a name to its SRV records, each ``[priority, weight, port, target]``.  It speaks UDP
on 127.0.0.1, and TCP unless told otherwise, and knows no other records.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, succeed
from twisted.names import common, dns, error, server
from twisted.python import log


class Zone(common.ResolverBase):
    """What the file says at the moment."""

    def __init__(self, path: Path) -> None:
        common.ResolverBase.__init__(self)
        self._path = path

    def _lookup(self, name: bytes, cls: int, kind: int, timeout: object) -> Deferred[Any]:
        records = json.loads(self._path.read_text()).get(name.decode()) if kind == dns.SRV else None
        if records is None:
            return fail(error.DomainError(name))
        headers = [
            dns.RRHeader(name, dns.SRV, ttl=1, payload=dns.Record_SRV(*numbers, target.encode()), auth=True)
            for *numbers, target in records
        ]
        return succeed((headers, [], []))


if __name__ == "__main__":
    log.startLogging(sys.stdout)
    factory = server.DNSServerFactory(clients=[Zone(Path(sys.argv[2]))])
    port = int(sys.argv[1])
    loop: Any = reactor
    loop.listenUDP(port, dns.DNSDatagramProtocol(factory), interface="127.0.0.1")
    if sys.argv[3:] != ["udp"]:
        loop.listenTCP(port, factory, interface="127.0.0.1")
    loop.run()
