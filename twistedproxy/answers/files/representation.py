"""What is said of a file that is sent: its head, with validators, type and freshness (RFC 9110 §8, RFC 9111 §5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twistedproxy.answers.files.open_file import Identity, OpenFile
from twistedproxy.answers.files.types import MediaTypes
from twistedproxy.cache.dates import format_date
from twistedproxy.message import Field, Headers, ResponseHead
from twistedproxy.settings.answers import Expiry
from twistedproxy.settings.routes import RouteSettings

#: A file that was changed less than so many seconds ago may change again and look the same: clocks of file systems are coarse.
_SETTLED: Final = 2.0
_LONG_AGO: Final = b"Thu, 01 Jan 1970 00:00:01 GMT"


class Representation:
    """
    A file as it is sent.

    :ivar key: by which it is known
    :ivar place: its path in the file system
    :ivar identity: what the file was known by then
    :ivar size: bytes
    :ivar is_settled: nothing that happens to the file now can leave its identity as it is
    :ivar body: all of it; None: it is sent from the file
    :ivar compared: when it was last compared with the file, monotonic seconds
    :ivar was_used: since somebody looked
    """

    __slots__ = (
        "_fields",
        "_fresh",
        "_head",
        "_second",
        "body",
        "compared",
        "identity",
        "is_settled",
        "key",
        "place",
        "size",
        "was_used",
    )

    def __init__(self, place: bytes, file: OpenFile, fields: Sequence[Field], fresh: float, *, is_settled: bool) -> None:
        """:param fresh: seconds; -1: nothing is said of it"""
        self.key = b""
        self.place = place
        self.identity: Identity = file.identity
        self.size = file.size
        self.is_settled = is_settled
        self.body: bytes | None = None
        self.compared = 0.0
        self.was_used = False
        self._fields = tuple(fields)
        self._fresh = fresh
        self._second = -1
        self._head: ResponseHead | None = None

    def head(self, wall: float) -> ResponseHead:
        """Of a 200, the same for a whole second; *wall*: seconds since 1970."""
        second = int(wall)
        if second == self._second and self._head is not None:
            return self._head
        self._second = second
        fields: list[Field] = [(b"Date", format_date(second)), *self._fields]
        if self._fresh >= 0:
            fields.append((b"Expires", format_date(second + int(self._fresh)) if self._fresh else _LONG_AGO))
        fields.append((b"Content-Length", b"%d" % self.size))
        self._head = ResponseHead(200, b"OK", Headers(fields), length=self.size)
        return self._head


class Describing:
    """What a route says of its files."""

    def __init__(self, settings: RouteSettings) -> None:
        self._types = MediaTypes(settings.mime_types, settings.charset)
        self._expires = settings.expires
        self._directives = settings.cache_control
        self._varies = bool(settings.precompressed)

    def of(self, place: bytes, path: bytes, coding: bytes, file: OpenFile, wall: float) -> Representation:
        """
        *file* as it is sent.

        :param path: of the file that was asked for: its ending says the type
        :param coding: of the file, when another one was asked for; else empty
        """
        kind = self._types.of(path)
        modified = file.modified / 1e9
        is_settled = wall - max(modified, file.identity[3] / 1e9) >= _SETTLED
        tag = b'"%x-%x%b"' % (file.modified, file.size, b"-" + coding if coding else b"")
        fields: list[Field] = [
            (b"Server", b"twistedproxy"),
            (b"Content-Type", kind),
            # RFC 9110 §8.8.2.2: no date from the future.
            (b"Last-Modified", format_date(int(min(modified, wall)))),
            # §8.8.1: what may be changed unseen has a weak one.
            (b"ETag", tag if is_settled else b"W/" + tag),
            (b"Accept-Ranges", b"bytes"),
            (b"X-Content-Type-Options", b"nosniff"),
        ]
        if coding:
            fields.append((b"Content-Encoding", coding))
        if self._varies:
            fields.append((b"Vary", b"Accept-Encoding"))
        fresh = self._fresh(kind)
        freshness = [] if fresh < 0 else ["no-cache" if not fresh else f"max-age={int(fresh)}"]
        directives = ", ".join([*freshness, *([self._directives] if self._directives else [])])
        if directives:
            fields.append((b"Cache-Control", directives.encode("ascii")))
        return Representation(place, file, fields, fresh, is_settled=is_settled)

    def _fresh(self, kind: bytes) -> float:
        name = kind.partition(b";")[0].decode("ascii")
        for line in self._expires:
            if not line.types or _fits(line, name):
                return line.seconds
        return -1.0


def _fits(line: Expiry, name: str) -> bool:
    return name in line.types or name.partition("/")[0] + "/*" in line.types
