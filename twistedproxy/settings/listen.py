"""``[listen NAME]``: where clients come in."""

from __future__ import annotations

from dataclasses import dataclass

from twistedproxy.addresses import Address
from twistedproxy.settings.knob import knob
from twistedproxy.settings.pages import ERROR_PAGE_DOC, ErrorPage


@dataclass(frozen=True)
class ListenSettings:
    """A door: where clients connect, and what is asked of them before a route is known."""

    name: str
    on: tuple[Address, ...] = knob(
        "listen_addresses",
        "tcp:PORT, tcp:HOST:PORT, unix:PATH, systemd:… or another endpoint string of Twisted, one a line",
        required=True,
    )
    tls: str | None = knob("tls_name", "the [tls NAME] section that terminates TLS here; plain without")
    protocols: tuple[str, ...] = knob(
        "protocols",
        "what is spoken, the preferred first: h2, http/1.1; with TLS by ALPN, without it HTTP/2 by prior knowledge",
        default=("h2", "http/1.1"),
        choices=("h2", "http/1.1"),
    )
    trusted_proxies: tuple[str, ...] = knob(
        "trusted_networks",
        "addresses (CIDR), or unix: for whoever comes by a unix socket, whose X-Forwarded-* fields are believed and extended, "
        "not replaced, and whose PROXY protocol headers are read",
        default=(),
    )
    proxy_protocol: str = knob(
        "choice",
        "what trusted_proxies begin their connections with: no header; accept: perhaps a PROXY protocol header; require: always, "
        "and nobody else comes in",
        default="no",
        choices=("no", "accept", "require"),
    )
    trusted_fields: str = knob(
        "choice",
        "by which fields they say who the client is: x-forwarded (X-Forwarded-For, -Proto) or rfc7239 (Forwarded)",
        default="x-forwarded",
        choices=("x-forwarded", "rfc7239"),
    )
    header_timeout: float = knob(
        "duration", "a request's head, and a PROXY protocol header, must be complete within", default=10.0, minimum=0.001
    )
    handshake_timeout: float = knob("duration", "a TLS handshake must be complete within", default=10.0, minimum=0.001)
    keepalive_timeout: float = knob("duration", "an idle connection is closed after", default=75.0, minimum=0)
    keepalive_requests: int = knob("integer", "requests on one connection before it is closed", default=10_000, minimum=1)
    half_close_timeout: float = knob(
        "duration",
        "a client that has closed its sending side may wait this long for its answer to begin before it counts as gone",
        default=5.0,
        minimum=0,
    )
    max_connections: int = knob("integer", "connections at a time; more wait in the backlog", default=4096, minimum=1)
    max_connections_per_client: int = knob(
        "integer", "connections at a time from one address; more are closed at once; 0: no limit", default=0, minimum=0
    )
    backlog: int = knob("integer", "connections that the kernel keeps waiting", default=1024, minimum=1)
    max_header_size: int = knob("size", "bytes of a request's head", default=32 * 1024, minimum=256)
    max_headers: int = knob("integer", "header fields of a request", default=100, minimum=1)
    max_target: int = knob("size", "bytes of a request target", default=8 * 1024, minimum=64)
    error_page: tuple[ErrorPage, ...] = knob(
        "error_pages", f"for errors that no route has a page for: {ERROR_PAGE_DOC}", default=()
    )
    http2_max_streams: int = knob("integer", "streams at a time on one HTTP/2 connection", default=100, minimum=1)
    http2_window: int = knob(
        "size", "bytes of a request's body that an HTTP/2 client may send ahead of its peer", default=64 * 1024, minimum=1024
    )
    http2_max_resets: int = knob(
        "integer", "streams that an HTTP/2 client may reset in 10s, besides a tenth of those it opens", default=100, minimum=0
    )
    http2_max_control_frames: int = knob(
        "integer", "SETTINGS, PING, PRIORITY and empty DATA frames of an HTTP/2 client in 10s, of each", default=100, minimum=1
    )
