"""Values that say what an active check sends and expects, and warnings about them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from twistedproxy.addresses import Unix
from twistedproxy.config.http import TOKEN
from twistedproxy.config.network import port
from twistedproxy.config.problems import BadValue, Problem
from twistedproxy.config.reader import Section
from twistedproxy.config.rewriting import plain_edit
from twistedproxy.config.scalars import Context, write_duration
from twistedproxy.settings.checks import CheckSettings
from twistedproxy.settings.edits import HeaderEdit
from twistedproxy.settings.pools import PoolSettings

_TARGET = re.compile(r"/[!-~]*")
#: What a handshake says by itself (RFC 6455 §4.1).
_HANDSHAKE: Final = frozenset(("sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions"))

#: Knobs that mean something for every check, for those with a request, and for those with an answer in HTTP.
_ALL: Final = (
    "check_interval",
    "check_fast_interval",
    "check_timeout",
    "check_initial",
    "check_concurrency",
    "check_port",
    "rise",
    "fall",
)
_ASKING: Final = ("check_host", "check_request_headers")
_ANSWERED: Final = ("check_keepalive", "check_expect", "check_header", "check_body", "check_body_size")


def check(text: str, at: Context) -> CheckSettings:
    """``tcp``, ``tls``, ``websocket TARGET``, or ``METHOD TARGET``."""
    if text in ("tcp", "tls"):
        return CheckSettings(text)
    method, *rest = text.split()
    if not rest:
        remedy = f"write GET {text}" if text.startswith("/") else "write tcp, tls, or for instance GET /health"
        if text.lower() in ("websocket", "ws"):
            remedy = "write for instance websocket /ws"
        raise BadValue(f"{text!r} is not a check", remedy)
    target = " ".join(rest)
    if method != "websocket" and (not TOKEN.fullmatch(method) or method != method.upper()):
        raise BadValue(f"{method!r} is not a method", "write for instance GET /health, or websocket /ws")
    if not _TARGET.fullmatch(target) or "#" in target:
        raise BadValue(f"{target!r} is not a request target", "write a path that begins with /, without blanks")
    return CheckSettings("websocket", target=target) if method == "websocket" else CheckSettings("http", method, target)


def check_port(text: str, at: Context) -> int:
    """A TCP port."""
    return port(text)


def check_header_edit(text: str, at: Context) -> HeaderEdit:
    """As for requests of clients; Host has a line of its own, and a handshake says some things by itself."""
    words = text.split(None, 2)
    name = words[1].lower() if len(words) > 1 else ""
    if name == "host":
        raise BadValue("Host is not edited here", "write check_host = …")
    if name in _HANDSHAKE:
        raise BadValue(f"{words[1]} belongs to the handshake", "leave it to the check")
    return plain_edit(text, at)


def pattern(text: str, at: Context) -> str:
    """A regular expression of Python's, for bytes."""
    try:
        re.compile(text.encode())
    except re.error as error:
        raise BadValue(f"{text!r} is not a regular expression: {error}", "escape characters that stand for themselves") from None
    return text


def check_field(text: str, at: Context) -> tuple[str, str]:
    """``NAME: REGEX``."""
    name, colon, expected = text.partition(":")
    expected = expected.strip()
    if not colon or not expected:
        raise BadValue(f"{text!r} is not NAME: REGEX", "write for instance X-Ready: ^yes$")
    if not TOKEN.fullmatch(name):
        raise BadValue(f"{name!r} is not the name of a header field", "letters, digits and hyphens only")
    return name, pattern(expected, at)


def write_check_field(value: tuple[str, str]) -> str:
    """As :func:`check_field` reads it."""
    return f"{value[0]}: {value[1]}"


def of_pool(section: Section, pool: PoolSettings) -> Iterator[Problem]:
    """The warnings about the checks of *pool*."""
    check = pool.check
    if check is None:
        for key in (*_ALL, *_ASKING, *_ANSWERED):
            if section.gives(key):
                yield section.problem(key, "has no effect without check", "add for instance check = GET /health")
        return
    if pool.check_timeout > pool.check_interval:
        yield section.problem(
            "check_timeout" if section.gives("check_timeout") else "check_interval",
            f"a check may take {write_duration(pool.check_timeout)}, the next begins after {write_duration(pool.check_interval)}",
            "make check_timeout shorter than check_interval",
        )
    if pool.check_fast_interval is not None and pool.check_fast_interval > pool.check_interval:
        yield section.problem("check_fast_interval", "has no effect: it is longer than check_interval", "make it shorter")
    silent = (*_ANSWERED, *_ASKING) if check.kind in ("tcp", "tls") else _ANSWERED if check.kind == "websocket" else ()
    for key in silent:
        if section.gives(key):
            kind = "of a WebSocket" if check.kind == "websocket" else check.kind
            yield section.problem(key, f"has no effect: the check is {kind}", "write check = GET /health to look at answers")
    if check.method == "HEAD" and pool.check_body is not None:
        yield section.problem("check_body", "no answer to HEAD has a body: no check passes", f"write check = GET {check.target}")
    if pool.check_port is not None and any(isinstance(server.address, Unix) for server in pool.servers):
        yield section.problem("check_port", "has no effect on servers that are unix sockets", "check them in a pool of their own")
