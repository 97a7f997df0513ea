"""``maintenance``: a route that is out of order for a while, for everybody but those who work on it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twistedproxy import errors
from twistedproxy.forward import error_pages
from twistedproxy.forward.guards.addresses import AddressList
from twistedproxy.message import ResponseHead
from twistedproxy.settings.routes import RouteSettings

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange

#: Seconds for which what was seen of a file is believed: a busy route looks no more often.
INTERVAL: Final = 1.0

_RETRY_AFTER: Final = frozenset((b"retry-after",))

_log = Logger()


class Maintenance:
    """
    A guard; with a file, there is maintenance as long as there is the file.

    :param settings: of a route with ``maintenance``
    """

    __slots__ = ("_allowed", "_file", "_is_on", "_looked", "_name", "_retry_after")

    def __init__(self, settings: RouteSettings) -> None:
        self._name = settings.name
        self._file = settings.maintenance if settings.maintenance != "yes" else None
        self._is_on = self._file is None
        self._looked = float("-inf")
        self._allowed = AddressList(settings.maintenance_allow, ("all",))
        self._retry_after = b"%d" % settings.maintenance_retry_after

    def admit(self, exchange: Exchange, passed: int) -> bool:
        """As :meth:`twistedproxy.forward.routes.Guard.admit`."""
        if self._file is not None:
            now = exchange.site.clock.monotonic()
            if now - self._looked >= INTERVAL:
                self._look(now)
        if not self._is_on or self._allowed.allows(exchange.client):
            return True
        exchange.reason = errors.MAINTENANCE
        head, body = error_pages.error(exchange, errors.MAINTENANCE)
        headers = head.headers.without(_RETRY_AFTER).plus((b"Retry-After", self._retry_after))
        exchange.reply(ResponseHead(head.status, head.reason, headers, length=head.length), body)
        return False

    def _look(self, now: float) -> None:
        self._looked = now
        assert self._file is not None
        there = os.path.lexists(self._file)
        if there is not self._is_on:
            self._is_on = there
            _log.info(
                "maintenance of route {route} {what}: {file} is {where}",
                route=self._name,
                what="begins" if there else "ends",
                file=self._file,
                where="there" if there else "gone",
            )
