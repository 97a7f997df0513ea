"""An app in this process, with the pool that it is to routes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from twisted.application.service import IService

from twistedproxy.apps.connector import AppConnector
from twistedproxy.apps.kinds import AppService, app_of
from twistedproxy.apps.process import Process
from twistedproxy.balance.pool import Pool
from twistedproxy.clock import Clock
from twistedproxy.forward.routes import Backend
from twistedproxy.settings import HostedApp
from twistedproxy.upstream.connector import Connector


@dataclass(frozen=True)
class Hosted:
    """An app, and what routes have of it."""

    app: AppService
    backend: Backend

    @property
    def service(self) -> IService:
        """What is to be started."""
        return cast(IService, self.app)


def hosted(settings: HostedApp, process: Process, clock: Clock) -> Hosted:
    """
    The app that *settings* name.

    :raises CannotLoad: it cannot be had
    """
    app = app_of(settings, process)
    connector = AppConnector(app, process.deadlines)
    return Hosted(app, Backend(Pool(settings.pool, clock), cast(Connector, connector)))
