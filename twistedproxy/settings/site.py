"""``[site]``: what is true of the whole program."""

from __future__ import annotations

from dataclasses import dataclass

from twistedproxy.addresses import Tcp
from twistedproxy.settings.knob import knob
from twistedproxy.settings.pages import ERROR_PAGE_DOC, ErrorPage


@dataclass(frozen=True)
class SiteSettings:
    """The program as a whole."""

    include: tuple[str, ...] = knob("globs", "more files to read; relative to this one", default=())
    state_dir: str = knob(
        "path", "where keys and certificates that the proxy makes, and the state of pools, are kept", default="var"
    )
    nameservers: tuple[Tcp, ...] = knob(
        "nameservers",
        "IPv4 addresses of DNS servers that SRV records are asked of; those of /etc/resolv.conf without",
        default=(),
    )
    remember: int = knob(
        "integer",
        "so many requests that have ended are remembered, for why() and recent() of the shell and /why.json; 0: none",
        default=1000,
        minimum=0,
        maximum=1_000_000,
    )
    stop_timeout: float = knob(
        "duration", "when the proxy stops, running exchanges have this long to finish", default=10.0, minimum=0
    )
    drain_delay: float = knob(
        "duration",
        "when the whole proxy is drained, /ready of [status] says 503 so long before the listeners close",
        default=5.0,
        minimum=0,
    )
    drain_timeout: float = knob(
        "duration",
        "and so long after that what still runs is cut; also in a process that another has succeeded; 0: it may take for ever",
        default=0.0,
        minimum=0,
    )
    error_page: tuple[ErrorPage, ...] = knob(
        "error_pages", f"for errors that neither a route nor a listener has a page for: {ERROR_PAGE_DOC}", default=()
    )
