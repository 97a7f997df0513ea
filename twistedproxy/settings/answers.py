"""What a route answers by itself: redirects, fixed answers, files, apps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from twistedproxy.addresses import InProcess
from twistedproxy.settings.pools import NO_BUDGET, PoolSettings
from twistedproxy.settings.servers import ServerSettings


@dataclass(frozen=True)
class RedirectAnswer:
    """``redirect = STATUS TEMPLATE``; *location* is a template that was checked against ``templates.REQUEST_NAMES``."""

    status: int
    location: str


@dataclass(frozen=True)
class FixedAnswer:
    """``respond = STATUS TEXT``; *text* is a template that was checked against ``templates.REQUEST_NAMES``."""

    status: int
    text: str


#: The kinds of apps that run in the proxy's process; each is a key of routes.
APP_KINDS: Final = ("python", "wsgi", "asgi", "resource")


@dataclass(frozen=True)
class HostedApp:
    """
    An app in the proxy's own process; routes that name the same one share it.

    :ivar kind: one of :data:`APP_KINDS`
    :ivar target: ``package.module:attribute``, with ``()`` behind it where that is called to make the app
    :ivar directory: where its modules are looked for first
    :ivar threads: in which it runs, if it is of a kind that does; *queue*: requests that wait for one
    """

    kind: str
    target: str
    directory: str = ""
    threads: int = 0
    queue: int = 0

    @property
    def name(self) -> str:
        """How people call it, in logs and in the shell."""
        return f"{self.kind}:{self.target}"

    @property
    def pool(self) -> PoolSettings:
        """To a route it is a pool of one peer, which nothing ejects."""
        return PoolSettings(self.name, (ServerSettings(InProcess(self.name)),), max_fails=0, retry_budget=NO_BUDGET)


@dataclass(frozen=True)
class Expiry:
    """
    One line of ``expires``.

    :ivar types: media types that it is for; ``text/*`` is all of a kind; none: every file
    :ivar seconds: how long what was sent is fresh; -1 for ``off``, which says nothing; 0 for ``epoch``: it has to be validated
    """

    types: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class MimeType:
    """One line of ``mime_types``: the *kind* of files by their *endings*, in lower case and without the dot; ``*`` for others."""

    kind: str
    endings: tuple[str, ...]
