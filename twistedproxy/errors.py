"""
Whose fault, what to answer, may it be retried: every way in which an exchange can fail, in one table.

A :class:`Reason` names one way.  Pure code raises it inside :class:`RequestError` or :class:`ResponseError`; transports
and upstream connections hand it over.  Logs and counters print ``reason.name``; people read ``reason.text``.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class Whose(Enum):
    """Whose fault a failure is."""

    DOWNSTREAM = "client"
    UPSTREAM = "peer"
    OURS = "proxy"


class Reason:
    """
    One way to fail.

    :ivar name: short and stable, for logs and counters
    :ivar status: the status to answer when nothing was answered yet; 0 when there is nobody to answer
    :ivar whose: whose fault it is
    :ivar text: one sentence for people, with the section of the RFC where there is one
    :ivar untouched: no byte of the request can have reached a peer, so that any request may be tried elsewhere
    """

    __slots__ = ("name", "status", "text", "untouched", "whose")

    def __init__(self, name: str, status: int, whose: Whose, text: str, *, untouched: bool = False) -> None:
        self.name = name
        self.status = status
        self.whose = whose
        self.text = text
        self.untouched = untouched

    def __repr__(self) -> str:
        return self.name


REASONS: Final[dict[str, Reason]] = {}


def _reason(name: str, status: int, whose: Whose, text: str, *, untouched: bool = False) -> Reason:
    reason = Reason(name, status, whose, text, untouched=untouched)
    if name in REASONS:
        raise ValueError(f"reason {name} is defined twice")
    REASONS[name] = reason
    return reason


class RequestError(Exception):
    """What a client sent is refused; :attr:`reason` says why, :attr:`detail` shows the place."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.name}: {reason.text}" + (f" ({detail})" if detail else ""))
        self.reason = reason
        self.detail = detail


class ResponseError(Exception):
    """What a peer sent cannot be passed on; :attr:`reason` says why, :attr:`detail` shows the place."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.name}: {reason.text}" + (f" ({detail})" if detail else ""))
        self.reason = reason
        self.detail = detail


class CheckFailed(Exception):
    """
    A peer did not pass an active check; the text is why, in a few words.

    :ivar ours: the proxy lacked what it takes to ask: that says nothing of the peer
    """

    def __init__(self, text: str, *, ours: bool = False) -> None:
        super().__init__(text)
        self.ours = ours


_D, _U, _O = Whose.DOWNSTREAM, Whose.UPSTREAM, Whose.OURS

# What a client may do wrong: refused, the connection closed, nothing forwarded.
BAD_REQUEST_LINE = _reason("bad_request_line", 400, _D, "the request line is malformed (RFC 9112 §3)")
BAD_METHOD = _reason("bad_method", 400, _D, "the method is not a token (RFC 9110 §9.1)")
METHOD_TOO_LONG = _reason("method_too_long", 501, _D, "the method is longer than any that is known (RFC 9112 §3)")
BAD_TARGET = _reason("bad_target", 400, _D, "the request target is malformed (RFC 9112 §3.2)")
BAD_VERSION = _reason("bad_version", 400, _D, "the protocol version is malformed (RFC 9112 §2.3)")
VERSION_UNSUPPORTED = _reason("version_unsupported", 505, _D, "only HTTP/1.0 and HTTP/1.1 are spoken here (RFC 9110 §15.6.6)")
CONNECT_REFUSED = _reason("connect_refused", 405, _D, "a reverse proxy opens no CONNECT tunnels (RFC 9110 §9.3.6)")
BAD_FIELD = _reason("bad_field", 400, _D, "a header field line is malformed (RFC 9112 §5)")
BARE_CR_OR_LF = _reason("bare_cr_or_lf", 400, _D, "a CR or LF stands alone (RFC 9112 §2.2)")
OBS_FOLD = _reason("obs_fold", 400, _D, "a header field is folded over lines (RFC 9112 §5.2)")
SPACE_BEFORE_COLON = _reason("space_before_colon", 400, _D, "white space stands before a colon (RFC 9112 §5.1)")
BAD_HOST = _reason("bad_host", 400, _D, "Host is missing, repeated or malformed (RFC 9112 §3.2)")
BAD_LENGTH = _reason("bad_length", 400, _D, "Content-Length is malformed or repeated with another value (RFC 9112 §6.3)")
LENGTH_AND_CODING = _reason("length_and_coding", 400, _D, "Content-Length and Transfer-Encoding came together (RFC 9112 §6.1)")
CODING_IN_1_0 = _reason("coding_in_1_0", 400, _D, "Transfer-Encoding came in an HTTP/1.0 request (RFC 9112 §6.1)")
BAD_CODING = _reason("bad_coding", 400, _D, "Transfer-Encoding is not exactly 'chunked' (RFC 9112 §6.3)")
BAD_CHUNK = _reason("bad_chunk", 400, _D, "the chunked body is malformed (RFC 9112 §7.1)")
BAD_TRAILER = _reason("bad_trailer", 400, _D, "a trailer field is malformed (RFC 9112 §7.1.2)")
TARGET_TOO_LONG = _reason("target_too_long", 414, _D, "the request target is longer than max_target (RFC 9110 §15.5.15)")
HEAD_TOO_LARGE = _reason("head_too_large", 431, _D, "the head is larger than max_header_size (RFC 6585 §5)")
TOO_MANY_FIELDS = _reason("too_many_fields", 431, _D, "the head has more fields than max_headers (RFC 6585 §5)")
BODY_TOO_LARGE = _reason("body_too_large", 413, _D, "the body is larger than max_body (RFC 9110 §15.5.14)")
EXPECTATION_FAILED = _reason("expectation_failed", 417, _D, "the only expectation known is 100-continue (RFC 9110 §10.1.1)")
CLIENT_CERT_MISSING = _reason("client_cert_missing", 400, _D, "a client certificate is needed here, and none was shown")
CLIENT_CERT_EXPIRED = _reason("client_cert_expired", 400, _D, "the client certificate has expired since it was verified")
MALFORMED_STREAM = _reason("malformed_stream", 400, _D, "the request is malformed (RFC 9113 §8.1.1)")
PROTOCOL_UNKNOWN = _reason("protocol_unknown", 501, _D, "an extended CONNECT is for WebSockets only here (RFC 8441, RFC 9220 §3)")
HTTP2_ERROR = _reason("http2_error", 0, _D, "the client broke the rules of HTTP/2 (RFC 9113 §5.4.1)")
HTTP2_FLOOD = _reason("http2_flood", 0, _D, "the client sent more frames of a kind than it can need (RFC 9113 §10.5)")
NO_PROXY_HEADER = _reason("no_proxy_header", 0, _D, "the connection does not begin with a PROXY protocol header")
BAD_PROXY_HEADER = _reason("bad_proxy_header", 0, _D, "the PROXY protocol header is malformed, incomplete or late")
REQUEST_TIMEOUT = _reason("request_timeout", 408, _D, "the request did not arrive in time (RFC 9110 §15.5.9)")
REQUEST_CUT = _reason("request_cut", 0, _D, "the client left before its request was complete (RFC 9112 §8)")
CLIENT_GONE = _reason("client_gone", 0, _D, "the client left before the answer was complete")
CLIENT_STALLED = _reason(
    "client_stalled", 0, _D, "the client stopped reading the answer, or read it too slowly (client_timeout, min_rate)"
)
MAX_FORWARDS = _reason("max_forwards", 405, _D, "Max-Forwards has come to 0 here (RFC 9110 §7.6.2)")
CORS_REFUSED = _reason("cors_refused", 403, _D, "scripts of this origin may not use this (cors)")
NO_ROUTE = _reason("no_route", 404, _D, "no route matches this host and path")
BAD_UPGRADE = _reason("bad_upgrade", 400, _D, "the WebSocket handshake is malformed (RFC 6455 §4.2.1)")
BAD_WEBSOCKET_VERSION = _reason("bad_websocket_version", 426, _D, "only WebSocket version 13 is spoken here (RFC 6455 §4.2.2)")
PURGE_REFUSED = _reason("purge_refused", 403, _D, "only those whom the site names may purge its cache (cache_purge)")
PATH_DISGUISED = _reason("path_disguised", 403, _D, "the path may be read as one that another route guards")
CREDENTIALS_MISSING = _reason("credentials_missing", 401, _D, "the route asks for name and password (basic_auth, RFC 7617)")
CREDENTIALS_WRONG = _reason("credentials_wrong", 401, _D, "name or password is wrong (basic_auth)")
TOKEN_MISSING = _reason("token_missing", 401, _D, "the route asks for a token (jwt, RFC 6750)")
TOKEN_INVALID = _reason("token_invalid", 401, _D, "the token does not count (jwt, RFC 7519 §7.2)")
AUTH_REFUSED = _reason("auth_refused", 403, _D, "the server of forward_auth does not let the request in")
ADDRESS_DENIED = _reason("address_denied", 403, _D, "the route, or the stream, does not serve this address (allow, deny)")
TOO_MANY_REQUESTS = _reason("too_many_requests", 429, _D, "more requests than a limit of the route lets in (RFC 6585 §4)")
TOO_MANY_AT_ONCE = _reason("too_many_at_once", 429, _D, "more requests at a time than a limit of the route lets in (RFC 6585 §4)")
ORIGIN_REFUSED = _reason("origin_refused", 403, _D, "pages of this origin may open no WebSocket here (RFC 6455 §4.2.2)")
FILE_MISSING = _reason("file_missing", 404, _D, "there is no such file")
FILE_REFUSED = _reason("file_refused", 403, _D, "this is not served")
FILE_METHOD = _reason("file_method", 405, _D, "files can only be read (RFC 9110 §15.5.6)")
PRECONDITION_FAILED = _reason("precondition_failed", 412, _D, "the file is not as the request has it (RFC 9110 §13.1)")
TOO_MANY_OF_CLIENT = _reason("too_many_of_client", 429, _D, "the client has websocket_max_per_client WebSockets already")
MAINTENANCE = _reason("maintenance", 503, _O, "the route is in maintenance (maintenance)")
TOO_MANY_WEBSOCKETS = _reason("too_many_websockets", 503, _O, "the route has websocket_max WebSockets already")

# What may go wrong on the way to a peer.
CONNECT_REFUSED_BY_PEER = _reason("refused", 502, _U, "the peer refused the connection", untouched=True)
CONNECT_FAILED = _reason("connect_failed", 502, _U, "no connection to the peer could be made", untouched=True)
CONNECT_TIMEOUT = _reason(
    "connect_timeout", 504, _U, "the peer did not accept the connection within connect_timeout", untouched=True
)
NAME_UNRESOLVED = _reason("dns", 502, _U, "the peer's name could not be resolved", untouched=True)
TLS_FAILED = _reason("tls_failed", 502, _U, "the TLS handshake with the peer failed", untouched=True)
TLS_UNVERIFIED = _reason("tls_unverified", 502, _U, "the peer's certificate could not be verified", untouched=True)
SEND_TIMEOUT = _reason("send_timeout", 504, _U, "the peer did not take the request within send_timeout")
READ_TIMEOUT = _reason("read_timeout", 504, _U, "the peer did not answer within read_timeout")
PEER_CLOSED = _reason("peer_closed", 502, _U, "the peer closed the connection before it answered")
PEER_RESET = _reason("peer_reset", 502, _U, "the peer reset the connection before it answered")
KEPT_CLOSED = _reason("kept_closed", 502, _U, "the peer closed a kept-alive connection as a request was sent on it")
STREAM_REFUSED = _reason(
    "stream_refused", 502, _U, "the peer has refused the stream without looking at it (RFC 9113 §8.7)", untouched=True
)
PEER_LEFT = _reason("peer_left", 502, _U, "the peer left before it looked at the request (RFC 9113 §6.8)", untouched=True)
BAD_RESPONSE = _reason("bad_response", 502, _U, "the peer's answer is malformed (RFC 9112 §4)")
BAD_RESPONSE_FIELD = _reason("bad_response_field", 502, _U, "a header field of the peer's answer is malformed (RFC 9112 §5)")
BAD_RESPONSE_LENGTH = _reason(
    "bad_response_length", 502, _U, "the peer's Content-Length is malformed or ambiguous (RFC 9112 §6.3)"
)
BAD_RESPONSE_CODING = _reason("bad_response_coding", 502, _U, "the peer's Transfer-Encoding is not understood (RFC 9112 §6.3)")
BAD_RESPONSE_CHUNK = _reason("bad_response_chunk", 502, _U, "the peer's chunked body is malformed (RFC 9112 §7.1)")
BAD_CONTENT_CODING = _reason("bad_content_coding", 502, _U, "the peer's Content-Encoding cannot be undone (RFC 9110 §8.4)")
RESPONSE_HEAD_TOO_LARGE = _reason("response_head_too_large", 502, _U, "the head of the peer's answer is too large")
TOO_MANY_INTERIM = _reason("too_many_interim", 502, _U, "the peer sent too many 1xx responses (RFC 9110 §15.2)")
RESPONSE_CUT = _reason("response_cut", 502, _U, "the peer closed the connection in mid-body (RFC 9112 §8)")
UNASKED_UPGRADE = _reason("unasked_upgrade", 502, _U, "the peer switched protocols though nobody had asked (RFC 9110 §7.8)")
BAD_UPGRADE_ANSWER = _reason("bad_upgrade_answer", 502, _U, "the peer's WebSocket handshake is malformed (RFC 6455 §4.1)")
NO_PEER = _reason("no_peer", 503, _U, "no peer of the pool is available")
ALL_FULL = _reason("all_full", 503, _U, "every available peer has as many exchanges as its max_connections")
QUEUE_FULL = _reason("queue_full", 503, _U, "every available peer is full, and so is the pool's queue")
QUEUE_TIMEOUT = _reason("queue_timeout", 503, _U, "no peer had room within the time of the pool's queue")
FAILED_STATUS = _reason("failed_status", 502, _U, "the peer answered with a status that counts as a failure (fail_statuses)")
APP_FAILED = _reason("app_failed", 500, _U, "the app in the proxy's process has failed; the log has a traceback")
STREAM_CUT = _reason("stream_cut", 0, _U, "the peer broke the connection of a stream")

# What ends streams besides.
CLIENT_RESET = _reason("client_reset", 0, _D, "the client broke the connection of a stream")
STREAM_IDLE = _reason("stream_idle", 0, _D, "nothing moved on the stream within its idle_timeout, or half_close_timeout")
NO_CLIENT_HELLO = _reason("no_client_hello", 0, _D, "the connection does not begin with a TLS ClientHello, or not in time")
NAME_UNKNOWN = _reason("name_unknown", 0, _D, "the stream has no line of sni for the name that the client asks for")

# What is ours.
FILE_UNREADABLE = _reason("file_unreadable", 403, _O, "the system does not let the proxy read the file (static)")
FILE_BROKEN = _reason("file_broken", 500, _O, "the file cannot be read (static)")
FILE_CHANGED = _reason("file_changed", 500, _O, "the file was changed while it was sent (static)")
FILES_EXHAUSTED = _reason("files_exhausted", 503, _O, "the proxy has no descriptor left for a file (static)")
FILTER_FAILED = _reason("filter_failed", 500, _O, "a filter of the site has failed; the log has a traceback (filters_on_error)")
APP_BUSY = _reason("app_busy", 503, _O, "all threads of the app are busy, and so is its queue (app_threads, app_queue)")
AUTH_BUSY = _reason("auth_busy", 503, _O, "too many passwords are being checked at a time (basic_auth)")
AUTH_UNREACHABLE = _reason("auth_unreachable", 503, _O, "the server of forward_auth does not say whether the request may in")
KEYS_UNKNOWN = _reason("keys_unknown", 503, _O, "the keys of tokens cannot be had from their server (jwt)")
ONLY_IF_CACHED = _reason("only_if_cached", 504, _D, "only-if-cached, and nothing is stored that would do (RFC 9111 §5.2.1.7)")
SHARED_CUT = _reason("shared_cut", 502, _U, "the answer to another request, which this one shared, has ended early (RFC 9112 §8)")
STORED_DAMAGED = _reason("stored_damaged", 500, _O, "a stored body turned out to be damaged while it was sent")
INTERNAL = _reason("internal", 500, _O, "the proxy failed; the log has a traceback")
HEDGED_OUT = _reason("hedged_out", 0, _O, "another peer's answer began first")
EXHAUSTED = _reason("exhausted", 503, _O, "the proxy has no descriptor or memory left for a connection to a peer", untouched=True)
TOTAL_TIMEOUT = _reason("total_timeout", 504, _O, "the answer was not complete within the route's total_timeout")
STREAM_KILLED = _reason("killed", 0, _O, "the operator, or the end of the proxy, cut the connection")
STOPPING = _reason("stopping", 503, _O, "the proxy is stopping")
