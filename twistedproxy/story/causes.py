"""Why an exchange failed, in words: what its reason alone does not say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twistedproxy.balance.peer import Peer, PeerState
from twistedproxy.balance.pool import Pool
from twistedproxy.errors import MAINTENANCE, NO_PEER, Reason, Whose
from twistedproxy.spelling import counted
from twistedproxy.verdicts import ChooseVerdict, RetryVerdict, Verdict

#: Peers of a pool that are named.
_NAMED: Final = 5
#: Verdicts that need no further words: something followed.
_WENT_ON: Final = frozenset(
    (RetryVerdict.ELSEWHERE, RetryVerdict.AGAIN, RetryVerdict.HEDGED, RetryVerdict.ANSWERED_BADLY, ChooseVerdict.BACKUP)
)


def is_failure(reason: Reason) -> bool:
    """
    Whether a peer, or the proxy itself, has failed an exchange that ended for *reason*.

    What clients do wrong is no failure of the site: told where operators look, it would let strangers hide what is.
    """
    return reason.whose is not Whose.DOWNSTREAM and reason is not MAINTENANCE


def tries_told(verdicts: Sequence[Verdict], tries: int) -> str:
    """How many *tries* were made, and why no other was; empty when there is nothing to say."""
    last = next((each for each in reversed(verdicts) if isinstance(each, RetryVerdict | ChooseVerdict)), None)
    if not tries or last is None or last in _WENT_ON:
        return ""
    return f"; {counted(tries, 'attempt')}: {last}"


def nobody_because(reason: Reason, pool: Pool | None) -> str:
    """Of each peer of *pool*, why it cannot be chosen, if that is the *reason*; empty when not."""
    if pool is None or reason is not NO_PEER:
        return ""
    told = [away(peer) for peer in pool.peers[:_NAMED]]
    more = len(pool.peers) - len(told)
    return "".join(f"; {each}" for each in told) + (f"; and {counted(more, 'more peer')}" if more else "")


def away(peer: Peer) -> str:
    """Why *peer* gets no requests."""
    state = "up, of weight 0" if peer.state is PeerState.UP else str(peer.state)
    why = f": {peer.why}" if peer.why else ""
    last = f" (its last failure: {peer.last_failure.text})" if peer.last_failure is not None else ""
    return f"{peer.name} is {state}{why}{last}"
