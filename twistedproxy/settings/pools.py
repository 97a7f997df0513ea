"""``[pool NAME]``: peers, and how the one is chosen who gets a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from twistedproxy.addresses import Tcp
from twistedproxy.settings.checks import CheckSettings, StatusRanges
from twistedproxy.settings.edits import HeaderEdit
from twistedproxy.settings.knob import NEVER, knob
from twistedproxy.settings.servers import ServerSettings
from twistedproxy.settings.tls import CertificateFiles


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

    def tls_name(self, server: ServerSettings) -> str:
        """The name that *server* is asked for by SNI, and that its certificate must be good for."""
        if server.server_name or self.server_name:
            return str(server.server_name or self.server_name)
        return server.found_by or (server.address.host if isinstance(server.address, Tcp) else "localhost")
