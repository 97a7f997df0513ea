"""
Every knob, once: name, kind, default, bounds and one line of documentation.

The sections of site.ini are these frozen dataclasses.  :mod:`twistedproxy.config` makes them from text, the manual's tables
(docs/reference.md) are generated from their rows, and the rest of the program reads nothing else.  Units: durations are
seconds (float), sizes are bytes (int).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from twistedproxy.addresses import Address, InProcess, Tcp

#: A timeout or an interval that never comes.
NEVER: Final = float("inf")


def knob(
    kind: str,
    doc: str,
    *,
    default: Any = None,
    required: bool = False,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """
    One row of the table: a dataclass field that knows how it is written in site.ini.

    *kind* names a parser of :mod:`twistedproxy.config.values`; *default* is the parsed value.
    """
    return field(
        default=default,
        metadata={
            "kind": kind,
            "doc": doc,
            "required": required,
            "minimum": minimum,
            "maximum": maximum,
            "choices": choices,
        },
    )


@dataclass(frozen=True)
class PageFile:
    """
    A file of ``error_page``, as it was when the site was read.

    :ivar media_type: by its extension
    """

    path: str
    media_type: str
    text: str = field(repr=False)


@dataclass(frozen=True)
class ErrorPage:
    """
    One line of ``error_page``: ``STATUS… [=STATUS] FILE…``, or ``STATUS… default``.

    :ivar statuses: as they are written: ``404``, or ``5xx`` for a class
    :ivar files: one of each media type; none stands for the proxy's own words
    :ivar status: that is answered instead; 0 for the same
    """

    statuses: tuple[str, ...]
    files: tuple[PageFile, ...] = ()
    status: int = 0


#: What ``error_page`` is, wherever it stands.
_ERROR_PAGE_DOC: Final = (
    "STATUS… FILE… a line, 4xx or 5xx for all of a class, =STATUS before the file to answer with another one, default for the "
    "proxy's own words; files are .html, .json, .txt or .xml, of which clients get what they ask for"
)


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
    error_page: tuple[ErrorPage, ...] = knob(
        "error_pages", f"for errors that neither a route nor a listener has a page for: {_ERROR_PAGE_DOC}", default=()
    )
    drain_timeout: float = knob(
        "duration",
        "and so long after that what still runs is cut; also in a process that another has succeeded; 0: it may take for ever",
        default=0.0,
        minimum=0,
    )


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
        "error_pages", f"for errors that no route has a page for: {_ERROR_PAGE_DOC}", default=()
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


@dataclass(frozen=True)
class CertificateFiles:
    """A certificate chain and its private key in PEM; both may be one file."""

    chain: str
    key: str


@dataclass(frozen=True)
class AcmeBinding:
    """External account binding (RFC 8555 §7.3.4): what an authority has given us, beside ACME, to know us by."""

    kid: str
    hmac_key: str


@dataclass(frozen=True)
class HstsSettings:
    """``hsts = DURATION [includeSubDomains] [preload]``: browsers come back with TLS only, for so long (RFC 6797 §6.1)."""

    max_age: float
    subdomains: bool = False
    preload: bool = False

    @property
    def field(self) -> str:
        """The value of Strict-Transport-Security."""
        words = [f"max-age={int(self.max_age)}"]
        words += ["includeSubDomains"] if self.subdomains else []
        words += ["preload"] if self.preload else []
        return "; ".join(words)


@dataclass(frozen=True)
class TlsSettings:
    """Server certificates and what is negotiated."""

    name: str
    certificates: tuple[CertificateFiles, ...] = knob(
        "certificates",
        "CHAIN.pem [KEY.pem] a line, or a directory with fullchain.pem and privkey.pem; the first is the default",
        default=(),
    )
    self_signed: tuple[str, ...] = knob(
        "host_names", "names for which a self-signed certificate is made in state_dir at the first start", default=()
    )
    acme: str | None = knob(
        "acme_directory",
        "URL of an authority's ACME directory, letsencrypt or letsencrypt-staging: certificates for names come from there by "
        "themselves; by it you agree to its terms",
    )
    names: tuple[str, ...] = knob("acme_names", "what the certificate by ACME is for: host names and addresses", default=())
    email: str | None = knob("email", "where the authority may write to")
    challenge: str = knob(
        "choice",
        "how the authority sees that the names are ours: by plain HTTP on port 80, or by a TLS handshake on port 443",
        default="http-01",
        choices=("http-01", "tls-alpn-01"),
    )
    acme_ca: str | None = knob(
        "authorities", "PEM file of the authorities by which the directory is believed; the well-known ones without"
    )
    acme_account: AcmeBinding | None = knob(
        "acme_binding", "KID HMAC_KEY (base64url) of an account with the authority, if it wants one (external account binding)"
    )
    profile: str = knob(
        "choice",
        "versions, ciphers and curves by the name of one of Mozilla's profiles",
        default="intermediate",
        choices=("intermediate", "modern", "old"),
    )
    versions: tuple[str, ...] = knob(
        "tls_versions",
        "protocol versions offered, instead of the profile's",
        default=(),
        choices=("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
    )
    ciphers: tuple[str, ...] = knob(
        "ciphers",
        "OpenSSL's names, TLS_… for those of TLS 1.3, instead of the profile's; the first that a client knows is taken",
        default=(),
    )
    curves: tuple[str, ...] = knob(
        "curves", "groups for the exchange of keys, for instance X25519, instead of the profile's", default=()
    )
    ocsp: bool = knob(
        "boolean", "ask the issuers of certificates for their word that these were not revoked, and staple it", default=False
    )
    hsts: HstsSettings | None = knob(
        "hsts",
        "DURATION [includeSubDomains] [preload]: browsers come with TLS only for so long; answers that say so themselves stay as "
        "they are",
    )
    verify_client: str = knob(
        "choice",
        "whether clients are asked for a certificate; one that is not believed is never let in",
        default="no",
        choices=("no", "optional", "require"),
    )
    client_ca: str | None = knob("authorities", "PEM file of the authorities that issue certificates of clients")
    client_depth: int = knob(
        "integer", "authorities between one of client_ca and a client's certificate, at most", default=3, minimum=0, maximum=50
    )
    client_crl: str | None = knob(
        "revocations", "PEM file of lists of revoked certificates (CRL), one of each authority that issues any"
    )
    session_timeout: float = knob("duration", "a client may resume its session for", default=3600.0, minimum=1, maximum=604_800)
    ticket_rotation: float = knob(
        "duration", "sessions are sealed with new keys after; older ones are not resumed; 0: never", default=43200.0, minimum=0
    )
    watch_interval: float = knob(
        "duration", "files are looked at for changes every; 0: only when the proxy is told to", default=10.0, minimum=0
    )


class StandsFor(Enum):
    """What a line of ``servers`` stands for: a peer, or a name by which peers are found."""

    PEER = "one peer"
    ADDRESSES = "a peer for each address of a name"
    RECORDS = "a peer for each SRV record of a name"


@dataclass(frozen=True)
class ServerSettings:
    """
    One line of ``servers``: a peer, or a name by which peers are found, and its options.

    :ivar address: where it is; for RECORDS the name that is asked for, with port 0
    :ivar family: which addresses ADDRESSES are: all, ipv4 or ipv6
    :ivar server_name: asked for by SNI and expected in the certificate; without, what the pool says
    :ivar tier: among backups the lowest that is available serves
    :ivar max_connections: exchanges that run on it at a time, at most; 0 for no limit
    :ivar slow_start: seconds in which its share grows when it returns; 0.0: it has all of it at once
    :ivar drain: it takes no new exchanges, and keeps those who are bound to it; unlike with *down*, it is checked
    :ivar found_by: of a peer that was found: the name that requests to it are for, instead of its address; empty for others
    """

    address: Address
    tls: bool = False
    weight: int = 1
    backup: bool = False
    down: bool = False
    stands_for: StandsFor = StandsFor.PEER
    server_name: str | None = None
    tier: int = 0
    found_by: str = ""
    family: str = "all"
    max_connections: int = 0
    slow_start: float = 0.0
    drain: bool = False

    @property
    def name(self) -> str:
        """How the peer is called in logs and in the shell: its address."""
        if self.stands_for is StandsFor.RECORDS and isinstance(self.address, Tcp):
            return f"srv:{self.address.host}"
        return str(self.address)

    @property
    def authority(self) -> str:
        """Host of a request to this server: its address, without the port where it is the scheme's own (RFC 9110 §7.2)."""
        address = self.address
        if not isinstance(address, Tcp):
            return "localhost"
        host = self.found_by or address.host
        host = f"[{host}]" if ":" in host else host
        return host if address.port == (443 if self.tls else 80) else f"{host}:{address.port}"

    def tls_name(self, pool: PoolSettings) -> str:
        """The name that is asked for by SNI, and that the certificate of this server in *pool* must be good for."""
        if self.server_name or pool.server_name:
            return str(self.server_name or pool.server_name)
        return self.found_by or (self.address.host if isinstance(self.address, Tcp) else "localhost")


@dataclass(frozen=True)
class CheckSettings:
    """
    What an active check sends.

    :ivar kind: ``tcp`` connects only, ``tls`` has a handshake too, ``http`` sends a request, ``websocket`` a ping
    """

    kind: str
    method: str = "GET"
    target: str = "/"

    def __str__(self) -> str:
        if self.kind == "http":
            return f"{self.method} {self.target}"
        return f"websocket {self.target}" if self.kind == "websocket" else self.kind


StatusRanges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class QueueSettings:
    """``queue = LENGTH timeout=DURATION``: so many exchanges wait, at most so long (seconds), for a peer that has room."""

    length: int
    timeout: float = 5.0


@dataclass(frozen=True)
class BudgetSettings:
    """``retry_budget = SHARE min=N``: retries and hedges in relation to requests, and so many a second in any case."""

    share: float = 0.2
    least: int = 10

    @property
    def is_unlimited(self) -> bool:
        """There is no budget."""
        return self.share == NEVER


#: ``retry_budget = no``.
NO_BUDGET: Final = BudgetSettings(NEVER, 0)


#: The schedulers that need nothing more to be said.
BALANCES: Final = ("round_robin", "least_connections", "least_time", "random_two")


@dataclass(frozen=True)
class BalanceSettings:
    """
    The scheduler: one of :data:`BALANCES`, or ``hash``.

    :ivar key: for ``hash``: a template that was checked against ``templates.REQUEST_NAMES``
    :ivar bound: for ``hash``: times its share of what runs that a peer may have; 0.0 for no bound
    """

    scheduler: str = "round_robin"
    key: str = ""
    bound: float = 0.0

    def __str__(self) -> str:
        words = [self.scheduler, self.key, f"bound={round(100 * self.bound)}%" if self.bound else ""]
        return " ".join(word for word in words if word)


@dataclass(frozen=True)
class StickySettings:
    """
    What binds a client to a peer.

    :ivar kind: ``cookie`` (ours), ``learn`` (the application's cookie), or ``hash``
    :ivar cookie: its name
    :ivar key: for ``hash``: a template that was checked against ``templates.REQUEST_NAMES``
    :ivar expires: of our cookie, seconds after the last answer; None: when the browser is closed
    :ivar same_site: of our cookie: ``lax``, ``strict``, ``none``, or empty
    :ivar size: for ``learn``: so many sessions are remembered
    :ivar timeout: for ``learn``: seconds for which a session that is not used is remembered
    """

    kind: str
    cookie: str = ""
    key: str = ""
    expires: float | None = None
    domain: str = ""
    path: str = "/"
    secure: bool = False
    httponly: bool = False
    same_site: str = ""
    size: int = 100_000
    timeout: float = 3600.0

    def __str__(self) -> str:
        return f"{self.kind} {self.cookie or self.key}"


@dataclass(frozen=True)
class PoolSettings:
    """Peers that serve the same content, and how one is chosen and watched."""

    name: str
    servers: tuple[ServerSettings, ...] = knob(
        "servers",
        "[https://]HOST:PORT, tls://HOST:PORT, unix:PATH, srv:NAME or endpoint:STRING, "
        "with weight=N, max_connections=N, slow_start=DURATION, backup, down, addresses=all, server_name=NAME; one a line",
        required=True,
    )
    balance: BalanceSettings = knob(
        "balance",
        "who is next: round_robin, least_connections, least_time, random_two, or hash TEMPLATE [bound=N%]",
        default=BalanceSettings(),
    )
    sticky: StickySettings | None = knob(
        "sticky",
        "cookie NAME [expires=DURATION] [domain=NAME] [path=PATH] [secure] [httponly] [samesite=lax|strict|none], "
        "learn NAME [size=N] [timeout=DURATION], or hash TEMPLATE: clients go to the same peer again",
    )
    check: CheckSettings | None = knob("check", "tcp, tls, websocket TARGET, or METHOD TARGET: an active check of every peer")
    check_interval: float = knob("duration", "time from one check of a peer to the next", default=5.0, minimum=0.01)
    check_fast_interval: float | None = knob(
        "duration",
        "the same while a peer is down or ejected, or its checks begin to pass or fail; a third of check_interval without",
        minimum=0.01,
    )
    check_timeout: float = knob("duration", "a check that takes longer has failed", default=2.0, minimum=0.001)
    check_initial: str = knob(
        "choice",
        "what a new peer is: up; down until rise checks passed; unknown: as down, and its first check alone decides",
        default="up",
        choices=("up", "down", "unknown"),
    )
    check_concurrency: int = knob("integer", "checks at a time; more wait for their turn", default=256, minimum=1)
    check_keepalive: bool = knob(
        "boolean",
        "HTTP checks of a peer that is well use a connection again, up to ten times; no: each has one of its own",
        default=True,
    )
    check_port: int | None = knob("check_port", "peers are checked at this port; at that of their line without")
    check_host: str | None = knob("authority", "Host of an HTTP or WebSocket check; the peer's address without")
    check_request_headers: tuple[HeaderEdit, ...] = knob(
        "check_header_edits", "set NAME VALUE, add NAME VALUE, remove NAME; for HTTP and WebSocket checks", default=()
    )
    check_expect: StatusRanges = knob("statuses", "statuses that pass an HTTP check", default=((200, 399),))
    check_header: tuple[tuple[str, str], ...] = knob(
        "check_fields", "NAME: REGEX, one a line: what the fields of an answer must contain to pass an HTTP check", default=()
    )
    check_body: str | None = knob("check_pattern", "a regular expression that the body of an answer must contain to pass")
    check_body_size: int = knob(
        "size", "so much of an answer's body is read, and looked at", default=64 * 1024, minimum=1, maximum=16 * 1024 * 1024
    )
    rise: int = knob("integer", "checks in a row that must pass before a peer is up again", default=2, minimum=1)
    fall: int = knob("integer", "checks in a row that must fail before a peer is down", default=3, minimum=1)
    max_fails: int = knob("integer", "failed attempts within fail_timeout that eject a peer; 0: never", default=3, minimum=0)
    fail_timeout: float = knob(
        "duration", "the time in which attempts are counted, and for which a peer is ejected", default=10.0, minimum=0.01
    )
    max_fail_timeout: float = knob(
        "duration",
        "an ejection soon after another lasts twice as long as that one, but never longer than this",
        default=60.0,
        minimum=0.01,
    )
    fail_statuses: StatusRanges = knob("error_statuses", "answers that count as failed attempts: statuses or ranges", default=())
    eject_ratio: float | None = knob(
        "share", "a peer is ejected when more than this share of its attempts within eject_window failed or was slow"
    )
    eject_latency: float | None = knob(
        "duration", "an answer that begins later than this is slow; none is without", minimum=0.001
    )
    eject_window: float = knob("duration", "the time in which eject_ratio counts", default=10.0, minimum=0.1)
    eject_min_requests: int = knob(
        "integer", "eject_ratio ejects nobody who had fewer attempts within eject_window", default=20, minimum=1
    )
    max_ejected: float = knob("share", "of the peers so many are ejected at a time, but one in any case", default=1.0)
    fail_open: bool = knob("boolean", "when every peer is down, ask those all the same whose checks fail", default=False)
    queue: QueueSettings | None = knob(
        "queue",
        "LENGTH [timeout=DURATION]: exchanges wait when every available peer is at its max_connections; 503 at once without",
    )
    retry_budget: BudgetSettings = knob(
        "budget",
        "SHARE% [min=N]: retries and hedges in relation to the requests of the last ten seconds, and N a second in any case; no: "
        "any number",
        default=BudgetSettings(),
    )
    keepalive: int = knob("integer", "idle connections kept to each peer", default=64, minimum=0)
    keepalive_timeout: float = knob("duration", "an idle connection to a peer is closed after", default=60.0, minimum=0)
    resolve: float = knob(
        "duration", "a peer's name, and names by which peers are found, are looked up again after", default=30.0, minimum=0.1
    )
    verify: bool = knob("boolean", "check the certificate of https:// peers; no is dangerous", default=True)
    ca: str | None = knob(
        "authorities", "PEM file of the authorities that https:// peers are checked against; the system's without"
    )
    server_name: str | None = knob("host_name", "name asked for by SNI and expected in the certificate; the peer's host without")
    client_certificate: CertificateFiles | None = knob(
        "certificate", "CHAIN.pem [KEY.pem]: our own certificate, for https:// peers that ask for one"
    )
    proxy_protocol: str = knob(
        "choice",
        "each connection to a peer begins with a PROXY protocol header that tells the client's address",
        default="no",
        choices=("no", "v1", "v2"),
    )
    protocol: str = knob(
        "choice",
        "what peers speak; h2: HTTP/2, by ALPN with https://, by prior knowledge otherwise; gRPC needs it",
        default="http/1.1",
        choices=("http/1.1", "h2"),
    )


@dataclass(frozen=True)
class CacheSettings:
    """A place for stored responses."""

    name: str
    directory: str = knob("path", "where entries are kept; made when absent", required=True)
    max_size: int = knob("size", "bytes on disk; beyond it the least recently used entries go", default=1024**3, minimum=1024)
    memory: int = knob("size", "bytes of small entries kept ready in memory", default=64 * 1024**2, minimum=0)
    max_entry: int = knob("size", "larger responses are not stored", default=256 * 1024**2, minimum=1)
    inactive: float = knob("duration", "entries that nobody asked for go after", default=3600.0, minimum=1)


#: What jwt_algorithms may name: those of shared secrets, and those of key pairs.
JWT_SHARED: Final = ("HS256", "HS384", "HS512")
JWT_PAIRS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
JWT_ALGORITHMS: Final = (*JWT_SHARED, *JWT_PAIRS)


@dataclass(frozen=True)
class LimitSettings:
    """What clients, or whoever a key tells apart, may take at most; it counts for all routes that name it together."""

    name: str
    key: str = knob("limit_key", "a template: requests for which it comes out alike count together", default="{client}")
    rate: float | None = knob("rate", "requests, for instance 10r/s or 600r/m; any number without")
    burst: int = knob("integer", "requests beyond the rate that may come at once", default=0, minimum=0, maximum=1_000_000)
    delay: bool = knob("boolean", "those wait until the rate allows them; no: they are let in at once", default=False)
    connections: int = knob("integer", "requests (and WebSockets) at a time; 0: any number", default=0, minimum=0)
    bandwidth: int | None = knob(
        "bandwidth", "bytes of answers, for instance 500k/s or 1m/s, for all of a key; any number without"
    )
    memory: int = knob(
        "size",
        "bytes for what is known of keys, 16 for each; with too few, keys are counted together, never forgotten",
        default=16 * 1024**2,
        minimum=1024,
        maximum=4 * 1024**3,
    )
    ipv6_prefix: int = knob(
        "integer",
        "{client} is so many bits of an IPv6 address: one client has whole networks",
        default=64,
        minimum=16,
        maximum=128,
    )
    announce: bool = knob("boolean", "every answer says by RateLimit fields what is left; no: only refusals do", default=False)
    dry_run: bool = knob("boolean", "nothing is refused or delayed; it is counted and logged what would be", default=False)


CacheValid = tuple[tuple[frozenset[int], float], ...]


@dataclass(frozen=True)
class HeaderEdit:
    """
    One line of request_headers or response_headers: ``set NAME VALUE``, … or ``remove NAME``.

    :ivar action: one of :data:`HEADER_ACTIONS`
    :ivar value: a template
    """

    action: str
    name: str
    value: str = ""


#: What can be done to header fields; ``default`` sets what is not there.
HEADER_ACTIONS: Final = ("set", "add", "append", "default", "remove")


@dataclass(frozen=True)
class FromTo:
    """``FROM TO``: what becomes of something; *to* is a template, and empty where it is to be left out."""

    source: str
    to: str


@dataclass(frozen=True)
class CookieFlags:
    """
    ``NAME FLAG…``: what cookies get or lose.

    :ivar name: of the cookie; ``*`` in it stands for any characters
    :ivar flags: attributes as they are written, in lower case: ``secure``, ``samesite=lax``, ``nosecure``, …
    """

    name: str
    flags: tuple[str, ...]


@dataclass(frozen=True)
class RewriteRule:
    """``REGEX REPLACEMENT``: what becomes of a path; *replacement* is a template, with ``\\1`` for groups."""

    pattern: str
    replacement: str


@dataclass(frozen=True)
class Substitution:
    """
    ``FROM TO``: what becomes of text in bodies.

    :ivar is_regex: *source* is a regular expression
    :ivar to: a template; with ``\\1`` for groups of a regular expression
    """

    source: str
    to: str
    is_regex: bool = False


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


@dataclass(frozen=True)
class RouteKnobs:
    """What a route may say, and what [defaults] may say for all of them."""

    connect_timeout: float = knob("duration", "a connection to a peer must stand within", default=5.0, minimum=0.001)
    send_timeout: float = knob("duration", "a peer must take some of the request within", default=60.0, minimum=0.001)
    read_timeout: float = knob("duration", "a peer must send some of the answer within", default=60.0, minimum=0.001)
    client_timeout: float = knob("duration", "a client must send or take some of a body within", default=60.0, minimum=0.001)
    min_rate: int = knob(
        "size", "bytes a second that a client must send or take of a body, on average; 0: any rate", default=1024, minimum=0
    )
    min_rate_grace: float = knob("duration", "min_rate counts from so much later on", default=10.0, minimum=1)
    buffering: bool = knob(
        "boolean", "up to buffer_size of an answer are taken from the peer before the client takes them", default=True
    )
    buffer_size: int = knob(
        "size", "bytes of a body that are kept for whoever takes it slowly", default=256 * 1024, minimum=64 * 1024
    )
    request_buffering: bool = knob(
        "boolean", "a request's body, up to buffer_size of it, is here before a peer is asked", default=False
    )
    total_timeout: float = knob(
        "duration", "an answer must be complete so long after its request's head; 0: any time", default=0.0, minimum=0
    )
    max_body: int = knob("size", "bytes of a request body; 0: no limit", default=10 * 1024**2, minimum=0)
    host: str = knob("host_field", "Host for the peer: preserve, upstream (the peer's address), or a literal", default="preserve")
    forwarded: str = knob(
        "forwarded",
        "what a peer is told of the client: x-forwarded (X-Forwarded-For, -Host, -Proto, -Port, -Prefix and X-Real-IP), "
        "rfc7239 (Forwarded), both, or off",
        default="x-forwarded",
        choices=("x-forwarded", "rfc7239", "both", "off"),
    )
    client_cert_headers: bool = knob(
        "boolean",
        "tell the peer of the client's certificate: Client-Cert (RFC 9440) and X-Client-Cert-Verified, -Subject, -Issuer, "
        "-Serial, -Fingerprint",
        default=False,
    )
    require_client_cert: bool = knob(
        "boolean", "only clients with a certificate are let in; for listeners with verify_client = optional", default=False
    )
    websocket: str = knob(
        "choice",
        "what becomes of WebSocket handshakes: bytes joined, messages relayed, or passed on as any request",
        default="tunnel",
        choices=("tunnel", "messages", "no"),
    )
    websocket_idle_timeout: float = knob(
        "duration", "a WebSocket on which nothing moves is closed after; pings are nothing", default=24 * 3600.0, minimum=0.001
    )
    websocket_half_close_timeout: float = knob(
        "duration",
        "a tunnel with one direction ended is closed when nothing moves in the other one for",
        default=60.0,
        minimum=0.001,
    )
    websocket_origins: tuple[str, ...] = knob(
        "origins",
        "pages that may open WebSockets: SCHEME://HOST[:PORT], *.HOST in it, same, null; any without; programs send no Origin",
        default=(),
    )
    websocket_max: int = knob("integer", "WebSockets of this route at a time; 0: no limit", default=0, minimum=0)
    websocket_max_per_client: int = knob(
        "integer", "WebSockets of this route at a time from one client; 0: no limit", default=0, minimum=0
    )
    websocket_max_message: int = knob(
        "size",
        "bytes of a message, uncompressed; larger ones end the WebSocket with 1009; 0: no limit",
        default=16 * 1024**2,
        minimum=0,
    )
    websocket_message_rate: float | None = knob("rate", "messages of a client, for instance 10r/s or 600r/m; any number without")
    websocket_message_burst: int = knob(
        "integer", "so many messages may come at once before websocket_message_rate counts", default=20, minimum=1
    )
    websocket_message_delay: bool = knob(
        "boolean", "messages beyond the rate wait; no: the WebSocket ends with 1008", default=True
    )
    websocket_ping_interval: float = knob(
        "duration", "client and peer are pinged when they were silent for; 0: never", default=30.0, minimum=0
    )
    websocket_ping_timeout: float = knob(
        "duration", "a side that does not answer to a ping in any way is cut after", default=20.0, minimum=0.001
    )
    websocket_close_timeout: float = knob(
        "duration", "a side that was sent Close must answer within", default=10.0, minimum=0.001
    )
    websocket_compress: str = knob(
        "choice",
        "where permessage-deflate is spoken when the other side can",
        default="client",
        choices=("client", "peer", "both", "no"),
    )
    websocket_context_takeover: bool = knob(
        "boolean", "compression remembers earlier messages: smaller messages, more memory", default=True
    )
    websocket_drain_timeout: float = knob(
        "duration", "WebSockets of a peer that is drained or removed are closed after; 0: they stay", default=0.0, minimum=0
    )
    websocket_filter: str | None = knob(
        "python_name", "package.module:Filter, a class that sees, changes, drops or answers messages"
    )
    websocket_filter_timeout: float = knob("duration", "a filter must answer within", default=5.0, minimum=0.001)
    websocket_filter_errors: str = knob(
        "choice",
        "when the filter fails: closed ends the WebSocket with 1011, open passes the message as it came",
        default="closed",
        choices=("closed", "open"),
    )
    websocket_resume: int = knob(
        "integer",
        "when the peer goes away another takes over, and is told the client's first so many messages again; 0: never",
        default=0,
        minimum=0,
    )
    websocket_resume_waiting: int = knob(
        "integer", "so many messages of the client wait meanwhile before it is not read any more", default=100, minimum=1
    )
    websocket_resume_timeout: float = knob(
        "duration", "another peer must have taken over within; else the client gets 1012 or 1013", default=10.0, minimum=0.001
    )
    tries: int = knob("integer", "attempts of one request, the first included", default=3, minimum=1)
    retry: tuple[str, ...] = knob(
        "retry_cases",
        "after what another peer is asked: error (refused or reset), refused, reset, timeout, invalid, or a status of 400 to 599",
        default=("error", "timeout"),
    )
    retry_timeout: float = knob(
        "duration", "no attempt begins later than this after the request; 0: no limit", default=0.0, minimum=0
    )
    retry_unsafe: bool = knob(
        "boolean", "repeat also what may change something twice, such as a POST that may have reached a peer", default=False
    )
    hedge: float | None = knob(
        "duration",
        "a GET or HEAD whose answer has not begun by then goes to a second peer as well; the first answer wins",
        minimum=0.001,
    )
    allow: tuple[str, ...] = knob(
        "clients",
        "addresses (CIDR, unix: or all) that may in, others get 403; of allow and deny the longest network that fits decides",
        default=(),
    )
    deny: tuple[str, ...] = knob("clients", "addresses that get 403; where both name the same, this one counts", default=())
    satisfy: str = knob(
        "choice",
        "what lets a request in: all of allow/deny, basic_auth, jwt and forward_auth that the route has, or any of them",
        default="all",
        choices=("all", "any"),
    )
    realm: str = knob("realm", "what browsers show when they ask for name and password", default="Restricted")
    basic_auth: str | None = knob(
        "password_file", "a file of names and passwords as htpasswd(1) makes it; read again when it changes"
    )
    basic_auth_pass: bool = knob("boolean", "peers get Authorization, with the password", default=False)
    basic_auth_remember: float = knob(
        "duration", "a right password is not checked again, at its cost, for; 0: every time", default=60.0, minimum=0
    )
    basic_auth_delay: float = knob("duration", "who gives a wrong password hears so after", default=0.0, minimum=0, maximum=60)
    jwt: str | None = knob(
        "key_source", "key of tokens: a file (PEM, JWK, JWK set, or a shared secret), or the http(s) URL of a JWK set"
    )
    jwt_algorithms: tuple[str, ...] = knob(
        "jwt_algorithms",
        "algorithms that count; those of key pairs (RS, PS, ES, EdDSA) without; HS… need a shared secret",
        default=(),
        choices=JWT_ALGORITHMS,
    )
    jwt_issuer: tuple[str, ...] = knob("words", "iss must be one of these; any without", default=())
    jwt_audience: tuple[str, ...] = knob("words", "aud must have one of these; any without", default=())
    jwt_leeway: float = knob("duration", "by so much the clock of the issuer may differ", default=30.0, minimum=0, maximum=3600)
    jwt_expires: bool = knob("boolean", "a token must say until when it counts (exp)", default=True)
    jwt_from: str = knob(
        "token_place", "where the token is: bearer (Authorization), cookie NAME, or header NAME", default="bearer"
    )
    jwt_user: str = knob("word", "the claim that is {user}", default="sub")
    jwt_headers: tuple[tuple[str, str], ...] = knob(
        "claim_headers", "CLAIM HEADER: fields by which peers hear of claims; clients' own are taken out", default=()
    )
    jwt_pass: bool = knob("boolean", "peers get the token, too", default=True)
    jwt_refresh: float = knob("duration", "keys are fetched again, behind, after", default=600.0, minimum=10)
    forward_auth: str | None = knob("url", "a server that is asked, for each request, whether it may in: by 2xx it says yes")
    forward_auth_headers: tuple[str, ...] = knob(
        "auth_fields", "fields of its answer that go to the peer; clients' own are taken out", default=()
    )
    forward_auth_user: str | None = knob("auth_field", "the field of its answer that is {user}")
    forward_auth_timeout: float = knob("duration", "it must answer within", default=5.0, minimum=0.001)
    forward_auth_on_error: str = knob(
        "choice",
        "when it does not, or with another status than 2xx, 3xx, 401 and 403: closed is 503, open lets requests in",
        default="closed",
        choices=("closed", "open"),
    )
    limits: tuple[str, ...] = knob("limit_names", "the [limit NAME]s that count requests of this route", default=())
    bandwidth: int | None = knob(
        "bandwidth", "bytes of each answer, for instance 500k/s or 1m/s; as fast as the client takes them without"
    )
    bandwidth_after: int = knob("size", "so many bytes of an answer are sent before bandwidth counts", default=0, minimum=0)
    app_dir: str | None = knob(
        "app_dir", "the modules of python, wsgi, asgi and resource are looked for here first; on Python's path without"
    )
    app_threads: int = knob("integer", "threads that a WSGI app runs in", default=8, minimum=1, maximum=1000)
    app_queue: int = knob("integer", "requests that wait for one of them; more get 503", default=100, minimum=0)
    filters: tuple[str, ...] = knob(
        "python_names",
        "package.module:Class of the site's own, which see and change requests and answers, in this order",
        default=(),
    )
    filters_timeout: float = knob("duration", "a filter must answer within, each time", default=5.0, minimum=0.001)
    filters_on_error: str = knob(
        "choice",
        "when a filter fails: closed answers 500 (or cuts what was begun), open goes on without that filter",
        default="closed",
        choices=("closed", "open"),
    )
    log: tuple[str, ...] = knob("log_names", "the [log NAME]s that its requests go to, or off for none; all without", default=())
    cache: str | None = knob("cache_name", "the [cache NAME] that stores this route's answers")
    cache_valid: CacheValid = knob(
        "cache_valid", "STATUS… DURATION a line: freshness of answers that say nothing themselves", default=()
    )
    cache_use_stale: tuple[str, ...] = knob(
        "use_stale",
        "when a stale answer is served: error or timeout (of all peers), a status of a peer, updating (which is done behind)",
        default=(),
        choices=("error", "timeout", "updating", "403", "404", "429", "500", "502", "503", "504"),
    )
    cache_heuristic: bool = knob(
        "boolean",
        "where neither the answer nor cache_valid says how long: fresh for a tenth of the time since Last-Modified, at most 24h",
        default=False,
    )
    cache_key: str | None = knob(
        "cache_key", "a template: requests for which it comes out alike share what is stored; the URI without"
    )
    cache_methods: tuple[str, ...] = knob(
        "cache_choices",
        "requests that are for the cache; with POST, its answer is stored for GET where it says that it is what GET would bring",
        default=("GET", "HEAD"),
        choices=("GET", "HEAD", "POST"),
    )
    cache_ignore: tuple[str, ...] = knob(
        "cache_choices",
        "fields of answers that have no say in what is stored; dangerous. set-cookie is taken out of what is stored",
        default=(),
        choices=("cache-control", "cdn-cache-control", "expires", "set-cookie", "vary"),
    )
    cache_bypass: tuple[str, ...] = knob(
        "conditions",
        "templates: where one is neither empty, - nor 0, a peer is asked whatever is stored; its answer may be stored",
        default=(),
    )
    cache_skip: tuple[str, ...] = knob("conditions", "likewise: what a peer answers is not stored", default=())
    cache_min_uses: int = knob("integer", "an answer is stored when it was asked for so many times", default=1, minimum=1)
    cache_background_update: bool = knob(
        "boolean",
        "what is served stale is brought up to date behind; no: by the first request that finds it stale, which waits",
        default=True,
    )
    cache_lock: bool = knob(
        "boolean", "of requests that want the same, one goes to a peer, and its answer serves the others", default=True
    )
    cache_lock_timeout: float = knob(
        "duration", "a request that waits for another one's answer goes to a peer itself after", default=5.0, minimum=0.001
    )
    cache_status_key: bool = knob("boolean", "Cache-Status says by what key the answer was looked for", default=False)
    cache_purge: tuple[str, ...] = knob(
        "networks",
        "addresses (CIDR) whose PURGE requests remove what is stored; others get 403. Without: PURGE goes to a peer",
        default=(),
    )
    request_headers: tuple[HeaderEdit, ...] = knob(
        "request_edits",
        "set, add, append or default NAME VALUE, and remove NAME, one a line; for the peer; values are templates",
        default=(),
    )
    response_headers: tuple[HeaderEdit, ...] = knob("response_edits", "the same for the client", default=())
    security_headers: str = knob(
        "choice",
        "fields that protect pages, where the peer does not send its own: basic, or strict (with HSTS over https)",
        default="no",
        choices=("no", "basic", "strict"),
    )
    request_id: str | None = knob(
        "field_name", "a field, for instance X-Request-ID, that tells peer and client {request_id}; a trusted proxy's is kept"
    )
    traceparent: str = knob(
        "choice",
        "W3C Trace Context for the peer: trusted goes on with traces of trusted proxies, any with everybody's; others begin here",
        default="no",
        choices=("no", "trusted", "any"),
    )
    rewrite_location: tuple[FromTo, ...] = knob(
        "locations",
        "in Location, Content-Location and Refresh: peer (the peer's own address becomes the public one), or FROM TO, one a line",
        default=(),
    )
    cookie_domain: tuple[FromTo, ...] = knob(
        "cookie_domains", "FROM TO, one a line: the Domain of the peer's cookies; * is any, TO none leaves it out", default=()
    )
    cookie_path: tuple[FromTo, ...] = knob(
        "cookie_paths", "FROM TO, one a line: how the Path of the peer's cookies begins", default=()
    )
    cookie_flags: tuple[CookieFlags, ...] = knob(
        "cookie_flags",
        "NAME FLAG… a line, * in NAME is anything: secure, httponly, samesite=lax|strict|none, nosecure, nohttponly, nosamesite",
        default=(),
    )
    substitute: tuple[Substitution, ...] = knob(
        "substitutions",
        "FROM TO, or ~ REGEX TO, one a line; in bodies, one line after the other; double quotes around what has blanks",
        default=(),
    )
    substitute_once: bool = knob("boolean", "of each line only what comes first in a body", default=False)
    substitute_types: tuple[str, ...] = knob("media_types", "media types of such bodies; * for all", default=("text/html",))
    compress: tuple[str, ...] = knob(
        "codings",
        "content codings for bodies on their way to clients, the best first",
        default=(),
        choices=("br", "gzip", "zstd"),
    )
    compress_types: tuple[str, ...] = knob(
        "media_types",
        "media types of such bodies; * for all",
        default=(
            "text/html",
            "text/css",
            "text/plain",
            "text/xml",
            "text/javascript",
            "text/event-stream",
            "application/javascript",
            "application/json",
            "application/xml",
            "image/svg+xml",
        ),
    )
    compress_level: int = knob("integer", "1: fast, 9: small", default=4, minimum=1, maximum=9)
    compress_min_size: int = knob("size", "bodies known to be smaller go as they are", default=1024, minimum=0)
    error_page: tuple[ErrorPage, ...] = knob("error_pages", _ERROR_PAGE_DOC, default=())
    intercept_errors: bool = knob("boolean", "those pages take the place of errors that peers answer with, too", default=False)
    maintenance: str | None = knob(
        "maintenance", "yes, no, or a file: as long as there is one, requests get 503 and its error_page"
    )
    maintenance_allow: tuple[str, ...] = knob("clients", "addresses (CIDR, unix:) that are served all the same", default=())
    maintenance_retry_after: float = knob("duration", "the others are told to come back after", default=300.0, minimum=1)
    index: tuple[str, ...] = knob(
        "file_names", "files of a directory that answer for it, the first that is there", default=("index.html",)
    )
    listing: bool = knob("boolean", "a directory without an index is answered with a list of what is in it", default=False)
    dotfiles: bool = knob("boolean", "names that begin with a dot are served, too; .well-known is in any case", default=False)
    symlinks: bool = knob("boolean", "symbolic links that lead out of the directory are followed, too", default=False)
    expires: tuple[Expiry, ...] = knob(
        "expiries",
        "how long files are fresh in browsers and caches: [TYPE…] and a duration, max, epoch (ask each time), or off; "
        "one a line, the first that fits",
        default=(),
    )
    cache_control: str | None = knob("cache_control", "more of Cache-Control for files, for instance public, immutable")
    charset: str = knob("charset", "of text files; off: they say themselves", default="utf-8")
    mime_types: tuple[MimeType, ...] = knob(
        "mime_types", "TYPE ENDING… a line, before those that are known; * for files of any other ending", default=()
    )
    precompressed: tuple[str, ...] = knob(
        "codings",
        "files with .br, .gz and .zst behind their names are sent in place of these, the best first",
        default=(),
        choices=("br", "gzip", "zstd"),
    )
    open_file_cache: int = knob(
        "size",
        "so much of small files (up to 64k each) is kept in memory, for this route; 0: none",
        default=8 * 1024**2,
        minimum=0,
    )
    open_file_cache_valid: float = knob(
        "duration", "what is kept is compared with the file when it is older than; 0: for every request", default=0.0, minimum=0
    )
    cors: tuple[str, ...] = knob(
        "cors_origins", "pages that scripts may use this from: SCHEME://HOST[:PORT], *.HOST in it, null, or * for all", default=()
    )
    cors_methods: tuple[str, ...] = knob(
        "methods", "methods that such scripts may use", default=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    )
    cors_headers: tuple[str, ...] = knob("field_names", "fields that they may send; * for whichever they ask for", default=("*",))
    cors_expose: tuple[str, ...] = knob("field_names", "fields of answers that they may read", default=())
    cors_max_age: float = knob("duration", "browsers need not ask again for", default=600.0, minimum=0)
    cors_credentials: bool = knob("boolean", "they may send cookies and logins", default=False)


@dataclass(frozen=True)
class RouteMatch:
    """
    What a route is named by: ``[scheme://][host[:port]]/path``.

    A path that ends in ``/`` is a prefix, otherwise it is exact.  *host* is None for any host; ``*.example.com`` stands for
    every name below example.com, and an IPv6 address has its brackets.  The path's escapes are decoded, as in
    ``RequestHead.route_path`` (which is its UTF-8 form).  A *pattern* is a regular expression that is found in such paths; then
    *path* is empty.
    """

    scheme: str | None
    host: str | None
    port: int | None
    path: str
    pattern: str = ""
    ignores_case: bool = False

    @property
    def is_prefix(self) -> bool:
        """Whether everything below the path is meant."""
        return self.path.endswith("/")


@dataclass(frozen=True)
class RouteCondition:
    """
    One line of ``match``.

    :ivar subject: ``method``, ``header``, ``arg``, ``cookie``, ``client``, or ``value`` for a template
    :ivar name: of the field, argument or cookie; the template
    :ivar operator: ``=``, ``~`` for a regular expression, or empty: it is there at all
    :ivar values: what is compared with; methods; networks
    :ivar negated: the line holds where the rest of it does not
    """

    subject: str
    name: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()
    negated: bool = False

    def __str__(self) -> str:
        words = [self.name if self.subject == "value" else self.subject]
        if self.subject in ("header", "arg", "cookie"):
            words.append(self.name)
        if self.operator:
            words.append(f"{'!' if self.negated else ''}{self.operator}")
        elif self.negated:
            words.insert(0, "not")
        return " ".join([*words, *self.values])


@dataclass(frozen=True)
class SplitLine:
    """
    One line of ``split``: first the key, then the shares.

    :ivar key: a template; empty in lines with a share
    :ivar share: of the requests, in hundredths of a percent; -1 for ``*``, all the rest
    :ivar pool: that gets it
    """

    key: str = ""
    share: int = 0
    pool: str = ""


@dataclass(frozen=True)
class RouteSettings(RouteKnobs):
    """
    A route: which requests, and what becomes of them (exactly one of pool, split, redirect, respond, static, and an app's kind).

    :ivar name: what the route is called: its title, with its conditions
    :ivar title: what stands behind ``route`` between the brackets
    :ivar matches: what the title means, at least one
    """

    name: str = ""
    title: str = ""
    matches: tuple[RouteMatch, ...] = (RouteMatch(None, None, None, "/"),)
    match: tuple[RouteCondition, ...] = knob(
        "route_conditions",
        "what a request must be like, all of it, one a line: method NAME…, client NETWORK…, header, arg or cookie NAME, alone or "
        "with =, !=, ~ or !~ VALUE; {TEMPLATE} = VALUE; not before it",
        default=(),
    )
    listen: tuple[str, ...] = knob("listen_names", "only requests that came in by these listeners", default=())
    pool: str | None = knob("pool_name", "the [pool NAME] that serves this route")
    split: tuple[SplitLine, ...] = knob(
        "split",
        "a template, and below it SHARE% POOL, one a line, the last perhaps * POOL: who has the same key gets the same pool",
        default=(),
    )
    mirror: str | None = knob("pool_name", "the [pool NAME] that gets a copy of each request; what it answers is dropped")
    mirror_max_body: int = knob("size", "requests with larger bodies are not copied", default=64 * 1024, minimum=0)
    redirect: RedirectAnswer | None = knob("redirect", "STATUS LOCATION, for instance 301 https://{host}{uri}")
    respond: FixedAnswer | None = knob("respond", "STATUS TEXT: the route answers with this plain text, a template")
    python: str | None = knob("app_target", "package.module:function, a coroutine function that answers, in the proxy's process")
    wsgi: str | None = knob("app_target", "package.module:app, a WSGI app (PEP 3333), in threads of the proxy's process")
    asgi: str | None = knob("app_target", "package.module:app, an ASGI app, in a thread of the proxy's process")
    resource: str | None = knob("app_target", "package.module:thing, an IResource of twisted.web, or what returns one")
    static: str | None = knob(
        "directory",
        "a directory: the route answers with its files, by their paths below it; with a pool or an app besides, these are asked "
        "for what is no file",
    )
    try_files: tuple[str, ...] = knob(
        "try_files",
        "what of static is looked for, in order: {path}, {path}/ (a directory), {path}.html, /index.html, or at the end =404",
        default=(),
    )
    strip_prefix: str | None = knob("path_prefix", "taken off the front of the path before it goes to the peer")
    rewrite: tuple[RewriteRule, ...] = knob(
        "rewrites",
        "REGEX REPLACEMENT, one a line; the first that fits makes the path for the peer: \\1 for groups, and names of templates",
        default=(),
    )
    add_prefix: str | None = knob("path_prefix", "put before the path as it goes to the peer")

    @property
    def hosted(self) -> HostedApp | None:
        """The app in the proxy's own process that answers; None: there is no such."""
        for kind in APP_KINDS:
            target = getattr(self, kind)
            if target is not None:
                threads, queue = (self.app_threads, self.app_queue) if kind == "wsgi" else (0, 0)
                return HostedApp(kind, target, self.app_dir or "", threads, queue)
        return None


@dataclass(frozen=True)
class MapRow:
    """
    One line of a table.

    :ivar kind: ``exact``, ``prefix``, ``regex`` or ``default``
    """

    kind: str
    key: str
    value: str


@dataclass(frozen=True)
class MapSettings:
    """A table that makes one word of another: {map.NAME} in templates."""

    name: str
    source: str = knob("map_source", "a template: the word that is looked up", required=True)
    values: tuple[MapRow, ...] = knob(
        "map_rows", "KEY VALUE, KEY* VALUE, ~ REGEX VALUE, or * VALUE for anything else, one a line", default=()
    )
    file: str | None = knob("map_file", "more such lines, behind those; read again when the file has changed")


#: What a test can expect.
EXPECTATIONS: Final = (
    "status",
    "route",
    "pool",
    "app",
    "peer",
    "path",
    "target",
    "redirect",
    "header",
    "response",
    "body",
    "cache",
    "reason",
    "mirror",
)


@dataclass(frozen=True)
class Expectation:
    """
    One thing that a test expects.

    :ivar what: one of :data:`EXPECTATIONS`
    :ivar name: of the field, in lower case, for ``header`` (as the peer gets it) and ``response`` (as the client does)
    :ivar value: what it has to be; empty for a field that has to be there
    :ivar negated: it must not be so
    """

    what: str
    name: str
    value: str
    negated: bool = False

    def __str__(self) -> str:
        return " ".join(word for word in ("not" if self.negated else "", self.what, self.name, self.value) if word)


@dataclass(frozen=True)
class TrialSettings:
    """A request that is made up, and what has to become of it: run by `revproxy test`."""

    name: str
    request: tuple[str, ...] = knob("request_lines", "METHOD URL, and below it Name: value, one a line", required=True)
    body: str | None = knob("text", "of the request")
    client: str | None = knob("address", "from which it comes; 192.0.2.1 without")
    listen: str | None = knob("listen_name", "the [listen NAME] by which it comes in; the first that the URL fits without")
    repeat: int = knob(
        "integer", "it is asked so many times; what is expected is of the last", default=1, minimum=1, maximum=10_000
    )
    answer: tuple[str, ...] = knob(
        "answer_lines",
        "what the peer says: a status, and below it Name: value (body: TEXT is the body); or refused; 200 without",
        default=(),
    )
    expect: tuple[tuple[Expectation, ...], ...] = knob(
        "expectations",
        "status N, route NAME, pool NAME, peer NAME, path PATH and target TARGET (as the peer is asked), redirect URL, "
        "header NAME [VALUE] (for the peer), response NAME [VALUE] (for the client), body TEXT (somewhere in it), cache WORD, "
        "reason NAME, mirror PEER; not before it; with commas between, or one a line",
        required=True,
    )


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


@dataclass(frozen=True)
class SyslogTarget:
    """
    Where a syslog server listens.

    :ivar transport: ``udp``, ``tcp`` or ``tls`` to *host* and *port*; ``unix`` to the datagram socket *path*
    """

    transport: str
    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        return f"syslog:{self.transport}:{self.path or Tcp(self.host, self.port)}"


#: How numbers are compared.
COMPARISONS: Final[dict[str, Callable[[float, float], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Measure:
    """
    One line of ``when`` that compares a number: ``status >= 500``, ``request_time > 1s``.

    :ivar text: the number as it was written
    """

    name: str
    operator: str
    value: float
    text: str

    def __str__(self) -> str:
        return f"{self.name} {self.operator} {self.text}"


#: Those of RFC 5424 §6.2.1 that a program other than a part of the system may use, by their numbers.
SYSLOG_FACILITIES: Final = {
    "user": 1,
    "daemon": 3,
    "auth": 4,
    "authpriv": 10,
    "ftp": 11,
    **{f"local{number}": 16 + number for number in range(8)},
}
SYSLOG_SEVERITIES: Final = {"err": 3, "warning": 4, "notice": 5, "info": 6, "debug": 7}


@dataclass(frozen=True)
class LogSettings:
    """
    A log of exchanges, or of the connections of streams.

    A *format* that is a template was checked against ``templates.LOG_NAMES``, or ``templates.STREAM_NAMES``.
    """

    name: str
    file: str | SyslogTarget = knob(
        "log_file",
        "where lines are appended; - for standard output; "
        "syslog:udp:HOST:PORT, syslog:tcp:…, syslog:tls:… or syslog:unix:PATH for a syslog server",
        required=True,
    )
    format: str = knob("log_format", "combined, json, or a template", default="combined")
    of: str = knob(
        "choice",
        "what is logged: requests of HTTP, or the connections of streams, each at its end",
        default="requests",
        choices=("requests", "streams"),
    )
    when: tuple[RouteCondition | Measure, ...] = knob(
        "log_conditions",
        "what is logged must be like that, each line: status >= 500, request_time > 1s, {cache_status} = MISS, "
        "or as in match of a route; all without",
        default=(),
    )
    sample: float = knob(
        "ratio", "the share of requests that is logged, picked by {request_id}; failed and slow ones always are", default=1.0
    )
    slow: float = knob("duration", "with sample: what takes at least so long is always logged", default=1.0, minimum=0.001)
    facility: str = knob("choice", "of syslog", default="local7", choices=tuple(SYSLOG_FACILITIES))
    severity: str = knob("choice", "of syslog", default="info", choices=tuple(SYSLOG_SEVERITIES))
    tag: str = knob("syslog_word", "how syslog calls the program (APP-NAME)", default="twistedproxy")
    hostname: str | None = knob("syslog_word", "how syslog calls this machine; its host name without")
    ca: str | None = knob(
        "authorities", "with syslog:tls: authorities (PEM) that the server's certificate must come from; the system's without"
    )


@dataclass(frozen=True)
class TracingSettings:
    """
    Spans of requests and of their attempts, for OpenTelemetry; needs the extra ``otel``.

    Routes then pass traces on to peers, as by ``traceparent = trusted``, unless they say something else.
    """

    endpoint: str = knob(
        "otlp_url",
        "where spans go by OTLP over HTTP, for instance http://127.0.0.1:4318; /v1/traces without a path",
        required=True,
    )
    service_name: str = knob("text", "how the service is called there", default="twistedproxy")
    sample: float = knob("ratio", "the share of traces that is seen, picked by their ids", default=1.0)
    sampler: str = knob(
        "choice",
        "parent: of traces that trusted proxies have begun, they decide what is seen; ratio: sample decides of all",
        default="parent",
        choices=("parent", "ratio"),
    )
    resource: tuple[tuple[str, str], ...] = knob(
        "attributes",
        "NAME VALUE, one a line: what else is said of the service, for instance deployment.environment.name prod",
        default=(),
    )
    headers: tuple[tuple[str, str], ...] = knob("otlp_headers", "NAME VALUE, one a line: fields for the collector", default=())
    ca: str | None = knob("authorities", "authorities (PEM) that the collector's certificate must come from; the usual without")
    compression: str = knob("choice", "of what is sent", default="gzip", choices=("none", "gzip"))
    timeout: float = knob("duration", "the collector must have taken what is sent within", default=5.0, minimum=0.1, maximum=60)
    interval: float = knob("duration", "spans are sent at least so often", default=2.0, minimum=0.1, maximum=60)
    queue: int = knob(
        "integer", "spans that wait at most; more are lost, and counted", default=4096, minimum=512, maximum=1_000_000
    )


@dataclass(frozen=True)
class Settings:
    """A whole site, checked: every name that one section says of another leads somewhere."""

    site: SiteSettings
    listen: tuple[ListenSettings, ...]
    routes: tuple[RouteSettings, ...]
    tls: dict[str, TlsSettings] = field(default_factory=dict)
    pools: dict[str, PoolSettings] = field(default_factory=dict)
    caches: dict[str, CacheSettings] = field(default_factory=dict)
    limits: dict[str, LimitSettings] = field(default_factory=dict)
    maps: dict[str, MapSettings] = field(default_factory=dict)
    tests: tuple[TrialSettings, ...] = ()
    apps: tuple[AppSettings, ...] = ()
    shell: ShellSettings | None = None
    status: StatusSettings | None = None
    logs: tuple[LogSettings, ...] = ()
    tracing: TracingSettings | None = None
    streams: tuple[StreamSettings, ...] = ()
