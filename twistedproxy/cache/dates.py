"""
HTTP-date (RFC 9110 §5.6.7): the three forms that a recipient must understand, and nothing else.  Letter case means nothing to
a cache (RFC 9111 §4.2).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Final

_MONTHS: Final = {m: n for n, m in enumerate((b"jan feb mar apr may jun jul aug sep oct nov dec").split(), 1)}
_MONTH: Final = rb"(?P<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_TIME: Final = rb"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_SHORT_DAY: Final = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"

# IMF-fixdate = day-name "," SP day SP month SP year SP time-of-day SP GMT
_FIXDATE: Final = re.compile(_SHORT_DAY + rb", (?P<day>[0-9]{2}) " + _MONTH + rb" (?P<year>[0-9]{4}) " + _TIME + rb" GMT", re.I)
# rfc850-date = day-name-l "," SP 2DIGIT "-" month "-" 2DIGIT SP time-of-day SP GMT
_RFC850: Final = re.compile(
    rb"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?P<day>[0-9]{2})-" + _MONTH + rb"-(?P<year>[0-9]{2}) " + _TIME + rb" GMT",
    re.I,
)
# asctime-date = day-name SP month SP ( 2DIGIT / ( SP 1DIGIT )) SP time-of-day SP year
_ASCTIME: Final = re.compile(_SHORT_DAY + rb" " + _MONTH + rb" (?P<day>[0-9]{2}| [0-9]) " + _TIME + rb" (?P<year>[0-9]{4})", re.I)


def parse_date(value: bytes, now: float) -> float | None:
    """
    The moment that an HTTP-date names, in seconds since 1970; None when it is malformed.

    :param now: seconds since 1970, to find the century of a two-digit year: one that would lie more than 50 years ahead
        is in the past (RFC 9110 §5.6.7)
    """
    found = _FIXDATE.fullmatch(value) or _RFC850.fullmatch(value) or _ASCTIME.fullmatch(value)
    if found is None:
        return None
    year = int(found["year"])
    if len(found["year"]) == 2:
        this_year = datetime.fromtimestamp(now, UTC).year
        year += this_year // 100 * 100
        if year > this_year + 50:
            year -= 100
    second = int(found["second"])
    if second > 60:
        return None
    try:
        # Second 60 is a leap second, which datetime does not know.
        moment = datetime(
            year,
            _MONTHS[found["month"].lower()],
            int(found["day"]),
            int(found["hour"]),
            int(found["minute"]),
            min(second, 59),
            tzinfo=UTC,
        )
    except ValueError:
        return None
    return moment.timestamp()


def single_date(values: list[bytes], now: float) -> float | None:
    """The moment that a date field names; None when it is absent, malformed, or comes twice with differing values."""
    if len(set(values)) != 1:
        return None
    return parse_date(values[0], now)


def format_date(moment: float) -> bytes:
    """An IMF-fixdate for *moment*, seconds since 1970."""
    return formatdate(moment, usegmt=True).encode("ascii")
