"""
One case of the corpus: what a client sends and an origin answers, byte for byte, and what must come of it.

``<id>`` in any bytes stands for the name of the case on the wire, which has four characters as well: an origin counts by it
what one client's request has become, and an answer that bears another case's name is a desynchronised connection.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Client(Enum):
    """What a client does besides sending bytes."""

    HEARD = "wait until one more request of this case has reached the origin"
    ANSWERED = "wait until something more has come back"
    PAUSE = "stand still for a moment, so that what follows is read apart"
    END = "close the sending side"
    RESET = "leave, with a reset"


class Origin(Enum):
    """What an origin does besides sending bytes."""

    BODY = "read the request to its end, as its framing says"
    SOME = "read some of the body"
    OK = "answer 200 with the name of the case"
    PAUSE = "stand still for a moment"
    CLOSE = "close the connection"
    RESET = "reset the connection"
    ECHO = "send everything back that comes, until the proxy has sent all: the end of a tunnel"
    SILENCE = "say nothing more, and read until the proxy closes"


ClientScript = tuple[bytes | Client, ...]
OriginScript = tuple[bytes | Origin, ...]
#: A status that must come, or several of which one must.
Status = int | frozenset[int]
#: How many, or how many it may be.
Count = int | frozenset[int]

OBEDIENT: OriginScript = (Origin.BODY, Origin.OK)


@dataclass(frozen=True)
class Case:
    """
    A case.

    :ivar name: says what is tried; unique
    :ivar covers: the line of the requirements that it is for: an RFC and its section, a CVE, or a product's known error
    :ivar client: what the client does
    :ivar statuses: of the final answers that the client gets, in order
    :ivar requests: how many reach the origin
    :ivar kept: the client's connection serves a further request afterwards (True), is closed (False), or either (None)
    :ivar origin: what the origin does with the first request, the second, …; the last script holds for the rest
    :ivar heard: what the head of the first request at the origin holds; *unheard*: what no head there holds, in any case
    :ivar body: of the first request at the origin, decoded; None: not looked at
    :ivar got: what the client's bytes hold; *ungot*: what they do not
    :ivar cut: the last answer is seen to be incomplete
    :ivar request_cut: the first request at the origin is seen to be incomplete
    :ivar may_begin: the origin may have heard of one request more, which it sees to be incomplete
    :ivar peer_kept: the origin's connection stays open afterwards (True), is closed by the proxy (False), or either (None)
    :ivar to_head: the answers are to HEAD requests
    :ivar listener: which of the proxy's doors the client comes to
    :ivar alone: nothing else is played meanwhile: the origin does to an idle connection what would hurt whoever uses it next
    :ivar why: where an RFC leaves a choice, why it was made so
    """

    name: str
    covers: str
    client: ClientScript
    statuses: tuple[Status, ...]
    requests: Count
    kept: bool | None = None
    origin: tuple[OriginScript, ...] = (OBEDIENT,)
    heard: tuple[bytes, ...] = ()
    unheard: tuple[bytes, ...] = ()
    body: bytes | None = None
    got: tuple[bytes, ...] = ()
    ungot: tuple[bytes, ...] = ()
    cut: bool = False
    request_cut: bool = False
    may_begin: bool = False
    peer_kept: bool | None = None
    to_head: bool = False
    listener: str = "http"
    alone: bool = False
    why: str = ""


@dataclass
class Heard:
    """
    A request as it reached the origin.

    :ivar raw: all its bytes; *head*: those of its head; *body*: what it carried, decoded
    :ivar complete: it came to its end; *broken*: what is wrong with it, empty when nothing is
    :ivar call: the number of the connection
    """

    head: bytes
    call: int
    raw: bytes = b""
    body: bytes = b""
    trailers: bytes = b""
    complete: bool = False
    broken: str = ""


@dataclass
class Answer:
    """An answer as the client got it."""

    status: int
    head: bytes
    body: bytes = b""
    whole: bool = False


@dataclass
class Outcome:
    """
    What came of a case.

    :ivar sent: the client's bytes; *stream*: what it got; *ended*: how its connection ended: ``""``, ``"end"`` or ``"reset"``
    :ivar probe: what a further request on the client's connection got; None when none was sent
    :ivar late: what the client waited for in vain
    :ivar closed_calls: numbers of the origin's connections that the proxy has closed
    """

    wire_name: bytes
    sent: bytes = b""
    stream: bytes = b""
    ended: str = ""
    probe: Answer | None = None
    probed: bool = False
    late: str = ""
    heard: list[Heard] = field(default_factory=list)
    closed_calls: set[int] = field(default_factory=set)


# The shapes that most cases have.


def passed(name: str, covers: str, sends: bytes, *heard: bytes, unheard: tuple[bytes, ...] = (), **more: Any) -> Case:
    """One request that reaches the origin, is answered there, and leaves both connections in order."""
    settings: dict[str, Any] = {"statuses": (200,), "requests": 1, "kept": True, "peer_kept": True, **more}
    return Case(name, covers, (sends,), heard=heard, unheard=unheard, **settings)


def refused(name: str, covers: str, sends: bytes, status: Status = 400, **more: Any) -> Case:
    """What is no unambiguous request: one answer, the connection closed, nothing at the origin."""
    settings: dict[str, Any] = {"statuses": (status,), "requests": 0, "kept": False, **more}
    return Case(name, covers, (sends,), **settings)


GET = b"GET /<id> HTTP/1.1\r\nHost: corpus.example\r\n\r\n"


def hostile(name: str, covers: str, *says: bytes | Origin, status: Status = 502, **more: Any) -> Case:
    """An origin that sends what it must not: the client is told, and the origin's connection is not used again."""
    settings: dict[str, Any] = {"kept": True, "peer_kept": False, "client": (GET,), "requests": 1, **more}
    return Case(name, covers, statuses=(status,), origin=((Origin.BODY, *says),), **settings)


def answered(name: str, covers: str, *says: bytes | Origin, status: Status = 200, **more: Any) -> Case:
    """An answer of the origin that is in order, if unusual: the client gets it, and both connections stay."""
    settings: dict[str, Any] = {"kept": True, "peer_kept": True, "client": (GET,), **more}
    return Case(name, covers, statuses=(status,), requests=1, origin=((Origin.BODY, *says),), **settings)
