"""What the cache did, said to the client: the member of Cache-Status (RFC 9211) and the word of X-Cache-Status."""

from __future__ import annotations

from twistedproxy.cache.outcomes import HITS, LookupVerdict, Outcome, StoreVerdict

_HIT_WORDS = {LookupVerdict.STALE_ACCEPTED: b"STALE", LookupVerdict.UPDATING: b"UPDATING"}
_STORED = frozenset((StoreVerdict.STORED, StoreVerdict.FRESHENED, StoreVerdict.UPDATED))


def cache_status(
    name: bytes,
    verdict: LookupVerdict,
    outcome: Outcome,
    *,
    ttl: int | None = None,
    fwd_status: int | None = None,
    stored: StoreVerdict | None = None,
    collapsed: bool = False,
    key: bytes | None = None,
) -> bytes:
    """
    The member that this cache adds to Cache-Status (RFC 9211 §2).

    :param name: how this cache calls itself, a token
    :param verdict: why the request was answered from the cache, or not
    :param outcome: what the lookup said should be done
    :param ttl: seconds of freshness left of the response that goes out, negative when stale
    :param fwd_status: the status with which the peer answered; said where it differs from what the client sees
    :param stored: what became of the peer's answer; a refusal is said as ``detail``
    :param collapsed: another request was sent, whose answer serves this one as well (§2.6)
    :param key: the primary key, where the site wants that said (§2.7)
    """
    parts = [name]
    if outcome in HITS and not collapsed:
        parts.append(b"hit")
    elif outcome is Outcome.UNAVAILABLE:
        # §2.2: nothing was forwarded, and nothing hit: neither parameter applies.
        parts.append(b"detail=only-if-cached")
    else:
        parts.append(b"fwd=" + verdict.fwd)
        if fwd_status is not None:
            parts.append(b"fwd-status=%d" % fwd_status)
        if stored in _STORED:
            parts.append(b"stored")
        if collapsed:
            parts.append(b"collapsed")
        elif stored in _STORED:
            pass
        elif outcome is Outcome.PASS:
            parts.append(b"detail=" + _token(verdict.name))
        elif verdict is LookupVerdict.STANDING_IN:
            parts.append(b"detail=standing-in")
        elif stored is not None:
            parts.append(b"detail=" + _token(stored.name))
    if ttl is not None:
        parts.append(b"ttl=%d" % ttl)
    if key is not None:
        parts.append(b"key=" + _string(key))
    return b"; ".join(parts)


def _string(text: bytes) -> bytes:
    """A String of RFC 9651 §3.3.3; what it cannot hold is percent-encoded."""
    safe = b"".join(b"%c" % byte if 0x20 <= byte <= 0x7E else b"%%%02X" % byte for byte in text)
    return b'"' + safe.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _token(name: str) -> bytes:
    return name.lower().replace("_", "-").encode("ascii")


def status_word(verdict: LookupVerdict, outcome: Outcome, fwd_status: int | None = None, *, collapsed: bool = False) -> bytes:
    """
    The word of X-Cache-Status: HIT, STALE, UPDATING, REVALIDATED, EXPIRED, MISS or BYPASS.

    :param fwd_status: the status with which the peer answered
    """
    if verdict is LookupVerdict.STANDING_IN:
        return b"STALE"
    if outcome in HITS and not collapsed:
        return _HIT_WORDS.get(verdict, b"HIT")
    if outcome is Outcome.REVALIDATE and fwd_status == 304:
        return b"REVALIDATED"
    if outcome is Outcome.PASS or verdict.fwd in (b"request", b"bypass"):
        return b"BYPASS"
    return b"EXPIRED" if verdict.fwd == b"stale" else b"MISS"
