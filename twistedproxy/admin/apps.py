"""Apps in the proxy's process, as the shell and the status page show them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twistedproxy.admin.tables import Column, count
from twistedproxy.admin.verb import Listing, Verb
from twistedproxy.apps.threads import Threads
from twistedproxy.balance.pool import Pool

if TYPE_CHECKING:
    from twistedproxy.admin.live import Live


@dataclass(frozen=True)
class LiveApp:
    """
    An app that runs.

    :ivar pool: what it is to routes
    :ivar threads: in which it runs, None for an app without
    """

    pool: Pool
    threads: Threads | None = None


class AppVerbs:
    """The verb of one operator."""

    def __init__(self, live: Live, width: Callable[[], int | None]) -> None:
        self._live = live
        self._width = width

    def verbs(self) -> Sequence[Verb]:
        """All of them."""
        return (Verb(self.hosted),)

    def hosted(self) -> Listing[LiveApp]:
        """
        the apps in the proxy's own process

        THREADS are those at work, and WAITING the requests that wait for one; only WSGI apps have such.
        """
        columns = (
            Column("APP"),
            Column("RUNNING", right=True),
            Column("REQUESTS", right=True),
            Column("FAILED", right=True),
            Column("THREADS", right=True, drop=1),
            Column("WAITING", right=True, drop=1),
        )

        def row(app: LiveApp) -> list[str]:
            (peer,) = app.pool.peers
            threads = app.threads
            return [
                app.pool.name,
                count(peer.in_flight),
                count(peer.attempts),
                count(peer.failures),
                f"{threads.busy} of {threads.number}" if threads is not None else "-",
                count(threads.waiting) if threads is not None else "-",
            ]

        return Listing(self._live.apps.items(), columns, row, self._width, empty="no apps")


def snapshot(app: LiveApp) -> dict[str, Any]:
    """*app* as JSON has it."""
    (peer,) = app.pool.peers
    threads = app.threads
    busy = {"threads": threads.number, "busy": threads.busy, "waiting": threads.waiting} if threads is not None else {}
    return {"running": peer.in_flight, "requests": peer.attempts, "failures": peer.failures, **busy}
