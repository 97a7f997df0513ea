"""``[test …]``: what is asked, and what is expected."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import Final

from twistedproxy.config.http import TOKEN
from twistedproxy.config.problems import BadValue, Problem
from twistedproxy.config.reader import Section
from twistedproxy.config.scalars import Context
from twistedproxy.settings.trials import EXPECTATIONS, Expectation, TrialSettings
from twistedproxy.spelling import choose_from

_STATUS: Final = re.compile(r"[1-5][0-9]{2}")
#: Commas part expectations where one follows.
_COMMA: Final = re.compile(rf",\s+(?=(?:not\s+)?(?:{'|'.join(EXPECTATIONS)})\b)")
_FIELDS: Final = ("header", "response")


def request_line(text: str, at: Context) -> str:
    """``METHOD URL``, or ``Name: value``."""
    name, colon, _ = text.partition(":")
    if colon and TOKEN.fullmatch(name):
        return text
    words = text.split()
    if len(words) != 2 or not TOKEN.fullmatch(words[0]) or "://" not in words[1]:
        raise BadValue(f"{text!r} is not METHOD URL, nor a field", "write GET https://example.com/a, and below it Name: value")
    return text


def answer_line(text: str, at: Context) -> str:
    """A status, ``refused``, or ``Name: value``; ``body: …`` is the body."""
    if text == "refused" or _STATUS.fullmatch(text) or (TOKEN.fullmatch(text.partition(":")[0]) and ":" in text):
        return text
    raise BadValue(f"{text!r} is nothing that a peer says", "write a status first, and below it Name: value; or refused")


def answer(lines: Sequence[str]) -> tuple[str, ...]:
    """The *lines* of one answer, none for the usual one.  Raises BadValue."""
    for place, line in enumerate(lines):
        answer_line(line, Context("", {}))
        if (place == 0) is not (line == "refused" or _STATUS.fullmatch(line) is not None):
            what = "begins no answer" if place == 0 else "stands below another"
            raise BadValue(f"{line!r} {what}", "write one status first, and below it Name: value; or nothing but refused")
    if len(lines) > 1 and lines[0] == "refused":
        raise BadValue("who refuses the connection says nothing more", "write refused alone, or a status in its place")
    return tuple(lines)


def errors(section: Section, trial: TrialSettings | None) -> Iterator[Problem]:
    """What is wrong with a section as a whole."""
    try:
        answer(trial.answer if trial is not None else ())
    except BadValue as bad:
        yield section.problem("answer", bad.reason, bad.remedy)


def address(text: str, at: Context) -> str:
    """An IP address."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise BadValue(f"{text!r} is not an address", "write for instance 192.0.2.1") from None


def expectations(text: str, at: Context) -> tuple[Expectation, ...]:
    """One line: expectations, parted by commas."""
    return tuple(_expectation(part.strip()) for part in _COMMA.split(text))


def _expectation(text: str) -> Expectation:
    words = text.split(None, 1)
    negated = words[0] == "not"
    if negated:
        words = words[1].split(None, 1) if len(words) > 1 else [""]
    what, value = words[0], words[1] if len(words) > 1 else ""
    if what not in EXPECTATIONS:
        raise BadValue(f"{what!r} is nothing that can be expected", choose_from(what, EXPECTATIONS))
    if not value:
        raise BadValue(f"{text!r} says not what", f"write {what} {'NAME VALUE' if what in _FIELDS else 'VALUE'}")
    if what == "status" and not _STATUS.fullmatch(value):
        raise BadValue(f"{value!r} is not a status", "write three digits")
    if what not in _FIELDS:
        return Expectation(what, "", value, negated)
    name, _, value = value.partition(" ")
    if not TOKEN.fullmatch(name):
        raise BadValue(f"{name!r} is not the name of a field", f"write {what} {name.rstrip(':')} VALUE")
    return Expectation(what, name.lower(), value.strip(), negated)


def write_expectations(value: tuple[Expectation, ...]) -> str:
    """As :func:`expectations` reads it."""
    return ", ".join(map(str, value))
