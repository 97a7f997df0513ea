"""Lines in a file, a named pipe, or on standard output."""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Sequence
from typing import Final

_STDOUT: Final = 1
_PIPE_BUF: Final = 4096
# Not blocking: to open a named pipe that nobody reads is an error instead of a wait.
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


class FileOutput:
    """
    Appends to a file; an :class:`twistedproxy.logs.output.Output`.

    :param name: its path; ``-`` for standard output
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.lost = 0
        self._unwritten = b""
        self._file: int | None = None
        self._regular = True

    @property
    def pending(self) -> int:
        """Bytes that are not written."""
        return len(self._unwritten)

    def open(self) -> None:
        """Open the file, which is made if there is none; raises OSError."""
        self._file = os.dup(_STDOUT) if self.name == "-" else os.open(self.name, _FLAGS, 0o640)
        self._regular = stat.S_ISREG(os.fstat(self._file).st_mode)

    def add(self, lines: Sequence[bytes]) -> None:
        """Take *lines*."""
        self._unwritten += b"".join(lines)

    def flush(self) -> None:
        """Write until all is gone or, where there is a reader, until that is behind; raises OSError."""
        if self._file is None:
            self.open()
            assert self._file is not None
        data = memoryview(self._unwritten)
        try:
            if self._regular:
                while data:
                    data = data[os.write(self._file, data) :]
            else:
                writable = select.poll()
                writable.register(self._file, select.POLLOUT)
                # A pipe that polls writable takes PIPE_BUF bytes at once: a reader who sleeps never stops the proxy.
                while data and writable.poll(0):
                    data = data[os.write(self._file, data[:_PIPE_BUF]) :]
        except BlockingIOError:
            return
        finally:
            self._unwritten = bytes(data)

    def reopen(self) -> None:
        """Go on in a new file of the same name; raises OSError."""
        self.close()
        self.open()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
