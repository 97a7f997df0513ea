"""Single files of the cache: opened without surprise, written aside and renamed."""

from __future__ import annotations

import os
import stat
import zlib
from typing import Final

from twistedproxy.cache.entry import BLOCK, BodyFile, DamagedEntry, Outside

_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
_WRITE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


def open_regular(path: str) -> tuple[int, int]:
    """
    Opens a regular file for reading; whatever else stands there, a FIFO for instance, does not block.

    :return: the descriptor, and the size in bytes
    :raises OSError: it cannot be opened
    :raises DamagedEntry: it is no regular file
    """
    descriptor = os.open(path, _READ)
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        os.close(descriptor)
        raise DamagedEntry("not a regular file")
    return descriptor, about.st_size


def read_whole(path: str, limit: int) -> bytes:
    """
    The contents of a small file.

    :param limit: bytes; a longer file is damaged
    :raises OSError: it cannot be read
    :raises DamagedEntry: it is no regular file, or too long
    """
    descriptor, size = open_regular(path)
    try:
        if size > limit:
            raise DamagedEntry(f"{size} bytes are too many")
        return os.read(descriptor, size)
    finally:
        os.close(descriptor)


def remove_file(path: str) -> OSError | None:
    """Removes a file; returns what prevents it, None when it is gone."""
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return error
    return None


class Spare:
    """
    A file on its way to the disk; until it is placed, it has no name that a reader would look for.

    :ivar token: 16 hexadecimal digits of its own
    """

    def __init__(self, directory: str) -> None:
        """
        Makes the file in *directory*, and the directory when it is absent.

        :raises OSError: the disk does not let it
        """
        self.token = os.urandom(8).hex()
        self.path = os.path.join(directory, f"{os.getpid()}-{self.token}.part")
        try:
            self._descriptor = os.open(self.path, _WRITE, 0o600)
        except FileNotFoundError:
            os.makedirs(directory, mode=0o700, exist_ok=True)
            self._descriptor = os.open(self.path, _WRITE, 0o600)

    def write(self, data: bytes) -> None:
        """Appends *data*; raises OSError when the disk does not take it."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def read(self, size: int, offset: int) -> bytes:
        """At most *size* bytes of what has been written, from *offset* on; raises OSError when they cannot be read."""
        return os.pread(self._descriptor, size, offset)

    def place(self, path: str) -> None:
        """Gives the file its name, in place of what is there; raises OSError when that cannot be."""
        # ext4 writes a file to the platter at once when it is renamed over another one; between the two calls is a miss.
        remove_file(path)
        try:
            os.rename(self.path, path)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            os.rename(self.path, path)

    def detach(self) -> int:
        """The open descriptor, which the caller closes from now on."""
        descriptor, self._descriptor = self._descriptor, -1
        return descriptor

    def close(self) -> None:
        """Nothing more is written."""
        descriptor = self.detach()
        if descriptor >= 0:
            os.close(descriptor)

    def discard(self) -> None:
        """The file is not wanted."""
        self.close()
        remove_file(self.path)


class SpareBody:
    """A large body that comes in, block by block."""

    def __init__(self, directory: str) -> None:
        """Raises OSError when the disk does not let it."""
        self.spare = Spare(directory)
        self.length = 0
        self._sums: list[int] = []

    def write(self, block: bytes) -> None:
        """Appends a block; all but the last have the size of entry.BLOCK.  Raises OSError when the disk does not take it."""
        self.spare.write(block)
        self._sums.append(zlib.crc32(block))
        self.length += len(block)

    def block(self, number: int) -> bytes:
        """
        Block *number* of what has been written, checked, before the body is finished.

        :raises DamagedEntry: when it cannot be read or its checksum is wrong
        """
        try:
            data = self.spare.read(BLOCK, number * BLOCK)
        except OSError as error:
            raise DamagedEntry(f"block {number} cannot be read: {error}") from error
        if zlib.crc32(data) != self._sums[number]:
            raise DamagedEntry(f"block {number} is damaged")
        return data

    def finish(self) -> BodyFile:
        """The complete body, open for reading; it still has to be placed."""
        return BodyFile(self.spare.detach(), Outside(self.spare.token, self.length, tuple(self._sums)))
