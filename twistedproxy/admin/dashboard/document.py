"""What the page asks for again and again, as one document: the state, what has happened since, and who looks."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from twistedproxy.admin.dashboard import now
from twistedproxy.admin.dashboard.recorder import Recorder
from twistedproxy.admin.live import Live
from twistedproxy.admin.status import snapshot

#: Seconds for which a state is told to all who look, so that many of them cost what one does.
_FRESH: Final = 0.5


class Document:
    """Makes the document."""

    def __init__(self, live: Live, recorder: Recorder) -> None:
        self._live = live
        self._recorder = recorder
        self._made = -_FRESH
        self._state: dict[str, Any] = {}

    def changed(self) -> None:
        """Somebody has changed something, and wants to see that."""
        self._made = -_FRESH

    def at(self, after: int) -> dict[str, Any]:
        """The document, with the history after the row of that number."""
        moment = self._live.clock.monotonic()
        if not 0 <= moment - self._made < _FRESH:
            self._state, self._made = self._tell(), moment
        return {**self._state, "history": self._recorder.history(after)}

    def history(self) -> dict[str, Any]:
        """All that is remembered."""
        return {**self._recorder.history(), **self._remembered()}

    def _remembered(self) -> dict[str, Any]:
        recorder = self._recorder
        return {
            "changes": [asdict(change) for change in reversed(recorder.changes)],
            "failures": [asdict(failed) for failed in recorder.failures.latest()],
            "causes": dict(recorder.failures.causes.most_common()),
        }

    def _tell(self) -> dict[str, Any]:
        live, recorder = self._live, self._recorder
        state = snapshot(live)
        for route, told in zip(live.routes.routes, state["routes"], strict=True):
            told["lately"] = recorder.lately(route)
        return {
            "state": state,
            "lately": recorder.lately(),
            "running": now.running(live),
            "websockets": now.websockets(live),
            "streams": now.streams(live),
            "http2": now.http2(live),
            **self._remembered(),
        }
