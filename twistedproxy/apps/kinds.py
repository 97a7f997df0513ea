"""The kinds of apps, by the keys of routes that name them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.application.service import IService

from twistedproxy.apps.asgi import AsgiApp
from twistedproxy.apps.connector import AppConnector
from twistedproxy.apps.coroutine import CoroutineApp
from twistedproxy.apps.process import Process
from twistedproxy.apps.resource import ResourceApp, ResourceConnector
from twistedproxy.apps.wsgi import WsgiApp
from twistedproxy.settings.answers import HostedApp

#: An app, which starts and stops as a service, and where attempts find it.
Made = tuple[IService, Any]


def app_of(settings: HostedApp, process: Process) -> Made:
    """
    The app that *settings* name; it is not started.

    :raises CannotLoad: it cannot be had
    """
    if settings.kind == "resource":
        app = ResourceApp(settings, process)
        return app, ResourceConnector(app, settings.pool, process)
    called = _CALLED[settings.kind](settings, process)
    return called, AppConnector(called, process.deadlines)


#: Those that are called.
_CALLED: Final[dict[str, Callable[[HostedApp, Process], CoroutineApp | WsgiApp | AsgiApp]]] = {
    "python": lambda settings, process: CoroutineApp(settings),
    "wsgi": WsgiApp,
    "asgi": AsgiApp,
}
