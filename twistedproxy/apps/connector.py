"""Where an attempt finds connections to a peer, it finds calls of an app."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twistedproxy.apps.call import App, Call
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.transport.deadlines import Deadlines
from twistedproxy.upstream.receiver import Receiver


class AppConnector:
    """As :class:`twistedproxy.upstream.connector.Connector`, of one app."""

    def __init__(self, app: App, deadlines: Deadlines) -> None:
        self._app = app
        self._deadlines = deadlines

    def take(self, peer: Any, receiver: Receiver) -> Call:
        """A call, which is always to be had."""
        return Call(self._app, peer, self._deadlines)

    # What is said of connections does not concern it.

    def may_keep(self, peer: Any, may: bool) -> None:
        """Nothing is kept."""

    def part(self, peer: Any) -> None:
        """Nothing is kept."""

    def close_idle(self, peer: Any) -> None:
        """Nothing is kept."""

    def retire(self, peers: Iterable[Any]) -> None:
        """Nothing is kept."""

    def revise(self, settings: PoolSettings) -> None:
        """Nothing of them is for it."""
