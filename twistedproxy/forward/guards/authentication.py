"""The guard of ``basic_auth``, ``jwt`` and ``forward_auth``: asks each, and does what ``satisfy`` makes of their answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedproxy import errors
from twistedproxy.forward.guards.addresses import AddressList
from twistedproxy.forward.guards.admission import admission_of
from twistedproxy.forward.guards.decisions import Authenticator, Decision, Refusal
from twistedproxy.forward.guards.identity import Identity
from twistedproxy.forward.guards.refusing import refuse

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange

_log = Logger()


class Authentication:
    """
    Lets in who can say who he is.

    :param authenticators: asked in this order; all have to agree
    :param any_will_do: of the authenticators one is enough (``satisfy = any``)
    :param addresses: in that case, too: whom it allows need not say who he is
    """

    __slots__ = ("addresses", "any_will_do", "authenticators", "nobody")

    def __init__(self, authenticators: Sequence[Authenticator], any_will_do: bool, addresses: AddressList | None) -> None:
        self.authenticators = tuple(authenticators)
        self.any_will_do = any_will_do
        self.addresses = addresses if any_will_do else None
        dropped: frozenset[bytes] = frozenset()
        for each in authenticators:
            dropped |= each.dropped
        self.nobody = Identity(dropped=dropped)

    def admit(self, exchange: Exchange, passed: int) -> bool:
        """As :meth:`twistedproxy.forward.routes.Guard.admit`."""
        if self.addresses is not None and self.addresses.allows(exchange.client):
            exchange.identity = self.nobody
            return True
        return _Asking(self, exchange, passed).go_on(0)


class _Asking:
    """One exchange, while it is asked who it comes from."""

    __slots__ = ("_exchange", "_gone", "_guard", "_identity", "_late", "_passed", "_refusals")

    def __init__(self, guard: Authentication, exchange: Exchange, passed: int) -> None:
        self._guard = guard
        self._exchange = exchange
        self._passed = passed
        self._identity = guard.nobody
        self._refusals: list[Refusal] = []
        # Somebody was waited for: the guards have to be called back.
        self._late = False
        self._gone = False

    def go_on(self, position: int) -> bool:
        """Ask from *position* on; whether the request is let in, now."""
        exchange = self._exchange
        for number in range(position, len(self._guard.authenticators)):
            try:
                decision = self._guard.authenticators[number].ask(exchange)
            except Exception:
                self._broken(Failure())
                return False
            if isinstance(decision, Deferred):
                self._await(decision, number)
                return False
            done = self._noted(decision)
            if done is not None:
                return done
        if self._refusals:
            self._refuse(_best(self._refusals))
            return False
        return self._let_in()

    def _noted(self, decision: Decision) -> bool | None:
        """The outcome after *decision*; None: the next one has to be asked."""
        if isinstance(decision, Refusal):
            if not self._guard.any_will_do:
                self._refuse(decision)
                return False
            self._refusals.append(decision)
            return None
        self._identity = self._identity.joined(decision)
        if self._guard.any_will_do:
            return self._let_in()
        return None

    def _let_in(self) -> bool:
        self._exchange.identity = self._identity
        if self._late:
            self._exchange.guard(self._passed)
            return False
        return True

    def _refuse(self, refusal: Refusal) -> None:
        exchange = self._exchange
        if not refusal.delay:
            self._say(refusal)
            return
        admission = admission_of(exchange)

        def over() -> None:
            admission.waiting = None
            self._say(refusal)

        call = exchange.site.reactor.callLater(refusal.delay, over)
        admission.waiting = call.cancel

    def _say(self, refusal: Refusal) -> None:
        exchange = self._exchange
        if refusal.answer is None:
            refuse(exchange, refusal.reason, refusal.detail, refusal.fields)
        else:
            exchange.reason, exchange.detail = refusal.reason, refusal.detail
            exchange.reply(*refusal.answer, refusal.fields)

    def _await(self, decision: Deferred[Decision], number: int) -> None:
        admission = admission_of(self._exchange)
        self._late = True

        def leave() -> None:
            self._gone = True
            decision.cancel()

        def decided(what: Decision) -> None:
            admission.waiting = None
            if not self._gone and self._noted(what) is None:
                self.go_on(number + 1)

        def failed(failure: Failure) -> None:
            admission.waiting = None
            if not self._gone:
                self._broken(failure)

        admission.waiting = leave

        decision.addCallback(decided)
        decision.addErrback(failed)

    def _broken(self, failure: Failure) -> None:
        """Who cannot be checked is not let in."""
        _log.failure("{route}: credentials could not be checked", failure, route=self._exchange.route)
        if not (self._exchange.answered or self._exchange.finished):
            refuse(self._exchange, errors.INTERNAL)


def _best(refusals: list[Refusal]) -> Refusal:
    """Of several refusals the one to answer: a ready answer before others; it names every way to do better."""
    best = next((each for each in refusals if each.answer is not None), refusals[0])
    others = tuple(field for each in refusals if each is not best for field in each.fields)
    return Refusal(best.reason, best.detail, (*best.fields, *others), best.answer, max(each.delay for each in refusals))
