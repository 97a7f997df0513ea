"""``[app NAME]``, ``[shell]`` and ``[status]``: what operators run and look at."""

from __future__ import annotations

from dataclasses import dataclass

from twistedproxy.addresses import Address
from twistedproxy.settings.knob import knob


@dataclass(frozen=True)
class AppSettings:
    """A Twisted service that runs inside the proxy's process, for instance as the peers of a pool."""

    name: str
    run: str = knob(
        "python_name", "package.module:callable, called with the reactor and state_dir, returns an IService", required=True
    )


@dataclass(frozen=True)
class ShellSettings:
    """The admin shell: Manhole over SSH."""

    on: tuple[Address, ...] = knob("listen_addresses", "where ssh connects", required=True)
    authorized_keys: str = knob(
        "login_keys", "public keys, one a line, as for sshd; must be there, unless it is in state_dir", required=True
    )
    role: str = knob(
        "choice",
        'what keys may do whose lines do not say it (role="observe" before the key): look on, change by verbs, run Python',
        default="program",
        choices=("observe", "operate", "program"),
    )
    save_to: str = knob(
        "path", "where save() writes what operators have changed; include = saved.ini in [site] takes it in", default="saved.ini"
    )


@dataclass(frozen=True)
class StatusSettings:
    """Where the state can be seen over HTTP: the dashboard, /status.json, /metrics and what else docs/monitoring.md lists."""

    on: tuple[Address, ...] = knob("listen_addresses", "a port of its own", required=True)
    users: str | None = knob(
        "password_file", "who may log in to the dashboard and drain, restore and weigh peers: a file as htpasswd(1) makes it"
    )
    protect: str = knob(
        "choice",
        "what needs a login: changes only, or everything but the empty page and /ready",
        default="changes",
        choices=("changes", "everything"),
    )
