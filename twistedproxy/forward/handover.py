"""Handover: another peer is looked for on behalf of a WebSocket whose own has gone away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from twistedproxy.errors import BAD_UPGRADE_ANSWER, CLIENT_GONE, Reason, ResponseError
from twistedproxy.forward.attempt import Attempt
from twistedproxy.message import ResponseHead
from twistedproxy.websocket.resumption import LATER, RESTARTED, Resumption

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from twistedproxy.balance.peer import Peer
    from twistedproxy.forward.exchange import Exchange
    from twistedproxy.forward.upgrade import Upgrade
    from twistedproxy.wire.framing import Piece

#: Handovers one soon after the other, after which it is enough.
_IN_A_ROW: Final = 5
#: Seconds until the peers are asked again, when none was there or all have failed.
_AGAIN: Final = 0.5


class Handover:
    """
    The search of one WebSocket.

    Peers are tried one after the other, and again from the first, until ``websocket_resume_timeout`` is over: a peer that is
    restarted is back before long.
    """

    def __init__(self, upgrade: Upgrade, exchange: Exchange) -> None:
        self._upgrade = upgrade
        self._exchange = exchange
        self.resumption: Resumption
        self._tried: tuple[Peer, ...] = ()
        self._until = 0.0
        self._settled = 0.0
        self._searching = False
        self._in_a_row = 0
        self._met_nobody = True
        self._call: IDelayedCall | None = None
        self._attempt: Redial | None = None

    def begin(self) -> None:
        """The peer is gone, or about to go."""
        self._searching = True
        exchange = self._exchange
        now = exchange.site.clock.monotonic()
        timeout = self._upgrade.settings.websocket_resume_timeout
        # Peers that accept and leave at once are no success.
        self._in_a_row = 0 if now > self._settled else self._in_a_row + 1
        self._until = now + timeout if self._in_a_row < _IN_A_ROW else now
        self._tried = ()
        self._met_nobody = True
        assert exchange.attempt is not None
        self._upgrade.settle(exchange.attempt)
        self._later(0.0)

    def _later(self, seconds: float) -> None:
        self._call = self._exchange.site.reactor.callLater(seconds, self._try)

    def _try(self) -> None:
        self._call = None
        exchange = self._exchange
        now = exchange.site.clock.monotonic()
        if now >= self._until:
            self.resumption.failed(LATER if self._met_nobody else RESTARTED)
            return
        peer = exchange.pick(self._tried, now)
        if peer is None:
            self._tried = ()
            self._later(_AGAIN)
            return
        assert exchange.route is not None and exchange.route.backend is not None
        self._met_nobody = False
        self._attempt = Redial(exchange, peer, now, self)
        exchange.attempt = self._attempt
        self._attempt.start_afresh(exchange.route.backend.connector)

    def agreed(self, attempt: Redial, head: ResponseHead, rest: bytes) -> None:
        """
        A peer has answered 101.

        :raises ResponseError: it has not agreed to what was asked
        """
        codec, deflates = self._upgrade.agreed(head)
        upstream = attempt.upstream
        assert upstream is not None
        self._attempt = None
        self._searching = False
        site = self._exchange.site
        self._settled = site.clock.monotonic() + self._upgrade.settings.websocket_resume_timeout
        attempt.let_go()
        self._upgrade.handed_over(attempt)
        self.resumption.resumed(upstream.transport, codec, deflates, rest)

    def failed(self, attempt: Redial) -> None:
        """A peer was not to be had."""
        self._attempt = None
        attempt.let_go()
        self._tried = (*self._tried, attempt.peer)
        self._later(0.0)

    def give_up(self) -> None:
        """The WebSocket ends: nobody needs another peer."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.cancel(CLIENT_GONE)
            attempt.let_go()

    def stop(self) -> bool:
        """The WebSocket has ended; whether that was while no peer served it."""
        self.give_up()
        # The circle would keep both until the garbage collector comes by.
        del self.resumption
        return self._searching


class Redial(Attempt):
    """A handshake with another peer: the client hears nothing of it."""

    def __init__(self, exchange: Exchange, peer: Peer, now: float, handover: Handover) -> None:
        super().__init__(exchange, peer, now)
        self._handover = handover

    def let_go(self) -> None:
        """The search has heard of it all that it will."""
        del self._handover

    def interim(self, head: ResponseHead) -> None:
        """Nobody waits for it."""

    def response(self, head: ResponseHead, pieces: Sequence[Piece], ended: bool) -> None:
        """The peer does not want to."""
        upstream = self.upstream
        self.failed(BAD_UPGRADE_ANSWER, str(head.status))
        if upstream is not None and upstream.receiver is self:
            upstream.cancel()

    def upgraded(self, head: ResponseHead, rest: bytes) -> None:
        """The peer has agreed, it seems."""
        upstream = self.upstream
        assert upstream is not None
        self.header_time = self.upgrade_time = self.exchange.site.clock.monotonic() - self.started
        try:
            self._handover.agreed(self, head, rest)
        except ResponseError as error:
            upstream.transport.abortConnection()
            self.failed(error.reason, error.detail)

    def failed(self, reason: Reason, detail: str) -> None:
        """No handshake: the search goes on."""
        upstream, self.upstream = self.upstream, None
        if upstream is not None and upstream.transport is not None:
            upstream.transport.unregisterProducer()
        self.reason = reason
        self.detail = detail
        self.peer.fail(reason, self.exchange.site.clock.monotonic())
        del self.exchange
        self._handover.failed(self)
