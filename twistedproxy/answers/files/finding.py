"""Which file answers: candidates are looked for in a directory, one after the other, each only as deep as has to be."""

from __future__ import annotations

import errno
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

from twistedproxy.answers.files.listing import Item, items
from twistedproxy.answers.files.open_file import Identity, OpenFile
from twistedproxy.answers.files.paths import Candidate
from twistedproxy.answers.files.representation import Describing, Representation
from twistedproxy.answers.files.shelf import Shelf
from twistedproxy.answers.files.tree import NotServed, Tree
from twistedproxy.settings.routes import RouteSettings
from twistedproxy.verdicts import FileVerdict

#: There is no such file: any other error is trouble.
_NOT_THERE: Final = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL))
#: What stands behind the names of files that were compressed beforehand.
_ENDINGS: Final = {b"gzip": b".gz", b"br": b".br", b"zstd": b".zst"}


class Found(NamedTuple):
    """
    What answers.

    :ivar verdict: FILE, INDEX or FALLBACK; DIRECTORY or LISTED without a *shown*; or why nothing does
    :ivar path: of what was found
    :ivar file: open already; None: it was not opened, as all of it is known
    """

    verdict: FileVerdict
    path: bytes = b""
    shown: Representation | None = None
    file: OpenFile | None = None


def _is_trouble(problem: OSError) -> bool:
    """Whether *problem* says more than that there is no such file."""
    return problem.errno is not None and problem.errno not in _NOT_THERE


class Finding:
    """
    Looks for files of one route.

    :ivar tree: where
    :ivar shelf: what is known of them
    """

    def __init__(self, settings: RouteSettings) -> None:
        assert settings.static is not None
        self.tree = Tree(settings.static.encode("utf-8", "surrogateescape"), follows=settings.symlinks)
        self.shelf = Shelf(settings.open_file_cache, settings.open_file_cache_valid)
        self._index = [name.encode("utf-8", "surrogateescape") for name in settings.index]
        self._listing = settings.listing
        self._describing = Describing(settings)
        #: Files that are being sent: one descriptor does for all who get the same.
        self._open: WeakValueDictionary[Identity, OpenFile] = WeakValueDictionary()

    def find(self, candidates: tuple[Candidate, ...], codings: tuple[bytes, ...], now: float, wall: float) -> Found:
        """
        The first of *candidates* that is there.

        :param codings: content codings that the client likes better than the file itself, the best first
        :raises NotServed: what is there is not served
        :raises OSError: the system refuses, or lacks something
        """
        for candidate in candidates:
            if candidate.as_directory:
                found = self._directory(candidate, codings, now, wall)
                if found is not None:
                    return found
                continue
            try:
                one = self._coded(candidate.path, codings, now, wall)
            except OSError as problem:
                if _is_trouble(problem):
                    raise
                continue
            if one is not None:
                return Found(FileVerdict.FILE if candidate.is_asked else FileVerdict.FALLBACK, candidate.path, *one)
            if not candidate.as_file:
                return Found(FileVerdict.DIRECTORY, candidate.path)
        return Found(FileVerdict.MISSING)

    def _directory(self, candidate: Candidate, codings: tuple[bytes, ...], now: float, wall: float) -> Found | None:
        path = candidate.path
        for name in self._index if not candidate.lacks_slash else ():
            try:
                one = self._coded(path + name, codings, now, wall)
            except OSError as problem:
                if _is_trouble(problem):
                    raise
                continue
            if one is not None:
                return Found(FileVerdict.INDEX, path, *one)
        try:
            if self.tree.open(path) is not None:
                return None
        except OSError as problem:
            if _is_trouble(problem):
                raise
            return None
        if candidate.lacks_slash:
            return Found(FileVerdict.DIRECTORY, path)
        return Found(FileVerdict.LISTED if self._listing else FileVerdict.UNLISTED, path)

    def _coded(
        self, path: bytes, codings: tuple[bytes, ...], now: float, wall: float
    ) -> tuple[Representation, OpenFile | None] | None:
        """The file at *path*, or one beside it that is the same in one of *codings*; None for a directory."""
        plain = self._one(path, path, b"", now, wall)
        if plain is None:
            return None
        for coding in codings:
            try:
                coded = self._one(path + _ENDINGS[coding], path, coding, now, wall)
            except (OSError, NotServed):
                continue
            if coded is not None:
                return coded
        return plain

    def _one(
        self, path: bytes, asked: bytes, coding: bytes, now: float, wall: float
    ) -> tuple[Representation, OpenFile | None] | None:
        key = path if not coding else b"%b\0%b" % (path, coding)
        shown = self.shelf.find(key, now)
        if shown is not None:
            return shown, None
        file = self.tree.open(path)
        if file is None:
            return None
        shown = self._describing.of(self.tree.root + path, asked, coding, file, wall)
        shown.key = key
        self.shelf.keep(shown, now)
        return shown, file

    def opened(self, shown: Representation, file: OpenFile | None) -> OpenFile | None:
        """
        The file of *shown*, to be sent; None when another one has taken its place since.

        :raises OSError: it cannot be opened any more
        """
        known = self._open.get(shown.identity)
        if known is not None:
            return known
        if file is None:
            file = self.tree.reopen(shown.place[len(self.tree.root) :], shown.identity)
            if file is None:
                self.shelf.drop(shown.key)
                return None
        self._open[file.identity] = file
        return file

    def remember(self, shown: Representation, data: bytes, now: float) -> None:
        """All of *shown* is *data*: keep that, if it may be kept."""
        self.shelf.drop(shown.key)
        shown.body = data
        self.shelf.keep(shown, now)

    def items(self, path: bytes, *, dotfiles: bool) -> list[Item]:
        """What is in the directory at *path*; see :func:`twistedproxy.answers.files.listing.items`."""
        return items(self.tree, path, dotfiles=dotfiles)
