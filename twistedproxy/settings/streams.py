"""``[stream NAME]``: connections that are passed on as bytes."""

from __future__ import annotations

from dataclasses import dataclass

from twistedproxy.addresses import Address
from twistedproxy.settings.knob import knob


@dataclass(frozen=True)
class SniSettings:
    """
    One line of ``sni``: ``NAME POOL [alpn=PROTOCOL,…]``: who asks for the name goes to the pool, undecrypted.

    :ivar host: a name in lower case, ``*.`` and a name for all below it, or ``*`` for every other name and for none
    :ivar protocols: only who offers one of these by ALPN; anybody without
    """

    host: str
    pool: str
    protocols: tuple[str, ...] = ()


@dataclass(frozen=True)
class StreamSettings:
    """TCP connections, joined with peers byte for byte: as they are, decrypted before, or routed by the name of their TLS."""

    name: str
    on: tuple[Address, ...] = knob(
        "listen_addresses",
        "tcp:PORT, tcp:HOST:PORT, unix:PATH, systemd:… or another endpoint string of Twisted, one a line",
        default=(),
    )
    listen: tuple[str, ...] = knob(
        "listen_names", "listeners with TLS: of their connections it takes those for which it has a line of sni", default=()
    )
    pool: str | None = knob("pool_name", "the [pool NAME] whose peers it leads to")
    sni: tuple[SniSettings, ...] = knob(
        "sni",
        "NAME POOL [alpn=PROTOCOL,…] a line; *.NAME, or * for all other names: where TLS goes that is not decrypted here",
        default=(),
    )
    tls: str | None = knob("tls_name", "the [tls NAME] section that terminates TLS here; bytes pass as they are without")
    protocols: tuple[str, ...] = knob(
        "alpn_protocols", "offered by ALPN with tls, the preferred first; nothing is said of protocols without", default=()
    )
    trusted_proxies: tuple[str, ...] = knob(
        "trusted_networks",
        "addresses (CIDR), or unix: for whoever comes by a unix socket, whose PROXY protocol headers are read",
        default=(),
    )
    proxy_protocol: str = knob(
        "choice",
        "what trusted_proxies begin their connections with: no header; accept: perhaps a PROXY protocol header; require: always, "
        "and nobody else comes in",
        default="no",
        choices=("no", "accept", "require"),
    )
    header_timeout: float = knob("duration", "a PROXY protocol header must be complete within", default=10.0, minimum=0.001)
    handshake_timeout: float = knob(
        "duration", "a TLS handshake, or the ClientHello for sni, must be complete within", default=10.0, minimum=0.001
    )
    allow: tuple[str, ...] = knob(
        "clients",
        "addresses (CIDR, unix: or all) that may in; of allow and deny the longest network that fits decides",
        default=(),
    )
    deny: tuple[str, ...] = knob(
        "clients", "addresses that are closed at once; where both name the same, this one counts", default=()
    )
    connect_timeout: float = knob("duration", "a connection to a peer must stand within", default=5.0, minimum=0.001)
    tries: int = knob("integer", "peers that are tried until one can be reached", default=3, minimum=1)
    idle_timeout: float = knob("duration", "a connection on which nothing moves is cut after", default=3600.0, minimum=0.001)
    half_close_timeout: float = knob(
        "duration", "one of which a direction has ended is cut when nothing moves in the other for", default=60.0, minimum=0.001
    )
    drain_timeout: float = knob(
        "duration", "connections with a peer that is drained or removed are closed after; 0: they stay", default=0.0, minimum=0
    )
    max_connections: int = knob("integer", "connections at a time; more wait in the backlog", default=4096, minimum=1)
    max_connections_per_client: int = knob(
        "integer", "connections at a time from one address; more are closed at once; 0: no limit", default=0, minimum=0
    )
    backlog: int = knob("integer", "connections that the kernel keeps waiting", default=1024, minimum=1)
