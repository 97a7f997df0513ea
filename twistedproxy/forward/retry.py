"""After a failed attempt, or an answer that is as good as one: may the request be tried again, and where?"""

from __future__ import annotations

from typing import Final

from twistedproxy.errors import (
    BAD_RESPONSE,
    BAD_RESPONSE_CODING,
    BAD_RESPONSE_FIELD,
    BAD_RESPONSE_LENGTH,
    CONNECT_FAILED,
    CONNECT_REFUSED_BY_PEER,
    CONNECT_TIMEOUT,
    EXHAUSTED,
    KEPT_CLOSED,
    NAME_UNRESOLVED,
    PEER_CLOSED,
    PEER_LEFT,
    PEER_RESET,
    READ_TIMEOUT,
    RESPONSE_HEAD_TOO_LARGE,
    SEND_TIMEOUT,
    STREAM_REFUSED,
    TLS_FAILED,
    TLS_UNVERIFIED,
    TOO_MANY_INTERIM,
    Reason,
)
from twistedproxy.message import IDEMPOTENT
from twistedproxy.settings.knob import NEVER
from twistedproxy.settings.route_knobs import RouteKnobs
from twistedproxy.verdicts import RetryVerdict

_REFUSED: Final = frozenset(
    (CONNECT_REFUSED_BY_PEER, CONNECT_FAILED, NAME_UNRESOLVED, TLS_FAILED, TLS_UNVERIFIED, EXHAUSTED, STREAM_REFUSED)
)
_RESET: Final = frozenset((PEER_CLOSED, PEER_RESET))

#: What the words of ``retry`` mean; the others are statuses.
WORDS: Final = {
    "error": _REFUSED | _RESET,
    "refused": _REFUSED,
    "reset": _RESET,
    "timeout": frozenset((CONNECT_TIMEOUT, SEND_TIMEOUT, READ_TIMEOUT)),
    "invalid": frozenset(
        (
            BAD_RESPONSE,
            BAD_RESPONSE_FIELD,
            BAD_RESPONSE_LENGTH,
            BAD_RESPONSE_CODING,
            RESPONSE_HEAD_TOO_LARGE,
            TOO_MANY_INTERIM,
        )
    ),
}


class RetryPolicy:
    """
    What a route says of retries.

    :ivar statuses: answers after which another peer is asked, if there is one
    :ivar timeout: seconds from the beginning of an exchange after which no attempt begins
    :ivar hedge: seconds after which a second peer is asked if the first has not begun to answer; None for no such thing
    """

    __slots__ = ("_reasons", "_tries", "_unsafe", "hedge", "statuses", "timeout")

    def __init__(self, knobs: RouteKnobs) -> None:
        self._reasons = frozenset(reason for word in knobs.retry for reason in WORDS.get(word, ()))
        self.statuses = frozenset(int(word) for word in knobs.retry if word not in WORDS)
        self._tries = knobs.tries
        self._unsafe = knobs.retry_unsafe
        self.timeout = knobs.retry_timeout or NEVER
        self.hedge = knobs.hedge if knobs.tries > 1 else None

    def after(
        self, reason: Reason | None, method: bytes, *, replayable: bool, answered: bool, attempts: int, elapsed: float
    ) -> RetryVerdict:
        """
        What follows after an attempt failed with *reason*; None: it was answered with one of :attr:`statuses`.

        A request that may have reached a peer is repeated only when its method is idempotent (RFC 9110 §9.2.2), or when the
        site says that it may be.

        :param replayable: all that was sent of the body, if any, is still at hand
        :param answered: the client has got a part of the answer
        :param attempts: attempts made, this one included; at most ``tries`` are made
        :param elapsed: seconds since the exchange began
        """
        if answered:
            return RetryVerdict.GIVE_UP_ANSWERED
        if not replayable:
            return RetryVerdict.GIVE_UP_SENT
        if (reason is None or not reason.untouched) and method not in IDEMPOTENT and not self._unsafe:
            return RetryVerdict.GIVE_UP_SENT
        if reason is KEPT_CLOSED or reason is PEER_LEFT:
            return RetryVerdict.AGAIN
        if reason is not None and reason not in self._reasons:
            return RetryVerdict.GIVE_UP_UNLISTED
        if attempts >= self._tries:
            return RetryVerdict.GIVE_UP_TRIES
        return RetryVerdict.ELSEWHERE if elapsed < self.timeout else RetryVerdict.GIVE_UP_TIME

    def may_hedge(self, method: bytes, attempts: int, elapsed: float) -> bool:
        """Whether a second peer may be asked beside the first."""
        return method in (b"GET", b"HEAD") and attempts < self._tries and elapsed < self.timeout
