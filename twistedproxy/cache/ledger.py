"""
The ledger: purges in a file of the cache's directory, so that they hold after a restart, and for every process that shares it.

Each line is one purge, behind its CRC-32.  Lines are appended under a lock of the file, which nobody holds for longer than a
write; a reader looks at the file's size from time to time.  Lines that cover nothing any more go when the file is written anew,
aside, and renamed; the first line of the new one says up to which number purges were left out.
"""

from __future__ import annotations

import base64
import errno
import fcntl
import json
import os
import time
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, Final

from twistedproxy.cache.purge import Purge, PurgeKind, Purges

#: Tries to get the file's lock, a millisecond apart.
_TRIES: Final = 20
#: A ledger that is larger than this many bytes is written anew when a part of it is not needed any more.
_LARGE: Final = 64 * 1024

_OPEN: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class Ledger:
    """
    The purges of one cache.

    :param directory: of the cache
    :param report: of a trouble with the disk: its kind, and more about it
    :param now: seconds since 1970
    :ivar purges: those that matter
    :ivar is_readable: what others have purged is known; until then nothing on the disk can be trusted
    """

    def __init__(self, directory: str, report: Callable[[str, object], object], now: Callable[[], float]) -> None:
        self.path = os.path.join(directory, "purges")
        self.purges = Purges()
        self.is_readable = True
        self._report = report
        self._now = now
        # The file as it was last read: its inode, and up to where.
        self._inode = -1
        self._read = 0
        self._floor = 0

    def refresh(self) -> tuple[list[Purge], bool]:
        """
        Reads what other processes have purged.

        :return: their purges in order, and whether there were others that are forgotten already
        """
        try:
            about = os.stat(self.path)
            if (about.st_ino, about.st_size) == (self._inode, self._read):
                return [], False
            with open(self.path, "rb") as file:
                found = self._take(file.fileno())
        except (FileNotFoundError, NotADirectoryError):
            self._inode, self._read = -1, 0
            self.is_readable = True
            return [], False
        except OSError as error:
            self.is_readable = False
            self._report("the purges cannot be read", error)
            return [], False
        self.is_readable = True
        return found

    def _take(self, descriptor: int) -> tuple[list[Purge], bool]:
        about = os.fstat(descriptor)
        if about.st_ino != self._inode or about.st_size < self._read:
            self._inode, self._read = about.st_ino, 0
        data = os.pread(descriptor, about.st_size - self._read, self._read)
        whole = data.rfind(b"\n") + 1
        self._read += whole
        before = self.purges.latest
        found: list[Purge] = []
        missed = False
        for line in data[:whole].splitlines():
            said = _parse(line)
            if said is None:
                if line:
                    self._report("a line of the purges was damaged and is left out", self.path)
            elif isinstance(said, int):
                self._floor = max(self._floor, said)
                missed = missed or said > before
                self.purges.latest = max(self.purges.latest, said)
            elif said.number > before:
                self.purges.add(said)
                found.append(said)
        return found, missed

    def record(self, kind: PurgeKind, value: bytes, *, soft: bool) -> tuple[Purge, list[Purge], bool]:
        """
        One more purge, in force from now on.

        :return: it, those of others that were found on the way, and whether it stands in the file; if not, it holds for this
            process, as long as that lives
        """
        found: list[Purge] = []
        try:
            with self._locked() as descriptor:
                found, _ = self._take(descriptor)
                purge = self._numbered(kind, value, soft)
                end = os.fstat(descriptor).st_size
                line = _line(purge)
                # A line that a kill has cut off must not spoil this one.
                _write(descriptor, line if end == self._read else b"\n" + line)
                self._inode, self._read = os.fstat(descriptor).st_ino, os.fstat(descriptor).st_size
                written = True
        except OSError as error:
            self._report("a purge cannot be written down, and holds for this process only", error)
            purge = self._numbered(kind, value, soft)
            written = False
        self.purges.add(purge)
        return purge, found, written

    def _numbered(self, kind: PurgeKind, value: bytes, soft: bool) -> Purge:
        now = self._now()
        return Purge(kind, value, soft, max(self.purges.latest + 1, int(now * 1_000_000)), now)

    def forget(self, purges: Collection[Purge]) -> None:
        """*purges* cover nothing on the disk any more."""
        self.purges.forget(purges)
        if self._read <= _LARGE:
            return
        aside = f"{self.path}-{os.getpid()}"
        try:
            with self._locked() as descriptor:
                if self._take(descriptor)[0]:
                    return  # Somebody purges at this moment: another time.
                kept = self.purges.kept()
                floor = max([self._floor, *(purge.number for purge in purges)])
                with open(aside, "wb") as file:
                    file.write(_sealed({"floor": floor}))
                    file.writelines(map(_line, kept))
                os.rename(aside, self.path)
                self._floor = floor
        except OSError as error:
            self._report("the purges cannot be written anew", error)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The open file, which nobody else writes meanwhile."""
        descriptor = self._lock()
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _lock(self) -> int:
        for _ in range(_TRIES):
            descriptor = self._open()
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # It may have been written anew in between.
                if os.fstat(descriptor).st_ino == os.stat(self.path).st_ino:
                    return descriptor
            except (BlockingIOError, FileNotFoundError):
                pass
            except OSError:
                os.close(descriptor)
                raise
            os.close(descriptor)
            time.sleep(0.001)
        raise OSError(errno.EAGAIN, "another process holds the lock", self.path)

    def _open(self) -> int:
        try:
            return os.open(self.path, _OPEN | os.O_APPEND, 0o600)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            return os.open(self.path, _OPEN | os.O_APPEND, 0o600)


def _write(descriptor: int, data: bytes) -> None:
    if os.write(descriptor, data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _line(purge: Purge) -> bytes:
    value = base64.b64encode(purge.value).decode("ascii")
    return _sealed({"kind": str(purge.kind), "value": value, "soft": purge.soft, "number": purge.number, "at": purge.at})


def _sealed(what: dict[str, Any]) -> bytes:
    text = json.dumps(what).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _parse(line: bytes) -> Purge | int | None:
    """A purge, or the number up to which purges are left out; None when the line is damaged."""
    sum_text, _, text = line.partition(b" ")
    if sum_text != b"%08x" % zlib.crc32(text):
        return None
    try:
        what = json.loads(text)
        if "floor" in what:
            return int(what["floor"])
        value = base64.b64decode(what["value"])
        return Purge(PurgeKind(what["kind"]), value, bool(what["soft"]), int(what["number"]), float(what["at"]))
    except (ValueError, KeyError, TypeError):
        return None
