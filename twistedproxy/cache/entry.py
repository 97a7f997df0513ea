"""A stored response, ready to be served: its facts, its fields, and its body in memory or on disk."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from typing import Any, Final

from twistedproxy.cache.freshness import current_age
from twistedproxy.cache.key import Values
from twistedproxy.cache.policy import CLOCK_TOLERANCE, Terms, has_validator
from twistedproxy.message import Headers

#: Bytes in which bodies on disk are written, checked and read; bodies up to this size are kept in one piece with the fields.
BLOCK: Final = 256 * 1024

NEVER: Final = float("-inf")


class DamagedEntry(Exception):
    """A stored response is not what was written; it must not be served, and what was sent of it must be cut."""


@dataclass(frozen=True, slots=True)
class Outside:
    """
    A body in a file of its own.

    :ivar token: the part of the file's name that is its own, 16 hexadecimal digits
    :ivar length: bytes
    :ivar sums: the CRC-32 of each block
    """

    token: str
    length: int
    sums: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """
    What is known of a stored response besides its body.

    :ivar key: the primary key
    :ivar names: the field names of Vary, lower case and sorted
    :ivar values: what the request said in these fields, normalised
    :ivar headers: the fields that are stored (RFC 9111 §3.1), without Content-Length and Age
    :ivar request_time: when the request was sent, seconds since 1970
    :ivar response_time: when the response came, seconds since 1970
    :ivar generation: the number of the last purge before the request was sent; 0: there was none
    """

    key: bytes
    names: tuple[bytes, ...]
    values: Values
    status: int
    reason: bytes
    headers: Headers
    request_time: float
    response_time: float
    terms: Terms
    generation: int = 0


class BodyFile:
    """An open body file.  What replaces or removes the file on disk does not disturb those who read it here."""

    __slots__ = ("_checked", "_seen", "descriptor", "outside")

    def __init__(self, descriptor: int, outside: Outside) -> None:
        self.descriptor = descriptor
        self.outside = outside
        # The blocks that were checked since the file, as it was last seen, has changed.
        self._checked = bytearray(len(outside.sums))
        self._seen = (0, 0, 0)

    def _look(self) -> None:
        about = os.fstat(self.descriptor)
        seen = (about.st_mtime_ns, about.st_ctime_ns, about.st_size)
        if seen != self._seen:
            self._seen = seen
            self._checked = bytearray(len(self.outside.sums))

    def is_in_place(self) -> bool:
        """Whether the file still has its name, as far as that can be known, and its length."""
        try:
            about = os.fstat(self.descriptor)
        except OSError:
            return False
        return about.st_nlink > 0 and about.st_size == self.outside.length

    def checked(self, number: int, most: int) -> int:
        """How many blocks, at most *most*, from block *number* on have been read, found right, and not changed since."""
        self._look()
        end = self._checked.find(0, number, number + most)
        return (end if end >= 0 else min(number + most, len(self._checked))) - number

    def block(self, number: int) -> bytes:
        """
        Block *number*, checked; once, as long as the file stays open and does not change.

        :raises DamagedEntry: when it cannot be read or its checksum is wrong
        """
        outside = self.outside
        wanted = min(BLOCK, outside.length - number * BLOCK)
        try:
            self._look()
            data = os.pread(self.descriptor, wanted, number * BLOCK)
        except OSError as error:
            raise DamagedEntry(f"block {number} cannot be read: {error}") from error
        if len(data) != wanted or not (self._checked[number] or zlib.crc32(data) == outside.sums[number]):
            raise DamagedEntry(f"block {number} is damaged")
        self._checked[number] = 1
        return data

    def __del__(self) -> None:
        os.close(self.descriptor)


class BodyReader:
    """The body of an entry, block by block."""

    __slots__ = ("_file", "_next")

    def __init__(self, file: BodyFile) -> None:
        self._file: BodyFile | None = file
        self._next = 0

    def read(self) -> bytes:
        """
        The next block of at most 256 KiB, empty at the end.

        :raises DamagedEntry: the block is not what was written: the answer must be cut, and the entry dropped
        """
        file = self._file
        if file is None or self._next >= len(file.outside.sums):
            return b""
        data = file.block(self._next)
        self._next += 1
        return data

    def checked(self, most: int) -> tuple[BodyFile, int, int] | None:
        """
        The next blocks that need not be read, because they were checked before; they count as read.

        :param most: bytes, at least 256 KiB
        :return: the file, and the offset and number of bytes in it; None when the next block has to be read
        """
        file = self._file
        if file is None:
            return None
        number = self._next
        count = file.checked(number, most // BLOCK)
        if count <= 0:
            return None
        self._next += count
        start = number * BLOCK
        return file, start, min(file.outside.length, self._next * BLOCK) - start

    def close(self) -> None:
        """No more is read; further reads return nothing."""
        self._file = None


def _fresh_until(facts: Facts) -> float:
    terms = facts.terms
    # A part serves only requests for parts, which go the longer way.
    return NEVER if terms.no_cache or facts.status == 206 else facts.response_time + terms.lifetime - terms.initial_age


class Entry:
    """
    A stored response.

    :ivar key: the primary key
    :ivar status: of the response
    :ivar reason: the reason phrase as it came
    :ivar headers: the stored fields; Content-Length and Age are not among them, whoever serves the entry adds them
    :ivar length: bytes of the body
    :ivar body: the body when it is in memory; otherwise None, and :meth:`open` gives it
    :ivar fresh_from: since when the entry may be served without asking, seconds since 1970
    :ivar fresh_until: until when, exclusive; minus infinity when it must always be validated
    :ivar validates: the entry has a validator: a peer can be asked whether it still holds
    :ivar prepared: a place for whoever serves the entry, to keep what is needed again; it goes when the entry is replaced.
        The memory tier counts 16 KiB at most for it.
    :ivar touched: when the entry was last noted as used, seconds since 1970
    :ivar files: the names of the files behind the entry; empty when it is in memory only
    :ivar stamp: by which a change of the last of these files is known
    """

    __slots__ = (
        "body",
        "facts",
        "file",
        "files",
        "fresh_from",
        "fresh_until",
        "headers",
        "key",
        "length",
        "prepared",
        "reason",
        "stamp",
        "status",
        "touched",
        "validates",
    )

    def __init__(self, facts: Facts, body: bytes | None, file: BodyFile | None = None, files: tuple[str, ...] = ()) -> None:
        self.facts = facts
        self.key = facts.key
        self.status = facts.status
        self.reason = facts.reason
        self.headers = facts.headers
        self.body = body
        self.file = file
        self.files = files
        self.length = len(body) if body is not None else file.outside.length if file is not None else 0
        self.fresh_from = facts.response_time - CLOCK_TOLERANCE
        self.fresh_until = _fresh_until(facts)
        self.validates = has_validator(facts.headers)
        self.prepared: Any = None
        self.touched = NEVER
        self.stamp: tuple[int, int, int] | None = None

    def change(self, facts: Facts) -> None:
        """From now on it has these *facts*, which differ from its own in their terms only."""
        self.facts = facts
        self.fresh_until = _fresh_until(facts)
        self.prepared = None

    def open(self) -> BodyReader:
        """
        A reader of a body that is not in memory.

        :raises ValueError: the body is in memory
        """
        if self.file is None:
            raise ValueError("the body is in memory")
        return BodyReader(self.file)

    def age(self, now: float) -> int:
        """The value of Age at *now*, whole seconds (RFC 9111 §5.1)."""
        return int(current_age(self.facts.terms.initial_age, self.facts.response_time, now))

    def ttl(self, now: float) -> int:
        """Whole seconds of freshness left at *now*, negative when stale (RFC 9211 §2.3)."""
        terms = self.facts.terms
        return int(terms.lifetime - current_age(terms.initial_age, self.facts.response_time, now))

    def __repr__(self) -> str:
        return f"<{self.status} of {self.key.decode('latin-1')}, {self.length} bytes>"
