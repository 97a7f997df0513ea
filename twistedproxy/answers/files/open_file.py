"""An open file with its facts, shared by all answers that it is sent with."""

from __future__ import annotations

import errno
import os
from typing import Final

#: Device, inode, bytes, and the moments of the last change of content and of anything: what a file is known by.
Identity = tuple[int, int, int, int, int]

#: Reading without waiting for the disk; 0 where the system cannot.
_NOWAIT: Final[int] = getattr(os, "RWF_NOWAIT", 0)
_CANNOT: Final = frozenset((errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL))
#: Bytes that are read at a time to have them in memory.
_STEP: Final = 128 * 1024


def identity_of(stat: os.stat_result) -> Identity:
    """What the file that *stat* describes is known by."""
    return stat.st_ino, stat.st_mtime_ns, stat.st_size, stat.st_ctime_ns, stat.st_dev


class OpenFile:
    """
    An open regular file; closed when nobody has it any more: neither an answer nor a connection that still sends it.

    :ivar size: bytes, and *modified*: nanoseconds since 1970, when it was opened
    """

    __slots__ = ("__weakref__", "descriptor", "identity", "modified", "size")

    def __init__(self, descriptor: int, stat: os.stat_result) -> None:
        self.descriptor = descriptor
        self.identity = identity_of(stat)
        self.size: int = stat.st_size
        self.modified: int = stat.st_mtime_ns

    def __del__(self) -> None:
        os.close(self.descriptor)

    def is_changed(self) -> bool:
        """
        Whether it has become shorter, or other bytes of the same number.

        What has only grown goes on as it was: a log that is written is a file that people fetch.
        """
        stat = os.fstat(self.descriptor)
        return stat.st_size < self.size or (stat.st_size == self.size and stat.st_mtime_ns != self.modified)

    def is_ready(self, start: int, stop: int) -> bool:
        """Whether the ends of that part are in memory, and most likely all of it; True where the system cannot tell."""
        if not _NOWAIT or start >= stop:
            return True
        try:
            for offset in (start, stop - 1):
                os.preadv(self.descriptor, (bytearray(1),), offset, _NOWAIT)
        except BlockingIOError:
            return False
        except OSError as problem:
            # Reading it for good says what is wrong.
            return problem.errno not in _CANNOT or stop - start <= _STEP
        return True

    def read(self, start: int, stop: int) -> bytes:
        """The bytes of a part; fewer when the file has become shorter."""
        return os.pread(self.descriptor, stop - start, start)

    def bring(self, start: int, stop: int) -> None:
        """Have that part in memory; for threads, which may wait for the disk."""
        while start < stop and os.pread(self.descriptor, min(_STEP, stop - start), start):
            start += _STEP
