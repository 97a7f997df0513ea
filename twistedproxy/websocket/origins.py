"""Which pages may open a WebSocket: browsers say in Origin where a page came from (RFC 6455 §4.2.2, §10.2)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

_DEFAULT_PORTS: Final = {b"http": b"80", b"https": b"443"}
_SAME: Final = b"same"


class Origins:
    """
    An allow-list.

    Whoever is no browser may write what he likes into Origin, or nothing: the list keeps foreign pages from speaking with the
    cookies of their visitors.  Therefore a handshake without Origin passes.
    """

    def __init__(self, allowed: tuple[str, ...]) -> None:
        """*allowed*: as ``websocket_origins`` has them, in lower case and without default ports."""
        words = {word.encode("ascii") for word in allowed}
        below = {word for word in words if b"://*." in word}
        self._same = _SAME in words
        self._exact = words - below - {_SAME}
        self._below = [(scheme, rest[1:]) for scheme, _, rest in (word.partition(b"://") for word in below)]

    def allows(self, origin: bytes | None, scheme: bytes, authority: bytes) -> bool:
        """
        Whether a page of *origin* may open a WebSocket.

        :param origin: the field's value, None for no field
        :param scheme: by which the client came, http or https, and the *authority* that it asked for: what is ``same``
        """
        if origin is None:
            return True
        origin = _plain(origin.lower())
        if origin in self._exact or (self._same and origin == _plain(b"%b://%b" % (scheme, authority.lower()))):
            return True
        theirs, _, host = origin.partition(b"://")
        if b"/" in host or b"@" in host:
            return False
        return any(theirs == ours and host.endswith(end) and len(host) > len(end) for ours, end in self._below)


@lru_cache(maxsize=256)
def allow_list(allowed: tuple[str, ...]) -> Origins:
    """The list of a route, made once."""
    return Origins(allowed)


def _plain(origin: bytes) -> bytes:
    """*origin* without the port that its scheme has anyway."""
    port = _DEFAULT_PORTS.get(origin.partition(b"://")[0])
    return origin.removesuffix(b":" + port) if port else origin
