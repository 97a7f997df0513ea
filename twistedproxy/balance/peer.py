"""
A peer: one server of a pool, with everything that is known about it.

Three parties have a say, and each says it here without knowing of the others: the operator (drain, maintenance), the active
checks (down), and the attempts themselves (ejected).  :attr:`Peer.state` is what follows, in the order of
:class:`PeerState`: what the operator wants counts most.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from copy import copy, deepcopy
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from twistedproxy.balance.answer_time import AnswerTime
from twistedproxy.balance.circuit import Circuit
from twistedproxy.balance.standing import CheckResult, Standing
from twistedproxy.errors import KEPT_CLOSED, PEER_LEFT, Reason, Whose
from twistedproxy.settings.knob import NEVER
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.settings.servers import ServerSettings

#: Results of active checks that a peer remembers.
CHECKS_KEPT: Final = 20
#: A slow start has so many steps.
STEPS: Final = 20


class PeerState(Enum):
    """
    Whether new exchanges go to a peer: to UP ones, and to EJECTED ones when nobody else is left.

    The first that applies, in this order, is the state.
    """

    REMOVED = "removed"
    MAINTENANCE = "in maintenance"
    DRAINING = "draining"
    DOWN = "down"
    EJECTED = "ejected"
    UP = "up"

    def __str__(self) -> str:
        return self.value


#: A peer that is to be left, by the operator's will or because it is no part of the pool any more.
TO_BE_LEFT: Final = frozenset((PeerState.DRAINING, PeerState.MAINTENANCE, PeerState.REMOVED))


@dataclass(frozen=True, slots=True)
class Change:
    """A peer went from one state to another."""

    peer: Peer
    before: PeerState
    after: PeerState
    why: str

    def __str__(self) -> str:
        return f"peer {self.peer.name} is {self.after}: {self.why}"


class Peer:
    """
    One server of a pool.

    An attempt calls :meth:`begin`, and then exactly one of :meth:`succeed` and :meth:`fail`.

    :ivar name: how people call it: its address
    :ivar origin: where it came from, for people: ``site.ini``, ``shell``, or the name by which it was found
    :ivar alone: nobody could take its place; the pool says so
    :ivar will_ends: when the operator's will ends by itself, seconds since 1970 (wall clock); NEVER: it does not
    :ivar tier: which backups come first, the lowest
    :ivar weight: its share of the pool's exchanges; changed by :meth:`twistedproxy.balance.pool.Pool.set_weight` only
    :ivar share: its weight in relation to the shares of the others, 1 or more; smaller for a while after a slow start
    :ivar standing: what active checks make of it
    :ivar starts_from: monotonic time at which a slow start began; NEVER when there is none
    :ivar is_new: it has never been up, as ``check_initial`` says
    :ivar is_timed: its pool wants to know how soon its answers begin
    :ivar answer_time: how soon that is, if so
    :ivar why: the reason of the present state, for people; empty as long as nothing happened
    :ivar since: when the present state began, seconds since 1970 (wall clock)
    :ivar in_flight: attempts that have begun and not ended
    :ivar attempts: attempts begun, ever
    :ivar failures: attempts that failed through the peer's fault, ever
    :ivar ejections: how often it was ejected, ever
    :ivar last_failure: the reason of the last of them
    :ivar bytes_sent: bytes that went to the peer, counted by those who send them
    :ivar bytes_received: bytes that came from the peer, counted likewise
    :ivar ejected_until: monotonic time at which the ejection ends; NEVER when there is none
    :ivar last_checks: the last results of active checks, oldest first
    :ivar idle: kept-alive connections that wait for work; they belong to :mod:`twistedproxy.upstream`
    :ivar most_idle: so many of them are kept; it belongs there, too
    :ivar circuit: judges it by its attempts
    :ivar attentive: something is done with the outcome of its attempts beside counting them
    :ivar on_change: called after each change of :attr:`state`; the pool sets it
    :ivar on_room: called when an attempt has ended; the pool sets it if somebody may wait for that
    :ivar on_trial_over: called when it is on trial no longer and stays; the pool sets it
    :ivar may_eject: asked before an ejection, with its reason; the pool sets it
    """

    __slots__ = (
        "_is_last_resort",
        "_trial_from",
        "_will",
        "address",
        "alone",
        "answer_time",
        "attempts",
        "attentive",
        "backup",
        "bytes_received",
        "bytes_sent",
        "circuit",
        "ejected_until",
        "ejections",
        "failures",
        "idle",
        "in_flight",
        "is_new",
        "is_timed",
        "last_checks",
        "last_failure",
        "may_eject",
        "most_idle",
        "name",
        "on_change",
        "on_room",
        "on_trial_over",
        "origin",
        "settings",
        "share",
        "since",
        "standing",
        "starts_from",
        "state",
        "tier",
        "tls",
        "weight",
        "why",
        "will_ends",
    )

    def __init__(self, settings: ServerSettings, pool: PoolSettings, origin: str = "site.ini") -> None:
        self.settings = settings
        self.origin = origin
        self.alone = False
        self.tier = settings.tier
        self.will_ends = NEVER
        self.name = settings.name
        self.address = settings.address
        self.tls = settings.tls
        self.weight = self.share = settings.weight
        self.starts_from = NEVER
        self.backup = settings.backup
        self.state = will_by(settings)
        self.why = "" if self.state is PeerState.UP else "down in site.ini" if settings.down else "drain in site.ini"
        self.standing = Standing(pool)
        self.is_new = not self.standing.passes
        if self.is_new and self.state is PeerState.UP:
            self.state, self.why = PeerState.DOWN, "its checks have not passed yet"
        self.since = 0.0
        self.in_flight = 0
        self.attempts = 0
        self.failures = 0
        self.ejections = 0
        self.last_failure: Reason | None = None
        self.bytes_sent = 0
        self.bytes_received = 0
        self.ejected_until = NEVER
        self.last_checks: deque[CheckResult] = deque(maxlen=CHECKS_KEPT)
        self.idle: list[Any] = []
        self.most_idle = pool.keepalive
        self.circuit = Circuit(pool)
        self.attentive = self.circuit.window is not None
        self.is_timed = False
        self.answer_time = AnswerTime()
        self.on_change: Callable[[Change], None] | None = None
        self.on_room: Callable[[], None] | None = None
        self.on_trial_over: Callable[[], None] | None = None
        self.may_eject: Callable[[Peer, str], bool] | None = None
        self._will = will_by(settings)
        self._is_last_resort = False
        #: Attempts that had begun when the present trial was open to the next one.
        self._trial_from = 0

    @property
    def available(self) -> bool:
        """Whether new exchanges may go here."""
        return self.state is PeerState.UP and self.weight > 0

    @property
    def is_full(self) -> bool:
        """Whether as many exchanges run here as may."""
        return 0 < self.settings.max_connections <= self.in_flight

    @property
    def is_being_tried(self) -> bool:
        """Whether it is on trial, and the outcome of an attempt is awaited before the next one."""
        return self.circuit.on_trial and self.attempts != self._trial_from

    @property
    def takes_bound(self) -> bool:
        """
        Whether exchanges of clients that are bound to it may go here.

        Beside those of :attr:`available` peers: who is drained, or has weight 0, takes nobody new and keeps whom it has.
        """
        if self.state is PeerState.DRAINING:
            return self.standing.passes and self.ejected_until == NEVER and not self.is_being_tried
        return self.state is PeerState.UP and not self.is_being_tried

    @property
    def effective_weight(self) -> float:
        """Its weight; less after a slow start."""
        return self.weight if self.starts_from == NEVER or not self.weight else self.share / STEPS

    # What the site says.

    def judge_by(self, pool: PoolSettings) -> None:
        """The pool may have other settings now: what was counted by the old ones is forgotten where it means nothing any more."""
        if not self.circuit.is_made_of(pool):
            on_trial = self.circuit.on_trial
            self.circuit = Circuit(pool)
            self.circuit.on_trial = on_trial
        if self.standing.revise(pool):
            self._settle("it is not checked any more")
        self._heed()

    # What attempts report.

    def begin(self) -> None:
        """An attempt begins."""
        self.in_flight += 1
        self.attempts += 1

    def answered(self, header_time: float, now: float) -> None:
        """
        The answer to an attempt begins after *header_time*, and is none that counts as a failure; called if :attr:`attentive`.
        """
        if self.is_timed:
            self.answer_time.note(header_time, now)
        # However long the rest takes, a WebSocket's for instance: who is on trial may be asked once more.
        self._trial_from = self.attempts

    def succeed(self, now: float, header_time: float = 0.0) -> None:
        """An attempt has ended well at *now* (monotonic), its answer began after *header_time*: earlier failures are forgiven."""
        self.in_flight -= 1
        if self.attentive:
            self._succeeded(now, header_time)

    def _succeeded(self, now: float, header_time: float) -> None:
        circuit = self.circuit
        if self.state is PeerState.EJECTED:
            if self._is_last_resort:
                circuit.reprieve()
                self.ejected_until = NEVER
                self._settle("tried all the same, it served a request")
        else:
            on_trial = circuit.on_trial
            why = circuit.succeeded(now, header_time)
            if why and self._is_judged:
                self._eject(why, now)
            elif on_trial and not circuit.on_trial and self.on_trial_over is not None:
                self.on_trial_over()
        self._ended()

    def fail(self, reason: Reason, now: float, waited: float = 0.0) -> None:
        """
        An attempt has ended badly at *now* (monotonic), after having *waited* in vain for an answer to begin.

        What follows, :class:`twistedproxy.balance.circuit.Circuit` says.  What was not the peer's fault is not held against it;
        neither is that it closed a kept-alive connection, which it may do at any time (RFC 9112 §9.5).
        """
        self.in_flight -= 1
        circuit = self.circuit
        why = ""
        if reason.whose is Whose.UPSTREAM and reason is not KEPT_CLOSED and reason is not PEER_LEFT:
            self.failures += 1
            self.last_failure = reason
            self.answer_time.note_failure()
            if self._is_judged:
                why = circuit.failed(reason, now)
        elif self._is_judged and circuit.is_slow(waited):
            why = circuit.slow(now, waited)
        else:
            self._trial_from = self.attempts
        if why:
            self._eject(why, now)
        self._ended()

    @property
    def _is_judged(self) -> bool:
        # With nobody to take its place, to eject a peer would only turn slow answers into no answers.
        return self.state is PeerState.UP and not self.alone

    def _ended(self) -> None:
        """An attempt has ended, and its outcome is settled."""
        self._heed()
        if self.on_room is not None:
            self.on_room()

    @property
    def _is_heard(self) -> bool:
        return self.is_timed or self.on_room is not None

    def _heed(self) -> None:
        circuit = self.circuit
        self.attentive = circuit.window is not None or circuit.holds_something or self._is_last_resort or self._is_heard

    def _eject(self, why: str, now: float) -> None:
        if self.may_eject is not None and not self.may_eject(self, why):
            self.circuit.reprieve()
            self._trial_from = self.attempts
            return
        seconds = self.circuit.eject(now)
        self.ejections += 1
        self.ejected_until = now + seconds
        self._settle(f"{why}; for {seconds:g} s")

    def end_ejection(self) -> None:
        """The time of an ejection is over: the peer gets exchanges again, on trial."""
        self.ejected_until = NEVER
        self.circuit.on_trial = True
        self._trial_from = self.attempts
        self._settle("the time of its ejection is over")

    def become_last_resort(self) -> None:
        """Nobody else is left: attempts come in spite of the ejection, and one that succeeds ends it."""
        self._is_last_resort = True
        self._heed()

    # What active checks report.

    def checked(self, result: CheckResult) -> None:
        """
        A check has ended.

        ``fall`` failed checks in a row take the peer down; ``rise`` passed ones in a row bring it back, and end an ejection.
        """
        self.last_checks.append(result)
        why = self.standing.heard(result)
        if not why:
            return
        if result.passed:
            self.ejected_until = NEVER
        if self.state is PeerState.DOWN and not result.passed:
            self._turn(PeerState.DOWN, why)  # it was down until proved well, and is so for a reason from now on
        else:
            self._settle(why)

    @property
    def is_settled(self) -> bool:
        """Whether it is well, and its last check said so, too: nothing is to be feared or hoped for."""
        return self.standing.is_firm and self.ejected_until == NEVER

    # What the operator wants.

    def command(self, will: PeerState, why: str) -> None:
        """
        The operator's will: DRAINING, MAINTENANCE, or UP to leave the state to checks and attempts again.

        UP also ends an ejection: who restores a peer knows more than a counter.  REMOVED is the pool's word, and its last.
        """
        self._will = will
        if will is PeerState.UP:
            self.ejected_until = NEVER
            self.circuit.on_trial = False
        self._settle(why)

    @property
    def will(self) -> PeerState:
        """What the operator wants: as in :meth:`command`."""
        return self._will

    @property
    def passes_checks(self) -> bool:
        """As :attr:`Standing.passes <twistedproxy.balance.standing.Standing.passes>`."""
        return self.standing.passes

    def recall(self, will: PeerState, *, passes_checks: bool, ejected_until: float, why: str) -> None:
        """What was known of the peer when the process ended (*ejected_until* is monotonic)."""
        self._will = will
        self.standing.recall(passes=passes_checks)
        self.ejected_until = ejected_until
        self._settle(why)

    def put_back(self, will: PeerState, ejected_until: float, why: str) -> None:
        """What the operator wants is what it was once, and so is an ejection (monotonic) that this had ended."""
        self._will = will
        self.ejected_until = ejected_until
        self._settle(why)

    def _settle(self, why: str) -> None:
        """Every change of state comes through here."""
        before = self.state
        after: PeerState
        if self._will is not PeerState.UP:
            after = self._will
        elif not self.standing.passes:
            after = PeerState.DOWN
        elif self.ejected_until < NEVER:
            after = PeerState.EJECTED
        else:
            after = PeerState.UP
        if after is not before:
            self._turn(after, why)

    def _turn(self, after: PeerState, why: str) -> None:
        before = self.state
        self._is_last_resort = False
        self._heed()
        self.state = after
        self.why = why
        if self.on_change is not None:
            self.on_change(Change(self, before, after, why))

    def twin(self) -> Peer:
        """One in the same state, without connections, whose pool is still to be said; what happens to it changes nothing here."""
        twin = copy(self)
        twin.answer_time, twin.circuit, twin.standing = deepcopy((self.answer_time, self.circuit, self.standing))
        twin.last_checks = self.last_checks.copy()
        twin.idle = []
        return twin

    def __repr__(self) -> str:
        backup = " backup" if self.backup else ""
        return f"<Peer {self.name} {self.state} weight={self.weight}{backup} in_flight={self.in_flight}>"


def will_by(server: ServerSettings) -> PeerState:
    """What site.ini wants of a peer."""
    return PeerState.MAINTENANCE if server.down else PeerState.DRAINING if server.drain else PeerState.UP
