"""
What people can do about a failure: for each :class:`~twistedproxy.errors.Reason` that is not the client's doing, the cause in
a few words and one sentence with what to look at, and with the knob that has a say.

The error log writes them once a failure, and ``why()`` of the shell shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from twistedproxy import errors
from twistedproxy.errors import Reason


@dataclass(frozen=True, slots=True)
class Remedy:
    """
    What is behind a failure.

    :ivar cause: in a few words, as people search for it
    :ivar remedy: what they can do, in one sentence without a full stop
    """

    cause: str
    remedy: str


_MALFORMED: Final = "look at the peer's raw answer (curl -v straight to it): what is malformed is never passed on"

_REMEDIES: Final[dict[Reason, Remedy]] = {
    errors.CONNECT_REFUSED_BY_PEER: Remedy(
        "connection refused", "nobody listens at that address: start the server, or correct its line in servers"
    ),
    errors.CONNECT_FAILED: Remedy(
        "unreachable", "no packet gets there: look at routes and firewalls between here and the address in servers"
    ),
    errors.CONNECT_TIMEOUT: Remedy(
        "connect timeout",
        "the address swallows what is sent there, or its server is overloaded: look at the host and at firewalls, or raise "
        "connect_timeout",
    ),
    errors.NAME_UNRESOLVED: Remedy(
        "name not resolved", "look the name up on this machine (getent hosts NAME), and correct servers or the machine's resolver"
    ),
    errors.TLS_FAILED: Remedy(
        "TLS handshake failed",
        "see whether the peer speaks TLS at that port (openssl s_client -connect), and compare versions and ciphers; a peer that "
        "speaks plain HTTP has no https:// before it in servers",
    ),
    errors.TLS_UNVERIFIED: Remedy(
        "TLS name or certificate",
        "let the peer show a certificate that is valid for its name, say which name that is (server_name), or name who has "
        "issued it (ca)",
    ),
    errors.SEND_TIMEOUT: Remedy(
        "send timeout", "the peer does not read the request's body: find out what it waits for, or raise send_timeout"
    ),
    errors.READ_TIMEOUT: Remedy(
        "no answer in time", "find out what the peer is busy with (its own log), or raise read_timeout where answers take long"
    ),
    errors.PEER_CLOSED: Remedy(
        "closed before the answer",
        "the peer hung up instead of answering: look for a crash, a restart or a limit of its own in its log",
    ),
    errors.PEER_RESET: Remedy(
        "reset before the answer",
        "the peer, or something between, broke the connection: look for a crash or a killed worker in the peer's log",
    ),
    errors.KEPT_CLOSED: Remedy(
        "a kept connection was closed",
        "the peer closes idle connections sooner than they are given up here: set keepalive_timeout below the peer's own timeout",
    ),
    errors.STREAM_REFUSED: Remedy(
        "HTTP/2 stream refused",
        "the peer takes no more streams on its connection: lower max_connections behind it, or raise its limit",
    ),
    errors.PEER_LEFT: Remedy(
        "the peer is leaving", "it closes its HTTP/2 connections, as a restart does: drain it before, or let retry name error"
    ),
    errors.BAD_RESPONSE: Remedy("malformed answer", _MALFORMED),
    errors.BAD_RESPONSE_FIELD: Remedy("malformed answer: a header field", _MALFORMED),
    errors.BAD_RESPONSE_LENGTH: Remedy("malformed answer: its length", _MALFORMED),
    errors.BAD_RESPONSE_CODING: Remedy("malformed answer: its transfer coding", _MALFORMED),
    errors.BAD_RESPONSE_CHUNK: Remedy("malformed answer: its chunked body", _MALFORMED),
    errors.BAD_CONTENT_CODING: Remedy(
        "malformed answer: its compression",
        "the body is not what Content-Encoding says; mend the peer, or take away what has to read bodies (substitute, filters)",
    ),
    errors.RESPONSE_HEAD_TOO_LARGE: Remedy(
        "malformed answer: its head is too large",
        "see which field of the peer has grown, most often cookies, and let it set less",
    ),
    errors.TOO_MANY_INTERIM: Remedy("malformed answer: too many 1xx", _MALFORMED),
    errors.RESPONSE_CUT: Remedy(
        "cut in mid-answer",
        "the peer broke off before the end of the body: look for a crash, a killed worker or a timeout in its log; the client "
        "sees the cut as well",
    ),
    errors.UNASKED_UPGRADE: Remedy("malformed answer: 101 that nobody asked for", _MALFORMED),
    errors.BAD_UPGRADE_ANSWER: Remedy(
        "malformed answer: the WebSocket handshake", "see whether a WebSocket server answers at that path, straight at the peer"
    ),
    errors.NO_PEER: Remedy(
        "no peer is available",
        "peers('POOL') in the shell shows why each is out: mend one, or restore() what was drained; fail_open tries those "
        "that are down, a backup in servers stands in",
    ),
    errors.ALL_FULL: Remedy(
        "all peers are full", "raise max_connections behind the servers, add a server, or let requests wait (queue)"
    ),
    errors.QUEUE_FULL: Remedy(
        "queue full", "more comes than the peers serve: add servers, raise max_connections, or lengthen the pool's queue"
    ),
    errors.QUEUE_TIMEOUT: Remedy(
        "queue timeout",
        "the peers are busy for longer than queue … timeout=: add servers, raise max_connections, or let it wait longer",
    ),
    errors.FAILED_STATUS: Remedy("a status in fail_statuses", "the peer has failed by its own words: its log says why"),
    errors.STREAM_CUT: Remedy("a stream was broken", "the peer reset the connection: look for a crash or a timeout in its log"),
    errors.SHARED_CUT: Remedy(
        "cut in mid-answer, for those who shared it",
        "the request that asked the peer for all of them has failed: its own line in the log says why; cache_lock shares answers",
    ),
    errors.ONLY_IF_CACHED: Remedy(
        "only-if-cached", "the client wanted nothing but a stored answer, and none would do; cache_why(URL) in the shell says why"
    ),
    errors.TOO_MANY_WEBSOCKETS: Remedy("too many WebSockets", "raise websocket_max, if memory and files suffice, or add a proxy"),
    errors.FILTER_FAILED: Remedy(
        "a filter failed", "the log has its traceback; filters_on_error = open goes on without it until it is mended"
    ),
    errors.AUTH_BUSY: Remedy(
        "too many passwords to check",
        "raise basic_auth_remember so that passwords are checked less often, or limit who asks ([limit …]): somebody may "
        "be guessing",
    ),
    errors.AUTH_UNREACHABLE: Remedy(
        "forward_auth does not answer", "see that the server in forward_auth runs and is reached from here within its timeout"
    ),
    errors.KEYS_UNKNOWN: Remedy(
        "no keys for tokens", "see that the URL in jwt answers with a key set, or name a file there instead"
    ),
    errors.STORED_DAMAGED: Remedy(
        "a damaged file in the cache", "it is removed by itself; if there are more of them, look at the disk that the cache is on"
    ),
    errors.INTERNAL: Remedy("a fault of the proxy", "the log has a traceback: please report it"),
    errors.HEDGED_OUT: Remedy("lost against its hedge", "nothing is wrong: another peer's answer began first (hedge)"),
    errors.EXHAUSTED: Remedy(
        "out of descriptors or memory",
        "raise the limit of open files (LimitNOFILE in the unit, ulimit -n), or lower max_connections of the listeners",
    ),
    errors.TOTAL_TIMEOUT: Remedy(
        "total timeout", "the answer took longer than the route's total_timeout: raise it, or see which attempt took the time"
    ),
    errors.STREAM_KILLED: Remedy(
        "cut by the operator", "somebody said kill(), or the proxy has ended: stop_timeout is its patience"
    ),
    errors.STOPPING: Remedy(
        "the proxy is stopping", "send clients elsewhere first: /ready says 503 for drain_delay before it closes"
    ),
}


def remedy_for(reason: Reason) -> Remedy | None:
    """What is known of *reason*; None for what clients do wrong."""
    return _REMEDIES.get(reason)
