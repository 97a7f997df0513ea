"""
What a stored response is found by (RFC 9111 §2, §4.1).

The primary key is the URI; GET and HEAD share it, and no other method is ever answered from the cache.  The secondary key
is what the request fields said that Vary names.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final
from urllib.parse import urljoin

from twistedproxy.message import Headers

#: Values of the selecting fields, in the order of their names; None stands for an absent field.
Values = tuple[bytes | None, ...]

# Fields whose values are lists of case-insensitive elements in which blanks around commas and semicolons mean nothing.
_LISTS: Final = frozenset((b"accept", b"accept-encoding", b"accept-language", b"accept-charset"))
# Of these, the ones in which the order means nothing either.
_UNORDERED: Final = frozenset((b"accept-encoding", b"accept-charset"))
_BLANKS: Final = re.compile(rb"[ \t]*([,;=])[ \t]*")
_ABSOLUTE: Final = re.compile(rb"([A-Za-z][A-Za-z0-9+.\-]*)://([^/?#]*)([^#]*)(?:#.*)?", re.DOTALL)


def primary_key(scheme: bytes, authority: bytes, target: bytes) -> bytes:
    """
    The key of a request: its URI.

    :param scheme: ``http`` or ``https``
    :param authority: ``host[:port]`` in lower case; the scheme's own port counts as absent (RFC 9110 §4.2.3)
    :param target: path and query as sent
    """
    if authority.endswith(b":443" if scheme == b"https" else b":80"):
        authority = authority.rpartition(b":")[0]
    return scheme + b"://" + authority + target


def split_url(url: bytes) -> tuple[bytes, bytes, bytes] | None:
    """The scheme, the authority and the target of an absolute URL as people write it, its fragment left out; None for others."""
    found = _ABSOLUTE.fullmatch(url)
    if found is None:
        return None
    scheme, authority, target = found.groups()
    return scheme.lower(), authority.lower(), target if target.startswith(b"/") else b"/" + target


def key_of_url(url: bytes) -> bytes | None:
    """The key of an absolute URL; None when it is none."""
    parts = split_url(url)
    return None if parts is None else primary_key(*parts)


def key_of_reference(key: bytes, reference: bytes) -> bytes | None:
    """
    The key that a Location or Content-Location names, when it has the same origin as *key*; otherwise None.

    A response may speak only for its own origin (RFC 9111 §4.4).
    """
    try:
        resolved = urljoin(key.decode("latin-1"), reference.decode("latin-1")).encode("latin-1")
    except (ValueError, UnicodeError):
        return None
    other = key_of_url(resolved)
    return other if other is not None and _origin(other) == _origin(key) else None


def _origin(key: bytes) -> bytes:
    return key[: key.find(b"/", key.find(b"://") + 3)]


def vary_names(headers: Headers) -> tuple[bytes, ...]:
    """The field names in a response's Vary: lower case, sorted, each once; ``(b"*",)`` when it names ``*`` (RFC 9110 §12.5.5)."""
    names = sorted(set(headers.elements(b"vary")))
    return (b"*",) if b"*" in names else tuple(names)


def selecting_values(names: tuple[bytes, ...], headers: Headers) -> Values:
    """
    What *headers* of a request say in the fields *names*, normalised only where the meaning cannot change (RFC 9111 §4.1).

    Lines of one field are joined; in the Accept fields letter case and blanks go, and where the order of the elements means
    nothing they are sorted.
    """
    return tuple([_normalised(name, headers.joined(name)) for name in names])


def _normalised(name: bytes, value: bytes | None) -> bytes | None:
    if value is None or name not in _LISTS:
        return value
    elements = [element for element in _BLANKS.sub(rb"\1", value.lower()).strip(b" \t").split(b",") if element]
    return b",".join(sorted(elements) if name in _UNORDERED else elements)


def file_name(key: bytes, secondary: bytes = b"") -> str:
    """The name of the file for a primary key, or for one of its variants: 32 hexadecimal digits."""
    return hashlib.blake2b(key, digest_size=16, salt=hashlib.blake2b(secondary, digest_size=16).digest()).hexdigest()
