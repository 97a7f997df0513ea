"""The kinds of apps, by the keys of routes that name them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred

from twistedproxy.apps.asgi import AsgiApp
from twistedproxy.apps.call import App
from twistedproxy.apps.coroutine import CoroutineApp
from twistedproxy.apps.process import Process
from twistedproxy.apps.wsgi import WsgiApp
from twistedproxy.settings import HostedApp


class AppService(App, Protocol):
    """An app with a beginning and an end."""

    def startService(self) -> None:
        """Be ready."""

    def stopService(self) -> Deferred[Any] | None:
        """No calls come any more; those that run may end."""


_KINDS: Final[dict[str, Callable[[HostedApp, Process], AppService]]] = {
    "python": lambda settings, process: CoroutineApp(settings),
    "wsgi": WsgiApp,
    "asgi": AsgiApp,
}


def app_of(settings: HostedApp, process: Process) -> AppService:
    """
    The app that *settings* name; it is not started.

    :raises CannotLoad: it cannot be had
    """
    return _KINDS[settings.kind](settings, process)
