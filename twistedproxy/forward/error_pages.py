"""
How an exchange tells of an error: in the form that its client asks for, and with a page of the site's own if there is one.

Of pages the nearest counts, for each status: those of the route, then of the listener, then of [site].  What is no request that
can be read has no page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from twistedproxy.answers import replies
from twistedproxy.answers.media_types import preferred
from twistedproxy.answers.pages import Page, Pages
from twistedproxy.filters.chain import BodyFilter, Informed
from twistedproxy.forward import rewrite
from twistedproxy.message import ResponseHead
from twistedproxy.settings.site_ini import Settings
from twistedproxy.wire.framing import Piece

if TYPE_CHECKING:
    from twistedproxy.errors import Reason
    from twistedproxy.forward.attempt import Attempt
    from twistedproxy.forward.exchange import Exchange

_NONE: Final = Pages()
#: Bytes of an answer that are sooner read than a new connection is made.
_LITTLE: Final = 64 * 1024


class SitePages:
    """
    The pages that routes do not name.

    :param site: those of [site]
    :param doors: those of listeners, by their names
    """

    __slots__ = ("_doors", "_site")

    def __init__(self, site: Pages = _NONE, doors: Mapping[str, Pages] = MappingProxyType({})) -> None:
        self._site = site
        self._doors = doors

    @classmethod
    def of_settings(cls, settings: Settings) -> SitePages:
        """All of a site."""
        site = settings.site.error_page
        return cls(Pages(site), {door.name: Pages(door.error_page, site) for door in settings.listen if door.error_page})

    def of(self, status: int, listener: str) -> Page | None:
        """The page for *status* of what came in by *listener*."""
        return self._doors.get(listener, self._site).of(status)


def page_of(exchange: Exchange, status: int) -> Page | None:
    """The page of the site's own for *status* that is nearest to *exchange*; None for the proxy's own words."""
    route = exchange.route
    if route is not None and route.pages.says(status):
        return route.pages.of(status)
    if exchange.head.route_path == b"-":
        # What could not be read.
        return None
    return exchange.site.routes.pages.of(status, exchange.downstream.listener_name)


def error(exchange: Exchange, reason: Reason) -> tuple[ResponseHead, bytes]:
    """Head and body that tell *exchange*'s client of *reason*."""
    accept = exchange.head.headers.joined(b"accept")
    page = page_of(exchange, reason.status)
    if page is None:
        return replies.error(reason, preferred(accept, replies.FORMS))
    return page.in_place_of(replies.error(reason)[0], replies.detail_of(reason), accept, exchange.value)


def paged(exchange: Exchange, head: ResponseHead) -> tuple[ResponseHead, bytes] | None:
    """Head and body in the place of *head* and no body at all, if there is a page for its status."""
    page = page_of(exchange, head.status) if head.status >= 400 else None
    return None if page is None else page.in_place_of(head, "", exchange.head.headers.joined(b"accept"), exchange.value)


def cut_short(exchange: Exchange, attempt: Attempt, head: ResponseHead, now: float) -> bool:
    """
    Whether a page says all that there is to say, in place of *attempt*'s answer, of which more than a little is still to come.

    Nobody waits for it then.  What a cache may want is heard to its end.
    """
    if exchange.caching is not None or 0 <= head.length <= _LITTLE or page_of(exchange, head.status) is None:
        return False
    assert exchange.route is not None
    if exchange.hedge is not None:
        exchange.hedge.won(attempt)
    out = rewrite.response_head(head, exchange.route.response_edits, exchange.site.clock.wall())
    attempt.dismiss(now)
    exchange.deliver(out, (), True)
    exchange.finish()
    return True


class Intercepting(Informed):
    """``intercept_errors``: pages take the place of errors that peers, or a cache, answer with."""

    __slots__ = ()

    def begin_of(self, exchange: Exchange, head: ResponseHead) -> tuple[ResponseHead, BodyFilter | None]:
        """As :meth:`twistedproxy.filters.chain.Informed.begin_of`."""
        if head.status < 400 or exchange.answers_itself:
            return head, None
        page = page_of(exchange, head.status)
        if page is None:
            return head, None
        # Templates may say the status: it is the one that the client gets.
        made, body = page.in_place_of(head, "", exchange.head.headers.joined(b"accept"), exchange.value)
        exchange.began_to_answer(made.status)
        return made, None if exchange.head.method == b"HEAD" else _Instead(body)


class _Instead:
    """A body in the place of another: a :class:`twistedproxy.filters.chain.BodyFilter`."""

    __slots__ = ("_body",)

    def __init__(self, body: bytes) -> None:
        self._body: tuple[bytes, ...] = (body,)

    def feed(self, pieces: Sequence[Piece]) -> Sequence[Piece]:
        """All of the one, and nothing of the other."""
        body, self._body = self._body, ()
        return body

    def finish(self) -> Sequence[Piece]:
        """What was not said yet."""
        return self.feed(())

    def close(self) -> None:
        """The exchange is over."""
