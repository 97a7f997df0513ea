"""Numbers, durations, sizes, yes and no, choices, text: strict, in ASCII, and each with the function that writes it back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from twistedproxy.config.problems import BadValue
from twistedproxy.spelling import choose_from


@dataclass(frozen=True)
class Context:
    """
    What a parser may know beside the text.

    :ivar directory: of the file that says it; relative paths start there
    :ivar row: the metadata of the knob: ``minimum``, ``maximum``, ``choices``
    """

    directory: str
    row: Mapping[str, Any]


_DIGITS = re.compile(r"[0-9]{1,15}")
_DURATION = re.compile(r"([0-9]{1,12})(ms|s|m|h|d)")
_SIZE = re.compile(r"([0-9]{1,15})([kmg]?)")
_RATIO = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)(%?)")
_SHARE = re.compile(r"([0-9]{1,3})%")
_MILLISECONDS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_BYTES: Final = {"g": 1024**3, "m": 1024**2, "k": 1024, "": 1}
_WORDS_FOR_YES: Final = frozenset(("true", "on", "1", "y", "enable", "enabled"))
_WORDS_FOR_NO: Final = frozenset(("false", "off", "0", "n", "disable", "disabled", "none"))


def whole_number(text: str, what: str) -> int:
    """The number that *text* writes in ASCII digits; raises BadValue, which calls it *what*."""
    if not _DIGITS.fullmatch(text):
        raise BadValue(f"{text!r} is not {what}", "write digits only")
    return int(text)


def integer(text: str, at: Context) -> int:
    """A whole number without sign."""
    return int(_bounded(whole_number(text, "a whole number"), at, str))


def duration(text: str, at: Context) -> float:
    """Seconds: ``250ms 5s 10m 24h 30d``, or ``0``."""
    if text == "0":
        return _bounded(0.0, at, write_duration)
    found = _DURATION.fullmatch(text)
    if found is None:
        remedy = f"write {text}s for seconds" if _DIGITS.fullmatch(text) else "write for instance 250ms, 5s, 10m, 24h or 30d"
        raise BadValue(f"{text!r} is not a duration", remedy)
    return _bounded(int(found[1]) * _MILLISECONDS[found[2]] / 1000, at, write_duration)


def write_duration(seconds: float) -> str:
    """The shortest way to write *seconds* exactly to the millisecond."""
    milliseconds = round(seconds * 1000)
    if milliseconds == 0:
        return "0"
    unit = next(unit for unit, worth in _MILLISECONDS.items() if milliseconds % worth == 0)
    return f"{milliseconds // _MILLISECONDS[unit]}{unit}"


def size(text: str, at: Context) -> int:
    """Bytes: ``512``, ``4k``, ``10m``, ``1g``, in powers of 1024."""
    found = _SIZE.fullmatch(text)
    if found is None:
        lower = text.lower().removesuffix("ib").removesuffix("b").replace(" ", "")
        remedy = f"write {lower}" if _SIZE.fullmatch(lower) else "write for instance 512, 4k, 10m or 1g"
        raise BadValue(f"{text!r} is not a size", remedy)
    return int(_bounded(int(found[1]) * _BYTES[found[2]], at, write_size))


def write_size(number: float) -> str:
    """The shortest way to write *number* bytes exactly."""
    whole = int(number)
    if whole == 0:
        return "0"
    unit = next(unit for unit, worth in _BYTES.items() if whole % worth == 0)
    return f"{whole // _BYTES[unit]}{unit}"


def share(text: str, at: Context) -> float:
    """``50%`` as 0.5, from 1 to 100."""
    found = _SHARE.fullmatch(text)
    if found is None:
        remedy = f"write {text}%" if _DIGITS.fullmatch(text) else "write for instance 50%"
        raise BadValue(f"{text!r} is not a share", remedy)
    percents = int(found[1])
    if not 1 <= percents <= 100:
        raise BadValue(f"{text} is not a share", "write 1% to 100%")
    return percents / 100


def write_share(value: float) -> str:
    """As :func:`share` reads it."""
    return f"{round(100 * value)}%"


def ratio(text: str, at: Context) -> float:
    """``10%``, ``0.5%``, or a fraction such as ``0.1``; more than nothing and at most all, in steps of a thousandth percent."""
    found = _RATIO.fullmatch(text)
    value = float(found[1]) / (100 if found[2] else 1) if found is not None else 0.0
    if not 0.000_01 <= value <= 1:
        raise BadValue(f"{text!r} is not a share", "write 100% or less, for instance 10% or 0.5%")
    return round(value, 5)


def write_ratio(value: float) -> str:
    """As :func:`ratio` reads it."""
    return f"{round(100 * value, 3):g}%"


def _bounded(value: float, at: Context, write: Any) -> float:
    minimum, maximum = at.row.get("minimum"), at.row.get("maximum")
    if minimum is not None and value < minimum:
        raise BadValue(f"{write(value)} is too small", f"at least {write(minimum)}")
    if maximum is not None and value > maximum:
        raise BadValue(f"{write(value)} is too large", f"at most {write(maximum)}")
    return value


def boolean(text: str, at: Context) -> bool:
    """``yes`` or ``no``."""
    if text == "yes":
        return True
    if text == "no":
        return False
    lower = text.lower()
    if lower in _WORDS_FOR_YES or lower == "yes":
        raise BadValue(f"{text!r} is not yes or no", "write yes")
    if lower in _WORDS_FOR_NO or lower == "no":
        raise BadValue(f"{text!r} is not yes or no", "write no")
    raise BadValue(f"{text!r} is not yes or no", "write yes or no")


def write_boolean(value: bool) -> str:
    """``yes`` or ``no``."""
    return "yes" if value else "no"


def choice(text: str, at: Context) -> str:
    """One of the knob's choices."""
    choices = at.row["choices"]
    if text not in choices:
        raise BadValue(f"{text!r} is not known here", choose_from(text, choices))
    return text


def line_of_text(text: str, at: Context) -> str:
    """Any text on one line."""
    return text
