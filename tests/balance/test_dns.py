"""What DNS says, as servers."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any

import pytest
from twisted.internet import defer
from twisted.internet.defer import Deferred, fail, succeed
from twisted.names import dns
from twisted.names.error import DNSNameError, DNSQueryRefusedError, DNSServerError

from tests.balance.pools import HandClock
from twistedproxy.addresses import Tcp
from twistedproxy.balance.dns import TCP_TIMEOUT, Dns, NotFound, TcpFirst, records_of, servers_of
from twistedproxy.settings.servers import ServerSettings, StandsFor
from twistedproxy.transport.names import Answered, Resolved

NAME = ServerSettings(Tcp("app.internal", 3000), tls=True, weight=2, stands_for=StandsFor.ADDRESSES)
SRV = ServerSettings(Tcp("_http._tcp.app.internal", 0), stands_for=StandsFor.RECORDS)


class Records:
    """A resolver of SRV records whose answer is given."""

    def __init__(self, answer: Deferred[Any]) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def lookupService(self, name: str, timeout: Any = None) -> Deferred[Any]:
        self.asked.append(name)
        return self.answer


def answered(found: Resolved) -> Any:
    def look_up(host: str, port: int, tell: Answered) -> None:
        tell(found)

    return look_up


def nobody() -> Records:
    raise AssertionError("there are no SRV records to look up")


def result(deferred: Deferred[list[ServerSettings]]) -> Any:
    """What it has fired with, or the text of its failure."""
    results: list[Any] = []
    deferred.addCallbacks(results.append, lambda failure: results.append((failure.type, failure.getErrorMessage())))
    return results[0]


def record(priority: int, weight: int, port: int, target: bytes) -> dns.Record_SRV:
    return dns.Record_SRV(priority, weight, port, target)


def reply(*records: dns.Record_SRV) -> tuple[list[dns.RRHeader], list[Any], list[Any]]:
    alias = dns.RRHeader("_http._tcp.app.internal", dns.CNAME, payload=dns.Record_CNAME("elsewhere"))
    return [alias, *(dns.RRHeader("elsewhere", dns.SRV, payload=each) for each in records)], [], []


def test_each_address_is_a_server_that_goes_by_the_name() -> None:
    found: Resolved = [
        (socket.AF_INET6, ("fd00::1", 3000, 0, 0)),
        (socket.AF_INET, ("10.0.0.2", 3000)),
        (socket.AF_INET, ("10.0.0.1", 3000)),
    ]
    servers = result(Dns(answered(found), nobody).find(NAME))
    assert [server.name for server in servers] == ["10.0.0.1:3000", "10.0.0.2:3000", "[fd00::1]:3000"]
    first = servers[0]
    assert (first.tls, first.weight, first.stands_for) == (True, 2, StandsFor.PEER)
    assert first.authority == "app.internal:3000"


@pytest.mark.parametrize(("family", "host"), [("ipv4", "10.0.0.1"), ("ipv6", "fd00::1")])
def test_addresses_of_one_family_may_be_meant(family: str, host: str) -> None:
    found: Resolved = [(socket.AF_INET6, ("fd00::1", 3000, 0, 0)), (socket.AF_INET, ("10.0.0.1", 3000))]
    line = replace(NAME, family=family)
    assert [server.address for server in result(Dns(answered(found), nobody).find(line))] == [Tcp(host, 3000)]
    others: Resolved = [each for each in found if each[1][0] != host]
    said = f"app.internal could not be resolved to {family} addresses"
    assert result(Dns(answered(others), nobody).find(line)) == (NotFound, said)


def test_no_address_is_a_failure() -> None:
    assert result(Dns(answered([]), nobody).find(NAME)) == (NotFound, "app.internal could not be resolved")


def test_srv_records_are_servers_by_priority_and_weight() -> None:
    records = Records(
        succeed(
            reply(
                record(20, 5, 8081, b"spare.internal"),
                record(10, 60, 8080, b"B.internal"),
                record(10, 0, 8080, b"a.internal"),
                record(30, 1, 80, b"last.internal"),
            )
        )
    )
    servers = result(Dns(answered([]), lambda: records).find(SRV))
    assert records.asked == ["_http._tcp.app.internal"]
    assert [(server.name, server.weight, server.backup, server.tier) for server in servers] == [
        ("a.internal:8080", 1, False, 0),
        ("b.internal:8080", 60, False, 0),
        ("spare.internal:8081", 5, True, 1),
        ("last.internal:80", 1, True, 2),
    ]
    assert servers[0].authority == "a.internal:8080"


def test_the_resolver_is_made_once_and_only_when_it_is_needed() -> None:
    made: list[Records] = []

    def make() -> Records:
        made.append(Records(Deferred()))
        return made[-1]

    finder = Dns(answered([]), make)
    result(finder.find(NAME))
    assert not made
    finder.find(SRV)
    finder.find(SRV)
    assert [len(each.asked) for each in made] == [2]


def test_a_dot_says_that_there_is_no_such_service() -> None:
    assert result(Dns(answered([]), lambda: Records(succeed(reply(record(0, 0, 0, b""))))).find(SRV)) == []


def test_targets_that_could_forge_a_line_or_a_field_are_passed_over() -> None:
    targets = [b"a\r\nX: y", b"a b", b"", b"-a", b"good.internal", b"GOOD.internal"]
    servers = servers_of([record(1, 1, 80, target) for target in targets], SRV)
    assert [server.name for server in servers] == ["good.internal:80"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (succeed(reply()), "_http._tcp.app.internal has no SRV records"),
        (fail(DNSNameError()), "_http._tcp.app.internal: there is no such name"),
        (fail(DNSServerError()), "_http._tcp.app.internal: the name server failed"),
        (fail(DNSQueryRefusedError()), "_http._tcp.app.internal: the name server refuses to answer"),
        (fail(defer.TimeoutError()), "_http._tcp.app.internal: no name server answers"),
    ],
)
def test_failures_are_said_in_few_words(answer: Deferred[Any], said: str) -> None:
    assert result(Dns(answered([]), lambda: Records(answer)).find(SRV)) == (NotFound, said)


def test_the_name_servers_of_the_site_are_asked() -> None:
    made = records_of((Tcp("192.0.2.53", 5353),), HandClock())
    assert isinstance(made, TcpFirst)
    assert made.resolver.servers == [("192.0.2.53", 5353)]


class Beneath:
    """A resolver whose answers over TCP and UDP are given."""

    def __init__(self, tcp: Deferred[Any], udp: str = "over udp") -> None:
        self.tcp = tcp
        self.udp = udp

    def queryTCP(self, queries: list[dns.Query], timeout: float) -> Deferred[Any]:
        assert [(query.name.name, query.type) for query in queries] == [(b"_http._tcp.a", dns.SRV)]
        return self.tcp

    def lookupService(self, name: str, timeout: object) -> Deferred[Any]:
        return succeed(self.udp)

    def filterAnswers(self, message: Any) -> Any:
        if isinstance(message, Exception):
            raise message
        return message


def test_tcp_comes_first_and_udp_where_nobody_answers_it() -> None:
    clock = HandClock()

    def ask(tcp: Deferred[Any]) -> Deferred[Any]:
        beneath: Any = Beneath(tcp)
        return TcpFirst(beneath, clock).lookupService("_http._tcp.a")

    assert result(ask(succeed("over tcp"))) == "over tcp"
    assert result(ask(fail(ConnectionError()))) == "over udp"
    # A name that does not exist does not exist over UDP either.
    assert result(ask(succeed(DNSNameError("no"))))[0] is DNSNameError
    silent = ask(Deferred())
    clock.advance(TCP_TIMEOUT)
    assert result(silent) == "over udp"
