"""Request targets, Host, and the path that routes and access rules see."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final
from urllib.parse import unquote_to_bytes

from twistedproxy.errors import BAD_HOST, BAD_TARGET, CONNECT_REFUSED, RequestError
from twistedproxy.wire.grammar import ABSOLUTE_FORM, BAD_ESCAPE, DOT_SEGMENT, HOST, PATH_SUSPECT

#: What a target says: the origin-form to forward, its path, its query, and the authority of an absolute-form (else None).
Target = tuple[bytes, bytes, bytes | None, bytes | None]

#: How often servers behind us may decode a path that is decoded already.
_DEEPEST: Final = 3


@lru_cache(maxsize=256)
def parse_host(value: bytes) -> tuple[bytes, int | None]:
    """
    Host name or address in lower case, and the port if one is given (RFC 9110 §7.2).

    A name loses the dot at its end, an IPv6 address gets its shortest form (RFC 5952) and keeps its brackets.

    :raises RequestError: BAD_HOST
    """
    match = HOST.fullmatch(value)
    if match is None:
        raise RequestError(BAD_HOST, repr(value[:80]))
    host, port = match.groups()
    if host.startswith(b"["):
        try:
            host = b"[%b]" % IPv6Address(host[1:-1].decode("ascii")).compressed.encode("ascii")
        except AddressValueError:
            raise RequestError(BAD_HOST, repr(value)) from None
    else:
        if host.startswith(b".") or b".." in host:
            raise RequestError(BAD_HOST, repr(value[:80]))
        host = host.removesuffix(b".").lower()
    if not port:
        return host, None
    number = int(port)
    if not 0 < number < 65536:
        raise RequestError(BAD_HOST, repr(value[:80]))
    return host, number


def parse_target(method: bytes, target: bytes) -> Target:
    """
    One of the four forms of RFC 9112 §3.2.

    :param target: visible ASCII, as in a request line
    :raises RequestError: BAD_TARGET; CONNECT_REFUSED for the authority-form's method
    """
    if method == b"CONNECT":
        raise RequestError(CONNECT_REFUSED)
    if target.startswith(b"/"):  # origin-form
        path, mark, query = target.partition(b"?")
        return target, path, query if mark else None, None
    if target == b"*":
        if method != b"OPTIONS":
            raise RequestError(BAD_TARGET, "'*' is for OPTIONS only")
        return target, target, None, None
    match = ABSOLUTE_FORM.fullmatch(target)
    if match is None:
        raise RequestError(BAD_TARGET, repr(target[:80]))
    authority, path, query = match.groups()
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

    :raises RequestError: BAD_TARGET for a broken or NUL escape, for a path above the root, and for dot segments that are
        disguised or behind an empty segment
    """
    if PATH_SUSPECT.search(path) is None:
        return path
    if BAD_ESCAPE.search(path):
        raise RequestError(BAD_TARGET, "a % is not followed by two hexadecimal digits")
    plain = unquote_to_bytes(path)
    if b"\0" in plain:
        raise RequestError(BAD_TARGET, "NUL in the path")
    if b"%" in plain and _has_deep_dot_segment(plain):
        raise RequestError(BAD_TARGET, "a dot segment beside an escaped percent sign")
    # A separator that only some servers see as one: "%2f", "\" or "%5c".
    disguised = plain.count(b"/") != path.count(b"/") or b"\\" in plain
    segments = plain.replace(b"\\", b"/").split(b"/")[1:]
    last = segments.pop()
    kept: list[bytes] = []
    skipped = False
    for segment in (*segments, last):
        name = segment.partition(b";")[0]
        if name in (b".", b"..") and (disguised or name != segment):
            raise RequestError(BAD_TARGET, "a dot segment beside an escaped slash, a backslash or a path parameter")
        if name == b"..":
            if skipped:
                # Some servers merge slashes first: for them ".." in "/a//../b" goes back over "a", for others over nothing.
                raise RequestError(BAD_TARGET, "'..' behind an empty segment")
            if not kept:
                raise RequestError(BAD_TARGET, "the path leads above the root")
            kept.pop()
        elif not name:
            skipped = True
        elif name != b".":
            kept.append(name)
    if last.partition(b";")[0] in (b"", b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept)


def _has_deep_dot_segment(path: bytes) -> bool:
    """Whether servers that decode *path*, which is decoded already, again and again find a dot segment in it."""
    for _ in range(_DEEPEST):
        path = unquote_to_bytes(path)
        if DOT_SEGMENT.search(path):
            return True
    return False
