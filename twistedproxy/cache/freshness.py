"""Freshness lifetime (RFC 9111 §4.2.1) and age (§4.2.3), as functions of what a response says and when it came."""

from __future__ import annotations

from typing import Final

from twistedproxy.cache.dates import parse_date, single_date
from twistedproxy.cache.directives import Directives, age_value
from twistedproxy.message import Headers
from twistedproxy.settings.caches import CacheValid

#: A guess at freshness is this part of the time since the last modification, and at most a day (RFC 9111 §4.2.2).
GUESSED_PART: Final = 0.1
LONGEST_GUESS: Final = 86_400.0


def explicit_lifetime(headers: Headers, directives: Directives, response_time: float, *, expires: bool = True) -> float | None:
    """
    The freshness lifetime in seconds that a response gives itself for a shared cache; None when it says nothing.

    Malformed values make it 0, repeated ones count with the shortest (RFC 9111 §4.2.1).

    :param expires: whether Expires has a say
    """
    # §5.2.2.10: s-maxage overrides max-age and Expires in a shared cache.
    seconds = directives.seconds(b"s-maxage", safe=0)
    if seconds is None:
        # §5.2.2.1, §5.3: max-age overrides Expires.
        seconds = directives.seconds(b"max-age", safe=0)
    if seconds is not None:
        return float(seconds)
    values = headers.get_all(b"expires") if expires else []
    if not values:
        return None
    moments = [parse_date(value, response_time) for value in values]
    if None in moments:
        return 0.0  # §5.3: an invalid date, "0" above all, is a time in the past.
    # §4.2.1: the value of Expires minus the value of Date; without Date, the time of arrival (RFC 9110 §6.6.1).
    date = single_date(headers.get_all(b"date"), response_time)
    return max(0.0, min(m for m in moments if m is not None) - (response_time if date is None else date))


def assigned_lifetime(status: int, cache_valid: CacheValid) -> float | None:
    """The lifetime in seconds that the site assigns to silent responses of *status*: the first line that names it, or any."""
    for statuses, seconds in cache_valid:
        if not statuses or status in statuses:
            return seconds
    return None


def guessed_lifetime(headers: Headers, response_time: float) -> float | None:
    """A lifetime in seconds by the time since Last-Modified (RFC 9111 §4.2.2); None when that is not known, or in the future."""
    modified = single_date(headers.get_all(b"last-modified"), response_time)
    if modified is None:
        return None
    date = single_date(headers.get_all(b"date"), response_time)
    unchanged = (response_time if date is None else date) - modified
    return min(GUESSED_PART * unchanged, LONGEST_GUESS) if unchanged > 0 else None


def initial_age(headers: Headers, request_time: float, response_time: float) -> float:
    """
    The corrected initial age in seconds (RFC 9111 §4.2.3).

    :param request_time: when the request was sent, seconds since 1970
    :param response_time: when the response's head arrived, seconds since 1970
    """
    date = single_date(headers.get_all(b"date"), response_time)
    apparent_age = 0.0 if date is None else max(0.0, response_time - date)
    # A clock that was set back in between must not make the response younger.
    response_delay = max(0.0, response_time - request_time)
    corrected_age_value = age_value(headers) + response_delay
    return max(apparent_age, corrected_age_value)


def current_age(initial: float, response_time: float, now: float) -> float:
    """The age in seconds of a response that had the age *initial* when it came (RFC 9111 §4.2.3)."""
    return initial + max(0.0, now - response_time)
