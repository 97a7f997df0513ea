"""
Slow starts: a peer that returns gets a share that grows, so that it can fill its caches and pools before the crowd is there.

Shares are whole numbers in proportion to the weights.  They are looked at again when the next step is due; nothing runs
meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence

from twistedproxy.balance.peer import STEPS, Peer
from twistedproxy.settings.knob import NEVER


def apportion(peers: Sequence[Peer], now: float) -> float:
    """Give each of *peers*, all with a weight, its share at *now*; returns when it may be another: monotonic time, or NEVER."""
    starting = [peer for peer in peers if peer.starts_from < NEVER]
    if not starting:
        for peer in peers:
            peer.share = peer.weight
        return NEVER
    due = NEVER
    for peer in peers:
        peer.share = peer.weight * STEPS
    for peer in starting:
        width = peer.settings.slow_start / STEPS
        # The name by which it was found may say meanwhile that there is none.
        steps = int((now - peer.starts_from) / width + 1e-9) + 1 if width else STEPS
        if steps < STEPS:
            peer.share = peer.weight * steps
            due = min(due, peer.starts_from + steps * width)
        else:
            peer.starts_from = NEVER
    return due
