"""An app in this process, with the pool that it is to routes."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.application.service import IService
from twisted.internet.defer import Deferred, succeed

from twistedproxy.admin.apps import LiveApp
from twistedproxy.apps.asgi import AsgiApp
from twistedproxy.apps.kinds import app_of
from twistedproxy.apps.process import Process
from twistedproxy.apps.wsgi import WsgiApp
from twistedproxy.balance.pool import Pool
from twistedproxy.clock import Clock
from twistedproxy.forward.routes import Backend
from twistedproxy.settings.answers import HostedApp


@dataclass(frozen=True)
class Hosted:
    """An app, and what routes have of it."""

    service: IService
    backend: Backend

    @property
    def started(self) -> Deferred[str | None]:
        """Fires when the app, whose service was started, is ready: with None, or with why it is not."""
        return self.service.when_started() if isinstance(self.service, AsgiApp) else succeed(None)

    @property
    def shown(self) -> LiveApp:
        """What lookers-on see of it."""
        threads = self.service.threads if isinstance(self.service, WsgiApp) else None
        return LiveApp(self.backend.pool, threads)


def hosted(settings: HostedApp, process: Process, clock: Clock) -> Hosted:
    """
    The app that *settings* name; it is not started.

    :raises CannotLoad: it cannot be had
    """
    service, connector = app_of(settings, process)
    return Hosted(service, Backend(Pool(settings.pool, clock), connector))
