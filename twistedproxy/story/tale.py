"""All that can be told of one request: one that has ended, one that runs, or one that was made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from twistedproxy.balance.lookback import Seen
from twistedproxy.forward.remembered import Remembered
from twistedproxy.forward.routes import Route
from twistedproxy.message import ResponseHead

#: Exchanges that ran on a peer at a moment (monotonic), as far as that is known.
RanAt = Callable[[Seen, float], int | None]


@dataclass
class Sent:
    """
    What a peer was asked, or would be.

    :ivar peer: its name
    :ivar start: the request line; empty when it did not come so far
    :ivar fields: as they came
    """

    peer: str
    start: str = ""
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    @property
    def target(self) -> str:
        """What is asked for."""
        return self.start.split(" ")[1] if self.start else ""


@dataclass
class Tale:
    """
    What is known of a request.

    :ivar facts: of its exchange
    :ivar passed_over: routes that would have come first, and why they did not take it; None: that is not known any more
    :ivar lost: why it is not
    :ivar when: when that was, in words; empty for a request that was made up
    :ivar note: what else is to be said before all; empty for nothing
    :ivar finished: it has ended
    :ivar is_websocket: it asks for a WebSocket
    :ivar heard: what peers were asked, where that was kept; *copies*: likewise those of mirrors
    :ivar head: of the answer, where that was kept
    :ivar ran_at: how busy peers were
    :ivar hides_query: what follows a ``?`` in the URL is nobody's business
    """

    facts: Remembered
    passed_over: list[tuple[Route, str]] | None = None
    lost: str = "the site was read again since"
    when: str = ""
    note: str = ""
    finished: bool = True
    is_websocket: bool = False
    heard: Sequence[Sent] = ()
    copies: Sequence[Sent] = ()
    head: ResponseHead | None = None
    ran_at: RanAt | None = None
    hides_query: bool = False

    @property
    def url(self) -> str:
        """What was asked for, as far as it may be shown."""
        url = self.facts.url
        return f"{url.partition('?')[0]}?…" if self.hides_query and "?" in url else url

    @property
    def is_made_up(self) -> bool:
        """Whether nothing was sent to anybody."""
        return not self.when
