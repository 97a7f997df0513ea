"""
What people can do about a failure: for each :class:`~twistedproxy.errors.Reason` that is not the client's doing, the cause in
a few words and one sentence with what to look at, and with the knob that has a say.

The error log writes them once a failure, and ``why()`` of the shell shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

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

#: By the reasons' names.
_REMEDIES: Final[dict[str, Remedy]] = {
    "refused": Remedy("connection refused", "nobody listens at that address: start the server, or correct its line in servers"),
    "connect_failed": Remedy(
        "unreachable", "no packet gets there: look at routes and firewalls between here and the address in servers"
    ),
    "connect_timeout": Remedy(
        "connect timeout",
        "the address swallows what is sent there, or its server is overloaded: look at the host and at firewalls, or raise "
        "connect_timeout",
    ),
    "dns": Remedy(
        "name not resolved", "look the name up on this machine (getent hosts NAME), and correct servers or the machine's resolver"
    ),
    "tls_failed": Remedy(
        "TLS handshake failed",
        "see whether the peer speaks TLS at that port (openssl s_client -connect), and compare versions and ciphers; a peer that "
        "speaks plain HTTP has no https:// before it in servers",
    ),
    "tls_unverified": Remedy(
        "TLS name or certificate",
        "let the peer show a certificate that is valid for its name, say which name that is (server_name), or name who has "
        "issued it (ca)",
    ),
    "send_timeout": Remedy(
        "send timeout", "the peer does not read the request's body: find out what it waits for, or raise send_timeout"
    ),
    "read_timeout": Remedy(
        "no answer in time", "find out what the peer is busy with (its own log), or raise read_timeout where answers take long"
    ),
    "peer_closed": Remedy(
        "closed before the answer",
        "the peer hung up instead of answering: look for a crash, a restart or a limit of its own in its log",
    ),
    "peer_reset": Remedy(
        "reset before the answer",
        "the peer, or something between, broke the connection: look for a crash or a killed worker in the peer's log",
    ),
    "kept_closed": Remedy(
        "a kept connection was closed",
        "the peer closes idle connections sooner than they are given up here: set keepalive_timeout below the peer's own timeout",
    ),
    "stream_refused": Remedy(
        "HTTP/2 stream refused",
        "the peer takes no more streams on its connection: lower max_connections behind it, or raise its limit",
    ),
    "peer_left": Remedy(
        "the peer is leaving", "it closes its HTTP/2 connections, as a restart does: drain it before, or let retry name error"
    ),
    "bad_response": Remedy("malformed answer", _MALFORMED),
    "bad_response_field": Remedy("malformed answer: a header field", _MALFORMED),
    "bad_response_length": Remedy("malformed answer: its length", _MALFORMED),
    "bad_response_coding": Remedy("malformed answer: its transfer coding", _MALFORMED),
    "bad_response_chunk": Remedy("malformed answer: its chunked body", _MALFORMED),
    "bad_content_coding": Remedy(
        "malformed answer: its compression",
        "the body is not what Content-Encoding says; mend the peer, or take away what has to read bodies (substitute, filters)",
    ),
    "response_head_too_large": Remedy(
        "malformed answer: its head is too large",
        "see which field of the peer has grown, most often cookies, and let it set less",
    ),
    "too_many_interim": Remedy("malformed answer: too many 1xx", _MALFORMED),
    "response_cut": Remedy(
        "cut in mid-answer",
        "the peer broke off before the end of the body: look for a crash, a killed worker or a timeout in its log; the client "
        "sees the cut as well",
    ),
    "unasked_upgrade": Remedy("malformed answer: 101 that nobody asked for", _MALFORMED),
    "bad_upgrade_answer": Remedy(
        "malformed answer: the WebSocket handshake", "see whether a WebSocket server answers at that path, straight at the peer"
    ),
    "no_peer": Remedy(
        "no peer is available",
        "peers('POOL') in the shell shows why each is out: mend one, or restore() what was drained; fail_open tries those "
        "that are down, a backup in servers stands in",
    ),
    "all_full": Remedy(
        "all peers are full", "raise max_connections behind the servers, add a server, or let requests wait (queue)"
    ),
    "queue_full": Remedy(
        "queue full", "more comes than the peers serve: add servers, raise max_connections, or lengthen the pool's queue"
    ),
    "queue_timeout": Remedy(
        "queue timeout",
        "the peers are busy for longer than queue … timeout=: add servers, raise max_connections, or let it wait longer",
    ),
    "failed_status": Remedy("a status in fail_statuses", "the peer has failed by its own words: its log says why"),
    "stream_cut": Remedy("a stream was broken", "the peer reset the connection: look for a crash or a timeout in its log"),
    "shared_cut": Remedy(
        "cut in mid-answer, for those who shared it",
        "the request that asked the peer for all of them has failed: its own line in the log says why; cache_lock shares answers",
    ),
    "only_if_cached": Remedy(
        "only-if-cached", "the client wanted nothing but a stored answer, and none would do; cache_why(URL) in the shell says why"
    ),
    "too_many_websockets": Remedy("too many WebSockets", "raise websocket_max, if memory and files suffice, or add a proxy"),
    "filter_failed": Remedy(
        "a filter failed", "the log has its traceback; filters_on_error = open goes on without it until it is mended"
    ),
    "auth_busy": Remedy(
        "too many passwords to check",
        "raise basic_auth_remember so that passwords are checked less often, or limit who asks ([limit …]): somebody may "
        "be guessing",
    ),
    "auth_unreachable": Remedy(
        "forward_auth does not answer", "see that the server in forward_auth runs and is reached from here within its timeout"
    ),
    "keys_unknown": Remedy("no keys for tokens", "see that the URL in jwt answers with a key set, or name a file there instead"),
    "stored_damaged": Remedy(
        "a damaged file in the cache", "it is removed by itself; if there are more of them, look at the disk that the cache is on"
    ),
    "internal": Remedy("a fault of the proxy", "the log has a traceback: please report it"),
    "hedged_out": Remedy("lost against its hedge", "nothing is wrong: another peer's answer began first (hedge)"),
    "maintenance": Remedy("maintenance", "the site has it so: maintenance = no, or take its file away"),
    "app_failed": Remedy("the app has failed", "the log has its traceback: mend the app"),
    "app_busy": Remedy(
        "the app is busy", "raise app_threads or app_queue, or let the app run in processes of its own behind a pool"
    ),
    "file_unreadable": Remedy(
        "a file may not be read", "let the proxy's user read it, and enter the directories above it (static)"
    ),
    "file_broken": Remedy("a file cannot be read", "look at the disk, or the network, that the directory in static is on"),
    "file_changed": Remedy(
        "a file was changed while it was sent", "write new files beside the old ones, and rename them into their place"
    ),
    "files_exhausted": Remedy("out of descriptors", "raise the limit of open files (LimitNOFILE in the unit, ulimit -n)"),
    "exhausted": Remedy(
        "out of descriptors or memory",
        "raise the limit of open files (LimitNOFILE in the unit, ulimit -n), or lower max_connections of the listeners",
    ),
    "total_timeout": Remedy(
        "total timeout", "the answer took longer than the route's total_timeout: raise it, or see which attempt took the time"
    ),
    "killed": Remedy("cut by the operator", "somebody said kill(), or the proxy has ended: stop_timeout is its patience"),
    "stopping": Remedy("the proxy is stopping", "send clients elsewhere first: /ready says 503 for drain_delay before it closes"),
}


def remedy_for(reason: Reason) -> Remedy | None:
    """What is known of *reason*; None for what clients do wrong."""
    return _REMEDIES.get(reason.name)
