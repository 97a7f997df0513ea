"""After a failed attempt: may the request be tried again, and where?"""

from __future__ import annotations

from twistedproxy.errors import (
    CONNECT_TIMEOUT,
    KEPT_CLOSED,
    PEER_CLOSED,
    PEER_RESET,
    READ_TIMEOUT,
    SEND_TIMEOUT,
    Reason,
)
from twistedproxy.message import IDEMPOTENT
from twistedproxy.verdicts import RetryVerdict

#: Failures after which another peer may well do better, though this one may have seen the request.
_WORTH_ANOTHER = frozenset((PEER_CLOSED, PEER_RESET, KEPT_CLOSED, READ_TIMEOUT, SEND_TIMEOUT, CONNECT_TIMEOUT))


def after(reason: Reason, method: bytes, *, replayable: bool, answered: bool, attempts: int, tries: int) -> RetryVerdict:
    """
    What follows after an attempt failed with *reason*.

    A request that may have reached a peer is repeated only when its method is idempotent (RFC 9110 §9.2.2).

    :param replayable: all that was sent of the body, if any, is still at hand
    :param answered: the client has got a part of the answer
    :param attempts: attempts made, this one included; at most *tries* are made
    """
    if answered:
        return RetryVerdict.GIVE_UP_ANSWERED
    if not replayable:
        return RetryVerdict.GIVE_UP_SENT
    if not reason.untouched and (method not in IDEMPOTENT or reason not in _WORTH_ANOTHER):
        return RetryVerdict.GIVE_UP_SENT
    if reason is KEPT_CLOSED:
        return RetryVerdict.AGAIN
    return RetryVerdict.ELSEWHERE if attempts < tries else RetryVerdict.GIVE_UP_TRIES
