"""
Peers that are found by a name: what DNS says, as servers.

Addresses (``NAME:PORT addresses=all``) are asked of the machine's own resolver, as all names are; SRV records (``srv:NAME``,
RFC 2782), which that does not know, through twisted.names.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred
from twisted.names import client, dns
from twisted.names.error import DNSNameError, DNSServerError, DomainError
from twisted.python.failure import Failure

from twistedproxy.addresses import Tcp
from twistedproxy.settings.servers import ServerSettings, StandsFor
from twistedproxy.transport.names import LookUp, Resolved

#: Seconds that a server has to answer over TCP.
TCP_TIMEOUT: Final = 3.0
#: Seconds after which a server that does not answer over UDP is asked again, or the next one is.
TIMEOUTS: Final = (1, 2, 4)

_FAMILIES: Final = {
    "all": (socket.AF_INET, socket.AF_INET6),
    "ipv4": (socket.AF_INET,),
    "ipv6": (socket.AF_INET6,),
}

# What may stand in a log line and in a Host field; DNS itself would allow anything.
_NAME = re.compile(rb"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")


class NotFound(Exception):
    """A name could not be resolved; the text says why, in a few words."""


class Records(Protocol):
    """As :class:`twisted.names.client.Resolver`."""

    def lookupService(self, name: str, timeout: Any = None) -> Deferred[Any]:
        """The SRV records of *name*: answers, authorities and additional records."""


def records_of(nameservers: Sequence[Tcp], reactor: Any) -> Records:
    """What asks *nameservers*, or those of /etc/resolv.conf when there are none."""
    servers = [(server.host, server.port) for server in nameservers]
    return TcpFirst(client.Resolver(None if servers else "/etc/resolv.conf", servers, TIMEOUTS, reactor), reactor)


class TcpFirst:
    """
    Asks over TCP, and over UDP where that fails.

    Over TCP an answer may have any number of records, and cannot be forged by somebody who is not on the way; and Twisted
    writes four lines into the log for every question over UDP.

    :ivar resolver: which does
    """

    def __init__(self, resolver: client.Resolver, reactor: Any) -> None:
        self.resolver = resolver
        self._reactor = reactor

    def lookupService(self, name: str, timeout: Any = None) -> Deferred[Any]:
        """The SRV records of *name*: answers, authorities and additional records."""

        def over_udp(failure: Failure) -> Any:
            return failure if failure.check(DomainError) else self.resolver.lookupService(name, timeout)

        asked: Deferred[Any] = self.resolver.queryTCP([dns.Query(name, dns.SRV, dns.IN)], TCP_TIMEOUT)
        asked.addTimeout(TCP_TIMEOUT, self._reactor)
        return asked.addCallback(self.resolver.filterAnswers).addErrback(over_udp)


class Dns:
    """
    Finds the servers that a line of ``servers`` stands for.

    :param look_up: looks up the addresses of a name
    :param records: makes what looks up SRV records, when it is needed first
    """

    def __init__(self, look_up: LookUp, records: Callable[[], Records]) -> None:
        self._look_up = look_up
        self._make_records = records
        self._records: Records | None = None

    def ask_others(self) -> None:
        """What looks up SRV records is to be made anew."""
        self._records = None

    def find(self, line: ServerSettings) -> Deferred[list[ServerSettings]]:
        """What *line* stands for at the moment; fails with :class:`NotFound`."""
        if line.stands_for is StandsFor.RECORDS:
            return self._find_records(line)
        return self._find_addresses(line)

    def _find_addresses(self, line: ServerSettings) -> Deferred[list[ServerSettings]]:
        address = line.address
        assert isinstance(address, Tcp)
        answered: Deferred[Resolved] = Deferred()
        self._look_up(address.host, address.port, answered.callback)

        def servers(resolved: Resolved) -> list[ServerSettings]:
            hosts = {name[0] for family, name in resolved if family in _FAMILIES[line.family]}
            if not hosts:
                kind = "" if line.family == "all" else f" to {line.family} addresses"
                raise NotFound(f"{address.host} could not be resolved{kind}")
            in_order = sorted(hosts, key=lambda host: (":" in host, host))
            return [
                replace(line, address=Tcp(host, address.port), stands_for=StandsFor.PEER, found_by=address.host)
                for host in in_order
            ]

        return answered.addCallback(servers)

    def _find_records(self, line: ServerSettings) -> Deferred[list[ServerSettings]]:
        address = line.address
        assert isinstance(address, Tcp)
        if self._records is None:
            self._records = self._make_records()

        def servers(found: Any) -> list[ServerSettings]:
            answers, _, _ = found
            payloads = [record.payload for record in answers if record.type == dns.SRV]
            if not payloads:
                raise NotFound(f"{address.host} has no SRV records")
            return servers_of(payloads, line)

        def failed(failure: Any) -> list[ServerSettings]:
            if failure.check(NotFound):
                return failure.raiseException()  # type: ignore[no-any-return]
            raise NotFound(f"{address.host}: {_in_few_words(failure)}") from None

        return self._records.lookupService(address.host, TIMEOUTS).addCallback(servers).addErrback(failed)


def servers_of(records: Iterable[Any], line: ServerSettings) -> list[ServerSettings]:
    """
    The servers that SRV *records* name (RFC 2782), with the options of *line*.

    The lowest priority serves, the others are backups, tier by tier.  Weight 0, "hardly ever", counts as 1, since our 0 is
    never.  A single record with the target "." says that there is no such service: no server.  Records that say nothing usable
    are passed over.
    """
    usable = [record for record in records if record.port and _NAME.fullmatch(bytes(record.target.name))]
    tiers = {priority: number for number, priority in enumerate(sorted({record.priority for record in usable}))}
    servers: dict[str, ServerSettings] = {}
    for record in sorted(usable, key=lambda record: (record.priority, bytes(record.target.name).lower(), record.port)):
        tier = tiers[record.priority]
        server = replace(
            line,
            address=Tcp(bytes(record.target.name).decode("ascii").lower(), record.port),
            weight=max(1, record.weight),
            backup=line.backup or tier > 0,
            tier=tier,
            stands_for=StandsFor.PEER,
        )
        servers.setdefault(server.name, server)
    return list(servers.values())


def _in_few_words(failure: Any) -> str:
    problem = failure.value
    if isinstance(problem, DNSNameError):
        return "there is no such name"
    if isinstance(problem, DNSServerError):
        return "the name server failed"
    if isinstance(problem, DomainError):
        return "the name server refuses to answer"
    return "no name server answers"
