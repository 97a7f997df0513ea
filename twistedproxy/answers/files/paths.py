"""What file a request's path names, and which others are tried; pure, and the one place where paths of clients are understood."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from twistedproxy.wire.target import route_path

_ESCAPED_SLASH: Final = re.compile(rb"%2[fF]")
_SLASHES: Final = re.compile(rb"//+")
#: RFC 8615 §3: it is the one name with a dot that is made for everybody.
_WELL_KNOWN: Final = b"/.well-known/"


class Candidate(NamedTuple):
    """
    One thing to look for.

    :ivar path: below the directory that is served; begins with a slash, without empty and dot segments
    :ivar as_directory: only a directory counts; *as_file*: only a file does
    :ivar is_asked: the request's path names it, and not another line of ``try_files``
    :ivar lacks_slash: it is the directory that the request's path names without the slash at its end
    """

    path: bytes
    as_file: bool = False
    as_directory: bool = False
    is_asked: bool = False
    lacks_slash: bool = False


def file_path(target: bytes) -> bytes | None:
    """
    The file that the path of a request *target* names; None when it cannot name any.

    Decoded once, as routes and guards understand it, so that what they let in is what is served: dot segments are resolved,
    empty ones left out.  A name cannot hold a slash, and no name that people give to files holds a backslash.

    :param target: with or without a query
    :raises RequestError: BAD_TARGET, as :func:`twistedproxy.wire.target.route_path` says
    """
    path = target.partition(b"?")[0]
    if not path.startswith(b"/"):
        return None
    plain = route_path(path)
    if plain is path or plain == path:
        return path
    if _ESCAPED_SLASH.search(path):
        return None
    decoded = unquote_to_bytes(path)
    if b"\\" in decoded:
        return None
    # Routes do not see path parameters, but a name may have a semicolon.
    return _resolved(decoded) if b";" in decoded else plain


def _resolved(path: bytes) -> bytes:
    """*path*, of which route_path has said that it does not lead above the root."""
    *inner, last = path.split(b"/")[1:]
    kept: list[bytes] = []
    for segment in (*inner, last):
        if segment == b"..":
            del kept[-1:]
        elif segment not in (b"", b"."):
            kept.append(segment)
    return b"/" + b"/".join(kept) + (b"/" if kept and last in (b"", b".", b"..") else b"")


def is_hidden(path: bytes) -> bool:
    """Whether a segment of *path* begins with a dot; ``/.well-known/`` does not count."""
    return b"/." in path and b"/." in (path[len(_WELL_KNOWN) - 1 :] if path.startswith(_WELL_KNOWN) else path)


class Candidates:
    """
    What is looked for, for each path.

    :ivar status: is answered when nothing is there; *gives_up*: because the words say so
    """

    def __init__(self, tried: Sequence[str], *, files_only: bool = False) -> None:
        """
        :param tried: the words of ``try_files``
        :param files_only: without such words, what the path names counts only when it is a file
        """
        self.status = 404
        self.gives_up = False
        self._files_only = files_only
        words = list(tried)
        if words and words[-1].startswith("="):
            self.status = int(words.pop()[1:])
            self.gives_up = True
        self._words = [word.encode("utf-8") for word in words]

    def of(self, path: bytes) -> tuple[Candidate, ...]:
        """The candidates for what :func:`file_path` has said, in order."""
        if not self._words:
            is_directory = path.endswith(b"/")
            if self._files_only:
                return () if is_directory else (Candidate(path, as_file=True, is_asked=True),)
            return (Candidate(path, as_directory=is_directory, is_asked=True),)
        found = []
        for word in self._words:
            made = word.replace(b"{path}", path)
            if b"//" in made:
                made = _SLASHES.sub(b"/", made)
            is_asked = b"{path}" in word
            if made.endswith(b"/"):
                # As in nginx, a path that ends in a slash means a directory by itself.
                found.append(Candidate(made, as_directory=True, is_asked=is_asked, lacks_slash=made[:-1] == path))
            else:
                found.append(Candidate(made, as_file=True, is_asked=is_asked))
        return tuple(found)
