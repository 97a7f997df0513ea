"""Lines to syslog servers: what they look like, and what becomes of them when a server does not do its part."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import error
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from tests.admin.site import HandClock, Log
from tests.logs.exchanges import exchange
from tests.logs.places import KNOWN, place
from twistedproxy.logs.access_log import AccessLog
from twistedproxy.logs.making import make_log
from twistedproxy.logs.syslog_messages import Messages, framed
from twistedproxy.logs.syslog_stream import STALLED, SyslogStream
from twistedproxy.settings.logs import LogSettings, SyslogTarget

HEAD = r"<190>1 2027-01-15T08:00:0\d\.\d{3}Z \S+ twistedproxy \d+ access - "


class Wire(StringTransport):
    """What a connection writes to."""

    def abortConnection(self) -> None:
        """It is lost."""
        self.loseConnection()


class MemoryReactor(MemoryReactorClock, HandClock):
    """A reactor whose connections and whose time are handled by the test."""


def settings(target: SyslogTarget, **knobs: Any) -> LogSettings:
    """A log of that target."""
    return LogSettings("access", file=target, format="{uri}", **knobs)


def test_a_message_has_the_head_of_rfc_5424() -> None:
    messages = Messages(settings(SyslogTarget("udp"), facility="daemon", severity="warning", tag="edge"), "gate 1", 4711)
    assert list(messages.of([b"one\n", b"two\n"], 1_800_000_000.25)) == [
        b"<28>1 2027-01-15T08:00:00.250Z gate?1 edge 4711 access - one",
        b"<28>1 2027-01-15T08:00:00.250Z gate?1 edge 4711 access - two",
    ]


def test_the_site_says_what_the_machine_is_called() -> None:
    messages = Messages(settings(SyslogTarget("udp"), hostname="gate-1"), "other", 1)
    assert b" gate-1 twistedproxy 1 access - x" in next(messages.of([b"x\n"], 0))


def test_in_a_stream_a_message_has_its_length_before_it() -> None:
    assert framed(b"<14>1 - - - - - - h\xc3\xa9") == b"21 <14>1 - - - - - - h\xc3\xa9"


@contextmanager
def receiver(path: Path) -> Iterator[socket.socket]:
    """A syslog server on a unix socket, as /dev/log is."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.setblocking(False)
        server.bind(str(path))
        yield server


def received(server: socket.socket) -> list[bytes]:
    """All datagrams that wait there."""
    found = []
    while True:
        try:
            found.append(server.recv(100_000))
        except BlockingIOError:
            return found


def uris(messages: list[bytes]) -> list[str]:
    """The URIs in messages, whose heads are checked."""
    found = [re.fullmatch(f"{HEAD}(.*)", message.decode()) for message in messages]
    assert all(found), messages
    return [each[1] for each in found if each]


@contextmanager
def started(log: AccessLog) -> Iterator[AccessLog]:
    """The log, running, and stopped at the end."""
    log.startService()
    try:
        yield log
    finally:
        log.stopService()


def test_every_line_is_a_datagram(tmp_path: Path) -> None:
    clock = HandClock()
    path = tmp_path / "log"
    with receiver(path) as server, started(make_log(settings(SyslogTarget("unix", path=str(path))), place(clock))) as log:
        log.exchange_finished(exchange(target=b"/1"))
        log.exchange_finished(exchange(target=b"/2\x1b"))
        assert received(server) == []
        clock.advance(0.5)
        assert uris(received(server)) == ["/1", r"/2\x1B"]
        assert (log.lines, log.lost, log.held) == (2, 0, 0)


def test_a_server_that_is_not_there_is_told_of_once_and_gets_what_was_held(tmp_path: Path) -> None:
    clock = HandClock()
    path = tmp_path / "log"
    with Log() as told, started(make_log(settings(SyslogTarget("unix", path=str(path))), place(clock))) as log:
        log.exchange_finished(exchange(target=b"/1"))
        clock.pump([0.5] * 10)
        assert log.held > 0
        with receiver(path) as server:
            clock.advance(0.5)
            assert uris(received(server)) == ["/1"]
    assert told.lines == [
        f"access log access: syslog:unix:{path} cannot be written: No such file or directory; lines are held, then lost",
        f"access log access: syslog:unix:{path} is written again",
    ]


def test_a_server_that_does_not_read_its_datagrams_stops_nobody(tmp_path: Path) -> None:
    clock = HandClock()
    path = tmp_path / "log"
    with receiver(path) as server, started(make_log(settings(SyslogTarget("unix", path=str(path))), place(clock))) as log:
        for number in range(500):
            log.exchange_finished(exchange(target=b"/%d" % number))
        clock.advance(0.5)
        found: list[str] = []
        for _ in range(500):
            found += uris(received(server))
            clock.advance(0.5)
        assert found == [f"/{number}" for number in range(500)]


def test_what_no_datagram_can_hold_is_counted(tmp_path: Path) -> None:
    clock = HandClock()
    path = tmp_path / "log"
    with Log() as told, receiver(path) as server:
        with started(make_log(settings(SyslogTarget("unix", path=str(path))), place(clock))) as log:
            log.exchange_finished(exchange(target=b"/" + b"x" * 1_000_000))
            log.exchange_finished(exchange(target=b"/2"))
            clock.advance(0.5)
            assert uris(received(server)) == ["/2"]
            assert log.lost == 1
        assert told.lines == ["access log access: 1 lines were lost"]


def test_names_of_servers_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = HandClock()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        target = SyslogTarget("udp", "logs.internal", server.getsockname()[1])
        with started(make_log(settings(target), place(clock))) as log:
            log.exchange_finished(exchange(target=b"/1"))
            clock.advance(0.5)
            assert uris([server.recv(1000)]) == ["/1"]
    monkeypatch.delitem(KNOWN, "logs.internal")
    with Log() as told, started(make_log(settings(target), place(clock))) as log:
        log.exchange_finished(exchange(target=b"/1"))
        clock.advance(0.5)
    assert f"{target} cannot be written: logs.internal could not be resolved; lines are held, then lost" in told.lines[1]


class Stage:
    """A log that goes to a server over TCP, on a reactor in memory."""

    def __init__(self) -> None:
        self.reactor = MemoryReactor()
        self.log = make_log(settings(SyslogTarget("tcp", "127.0.0.1", 601)), place(self.reactor))
        self.log.startService()

    def asks(self, *targets: str) -> None:
        """These are asked for, and written."""
        for each in targets:
            self.log.exchange_finished(exchange(target=each.encode()))
        self.reactor.advance(0.5)

    def connects(self) -> tuple[Any, StringTransport]:
        """The server accepts the latest connection: the protocol, and what it writes to."""
        self.reactor.advance(0.3)
        factory = self.reactor.tcpClients[-1][2]
        protocol = factory.buildProtocol(None)
        transport = Wire()
        protocol.makeConnection(transport)
        return protocol, transport

    def refuses(self) -> None:
        """The server refuses the latest connection."""
        self.reactor.tcpClients[-1][2].clientConnectionFailed(None, Failure(error.ConnectionRefusedError()))


def frames(data: bytes) -> list[bytes]:
    """What a stream of messages with lengths holds, all of it."""
    found = []
    while data:
        length, _, rest = data.partition(b" ")
        assert len(rest) >= int(length)
        found.append(rest[: int(length)])
        data = rest[int(length) :]
    return found


def test_a_stream_gets_messages_by_their_lengths() -> None:
    stage = Stage()
    _, transport = stage.connects()
    stage.asks("/1", "/2")
    stage.asks("/3")
    assert uris(frames(transport.value())) == ["/1", "/2", "/3"]


def test_lines_wait_for_the_first_connection_without_complaint() -> None:
    with Log() as told:
        stage = Stage()
        stage.asks("/1")
        _, transport = stage.connects()
        assert uris(frames(transport.value())) == ["/1"]
    assert told.lines == []


def test_a_server_that_refuses_is_tried_again() -> None:
    with Log() as told:
        stage = Stage()
        stage.refuses()
        stage.asks("/1")
        stage.asks("/2")
        before = len(stage.reactor.tcpClients)
        stage.reactor.advance(3)
        assert len(stage.reactor.tcpClients) == before + 1
        _, transport = stage.connects()
        stage.asks("/3")
        assert uris(frames(transport.value())) == ["/1", "/2", "/3"]
    assert len(told.lines) == 2
    assert "syslog:tcp:127.0.0.1:601 cannot be written: Connection was refused by other side" in told.lines[0]
    assert told.lines[1].endswith("is written again")


def test_a_lost_connection_is_followed_by_another() -> None:
    stage = Stage()
    first, _ = stage.connects()
    stage.asks("/1")
    first.connectionLost(Failure(error.ConnectionDone()))
    stage.asks("/2")
    stage.reactor.advance(3)
    _, second = stage.connects()
    assert uris(frames(second.value())) == ["/2"]


def test_a_server_that_reads_nothing_costs_lines_and_then_its_connection() -> None:
    with Log() as told:
        stage = Stage()
        _, transport = stage.connects()
        transport.producer.pauseProducing()
        for number in range(1300):
            stage.log.exchange_finished(exchange(target=b"/%04d" % number + b"x" * 1000))
        stage.reactor.advance(0.5)
        assert transport.value() == b""
        assert 900_000 < stage.log.held < 1_200_000
        assert stage.log.lost > 200
        stage.reactor.pump([0.5] * int(2 * STALLED + 2))
        assert transport.disconnecting
    assert any("cannot be written: the server reads nothing" in line for line in told.lines)
    assert any(re.search(r"\d+ lines were lost", line) for line in told.lines)


def test_a_server_that_reads_on_gets_what_was_held() -> None:
    stage = Stage()
    _, transport = stage.connects()
    transport.producer.pauseProducing()
    stage.asks("/1")
    assert transport.value() == b""
    transport.producer.resumeProducing()
    assert uris(frames(transport.value())) == ["/1"]


def test_a_stop_sends_what_is_left_and_waits_two_seconds_at_most() -> None:
    stage = Stage()
    _, transport = stage.connects()
    transport.producer.pauseProducing()
    stage.log.exchange_finished(exchange(target=b"/1"))
    over: list[object] = []
    closed = stage.log.stopService()
    assert closed is not None
    closed.addCallback(over.append)
    assert uris(frames(transport.value())) == ["/1"]
    assert transport.disconnecting and not over
    stage.reactor.advance(2)
    assert over == [None]


def test_nothing_is_sent_before_tls_has_shown_who_the_server_is() -> None:
    reactor = MemoryReactor()
    log = make_log(settings(SyslogTarget("tls", "127.0.0.1", 6514)), place(reactor))
    log.startService()
    output: Any = log._output
    assert isinstance(output, SyslogStream)
    protocol = output._factory.buildProtocol(None)
    transport = StringTransport()
    log.exchange_finished(exchange(target=b"/1"))
    protocol.makeConnection(transport)
    reactor.advance(0.5)
    assert transport.value() == b""
    protocol.handshakeCompleted()
    assert uris(frames(transport.value())) == ["/1"]
