"""The guard of ``filters``: shows requests to the site's classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.python.reflect import namedAny

from twistedproxy import errors
from twistedproxy.forward.guards.admission import admission_of
from twistedproxy.forward.guards.refusing import refuse
from twistedproxy.forward.site_filters.asking import asked, told
from twistedproxy.forward.site_filters.screen import Screen
from twistedproxy.forward.site_filters.seen import Seen
from twistedproxy.settings.routes import RouteSettings

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange


class SiteFilters:
    """
    Makes an object of each class for each exchange, and asks their ``request``; what follows them is :class:`Screen`.

    :raises Exception: one of the route's classes cannot be imported any more
    """

    __slots__ = ("_classes", "settings")

    def __init__(self, settings: RouteSettings) -> None:
        self.settings = settings
        self._classes: Sequence[Callable[[], Any]] = [namedAny(name.replace(":", ".")) for name in settings.filters]

    def admit(self, exchange: Exchange, passed: int) -> bool:
        """As :meth:`twistedproxy.forward.routes.Guard.admit`."""
        outcome: list[bool] = []
        late = gone = False

        def decided(let_in: bool) -> None:
            outcome.append(let_in)
            if late and not gone:
                admission_of(exchange).waiting = None
                if let_in:
                    exchange.guard(passed)

        def broken(failure: Failure) -> None:
            outcome.append(False)
            if not gone:
                told(self.settings.name, self, failure)
                if not exchange.answered:
                    refuse(exchange, errors.FILTER_FAILED)

        def leave() -> None:
            nonlocal gone
            gone = True
            asking.cancel()

        asking = Deferred.fromCoroutine(self._ask(exchange, Seen(exchange)))
        asking.addCallback(decided).addErrback(broken)
        if outcome:
            return outcome[0]
        late = True
        admission_of(exchange).waiting = leave
        return False

    async def _ask(self, exchange: Exchange, seen: Seen) -> bool:
        """Whether the request goes on; otherwise it was answered."""
        settings = self.settings
        made: list[Any] = []
        for make in self._classes:
            each: Any = make
            try:
                each = make()
                request = getattr(each, "request", None)
                result = asked(exchange.site.reactor, settings.filters_timeout, request, seen) if request is not None else None
                if isinstance(result, Deferred):
                    await result
            except CancelledError:
                raise
            except Exception:
                told(settings.name, each, Failure())
                if settings.filters_on_error == "closed":
                    if not exchange.finished:
                        refuse(exchange, errors.FILTER_FAILED)
                    return False
                continue
            made.append(each)
            if seen.answered is not None:
                if not exchange.finished:
                    exchange.reply(*seen.answered)
                return False
        identity = seen.identity()
        if identity is not None:
            exchange.identity = identity if exchange.identity is None else exchange.identity.joined(identity)
        if any(hasattr(each, "response") or hasattr(each, "body") for each in made):
            admission_of(exchange).screen = Screen(exchange, made, seen, settings)
        return True
