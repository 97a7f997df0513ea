"""
A directory and what is below it: files are opened so that no path, no link and no race leads elsewhere.

Each segment is opened by itself, below the directory that was opened before it, and never through a link; links are read, and
followed segment by segment, as long as they stay below.  What is looked at is what is opened: nothing can be exchanged between.
"""

from __future__ import annotations

import os
from collections import deque
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import Final

from twistedproxy.answers.files.open_file import Identity, OpenFile
from twistedproxy.verdicts import FileVerdict

_PATH: Final[int] = getattr(os, "O_PATH", os.O_RDONLY)
_DIRECTORY: Final = _PATH | os.O_DIRECTORY | os.O_CLOEXEC
#: A pipe without a writer would be waited for, and a terminal become ours.
_FILE: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_MOST_LINKS: Final = 40
_DEEPEST: Final = 100


class NotServed(Exception):
    """Something is there, and is not served; :attr:`verdict` says why."""

    def __init__(self, verdict: FileVerdict) -> None:
        super().__init__(str(verdict))
        self.verdict = verdict


class Tree:
    """
    :param root: an absolute path; it may lead over links, and elsewhere tomorrow
    :param follows: links may lead out of it
    """

    def __init__(self, root: bytes, *, follows: bool) -> None:
        self.root = root.rstrip(b"/")
        self._follows = follows

    def open(self, path: bytes) -> OpenFile | None:
        """
        The file at *path*; None when it is a directory.

        :param path: without dot segments; begins with a slash
        :raises NotServed: it is neither, or elsewhere
        :raises OSError: it is not there, or the system refuses
        """
        # Most of what is not there is found out so by one call; what is there has to be opened with care.
        os.stat(self.root + path)
        found = self._opened(path) if self._follows else self._walked(path)
        if isinstance(found, OpenFile):
            return found
        os.close(found)
        return None

    def directory(self, path: bytes) -> int:
        """A descriptor to list the directory at *path*; raises as :meth:`open`."""
        found = self._opened(path) if self._follows else self._walked(path)
        if isinstance(found, OpenFile):
            raise NotADirectoryError
        try:
            return os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=found)
        finally:
            os.close(found)

    def reopen(self, path: bytes, known: Identity) -> OpenFile | None:
        """What was *known* at *path* before; None when it is something else by now."""
        descriptor = os.open(self.root + path, _FILE)
        file = OpenFile(descriptor, os.fstat(descriptor))
        return file if file.identity == known else None

    def _opened(self, path: bytes) -> OpenFile | int:
        """Where links lead anywhere, the system may follow them."""
        name = self.root + path
        kind = os.stat(name).st_mode
        if S_ISDIR(kind):
            return os.open(name, _DIRECTORY)
        if not S_ISREG(kind):
            raise NotServed(FileVerdict.SPECIAL)
        return _checked(os.open(name, _FILE))

    def _walked(self, path: bytes) -> OpenFile | int:
        todo = deque(segment for segment in path.split(b"/") if segment)
        if path.endswith(b"/"):
            todo.append(b".")
        stack = [os.open(self.root or b"/", _DIRECTORY)]
        links = 0
        try:
            while todo:
                name = todo.popleft()
                if name == b".":
                    continue
                if name == b"..":  # only of links
                    if len(stack) == 1:
                        raise NotServed(FileVerdict.OUTSIDE)
                    os.close(stack.pop())
                    continue
                here = stack[-1]
                kind = os.stat(name, dir_fd=here, follow_symlinks=False).st_mode
                if S_ISREG(kind):
                    if todo:
                        raise NotADirectoryError
                    return _checked(os.open(name, _FILE | os.O_NOFOLLOW, dir_fd=here))
                if S_ISDIR(kind):
                    if len(stack) > _DEEPEST:
                        raise NotServed(FileVerdict.OUTSIDE)
                    stack.append(os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=here))
                elif S_ISLNK(kind):
                    links += 1
                    if links > _MOST_LINKS:
                        raise NotServed(FileVerdict.OUTSIDE)
                    to = os.readlink(name, dir_fd=here)
                    if to.startswith(b"/"):
                        to = self._below(to)
                        while len(stack) > 1:
                            os.close(stack.pop())
                    todo.extendleft(reversed([segment for segment in to.split(b"/") if segment]))
                else:
                    raise NotServed(FileVerdict.SPECIAL)
            return stack.pop()
        finally:
            for descriptor in stack:
                os.close(descriptor)

    def _below(self, path: bytes) -> bytes:
        """*path*, seen from the root, however the root is called; raises NotServed."""
        for root in (self.root, os.path.realpath(self.root)):
            if (path + b"/").startswith(root + b"/"):
                return path[len(root) :]
        raise NotServed(FileVerdict.OUTSIDE)


def _checked(descriptor: int) -> OpenFile:
    """It may be another one than was looked at before."""
    stat = os.fstat(descriptor)
    if not S_ISREG(stat.st_mode):
        os.close(descriptor)
        raise NotServed(FileVerdict.SPECIAL)
    return OpenFile(descriptor, stat)
