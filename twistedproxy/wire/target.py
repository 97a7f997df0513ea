"""Request targets, Host, and the path that routes and access rules see."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv6Address

from twistedproxy.errors import BAD_HOST, BAD_TARGET, CONNECT_REFUSED, RequestError
from twistedproxy.wire.grammar import ABSOLUTE_FORM, BAD_ESCAPE, HOST, PATH_ESCAPE, PATH_SUSPECT

#: What a target says: the origin-form to forward, its path, its query, and the authority of an absolute-form (else None).
Target = tuple[bytes, bytes, bytes | None, bytes | None]


def parse_host(value: bytes) -> tuple[bytes, int | None]:
    """
    Host name or address in lower case without a trailing dot, and the port if one is given (RFC 9110 §7.2).

    :raises RequestError: BAD_HOST
    """
    match = HOST.fullmatch(value)
    if match is None:
        raise RequestError(BAD_HOST, repr(value))
    host, port = match.groups()
    if host.startswith(b"["):
        try:
            IPv6Address(host[1:-1].decode("ascii"))
        except AddressValueError:
            raise RequestError(BAD_HOST, repr(value)) from None
    elif host.endswith(b"."):
        host = host[:-1]
        if not host or host.endswith(b"."):
            raise RequestError(BAD_HOST, repr(value))
    if not port:
        return host.lower(), None
    number = int(port)
    if not 0 < number < 65536:
        raise RequestError(BAD_HOST, repr(value))
    return host.lower(), number


def parse_target(method: bytes, target: bytes) -> Target:
    """
    One of the four forms of RFC 9112 §3.2.

    :raises RequestError: BAD_TARGET; CONNECT_REFUSED for the authority-form's method
    """
    if method == b"CONNECT":
        raise RequestError(CONNECT_REFUSED)
    if target[0] == 47:  # "/": origin-form
        path, mark, query = target.partition(b"?")
        return target, path, query if mark else None, None
    if target == b"*":
        if method != b"OPTIONS":
            raise RequestError(BAD_TARGET, "'*' is for OPTIONS only")
        return target, target, None, None
    match = ABSOLUTE_FORM.fullmatch(target)
    if match is None:
        raise RequestError(BAD_TARGET, repr(target[:80]))
    _, authority, path, query = match.groups()
    if not authority:
        raise RequestError(BAD_TARGET, "the authority is empty (RFC 9110 §4.2.1)")
    if path is None:
        # RFC 9112 §3.2.4: OPTIONS without a path is meant for the server as a whole.
        path = b"*" if method == b"OPTIONS" and query is None else b"/"
    return path + (query or b""), path, query[1:] if query else None, authority


def route_path(path: bytes) -> bytes:
    """
    The path as every server behind us might understand it, for routes and access rules; what is forwarded stays as it is.

    Escapes are decoded once, backslashes count as slashes, path parameters (``;…``) are left out, empty and dot segments are
    resolved.  Where servers could read one path in two ways that lead to different places, it is refused.

    :raises RequestError: BAD_TARGET for a broken or NUL escape, for a path above the root, and for dot segments that are disguised
    """
    if PATH_SUSPECT.search(path) is None:
        return path
    if BAD_ESCAPE.search(path):
        raise RequestError(BAD_TARGET, "a % is not followed by two hexadecimal digits")
    plain = PATH_ESCAPE.sub(_unescape, path)
    if b"\0" in plain:
        raise RequestError(BAD_TARGET, "NUL in the path")
    # A separator that only some servers see as one: "%2f", "\" or "%5c".
    disguised = plain.count(b"/") != path.count(b"/") or b"\\" in plain
    kept: list[bytes] = []
    segments = plain.replace(b"\\", b"/").split(b"/")[1:]
    last = len(segments) - 1
    for position, segment in enumerate(segments):
        name = segment.partition(b";")[0]
        if name in (b".", b".."):
            if disguised or name != segment:
                raise RequestError(BAD_TARGET, "a dot segment beside an escaped slash, a backslash or a path parameter")
            if name == b"..":
                if not kept:
                    raise RequestError(BAD_TARGET, "the path leads above the root")
                kept.pop()
            if position == last:
                kept.append(b"")
        elif name or position == last:
            kept.append(name)
    return b"/" + b"/".join(kept)


def _unescape(match: object) -> bytes:
    return bytes((int(match[1], 16),))  # type: ignore[index]
