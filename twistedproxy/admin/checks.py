"""The shell's verb for active checks: what they found, peer by peer and one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.tables import Column, duration
from twistedproxy.admin.verb import Listing, Verb, known
from twistedproxy.balance.peer import Peer
from twistedproxy.balance.pool import Pool
from twistedproxy.balance.standing import CheckResult

if TYPE_CHECKING:
    from twistedproxy.admin.live import Live


class CheckVerbs:
    """The verb of one operator."""

    def __init__(self, live: Live, width: Callable[[], int | None]) -> None:
        self._live = live
        self._width = width

    def verbs(self) -> Sequence[Verb]:
        """All of them."""
        return (Verb(self.checks, (self._pool_names, self._peer_names)),)

    def checks(self, pool: str, peer: str | None = None) -> Listing[Peer] | Listing[CheckResult]:
        """
        what active checks found of the peers of a pool; with a peer: its last checks, one by one

        PASSED counts those that passed among the last, TOOK is the time of the last one.  The latest check comes first.
        """
        found = self._live.pools[known("pool", pool, self._live.pools)]
        if found.settings.check is None:
            raise VerbError(f"pool {found.name!r} has no checks; add for instance check = GET /health to site.ini")
        if peer is None:
            return self._peers(found)
        return self._history(found.peer(known(f"peer of pool {pool!r}", peer, [each.name for each in found.peers])))

    def _peers(self, pool: Pool) -> Listing[Peer]:
        pool.refresh(self._live.clock.monotonic())
        columns = (
            Column("PEER"),
            Column("STATE"),
            Column("PASSED", right=True),
            Column("AGO", right=True),
            Column("TOOK", right=True),
            Column("LAST CHECK"),
            Column("LAST FAILURE", drop=1),
        )

        def row(peer: Peer) -> list[str]:
            checks = peer.last_checks
            if not checks:
                return [peer.name, str(peer.state), "-", "-", "-", "-", "-"]
            failed = next((check for check in reversed(checks) if not check.passed), None)
            return [
                peer.name,
                str(peer.state),
                f"{sum(check.passed for check in checks)} of {len(checks)}",
                self._ago(checks[-1]),
                duration(checks[-1].duration),
                _outcome(checks[-1]),
                f"{failed.reason}, {self._ago(failed)} ago" if failed is not None else "-",
            ]

        return Listing(((peer.name, peer) for peer in pool.peers), columns, row, self._width, empty="no peers")

    def _history(self, peer: Peer) -> Listing[CheckResult]:
        columns = (Column("AGO", right=True), Column("TOOK", right=True), Column("OUTCOME"))

        def row(check: CheckResult) -> list[str]:
            return [self._ago(check), duration(check.duration), _outcome(check)]

        latest_first = ((str(number), check) for number, check in enumerate(reversed(peer.last_checks)))
        return Listing(latest_first, columns, row, self._width, empty="no check has ended yet")

    def _ago(self, check: CheckResult) -> str:
        return duration(max(0.0, self._live.clock.wall() - check.at))

    def _pool_names(self, given: Sequence[str]) -> Iterable[str]:
        return [name for name, pool in self._live.pools.items() if pool.settings.check is not None]

    def _peer_names(self, given: Sequence[str]) -> Iterable[str]:
        pool = self._live.pools.get(given[0])
        return [] if pool is None else [peer.name for peer in pool.peers]


def _outcome(check: CheckResult) -> str:
    """``passed``, or why it failed; not held against the peer: so it says."""
    return "passed" if check.passed else check.reason + ("" if check.counts else " (does not count)")
