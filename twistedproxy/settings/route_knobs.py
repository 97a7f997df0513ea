"""The knobs of ``[route …]``, which ``[defaults]`` may give for all routes."""

from __future__ import annotations

from dataclasses import dataclass

from twistedproxy.settings.answers import Expiry, MimeType
from twistedproxy.settings.caches import CacheValid
from twistedproxy.settings.edits import CookieFlags, FromTo, HeaderEdit, Substitution
from twistedproxy.settings.knob import knob
from twistedproxy.settings.pages import ERROR_PAGE_DOC, ErrorPage
from twistedproxy.settings.tokens import JWT_ALGORITHMS


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
    error_page: tuple[ErrorPage, ...] = knob("error_pages", ERROR_PAGE_DOC, default=())
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
