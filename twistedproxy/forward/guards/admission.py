"""What an exchange holds since it was let in, and lets go of when it is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twistedproxy.message import Field, Headers, ResponseHead

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange
    from twistedproxy.forward.guards.pace import Pace
    from twistedproxy.forward.site_filters.screen import Screen


class Admission:
    """
    Of one exchange.

    :ivar fields: that its answer gets, for the client
    :ivar releases: called when the exchange is over
    :ivar waiting: stops what the exchange waits for, as long as a guard has not decided
    :ivar screen: shows the answer to filters of the site; None: there are none
    :ivar pace: at which the answer is sent; None: at any
    """

    __slots__ = ("fields", "pace", "releases", "screen", "waiting")

    def __init__(self) -> None:
        self.fields: tuple[Field, ...] = ()
        self.releases: list[Callable[[], None]] = []
        self.waiting: Callable[[], None] | None = None
        self.pace: Pace | None = None
        self.screen: Screen | None = None

    def mark(self, head: ResponseHead) -> ResponseHead:
        """The *head* of the final answer, with :attr:`fields`."""
        if not self.fields:
            return head
        return ResponseHead(head.status, head.reason, head.headers.plus(*self.fields), version=head.version, length=head.length)

    @property
    def holds_end(self) -> bool:
        """Whether the end of the answer waits for its time."""
        return (self.screen is not None and self.screen.holds) or (self.pace is not None and self.pace.holds_end)

    def postpones(self, trailers: Headers) -> bool:
        """The answer is complete: whether its end, with *trailers*, has to wait."""
        return self.pace is not None and self.pace.ends(trailers)

    def closed(self) -> None:
        """The exchange is over."""
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            waiting()
        releases, self.releases = self.releases, []
        for release in releases:
            release()
        if self.screen is not None:
            self.screen.stop()
        if self.pace is not None:
            self.pace.stop()


def admission_of(exchange: Exchange) -> Admission:
    """What *exchange* holds; made when there is nothing yet."""
    if exchange.admission is None:
        exchange.admission = Admission()
    return exchange.admission
