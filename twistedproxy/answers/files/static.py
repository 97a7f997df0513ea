"""A route that answers with the files of a directory."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import quote_from_bytes

from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedproxy import errors
from twistedproxy.answers import replies
from twistedproxy.answers.answer import Asked
from twistedproxy.answers.files.body import FileBody
from twistedproxy.answers.files.finding import Finding, Found
from twistedproxy.answers.files.listing import Item, page
from twistedproxy.answers.files.open_file import OpenFile
from twistedproxy.answers.files.paths import Candidate, Candidates, file_path, is_hidden
from twistedproxy.answers.files.preconditions import CONDITIONS, outcome
from twistedproxy.answers.files.representation import Representation
from twistedproxy.answers.files.shelf import LARGEST
from twistedproxy.answers.files.tree import NotServed
from twistedproxy.answers.media_types import HTML, JSON
from twistedproxy.answers.media_types import preferred as preferred_type
from twistedproxy.cache.extent import Span
from twistedproxy.cache.ranges import Plan, parts, plan_length, planned
from twistedproxy.cache.validation import not_modified_fields
from twistedproxy.errors import Reason, RequestError, Whose
from twistedproxy.message import Headers, RequestHead, ResponseHead
from twistedproxy.settings.routes import RouteSettings
from twistedproxy.verdicts import FileVerdict
from twistedproxy.wire.content_codings import preferred
from twistedproxy.wire.framing import Piece

_log = Logger()

_NO_DESCRIPTORS: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM))
#: Looks at a file that is exchanged again and again.
_TRIES: Final = 3
_REFUSED: Final = frozenset((errno.EACCES, errno.EPERM))
#: Verdicts that are answered with 403; all others with 404.
_FORBIDDEN: Final = frozenset((FileVerdict.UNLISTED, FileVerdict.OUTSIDE, FileVerdict.SPECIAL))
#: Of what is there and must not be sent, no peer is asked for another version.
_NEVER: Final = frozenset((FileVerdict.OUTSIDE, FileVerdict.SPECIAL))


class Rewriting(Protocol):
    """What a route makes of targets."""

    varies: bool

    def rewritten(self, exchange: Any) -> bytes:
        """The target of *exchange* as a peer would get it."""


class Wanted(NamedTuple):
    """
    What a request wants, as far as its head says it.

    :ivar path: of the file, as the client calls it below the directory; *candidates*: what is looked for
    :ivar codings: that it likes better than the file itself
    :ivar is_plain: no condition, no range
    """

    path: bytes
    candidates: tuple[Candidate, ...]
    codings: tuple[bytes, ...]
    is_plain: bool


class Static:
    """
    An :class:`twistedproxy.answers.answer.Answer`.

    :param targets: changes what is asked for, as for a peer (``strip_prefix``, ``rewrite``, ``add_prefix``)
    :param passes_on: what is not there, or not for files at all, the route's peers are asked for
    :ivar finding: looks for files
    """

    def __init__(self, settings: RouteSettings, targets: Rewriting | None, *, passes_on: bool = False) -> None:
        self.finding = Finding(settings)
        self._candidates = Candidates(settings.try_files, files_only=passes_on)
        self._passes_on = passes_on and not self._candidates.gives_up
        self._targets = targets
        self._varies = targets is not None and targets.varies
        self._dotfiles = settings.dotfiles
        self._codings = tuple(each.encode("ascii") for each in settings.precompressed)
        status = self._candidates.status
        self._missing = errors.FILE_MISSING
        if status != self._missing.status:
            self._missing = Reason("file_missing", status, Whose.DOWNSTREAM, errors.FILE_MISSING.text)

    def answer(self, exchange: Asked) -> None:
        """Send the file that *exchange* asks for."""
        head = exchange.head
        known = head.cached
        if known is not None and known[0] is self:
            wanted = known[1]
        else:
            try:
                made = self._understood(exchange)
            except RequestError as error:
                exchange.fail(error.reason, error.detail)
                return
            if isinstance(made, FileVerdict):
                self._refuse(exchange, made)
                return
            wanted = made
            if not self._varies:
                head.cached = (self, wanted)
        self._look(exchange, wanted)

    def _understood(self, exchange: Asked) -> Wanted | FileVerdict:
        head = exchange.head
        if head.method not in (b"GET", b"HEAD") or (self._passes_on and head.fields.upgrade):
            return FileVerdict.PASSED_OVER
        path = file_path(head.path if self._targets is None else self._targets.rewritten(exchange))
        if path is None:
            return FileVerdict.NO_NAME
        if not self._dotfiles and is_hidden(path):
            return FileVerdict.HIDDEN
        codings: tuple[bytes, ...] = ()
        if self._codings:
            codings = _liked(head.headers.elements(b"accept-encoding"), self._codings)
        candidates = self._candidates.of(path)
        if not self._dotfiles:
            # A line such as {path}.html may make a name with a dot of one without.
            candidates = tuple(each for each in candidates if not each.is_asked or not is_hidden(each.path))
        return Wanted(path, candidates, codings, not head.headers.has_any(CONDITIONS))

    def _look(self, exchange: Asked, wanted: Wanted, tries: int = _TRIES) -> None:
        """Find the file, and answer; *tries*: so often another file may come in its place meanwhile."""
        site = exchange.site
        wall = site.clock.wall()
        try:
            found = self.finding.find(wanted.candidates, wanted.codings, site.clock.monotonic(), wall)
            if found.shown is None:
                self._without_file(exchange, wanted, found)
                return
            if not self._serve(exchange, wanted, found, wall):
                if tries > 1:
                    self._look(exchange, wanted, tries - 1)
                else:
                    exchange.fail(errors.FILE_CHANGED)
        except NotServed as refusal:
            self._refuse(exchange, refusal.verdict)
        except OSError as problem:
            self._troubled(exchange, problem)

    def _serve(self, exchange: Asked, wanted: Wanted, found: Found, wall: float) -> bool:
        """Answer with what was *found*, or what the request's conditions make of it; False: it has changed meanwhile."""
        shown = found.shown
        assert shown is not None
        head = shown.head(wall)
        asked = exchange.head
        is_get = asked.method == b"GET"
        plan: Plan | None = None
        if not wanted.is_plain:
            status, spans = outcome(asked.headers, head.headers, shown.size, wall, is_get=is_get)
            if status == 412:
                exchange.verdicts.append(found.verdict)
                exchange.fail(errors.PRECONDITION_FAILED)
                return True
            if status != 200:
                head, plan = _conditional(head, status, spans, shown)
        body = shown.body
        if is_get and head.length > 0 and body is None:
            file = self.finding.opened(shown, found.file)
            if file is None:
                return False
            if shown.size > LARGEST:
                exchange.verdicts.append(found.verdict)
                exchange.source = source = FileBody(exchange, file, plan or ((0, shown.size),))
                exchange.deliver(exchange.outgoing(head), (), False)
                if not exchange.finished:
                    source.pump()
                return True
            if not file.is_ready(0, shown.size):
                self._fetch(exchange, wanted, shown, file)
                return True
            body = self._read(exchange, shown, file)
            if body is None:
                return False
        exchange.verdicts.append(found.verdict)
        if not is_get or head.length <= 0 or body is None:
            pieces: Sequence[Piece] = ()
        else:
            pieces = (body,) if plan is None else planned(plan, body)
        exchange.deliver(exchange.outgoing(head), pieces, True)
        exchange.finish()
        return True

    def _read(self, exchange: Asked, shown: Representation, file: OpenFile) -> bytes | None:
        """All of a small file; None when it has changed."""
        data = file.read(0, shown.size)
        if len(data) != shown.size or file.is_changed():
            return None
        self.finding.remember(shown, data, exchange.site.clock.monotonic())
        return data

    def _fetch(self, exchange: Asked, wanted: Wanted, shown: Representation, file: OpenFile) -> None:
        """The disk has to be waited for, which a thread does."""
        done = exchange.site.in_thread(lambda: file.bring(0, shown.size))
        done.addCallback(lambda _: self._look(exchange, wanted) if not exchange.finished else None)
        done.addErrback(_failed_in_thread, exchange)

    def _without_file(self, exchange: Asked, wanted: Wanted, found: Found) -> None:
        """There is a directory, or nothing."""
        head = exchange.head
        if found.verdict is FileVerdict.DIRECTORY and not head.path.endswith(b"/"):
            exchange.verdicts.append(found.verdict)
            exchange.reply(*replies.redirect(301, _with_slash(head)))
        elif found.verdict is FileVerdict.DIRECTORY:
            # It was rewritten to a path without a slash: the client has no better one.
            inside = Candidate(found.path.rstrip(b"/") + b"/", as_directory=True, is_asked=True)
            self._look(exchange, wanted._replace(candidates=(inside,)))
        elif found.verdict is FileVerdict.LISTED:
            exchange.verdicts.append(found.verdict)
            done = exchange.site.in_thread(lambda: self.finding.items(found.path, dotfiles=self._dotfiles))
            done.addCallback(partial(_listed, exchange, found.path))
            done.addErrback(_failed_in_thread, exchange)
        else:
            self._refuse(exchange, found.verdict)

    def _refuse(self, exchange: Asked, verdict: FileVerdict) -> None:
        exchange.verdicts.append(verdict)
        if self._passes_on and verdict not in _NEVER:
            exchange.pass_on()
        elif verdict is FileVerdict.PASSED_OVER:
            exchange.fail(errors.FILE_METHOD)
        else:
            exchange.fail(errors.FILE_REFUSED if verdict in _FORBIDDEN else self._missing)

    def _troubled(self, exchange: Asked, problem: OSError) -> None:
        if problem.errno in _REFUSED:
            exchange.verdicts.append(FileVerdict.UNREADABLE)
            exchange.fail(errors.FILE_UNREADABLE, str(problem))
        elif problem.errno in _NO_DESCRIPTORS:
            exchange.fail(errors.FILES_EXHAUSTED, str(problem))
        else:
            exchange.fail(errors.FILE_BROKEN, str(problem))

    def looked_for(self, exchange: Any) -> list[str]:
        """The files that may answer *exchange*, or what is remembered of it, in order; none where that does not say."""
        if self._varies:
            return []
        try:
            wanted = self._understood(exchange)
        except RequestError:
            return []
        if isinstance(wanted, FileVerdict):
            return []
        return [(self.finding.tree.root + each.path).decode("utf-8", "replace") for each in wanted.candidates]


def _liked(accepted: Sequence[bytes], offered: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """All of *offered* that the client likes better than none, the best first."""
    found: list[bytes] = []
    while (best := preferred(accepted, [each for each in offered if each not in found])) is not None:
        found.append(best)
    return tuple(found)


def _conditional(head: ResponseHead, status: int, spans: tuple[Span, ...], shown: Representation) -> tuple[ResponseHead, Plan]:
    """Head and body of a 206, 304 or 416, made of the *head* of the 200."""
    if status == 304:
        return ResponseHead(304, b"Not Modified", not_modified_fields(head.headers)), ()
    headers = head.headers.without({b"content-length"})
    plan: Plan = ()
    if status == 206:
        reason = b"Partial Content"
        fields, plan = parts(headers, spans, shown.size, b"%b %d" % (shown.place, shown.identity[1]))
    else:
        reason = b"Range Not Satisfiable"
        kept = headers.without({b"content-type", b"etag", b"last-modified", b"cache-control", b"expires", b"content-encoding"})
        fields = [*kept, (b"Content-Range", b"bytes */%d" % shown.size)]
    length = plan_length(plan)
    fields.append((b"Content-Length", b"%d" % length))
    return ResponseHead(status, reason, Headers(fields), length=length), plan


def _with_slash(head: RequestHead) -> bytes:
    """Where the directory is that *head* asks for without a slash; never another host (``//``)."""
    path = quote_from_bytes(file_path(head.path) or head.route_path, safe="/:@!$&'()*+,;=~").encode("ascii") + b"/"
    return path if head.query is None else path + b"?" + head.query


def _listed(exchange: Asked, path: bytes, found: list[Item]) -> None:
    if exchange.finished:
        return
    head = exchange.head
    as_json = preferred_type(head.headers.joined(b"accept"), (HTML, JSON)) == JSON
    made, body = page(file_path(head.path) or path, found, as_json=as_json, has_parent=path != b"/")
    exchange.deliver(exchange.outgoing(made), () if head.method == b"HEAD" else (body,), True)
    exchange.finish()


def _failed_in_thread(failure: Failure, exchange: Asked) -> None:
    if exchange.finished:
        return
    if failure.check(OSError):
        exchange.fail(errors.FILE_BROKEN, failure.getErrorMessage())
    else:
        _log.failure("a file could not be answered with", failure)
        exchange.fail(errors.INTERNAL)
