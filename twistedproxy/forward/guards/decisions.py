"""What one who checks credentials says of a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from twisted.internet.defer import Deferred

from twistedproxy.errors import Reason
from twistedproxy.forward.guards.identity import Identity
from twistedproxy.message import Field, ResponseHead

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    No.

    :ivar fields: that the answer gets beside those of *reason*: how to do better
    :ivar answer: given instead of the one for *reason*: head and body
    :ivar delay: seconds until the answer is given
    """

    reason: Reason
    detail: str = ""
    fields: tuple[Field, ...] = ()
    answer: tuple[ResponseHead, bytes] | None = None
    delay: float = 0.0


Decision = Identity | Refusal


class Authenticator(Protocol):
    """
    Checks credentials of one kind.

    :ivar dropped: fields, by :func:`plain_name`, that only it may tell the peer: those of clients never get there
    """

    dropped: frozenset[bytes]

    def ask(self, exchange: Exchange) -> Decision | Deferred[Decision]:
        """Who *exchange* comes from, or why it may not in."""
