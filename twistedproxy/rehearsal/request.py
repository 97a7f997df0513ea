"""A request that somebody makes up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twistedproxy.addresses import Tcp
from twistedproxy.cache.key import split_url
from twistedproxy.message import RequestHead
from twistedproxy.settings.listen import ListenSettings
from twistedproxy.settings.site_ini import Settings
from twistedproxy.wire.http1 import Limits, parse_request

#: Who asks, unless something else is said: an address of nobody's (RFC 5737).
SOMEBODY = "192.0.2.1"

_PORTS = {b"http": 80, b"https": 443}


class NotAsked(ValueError):
    """The request cannot be made up; says why."""


@dataclass(frozen=True)
class Request:
    """
    What is asked, and where it comes in.

    :ivar head: as a listener understands it
    :ivar listener: by which it comes in, to our *port*
    :ivar client: the address from which it comes
    """

    head: RequestHead
    body: bytes
    scheme: bytes
    port: int
    listener: ListenSettings
    client: str = SOMEBODY


def made_up(
    settings: Settings, line: str, fields: Sequence[str] = (), *, body: str = "", client: str = "", listener: str = ""
) -> Request:
    """
    The request *line*, ``METHOD URL``, with header *fields*, ``Name: value``.

    :param listener: the name of the one that it comes in by; without, the first that the URL fits
    :raises NotAsked: that is no request, or no listener takes it
    :raises RequestError: the request is malformed
    """
    words = line.split()
    if len(words) != 2:
        raise NotAsked(f"{line!r} is not METHOD URL; write for instance GET https://example.com/a")
    parts = split_url(words[1].encode("utf-8", "backslashreplace"))
    if parts is None:
        raise NotAsked(f"a URL is absolute, like https://example.com/a?b=c, not {words[1]!r}")
    scheme, authority, target = parts
    content = body.encode("utf-8")
    lines = [words[0].encode("utf-8") + b" " + target + b" HTTP/1.1"]
    lines += [field.encode("utf-8") for field in fields]
    names = {field.partition(":")[0].strip().lower() for field in fields}
    if "host" not in names:
        lines.append(b"Host: " + authority)
    if content and not names & {"content-length", "transfer-encoding"}:
        lines.append(b"Content-Length: %d" % len(content))
    door = _door(settings, scheme, authority, listener)
    limits = Limits(head=door.max_header_size, fields=door.max_headers, target=door.max_target)
    head = parse_request(b"\r\n".join([*lines, b"", b""]), limits)
    port = head.fields.port or _PORTS[scheme]
    return Request(head, content, scheme, port, door, client or SOMEBODY)


def _door(settings: Settings, scheme: bytes, authority: bytes, name: str) -> ListenSettings:
    doors = [door for door in settings.listen if not name or door.name == name]
    if not doors:
        raise NotAsked(f"there is no [listen {name}]")
    fitting = [door for door in doors if (door.tls is not None) is (scheme == b"https")]
    if not fitting:
        raise NotAsked(f"no listener takes {scheme.decode('ascii')}; behind another proxy, ask by http with X-Forwarded-Proto")
    port = authority.rpartition(b":")[2]
    by_port = [door for door in fitting for on in door.on if isinstance(on, Tcp) and port == b"%d" % on.port]
    return (by_port or fitting)[0]
