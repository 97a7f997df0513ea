"""Values of ``[log NAME]``: where lines go, of what they are made, and which requests they tell of."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from twistedproxy.config import files, network, routing
from twistedproxy.config.problems import BadValue
from twistedproxy.config.scalars import Context, duration, size, whole_number
from twistedproxy.settings.logs import COMPARISONS, Measure, SyslogTarget
from twistedproxy.settings.routes import RouteCondition
from twistedproxy.spelling import choose_from, nearest
from twistedproxy.templates import LOG_NAMES, STREAM_NAMES, Template

_SYSLOG: Final = "syslog:"
_TRANSPORTS: Final = ("udp", "tcp", "tls", "unix")
# RFC 5424 §6: PRINTUSASCII; APP-NAME has at most 48 of them, and a shorter host name does no harm.
_SYSLOG_WORD: Final = re.compile(r"[!-~]{1,48}")
#: Names of either kind of log.
NAMES: Final = LOG_NAMES | STREAM_NAMES


def _number(text: str, at: Context) -> float:
    return whole_number(text, "a number")


#: Names that are compared as numbers, and how these are written.
MEASURES: Final[dict[str, Callable[[str, Context], float]]] = {
    "status": _number,
    "tries": _number,
    "bytes_sent": size,
    "bytes_received": size,
    "request_time": duration,
    "connect_time": duration,
    "header_time": duration,
    "response_time": duration,
    "upgrade_time": duration,
    "session_time": duration,
}
_MEASURE: Final = re.compile(r"(\w+)\s*([=!<>~]+)\s*(\S+)", re.ASCII)


def log_file(text: str, at: Context) -> str | SyslogTarget:
    """A path, ``-`` for standard output, or ``syslog:TRANSPORT:PLACE``."""
    if text == "-":
        return text
    return _syslog_target(text, at) if text.startswith(_SYSLOG) else files.path(text, at)


def _syslog_target(text: str, at: Context) -> SyslogTarget:
    transport, _, place = text.removeprefix(_SYSLOG).partition(":")
    if transport not in _TRANSPORTS:
        raise BadValue(f"{transport!r} is not a way to a syslog server", choose_from(transport, _TRANSPORTS))
    if not place:
        raise BadValue(f"{text!r} says not where", f"write for instance {_EXAMPLES[transport]}")
    if transport == "unix":
        return SyslogTarget(transport, path=files.path(place, at))
    host, port = network.authority(place)
    if port is None:
        raise BadValue(f"{text!r} has no port", f"write for instance {_EXAMPLES[transport]}")
    return SyslogTarget(transport, host.strip("[]"), port)


_EXAMPLES: Final = {
    "udp": "syslog:udp:127.0.0.1:514",
    "tcp": "syslog:tcp:logs.internal:601",
    "tls": "syslog:tls:logs.internal:6514",
    "unix": "syslog:unix:/dev/log",
}


def syslog_word(text: str, at: Context) -> str:
    """A word of the head of messages."""
    if not _SYSLOG_WORD.fullmatch(text):
        raise BadValue(f"{text!r} is not a word of syslog", "write up to 48 characters of ASCII, without blanks")
    return text


def log_format(text: str, at: Context) -> str:
    """``combined``, ``json``, or a template; of which names, depends on what is logged: see :func:`check`."""
    if text in ("combined", "json"):
        return text
    try:
        template = Template.parse(text, NAMES)
    except ValueError as bad:
        raise BadValue(str(bad)) from None
    if template.is_constant:
        meant = nearest(text, ("combined", "json"))
        raise BadValue(
            f"{text!r} would log the same line always",
            f"did you mean {meant}?" if meant else "write combined, json, or a template with {names}",
        )
    return text


def condition(text: str, at: Context) -> RouteCondition | Measure:
    """One line of ``when``: a number compared, or a condition as in ``match``."""
    found = _MEASURE.fullmatch(text)
    if found is None or text.startswith("not "):
        if text.split()[0] in MEASURES or (text.startswith("not ") and text.split()[1] in MEASURES):
            raise BadValue(f"{text!r} compares nothing", "write for instance status >= 500, or request_time > 1s")
        return routing.condition(text, at, NAMES)
    name, sign, value = found.groups()
    if name not in MEASURES:
        if name + "." in NAMES or name in NAMES:
            raise BadValue(f"{name} is not a number", f"write {{{name}}} {sign} {value}")
        raise BadValue(f"{name!r} is nothing that can be compared", choose_from(name, MEASURES))
    if sign not in COMPARISONS:
        raise BadValue(f"{sign!r} does not compare numbers", choose_from(sign, COMPARISONS))
    return Measure(name, sign, MEASURES[name](value, Context(at.directory, {})), value)
