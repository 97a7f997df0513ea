"""One check of one peer, on streams in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure

from tests.kit.clock import HandClock
from tests.kit.party import Party
from tests.kit.streams import HandPoller, connected
from twistedproxy.addresses import Address, Tcp
from twistedproxy.errors import CheckFailed
from twistedproxy.settings.checks import CheckSettings
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.settings.servers import ServerSettings
from twistedproxy.transport.contexts import TlsClient
from twistedproxy.transport.deadlines import Deadlines
from twistedproxy.transport.tcp import Connection
from twistedproxy.upstream.probes import PROBES, Probe
from twistedproxy.websocket.probe import WebSocketProbe

HERE = Tcp("127.0.0.1", 9001)
OK = "HTTP/1.1 200 OK\nContent-Length: 2"
TCP = CheckSettings("tcp")
PING = CheckSettings("websocket", target="/ws")


def http(method: str = "GET", target: str = "/health") -> CheckSettings:
    return CheckSettings("http", method, target)


class Check:
    """
    A check from its start to its outcome.

    :ivar outcome: ``pending``, ``passed``, or why it failed; ``ours:`` in front when that says nothing of the peer
    :ivar called: the address that the proxy connects to; empty when it needs no new connection
    """

    def __init__(self, check: CheckSettings, address: Address = HERE, **knobs: Any) -> None:
        self.clock = HandClock()
        self._poller = HandPoller()
        self._deadlines = Deadlines(self.clock, self.clock)
        self._parties: list[Party] = []
        self._given_up = False
        self.outcome = "pending"
        server = ServerSettings(address)
        settings = PoolSettings("app", servers=(server,), check=check, **knobs)
        if check.kind == "websocket":
            probe: Probe = WebSocketProbe(check, settings, self._dial, self._deadlines, self.clock)
        else:
            probe = PROBES[check.kind](check, settings, self._dial, self._deadlines)
        self._probe = probe
        self._server = server
        self.again()

    def again(self, server: ServerSettings | None = None) -> None:
        """The next check of the same peer, or of another one that was found."""
        self.outcome = "pending"
        self.called = ""
        self.running: Deferred[None] = self._probe(server or self._server)
        self.running.addCallbacks(lambda _: self._ended("passed"), self._failed)
        self.turn()

    def _failed(self, failure: Failure) -> None:
        ours = failure.check(CheckFailed) and failure.value.ours
        self._ended(("ours: " if ours else "") + (failure.getErrorMessage() or failure.type.__name__))

    def _ended(self, outcome: str) -> None:
        assert self.outcome == "pending"
        self.outcome = outcome

    def _dial(self, address: Address, protocol: IProtocol, tls: TlsClient | None, preface: bytes = b"") -> Callable[[], None]:
        self.called = str(address)
        self._protocol = protocol
        self._preface = preface

        def cancel() -> None:
            self._given_up = True

        return cancel

    @property
    def was_given_up(self) -> bool:
        """Whether the connection is not wanted any more, though it does not stand yet."""
        return self._given_up

    def connects(self) -> Party:
        """The peer takes the connection."""
        theirs, ours = connected(("peer", 0), ("proxy", 0))
        self._poller.streams[ours.fileno()] = ours
        ours.send(self._preface)
        party = Party("the peer", theirs, self.turn)
        self._parties.append(party)
        Connection(ours, self._poller, self._protocol).start()  # type: ignore[arg-type]
        self.turn()
        return party

    def cannot_connect(self, problem: Exception) -> None:
        """There will be no connection."""
        self._protocol.connectionLost(Failure(problem))

    def turn(self) -> None:
        """Let everything happen that can."""
        for _ in range(1000):
            self.clock.advance(0)
            happened = self._poller.turn()
            for party in self._parties:
                happened |= party.take()
            if not happened:
                return
        raise AssertionError("the check turns in circles")

    def later(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.turn()
