"""
Verdicts: what was decided about an exchange and why, as shared constants that print well.

A verdict is never built on the way of a request; the exchange keeps references to these constants, so that keeping the
whole story of a request costs nothing, and logs, ``Cache-Status`` and the shell print the same words.
"""

from __future__ import annotations

from enum import Enum


class Verdict(Enum):
    """The base of all verdicts; the value is the sentence that people read."""

    def __str__(self) -> str:
        return str(self.value)


class RouteVerdict(Verdict):
    """Outcome of routing."""

    MATCHED = "a route matched"
    NO_ROUTE = "no route matches this host and path"


class ChooseVerdict(Verdict):
    """Why a pool offered a peer, or none."""

    SCHEDULED = "the scheduler's next peer"
    BACKUP = "every primary peer is unavailable: a backup was taken"
    ALL_DOWN = "no peer is available: each is down, draining, in maintenance or of weight 0"
    ALL_TRIED = "every available peer was tried"
    EMPTY = "the pool has no peer"
    ALL_FULL = "every available peer has as many exchanges as its max_connections"
    QUEUED = "every available peer is full: it waits in the pool's queue"
    QUEUE_FULL = "every available peer is full, and so is the pool's queue"
    QUEUE_TIMEOUT = "no peer had room for it within the time of the pool's queue"


class RetryVerdict(Verdict):
    """What follows after an attempt failed."""

    ELSEWHERE = "try another peer"
    AGAIN = "the kept-alive connection had been closed by the peer: try the same peer on a new connection"
    GIVE_UP_SENT = "bytes of a request that must not be repeated were already sent"
    GIVE_UP_ANSWERED = "a part of the answer already went to the client"
    GIVE_UP_TRIES = "no try is left"
    GIVE_UP_TIME = "retry_timeout is over"
    GIVE_UP_UNLISTED = "the route's retry does not name what happened"
    GIVE_UP_BUDGET = "the pool's retry_budget is spent"
    GIVE_UP_ALONE = "no other peer can be asked: the answer stands"
    ANSWERED_BADLY = "the answer has a status that the route's retry names: try another peer"
    HEDGED = "no answer has begun within hedge: a second peer is asked as well"


class FileVerdict(Verdict):
    """What a path means where a directory is served."""

    FILE = "the path names a file"
    INDEX = "the path names a directory, whose index answers for it"
    FALLBACK = "the path names nothing that is there: another file of try_files answers for it"
    LISTED = "the path names a directory without an index: what is in it is listed (listing)"
    DIRECTORY = "the path names a directory and lacks its slash at the end: the client is sent there"
    PASSED_OVER = "it is not for files: another method than GET and HEAD, or a WebSocket"
    NO_NAME = "no file can have such a name"
    MISSING = "nothing that is looked for is there"
    HIDDEN = "names that begin with a dot are not served (dotfiles)"
    UNLISTED = "the path names a directory, which has no index and is not listed (index, listing)"
    OUTSIDE = "a symbolic link leads out of the directory (symlinks)"
    SPECIAL = "what is there is neither a file nor a directory"
    UNREADABLE = "the system does not let the proxy read it"
