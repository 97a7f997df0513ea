"""
May this request be answered from the cache (RFC 9111 §4), and may this response be stored (§3)?

Pure functions: what they need of time comes in as ``now``, seconds since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from twistedproxy.cache.dates import parse_date
from twistedproxy.cache.directives import FOREVER, Directives, cache_control, pragma_no_cache
from twistedproxy.cache.extent import extent_of
from twistedproxy.cache.freshness import assigned_lifetime, current_age, explicit_lifetime, guessed_lifetime, initial_age
from twistedproxy.cache.key import key_of_reference, vary_names
from twistedproxy.cache.outcomes import LookupVerdict, StoreVerdict
from twistedproxy.cache.rules import NO_RULES, Rules
from twistedproxy.cache.targeted import response_control, withheld_fields
from twistedproxy.message import Headers, RequestHead, ResponseHead

#: Request fields that have a say in the use of a stored response; a request without any is answered by the shortest way.
TELLING_FIELDS: Final = frozenset(
    (
        b"cache-control",
        b"pragma",
        b"range",
        b"if-match",
        b"if-none-match",
        b"if-modified-since",
        b"if-unmodified-since",
    )
)

#: Fields by which a client says what it has already.
CONDITIONS: Final = frozenset((b"if-none-match", b"if-modified-since"))

#: Methods that change nothing at the origin (RFC 9110 §9.2.1); every other one invalidates (RFC 9111 §4.4).
SAFE_METHODS: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE"))

#: Final statuses whose caching requirements are met here (RFC 9111 §5.2.2.3); 304 is not stored.
UNDERSTOOD: Final = frozenset(
    (200, 203, 204, 206, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 410, 414, 421, 451, 501)
)

#: Final statuses that may be stored though nothing is said of their freshness (RFC 9110 §15.1).
HEURISTICALLY_CACHEABLE: Final = frozenset((200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501))

#: Seconds by which the clock may stand before the arrival of a stored response, as small corrections of the clock do.
CLOCK_TOLERANCE: Final = 5.0

# §3.1: not stored.  Those about the connection, those about the proxy, and those that are made anew for each answer.
_NOT_STORED: Final = frozenset(
    (
        b"age",
        b"connection",
        b"content-length",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)


@dataclass(frozen=True, slots=True)
class Terms:
    """
    On what terms a response is stored.

    :ivar initial_age: seconds of age when it came (RFC 9111 §4.2.3)
    :ivar lifetime: seconds for which it is fresh, counted from age 0 (§4.2.1)
    :ivar no_cache: never served without validation (§5.2.2.4)
    :ivar must_revalidate: never served stale (§5.2.2.2, §5.2.2.8, §5.2.2.10), but for what the next two allow
    :ivar while_revalidate: seconds of staleness in which it is served while an update goes on behind (RFC 5861 §3)
    :ivar if_error: seconds of staleness in which it stands in for an error (RFC 5861 §4)
    """

    initial_age: float
    lifetime: float
    no_cache: bool = False
    must_revalidate: bool = False
    while_revalidate: float = 0.0
    if_error: float = 0.0


@dataclass(frozen=True, slots=True)
class Wishes:
    """
    What a request says about the use of stored responses (RFC 9111 §5.2.1).

    :ivar passes: why the request is not for the cache; None when it is
    :ivar no_cache: nothing is served without validation
    :ivar max_age: seconds of age at most, or None
    :ivar min_fresh: seconds for which the response must stay fresh
    :ivar max_stale: seconds of staleness that are accepted
    :ivar only_if_cached: nothing may be asked of a peer
    :ivar ranged: parts are asked for
    :ivar bypasses: the site wants a peer to be asked whatever is stored
    """

    passes: LookupVerdict | None = None
    no_cache: bool = False
    max_age: int | None = None
    min_fresh: int = 0
    max_stale: int = 0
    only_if_cached: bool = False
    ranged: bool = False
    bypasses: bool = False


#: The wishes of a request that has none of TELLING_FIELDS.
NO_WISHES: Final = Wishes()


def request_wishes(request: RequestHead) -> Wishes:
    """What *request* says about the use of stored responses; malformed parts count as the most careful wish."""
    headers = request.headers
    if request.method not in (b"GET", b"HEAD"):
        return Wishes(passes=LookupVerdict.METHOD)
    if not request.target.startswith(b"/"):
        return Wishes(passes=LookupVerdict.TARGET)
    if request.fields.length:
        return Wishes(passes=LookupVerdict.REQUEST_BODY)
    if request.fields.upgrade:
        return Wishes(passes=LookupVerdict.REQUEST_UPGRADE)
    if not headers.has_any(TELLING_FIELDS):
        return NO_WISHES
    # RFC 9111 §4.3.2: a cache does not evaluate these two.
    if b"if-match" in headers or b"if-unmodified-since" in headers:
        return Wishes(passes=LookupVerdict.REQUEST_PRECONDITION)
    directives = cache_control(headers)
    if b"no-store" in directives:
        return Wishes(passes=LookupVerdict.REQUEST_NO_STORE)
    return Wishes(
        no_cache=b"no-cache" in directives or directives.malformed or (not directives and pragma_no_cache(headers)),
        max_age=directives.seconds(b"max-age", safe=0),
        min_fresh=directives.seconds(b"min-fresh", safe=FOREVER) or 0,
        max_stale=_max_stale(directives),
        only_if_cached=b"only-if-cached" in directives,
        # RFC 9110 §14.2: Range is defined for GET only, and ignored otherwise.
        ranged=request.method == b"GET" and b"range" in headers,
    )


def _max_stale(directives: Directives) -> int:
    # RFC 9111 §5.2.1.2: without a number, a stale response of any age is accepted.
    if directives.bare(b"max-stale"):
        return FOREVER
    return directives.seconds(b"max-stale", safe=0) or 0


def may_use(terms: Terms, response_time: float, wishes: Wishes, now: float) -> LookupVerdict:
    """
    Whether a stored response may be used for a request with *wishes* (RFC 9111 §4).

    :return: FRESH or STALE_ACCEPTED, or the reason why it must be validated first
    """
    # §4.2.3 counts on a clock that goes forward; a response "from the future" has an unknown age.
    if now < response_time - CLOCK_TOLERANCE:
        return LookupVerdict.CLOCK_WENT_BACK
    if wishes.no_cache:  # §5.2.1.4
        return LookupVerdict.REQUEST_NO_CACHE
    if terms.no_cache:  # §5.2.2.4
        return LookupVerdict.NO_CACHE
    age = current_age(terms.initial_age, response_time, now)
    if wishes.max_age is not None and age > wishes.max_age:  # §5.2.1.1
        return LookupVerdict.REQUEST_MAX_AGE
    staleness = age - terms.lifetime
    if staleness < 0:  # §4.2: fresh while the lifetime is greater than the age.
        # §5.2.1.3
        return LookupVerdict.FRESH if staleness + wishes.min_fresh <= 0 else LookupVerdict.REQUEST_MIN_FRESH
    # §4.2.4, §5.2.1.2
    if wishes.max_stale > 0 and staleness <= wishes.max_stale and not terms.must_revalidate and not wishes.min_fresh:
        return LookupVerdict.STALE_ACCEPTED
    # RFC 5861 §3; a client that says how old an answer may be gets none that is older.
    if staleness < terms.while_revalidate and wishes.max_age is None and not wishes.min_fresh:
        return LookupVerdict.UPDATING
    return LookupVerdict.EXPIRED


def may_stand_in(terms: Terms, response_time: float, now: float, *, asked: bool, error: bool) -> bool:
    """
    Whether a stored response that is :attr:`LookupVerdict.EXPIRED` may be served although no peer has confirmed it.

    :param asked: the site asks for it in this case (RFC 9111 §4.2.4)
    :param error: no peer can answer, or one answers with an error: then stale-if-error counts (RFC 5861 §4)
    """
    staleness = current_age(terms.initial_age, response_time, now) - terms.lifetime
    return not terms.no_cache and ((error and staleness < terms.if_error) or (asked and not terms.must_revalidate))


def may_store(
    request: RequestHead,
    response: ResponseHead,
    request_time: float,
    response_time: float,
    rules: Rules = NO_RULES,
    key: bytes = b"",
) -> Terms | StoreVerdict:
    """
    Whether a response to GET, or to POST where *rules* allow it, may be stored by a shared cache, and on what terms (§3).

    :param request_time: when the request was sent, seconds since 1970
    :param response_time: when the response's head came, seconds since 1970
    :param rules: what the site says
    :param key: of the request, which a response to POST has to name
    """
    if request.method == b"POST" and rules.post:
        if not _answers_get(response, response_time, rules, key):
            return StoreVerdict.POST
    elif request.method != b"GET":
        return StoreVerdict.METHOD
    if response.status == 206 and (b"range" not in request.headers or extent_of(response.headers) is None):
        return StoreVerdict.STATUS_PARTIAL
    if response.status == 416:
        return StoreVerdict.STATUS_RANGE
    if response.status == 304:
        return StoreVerdict.STATUS_NOT_MODIFIED
    return storing_terms(request.headers, response.status, response.headers, request_time, response_time, rules)


def _answers_get(response: ResponseHead, response_time: float, rules: Rules, key: bytes) -> bool:
    """Whether a response to POST says that it is what a GET would bring, and for how long (RFC 9110 §9.3.3)."""
    located = response.headers.get_all(b"content-location")
    if response.status != 200 or len(located) != 1 or key_of_reference(key, located[0]) != key:
        return False
    heard = rules.heard(response.headers)
    said, targeted = response_control(heard)
    return explicit_lifetime(heard, said, response_time, expires=not targeted) is not None


def storing_terms(
    asked: Headers,
    status: int,
    answered: Headers,
    request_time: float,
    response_time: float,
    rules: Rules = NO_RULES,
) -> Terms | StoreVerdict:
    """The part of :func:`may_store` that a response freshened by a 304 has to pass again; *asked* and *answered* are fields."""
    if rules.skips:
        return StoreVerdict.SKIPPED
    answered = rules.heard(answered)
    said, targeted = response_control(answered)
    refusal = _forbidden(asked, status, answered, said, rules.personal)
    if refusal is not None:
        return refusal
    if not rules.ours.isdisjoint(vary_names(answered)):
        return StoreVerdict.VARY_OURS
    # RFC 9213 §2.2: beside a targeted field, Expires has no say.
    lifetime = explicit_lifetime(answered, said, response_time, expires=not targeted)
    no_cache = said.whole(b"no-cache")
    silent = lifetime is None and not no_cache and b"public" not in said
    if lifetime is None and not no_cache:
        # §4.2.2: where the response says nothing, only the site decides.  Pragma has no meaning in responses (§5.4), but an
        # old origin that sends it means to say something.
        if targeted or not pragma_no_cache(answered):
            lifetime = assigned_lifetime(status, rules.valid)
            if lifetime is None and rules.heuristic and (b"public" in said or status in HEURISTICALLY_CACHEABLE):
                lifetime = guessed_lifetime(answered, response_time)
        if lifetime is None and silent:
            return StoreVerdict.SILENT
        # A page made for one user, of which its origin says nothing, is not for the next user.
        if silent and b"cookie" in asked and b"cookie" not in vary_names(answered):
            return StoreVerdict.COOKIE
    terms = Terms(
        initial_age(answered, request_time, response_time),
        lifetime or 0.0,
        no_cache,
        any(name in said for name in (b"must-revalidate", b"proxy-revalidate", b"s-maxage")),
        *_graces(said),
    )
    if (no_cache or terms.lifetime <= terms.initial_age) and not has_validator(answered):
        return StoreVerdict.NEVER_FRESH
    return terms


def _graces(said: Directives) -> tuple[float, float]:
    """
    The seconds of stale-while-revalidate and of stale-if-error (RFC 5861).

    must-revalidate and proxy-revalidate forbid both.  s-maxage implies proxy-revalidate (RFC 9111 §5.2.2.10), but who writes
    one of these two beside it means the shared cache: nobody else reads s-maxage.
    """
    if b"must-revalidate" in said or b"proxy-revalidate" in said or said.whole(b"no-cache"):
        return 0.0, 0.0
    seconds = [said.seconds(name, safe=0) or 0 for name in (b"stale-while-revalidate", b"stale-if-error")]
    return float(seconds[0]), float(seconds[1])


def _forbidden(
    asked: Headers, status: int, answered: Headers, said: Directives, personal: frozenset[bytes] | None
) -> StoreVerdict | None:
    """What forbids to store a response, however fresh it is."""
    if said.malformed:
        return StoreVerdict.MALFORMED
    if b"must-understand" in said:
        # §5.2.2.3: who understands the status ignores the no-store that stands there for those who do not.
        if status not in UNDERSTOOD:
            return StoreVerdict.STATUS_NOT_UNDERSTOOD
    elif b"no-store" in said:
        return StoreVerdict.NO_STORE
    if said.whole(b"private"):
        return StoreVerdict.PRIVATE
    known = b"authorization" in asked or personal is not None
    if known and not any(name in said for name in (b"must-revalidate", b"public", b"s-maxage")):
        return StoreVerdict.AUTHORIZATION
    if personal and not personal.isdisjoint(vary_names(answered)):
        # What it varies by is the guard's word, which no later request has.
        return StoreVerdict.VARY_STAR
    if vary_names(answered) == (b"*",):
        return StoreVerdict.VARY_STAR
    if (
        b"set-cookie" in answered
        and b"set-cookie" not in withheld_fields(answered)
        and b"public" not in said
        and b"s-maxage" not in said
    ):
        return StoreVerdict.SET_COOKIE
    return None


def stored_fields(answered: Headers) -> Headers:
    """The fields of a response that are stored (RFC 9111 §3.1)."""
    excluded = _NOT_STORED | set(answered.elements(b"connection")) | withheld_fields(answered)
    return answered.without(excluded)


def has_validator(headers: Headers) -> bool:
    """Whether a response can be validated: it has one ETag, or a Last-Modified that is a date (RFC 9110 §8.8)."""
    if len(headers.get_all(b"etag")) == 1:
        return True
    modified = headers.get_all(b"last-modified")
    return len(modified) == 1 and parse_date(modified[0], 0.0) is not None
