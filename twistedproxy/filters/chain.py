"""Filters: what changes an answer on its way to the client, behind the cache."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twistedproxy.message import RequestHead, ResponseHead
from twistedproxy.wire.framing import Piece


class BodyFilter(Protocol):
    """Changes one body as it passes."""

    def feed(self, pieces: Sequence[Piece]) -> Sequence[Piece]:
        """What is to go on of what has come; it may keep some, of bounded size."""

    def finish(self) -> Sequence[Piece]:
        """The body has ended: what was kept."""

    def close(self) -> None:
        """The exchange is over, perhaps in the middle of the body."""


class Filter(Protocol):
    """Changes the answers of a route."""

    def begin(self, request: RequestHead, head: ResponseHead) -> tuple[ResponseHead, BodyFilter | None]:
        """The head as it goes on, with the framing of the body as it will be; None: the body passes as it is."""


class Templated(ABC):
    """Changes the answers of a route, in a way that each exchange has a say in."""

    @abstractmethod
    def begin_for(
        self, lookup: Callable[[str], str], request: RequestHead, head: ResponseHead
    ) -> tuple[ResponseHead, BodyFilter | None]:
        """As :meth:`Filter.begin`; *lookup* gives the value of a template's name."""


class Informed(ABC):
    """Changes the answers of a route by what it knows of the exchange."""

    @abstractmethod
    def begin_of(self, exchange: Any, head: ResponseHead) -> tuple[ResponseHead, BodyFilter | None]:
        """As :meth:`Filter.begin`, for *exchange*."""


#: Whatever changes answers.
AnyFilter = Filter | Templated | Informed


class Chain:
    """The filters of one answer, in order."""

    __slots__ = ("_links",)

    def __init__(self) -> None:
        self._links: list[BodyFilter] = []

    def begin(self, filters: Sequence[AnyFilter], exchange: Any, head: ResponseHead) -> ResponseHead:
        """Take the head of the answer to *exchange* through all *filters*; those that want the body, too, are kept."""
        request: RequestHead = exchange.head
        for each in filters:
            if isinstance(each, Templated):
                head, link = each.begin_for(exchange.value, request, head)
            elif isinstance(each, Informed):
                head, link = each.begin_of(exchange, head)
            else:
                head, link = each.begin(request, head)
            if link is not None:
                self._links.append(link)
        return head

    @property
    def is_empty(self) -> bool:
        """Whether the body passes as it is."""
        return not self._links

    def feed(self, pieces: Sequence[Piece]) -> Sequence[Piece]:
        """What is to go on of what has come."""
        for link in self._links:
            pieces = link.feed(pieces)
        return pieces

    def finish(self) -> Sequence[Piece]:
        """What the filters had kept."""
        rest: Sequence[Piece] = ()
        for link in self._links:
            rest = (*(link.feed(rest) if rest else ()), *link.finish())
        return rest

    def close(self) -> None:
        """The exchange is over."""
        for link in self._links:
            link.close()
