"""The verbs that go on on the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from twistedproxy.admin.expressions import Expression, ExpressionError
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.ongoing import Ongoing
from twistedproxy.admin.request_tail import RequestTail
from twistedproxy.admin.top import Top
from twistedproxy.admin.verb import Verb
from twistedproxy.admin.websockets import WebSocketVerbs

if TYPE_CHECKING:
    from twistedproxy.admin.live import Live

#: Seconds and messages of the longest.
_LONGEST = 7 * 24 * 3600.0
_MOST = 1_000_000


class WatchVerbs:
    """The verbs of one operator."""

    def __init__(self, live: Live, websockets: WebSocketVerbs, width: Callable[[], int | None]) -> None:
        self._live = live
        self._websockets = websockets
        self._width = width

    def verbs(self) -> Sequence[Verb]:
        """All of them."""
        return (Verb(self.top), Verb(self.tail, (self._what,)))

    def top(self, seconds: float | None = None) -> Ongoing:
        """
        requests a second, latency, failures by route and peer and the hit ratio, drawn anew each second; q ends it

        Without a terminal one picture is printed, or one a second for some seconds.
        """
        return Top(self._live, self._width, _given("seconds", seconds, _LONGEST))

    def tail(self, what: int | str | None = None, messages: int | None = None, seconds: float | None = None) -> Any:
        """
        requests as they end; tail('status >= 500') those that are like that; tail(7): the messages of a WebSocket

        tail("status >= 500 and route == '/api/'"), tail("request_time > 1 or starts(uri, '/slow')"), tail("within(client,
        '10.0.0.0/8')"): names are those of templates.  It goes on until q, or so many messages or seconds.  Of a WebSocket ten
        messages are waited for, for thirty seconds; values that look like secrets are left out.
        """
        lasts = _given("seconds", seconds, _LONGEST)
        most = _given("messages", messages, _MOST)
        if isinstance(what, int) and not isinstance(what, bool):
            return self._websockets.tail(what, 10 if most is None else int(most), 30.0 if lasts is None else lasts)
        try:
            expression = None if what is None else Expression(what)  # type: ignore[arg-type]
        except ExpressionError as error:
            raise VerbError(str(error)) from None
        return RequestTail(self._live, expression, self._width, None if most is None else int(most), lasts)

    def _what(self, given: Sequence[str]) -> Iterable[str]:
        return [str(websocket.number) for websocket in self._live.websockets]


def _given(name: str, value: object, most: float) -> float | None:
    """A number that was given, if one was.  Raises VerbError."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise VerbError(f"{name} is a number up to {most:g}, not {value!r}")
    return value
