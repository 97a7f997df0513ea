"""
The cache on disk: one directory, its files in 256 subdirectories by the first two digits of their names.

A file is written aside, in ``aside/``, and renamed; so a name leads to a whole file or to none.
Nothing is forced to the platter: what a crash of the machine leaves behind is found by the checksums.  Whatever the disk
does, the outcome is a miss and a line in the log, never an exception.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from twistedproxy.cache.entry import BodyFile, DamagedEntry, Facts, Outside
from twistedproxy.cache.files import Spare, SpareBody, open_regular, read_whole, remove_file
from twistedproxy.cache.index import Index, Record, pages
from twistedproxy.cache.ledger import Ledger
from twistedproxy.cache.serial import Stored, Variants, unpack, unpack_facts

#: No file with the fields of an entry is larger: 256 KiB of body, the fields, and the checksums of a body outside.
LARGEST_FILE: Final = 8 * 1024**2

#: Bytes of a file in which its facts are found, mostly.
_FACTS: Final = 16 * 1024

#: Inode, time of change in nanoseconds, bytes.
Stamp = tuple[int, int, int]

#: The same trouble is told once in this many seconds.
_QUIET: Final = 30.0


class Troubles:
    """
    Tells of troubles with the disk, each kind at most every 30 seconds.

    :param tell: takes one sentence
    :param now: seconds, of a clock that does not jump
    :ivar count: troubles so far, told or not
    """

    def __init__(self, tell: Callable[[str], object], now: Callable[[], float]) -> None:
        self.count = 0
        self._tell = tell
        self._now = now
        self._told: dict[str, float] = {}

    def report(self, kind: str, what: object) -> None:
        """One more trouble of *kind*; *what* says more about it."""
        self.count += 1
        now = self._now()
        if now - self._told.get(kind, float("-inf")) >= _QUIET:
            self._told[kind] = now
            self._tell(f"{kind}: {what}")


class Store:
    """
    The files of one cache.

    :param directory: made when absent
    :param inactive: seconds after which a file that nobody asked for goes
    :param now: seconds since 1970
    :ivar aside: the directory of files that are being written
    :ivar writing: the paths of bodies that come in
    :ivar damaged: files that were not what was written
    :ivar ledger: what was purged, by whichever process
    """

    def __init__(self, directory: str, inactive: float, troubles: Troubles, now: Callable[[], float]) -> None:
        self.directory = directory
        self.aside = os.path.join(directory, "aside")
        self.index = Index()
        self.writing: set[str] = set()
        self.damaged = 0
        self.troubles = troubles
        self.ledger = Ledger(directory, troubles.report, now)
        self.revise(inactive)
        # Names of files that should be gone but cannot be removed: they are not read any more.
        self._dead: set[str] = set()

    def revise(self, inactive: float) -> None:
        """From now on, a file goes so many seconds after it was asked for last."""
        self._mark_after = max(60.0, inactive / 4)

    def path(self, name: str) -> str:
        """Where the file *name* is."""
        return os.path.join(self.directory, name[:2], name[2:])

    def body_path(self, name: str, token: str) -> str:
        """Where the body *token* of the file *name* is."""
        return f"{self.path(name)}-{token}.body"

    def load(self, name: str, now: float) -> tuple[Stored | Variants, BodyFile | None] | None:
        """
        What the file *name* holds, with its body when that is in a file of its own; None when there is nothing of use.

        A damaged file is removed.
        """
        if name in self._dead:
            return None
        try:
            data = read_whole(self.path(name), LARGEST_FILE)
            held = unpack(data)
            outside = held.outside if type(held) is Stored else None
            body = None if outside is None else self._open_body(name, outside)
        except (FileNotFoundError, NotADirectoryError):
            self.index.remove(name)
            return None
        except DamagedEntry as error:
            self.damaged += 1
            self.troubles.report("a stored response was damaged and is dropped", f"{self.path(name)}: {error}")
            self.remove(name)
            return None
        except OSError as error:
            self.troubles.report("a stored response cannot be read", error)
            return None
        if self.index.get(name) is None:
            self._note(name, len(data), outside, now)
        self.touch(name, now)
        return held, body

    def _open_body(self, name: str, outside: Outside) -> BodyFile:
        try:
            descriptor, size = open_regular(self.body_path(name, outside.token))
        except FileNotFoundError:
            raise DamagedEntry("its body is missing") from None
        body = BodyFile(descriptor, outside)
        if size != outside.length:
            raise DamagedEntry(f"its body has {size} bytes instead of {outside.length}")
        return body

    def _note(self, name: str, size: int, outside: Outside | None, now: float) -> Record:
        if outside is None:
            return self.index.put(name, pages(size), now)
        return self.index.put(name, pages(size) + pages(outside.length), now, (outside.token,))

    def peek(self, name: str) -> Stored | Variants | None:
        """What the file *name* holds, for those who only look: it does not count as used, and damage is left to others."""
        try:
            return unpack(read_whole(self.path(name), LARGEST_FILE))
        except (OSError, DamagedEntry):
            return None

    def stamp(self, name: str) -> Stamp | None:
        """What changes when another process puts something else under *name*; None when nothing is there."""
        try:
            about = os.stat(self.path(name))
        except OSError:
            return None
        return about.st_ino, about.st_ctime_ns, about.st_size

    def facts(self, name: str) -> Facts | None:
        """
        The facts of the entry in the file *name*; None when there is none, or a damaged one, which others find.

        :raises OSError: it cannot be read
        """
        try:
            descriptor, size = open_regular(self.path(name))
        except (FileNotFoundError, DamagedEntry):
            return None
        try:
            return unpack_facts(os.pread(descriptor, _FACTS, 0))
        except DamagedEntry:
            pass
        finally:
            os.close(descriptor)
        held = self.peek(name) if size > _FACTS else None
        return held.facts if isinstance(held, Stored) else None

    def touch(self, name: str, now: float) -> None:
        """Notes that the file is used, from time to time on the file itself too, so that the next start knows it."""
        record = self.index.touch(name, now)
        if record is not None and now - record.marked >= self._mark_after:
            record.marked = now
            try:
                os.utime(self.path(name), (now, now))
            except OSError as error:
                self.troubles.report("the time of last use cannot be noted", error)

    def begin(self) -> SpareBody | None:
        """A place for a large body that comes in; None when the disk gives none."""
        try:
            body = SpareBody(self.aside)
        except OSError as error:
            self.troubles.report("a response cannot be stored", error)
            return None
        self.writing.add(body.spare.path)
        return body

    def append(self, body: SpareBody, block: bytes) -> bool:
        """Writes a block of a large body; False when the disk does not take it."""
        try:
            body.write(block)
        except OSError as error:
            self.troubles.report("a response cannot be stored", error)
            return False
        return True

    def discard(self, body: SpareBody) -> None:
        """A large body that came in is not wanted."""
        self.writing.discard(body.spare.path)
        body.spare.discard()

    def save(self, name: str, data: bytes, now: float, outside: Outside | None = None, spare: Spare | None = None) -> bool:
        """
        Puts *data* under *name* in place of what is there, together with the body that belongs to it.

        :param outside: the body in a file of its own
        :param spare: where that body is, when it has not been placed yet
        :return: False when the disk does not let it; then nothing is left under this name
        """
        head = None
        try:
            if outside is not None and spare is None and not os.path.exists(self.body_path(name, outside.token)):
                # It was removed meanwhile, for lack of room for instance; without its body the rest is of no use.
                self.remove(name)
                return False
            head = Spare(self.aside)
            head.write(data)
            head.close()
            if spare is not None:
                spare.place(self.body_path(name, spare.token))
            head.place(self.path(name))
        except OSError as error:
            self.troubles.report("a response cannot be stored", error)
            for leftover in (head, spare):
                if leftover is not None:
                    leftover.discard()
            if outside is not None:
                remove_file(self.body_path(name, outside.token))
            self.remove(name)
            return False
        finally:
            if spare is not None:
                self.writing.discard(spare.path)
        self._dead.discard(name)
        known = self.index.get(name)
        for token in known.bodies if known is not None else ():
            if outside is None or token != outside.token:
                remove_file(self.body_path(name, token))
        self._note(name, len(data), outside, now)
        return True

    def remove(self, name: str) -> bool:
        """
        Removes the file *name* and its bodies.

        :return: whether it was known; what cannot be removed is not read any more
        """
        record = self.index.remove(name)
        error = remove_file(self.path(name))
        if error is not None:
            self._dead.add(name)
            self.troubles.report("a stored response cannot be removed", error)
        for token in record.bodies if record is not None else ():
            remove_file(self.body_path(name, token))
        return record is not None

    def clear(self) -> int:
        """
        Removes everything at once: the subdirectories are moved aside, where the upkeep empties them.

        :return: how many files were known
        """
        count = len(self.index)
        names = list(self.index.newest_first())
        self.index = Index()
        try:
            os.makedirs(self.aside, mode=0o700, exist_ok=True)
            for number in range(256):
                shard = os.path.join(self.directory, f"{number:02x}")
                if os.path.isdir(shard):
                    os.rename(shard, os.path.join(self.aside, f"cleared-{os.urandom(8).hex()}"))
        except OSError as error:
            self.troubles.report("the cache cannot be cleared", error)
            self._dead.update(names)
        return count
