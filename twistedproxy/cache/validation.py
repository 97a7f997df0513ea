"""
Validation (RFC 9111 §4.3) and invalidation (§4.4): conditions for the peer, conditions of the client, what a 304 and a
response to HEAD change in a stored response, and what an unsafe request makes invalid.  Pure functions.
"""

from __future__ import annotations

import re
from typing import Final

from twistedproxy.cache.dates import single_date
from twistedproxy.cache.key import key_of_reference
from twistedproxy.cache.outcomes import StoreVerdict
from twistedproxy.cache.policy import SAFE_METHODS, stored_fields
from twistedproxy.message import Headers, ResponseHead

# entity-tag = [ %s"W/" ] DQUOTE *etagc DQUOTE (RFC 9110 §8.8.3)
_ETAG: Final = rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_ETAG_LIST: Final = re.compile(rb"[ \t,]*(?:" + _ETAG + rb"[ \t]*(?:,[ \t,]*|\Z))+")
_OPAQUE: Final = re.compile(rb'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')

_CONDITIONS: Final = frozenset((b"if-none-match", b"if-modified-since"))

# A 304 does not update these: they describe the stored content itself, which stays (RFC 9111 §3.2).
_KEPT: Final = frozenset((b"content-encoding", b"content-length", b"content-md5", b"content-range", b"etag"))

# Left out of a 304 that we make: they describe content that is not sent (RFC 9110 §15.4.5).
_NOT_IN_304: Final = frozenset(
    (
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-md5",
        b"content-range",
        b"content-type",
        b"last-modified",
    )
)


def conditional_fields(asked: Headers, stored: Headers) -> Headers:
    """
    The fields of a request, its conditions replaced by those that validate the *stored* response (RFC 9111 §4.3.1).

    Meant for a stored response that :func:`twistedproxy.cache.policy.has_validator`.
    """
    conditions = []
    etags = stored.get_all(b"etag")
    if len(etags) == 1:
        conditions.append((b"If-None-Match", etags[0]))
    modified = stored.get_all(b"last-modified")
    if len(modified) == 1 and single_date(modified, 0.0) is not None:
        conditions.append((b"If-Modified-Since", modified[0]))
    return asked.without(_CONDITIONS).plus(*conditions)


def client_has(asked: Headers, status: int, stored: Headers, response_time: float) -> bool:
    """
    Whether the client's own conditions find that it has the stored response already, so that 304 is its answer (§4.3.2).

    If-None-Match is compared weakly and overrides If-Modified-Since (RFC 9110 §13.2.2); malformed conditions are ignored.

    :param status: of the stored response; conditions have a meaning for successful ones only (RFC 9110 §13.2.1)
    :param response_time: when the stored response came, seconds since 1970
    """
    if not 200 <= status <= 299:
        return False
    tags = asked.joined(b"if-none-match")
    if tags is not None:
        if tags.strip(b" \t") == b"*":
            return True
        etag = stored.get(b"etag")
        if etag is None or not _ETAG_LIST.fullmatch(tags):
            return False
        return _opaque(etag) in _OPAQUE.findall(tags)
    since = single_date(asked.get_all(b"if-modified-since"), response_time)
    if since is None:
        return False
    # RFC 9111 §4.3.2: Last-Modified; without it Date; without that, the time of arrival.
    changed = single_date(stored.get_all(b"last-modified"), response_time)
    if changed is None:
        changed = single_date(stored.get_all(b"date"), response_time)
    return (response_time if changed is None else changed) <= since


def _opaque(etag: bytes) -> bytes:
    return etag[2:] if etag.startswith(b"W/") else etag


def speaks_of(response: Headers, stored: Headers) -> bool:
    """
    Whether a 304 that answers our own conditions is about the *stored* response (RFC 9111 §4.3.4).

    A strong ETag must be the stored one; a weak one must match weakly; Last-Modified counts where no ETag decides.  A 304
    without validators can only mean what we asked about.
    """
    etag = response.get(b"etag")
    if etag is not None:
        have = stored.get(b"etag")
        if have is None:
            return False
        return etag == have if not etag.startswith(b"W/") else _opaque(etag) == _opaque(have)
    modified = response.get(b"last-modified")
    return modified is None or modified == stored.get(b"last-modified")


def freshened_fields(stored: Headers, response: Headers) -> Headers:
    """
    The stored fields after an update by a 304 or by a response to HEAD: each field that came replaces its namesakes (§3.2).

    Age is among them, as the new age is reckoned from it; ``policy.stored_fields`` takes it out again.  The old Date goes in
    any case: without a new one the time of arrival counts (RFC 9110 §6.6.1).
    """
    news = [*stored_fields(response).without(_KEPT), *((b"Age", value) for value in response.get_all(b"age"))]
    return Headers((*stored.without({b"date", *(name.lower() for name, _ in news)}), *news))


def head_update(stored: Headers, length: int, response: ResponseHead) -> StoreVerdict:
    """
    What a 200 to HEAD says of the stored response to GET (RFC 9111 §4.3.5).

    :param length: bytes of the stored body
    :return: UPDATED when its fields may update the stored ones, OUTDATED when the stored response is no longer current
    """
    answered = response.headers
    for name in (b"etag", b"last-modified"):
        if name in answered and answered.get(name) != stored.get(name):
            return StoreVerdict.OUTDATED
    said = answered.get(b"content-length")
    if said is not None and said != b"%d" % length:
        return StoreVerdict.OUTDATED
    return StoreVerdict.UPDATED


def not_modified_fields(stored: Headers) -> Headers:
    """The fields of a 304 that is answered from a stored response (RFC 9110 §15.4.5); Age is the caller's to add."""
    return stored.without(_NOT_IN_304 - {b"last-modified"} if b"etag" not in stored else _NOT_IN_304)


def invalidated_keys(method: bytes, key: bytes, response: ResponseHead) -> tuple[bytes, ...]:
    """
    The keys that the answer to a request makes invalid (RFC 9111 §4.4): none unless the method is unsafe and it succeeded.

    :param key: the primary key of the request
    """
    if method in SAFE_METHODS or not 200 <= response.status <= 399:
        return ()
    keys = [key]
    for name in (b"location", b"content-location"):
        for reference in response.headers.get_all(name):
            other = key_of_reference(key, reference)
            if other is not None and other not in keys:
                keys.append(other)
    return tuple(keys)
