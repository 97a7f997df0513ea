"""What the cache can say about a request and about a response, each with its reason."""

from __future__ import annotations

from enum import Enum
from typing import Final

from twistedproxy.verdicts import Verdict


class Outcome(Enum):
    """What an exchange does next after a lookup."""

    SERVE = "answer with the stored response"
    PART = "answer with parts of the stored response"
    NOT_MODIFIED = "answer 304: the client has the stored response already"
    REVALIDATE = "ask the peer whether the stored response still holds"
    FETCH = "forward the request; the answer may be stored"
    PASS = "forward the request; the answer is not stored"
    UNAVAILABLE = "answer 504: the client wants nothing but a stored response"


#: A lookup with one of these is a hit: no peer is asked.
HITS: Final = frozenset((Outcome.SERVE, Outcome.PART, Outcome.NOT_MODIFIED))


class LookupVerdict(Verdict):
    """
    Why a request is answered from the cache, or not.

    :ivar fwd: the word of Cache-Status's ``fwd`` parameter (RFC 9211 §2.2); empty for a hit
    """

    fwd: bytes

    def __new__(cls, sentence: str, fwd: bytes) -> LookupVerdict:
        member = object.__new__(cls)
        member._value_ = sentence
        member.fwd = fwd
        return member

    FRESH = "a fresh response is stored (RFC 9111 §4.2)", b""
    STALE_ACCEPTED = "the stored response is stale, but within the request's max-stale (RFC 9111 §5.2.1.2)", b""

    UPDATING = "the stored response is stale, and an update goes on behind (RFC 5861 §3)", b""
    STANDING_IN = "the stored response is stale, and stands in for an error (RFC 5861 §4, RFC 9111 §4.2.4)", b"stale"

    EXPIRED = "the stored response is stale (RFC 9111 §4.2)", b"stale"
    NO_CACHE = "the stored response says no-cache (RFC 9111 §5.2.2.4)", b"stale"
    CLOCK_WENT_BACK = "the clock stands before the time at which the response was stored", b"stale"
    REQUEST_NO_CACHE = "the request says no-cache (RFC 9111 §5.2.1.4)", b"request"
    REQUEST_MAX_AGE = "the stored response is older than the request's max-age (RFC 9111 §5.2.1.1)", b"request"
    REQUEST_MIN_FRESH = "the stored response is not fresh for the request's min-fresh (RFC 9111 §5.2.1.3)", b"request"

    NOTHING_STORED = "nothing is stored for this URI", b"uri-miss"
    INCOMPLETE = "only a part is stored, and not the one that is asked for (RFC 9111 §3.3)", b"partial"
    NO_VARIANT = "what is stored for this URI was selected by other request fields (RFC 9111 §4.1)", b"vary-miss"

    METHOD = "only GET and HEAD are answered from the cache", b"method"
    REQUEST_NO_STORE = "the request says no-store (RFC 9111 §5.2.1.5)", b"bypass"
    REQUEST_BODY = "the request has a body, which may have a say in the answer", b"bypass"
    REQUEST_UPGRADE = "the request asks for another protocol", b"bypass"
    REQUEST_RANGE = "the request asks for a part, and what is stored is stale (RFC 9110 §14.2)", b"bypass"
    REQUEST_PRECONDITION = "If-Match and If-Unmodified-Since are for the origin (RFC 9111 §4.3.2)", b"bypass"
    TARGET = "the target is not a path", b"bypass"
    COLLAPSED = "the answer to another request, for which this one has waited, serves it too (RFC 9111 §4)", b""
    NOT_SHARED = "the answer to the request that this one waited for is not for others", b"miss"
    LOCK_TIMEOUT = "the request has waited for another one's answer for cache_lock_timeout", b"miss"
    BYPASS = "the route's cache_bypass holds: a peer is asked, and its answer may be stored", b"bypass"


class StoreVerdict(Verdict):
    """Why a response was stored, or not."""

    STORED = "stored"
    FRESHENED = "a 304 made the stored response fresh again (RFC 9111 §4.3.4)"
    UPDATED = "a response to HEAD updated the stored response (RFC 9111 §4.3.5)"

    PASSED = "the request was not for the cache"
    METHOD = "only responses to GET are stored"
    OUTDATED = "a response to HEAD shows that the stored response is outdated: it was dropped (RFC 9111 §4.3.5)"
    STATUS_PARTIAL = "the 206 has several parts, or does not say which it is (RFC 9110 §15.3.7)"
    STATUS_RANGE = "416 is about the part that was asked for (RFC 9110 §15.5.17)"
    STATUS_NOT_MODIFIED = "a 304 has no content of its own (RFC 9110 §15.4.5)"
    STATUS_NOT_UNDERSTOOD = "must-understand, and this status has no rules here (RFC 9111 §5.2.2.3)"
    MALFORMED = "Cache-Control is malformed: what it meant to forbid is unknown"
    NO_STORE = "the response says no-store (RFC 9111 §5.2.2.5)"
    PRIVATE = "the response says private (RFC 9111 §5.2.2.7)"
    AUTHORIZATION = "the request had Authorization, and the response does not allow sharing (RFC 9111 §3.5)"
    VARY_STAR = "Vary names *: no other request can match (RFC 9111 §4.1)"
    VARY_OURS = "Vary names a field that the proxy makes for each client: requests cannot be told apart by it (RFC 9111 §4.1)"
    SET_COOKIE = "the response sets a cookie and says neither public nor s-maxage"
    COOKIE = "the request had cookies, and the response says nothing of caching nor of Vary: Cookie"
    SILENT = "the response says nothing of caching, and no cache_valid covers its status (RFC 9111 §3)"
    NEVER_FRESH = "the response is stale at once and has no validator"
    TOO_LARGE = "the body is larger than max_entry"
    SKIPPED = "the route's cache_skip holds"
    FEW_USES = "it was not asked for often enough yet (cache_min_uses)"
    POST = "an answer to POST is stored only with a freshness of its own and a Content-Location that is its URI (RFC 9110 §9.3.3)"

    MISMATCH = "the 304 is about another representation than the stored one (RFC 9111 §4.3.4)"
    CUT = "the body is incomplete (RFC 9111 §3.3)"
    SUPERSEDED = "the URI was invalidated or purged while the response came in (RFC 9111 §4.4)"
    ABANDONED = "the exchange ended before the response was complete"
    DISK = "the cache directory could not be written"
