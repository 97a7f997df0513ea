"""A part of an open file, on its way to a socket without passing through this process."""

from __future__ import annotations

import errno
import os
import socket
from typing import Final

#: Bytes for one system call: a disk that is slow holds up the others no longer than for so much.
_MOST: Final = 1024 * 1024
#: File systems that cannot do it say one of these.
_NOT_HERE: Final = frozenset((errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP))


class FilePart:
    """
    Bytes of a file that have yet to be sent; ``len()`` says how many.

    :param owner: keeps the descriptor open
    """

    __slots__ = ("_count", "_descriptor", "_offset", "_owner")

    def __init__(self, owner: object, descriptor: int, offset: int, count: int) -> None:
        self._owner = owner
        self._descriptor = descriptor
        self._offset = offset
        self._count = count

    def __len__(self) -> int:
        return self._count

    def send(self, sock: socket.socket) -> int:
        """
        Send as much as the kernel takes; what is sent belongs to the part no more.

        :returns: bytes sent
        :raises OSError: the socket takes nothing now (BlockingIOError), or is broken, or the file is shorter than it was
        """
        size = min(self._count, _MOST)
        try:
            sent = os.sendfile(sock.fileno(), self._descriptor, self._offset, size)
        except OSError as problem:
            if problem.errno not in _NOT_HERE:
                raise
            data = os.pread(self._descriptor, min(size, 64 * 1024), self._offset)
            sent = sock.send(data) if data else 0
        if not sent:
            raise OSError(errno.EIO, "the file is shorter than it was")
        self._offset += sent
        self._count -= sent
        return sent
