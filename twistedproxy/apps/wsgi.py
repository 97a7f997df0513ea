"""
``wsgi = package.module:app``: PEP 3333, in threads.

An app blocks its thread, never the reactor: while it waits for more of the body, and while the client is slow to take what there
is of the answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from twisted.application.service import Service
from twisted.python.failure import Failure

from twistedproxy import errors
from twistedproxy.apps.answer_head import BadAnswer
from twistedproxy.apps.call import Call
from twistedproxy.apps.environ import environ_of
from twistedproxy.apps.input import Input
from twistedproxy.apps.loading import CannotLoad, loaded
from twistedproxy.apps.process import Process
from twistedproxy.apps.threads import Threads
from twistedproxy.message import Field
from twistedproxy.settings.answers import HostedApp
from twistedproxy.transport.sending import HIGH_WATER

#: What ``start_response`` is given: status and fields.
Started = tuple[int, bytes, list[Field]]


class ClientGone(ConnectionAbortedError):
    """Nobody waits for the answer any more."""


class WsgiApp(Service):
    """
    A WSGI app.

    :ivar threads: in which it runs
    :raises CannotLoad: it is none
    """

    def __init__(self, settings: HostedApp, process: Process) -> None:
        self.called = settings.name
        self.app: Callable[..., Iterable[bytes]] = loaded(settings)
        if not callable(self.app):
            raise CannotLoad(f"{settings.target} cannot be called", "name a WSGI app")
        self.threads = Threads(settings.name, settings.threads, settings.queue)
        self.in_reactor = process.in_reactor

    def call(self, call: Call) -> None:
        """As :meth:`twistedproxy.apps.call.App.call`."""
        run = _Run(self, call)
        if not self.threads.begin(run.work):
            call.fail(errors.APP_BUSY, self.called)

    def stopService(self) -> None:
        """What runs, and what waits, is done."""
        Service.stopService(self)
        self.threads.stop()


class _Run:
    """One call, between its thread and the reactor."""

    def __init__(self, app: WsgiApp, call: Call) -> None:
        self._app = app
        self._call = call
        self._in_reactor = app.in_reactor
        self._changed = threading.Condition()
        self._gone = False
        #: Bytes that the thread has handed over and the client has not taken; *owed*: those of them that wait for room.
        self._outstanding = 0
        self._owed = 0
        #: What the app has said by start_response; None: nothing yet.
        self._started: Started | None = None
        self._begun = False
        #: Of the body: what came and was not read.
        self._body = b""
        self._body_ended = False
        call.on_gone = self._left
        self._environ = environ_of(call.request, Input(self._more_body), app.called, threads=app.threads.number > 1)
        if call.is_here or call.body_ended:
            self._body = call.take()
            self._body_ended = call.body_ended

    # On the reactor.

    def _left(self) -> None:
        self._app.threads.forget(self.work)
        with self._changed:
            self._gone = True
            self._changed.notify_all()

    def _feed(self) -> None:
        """The thread waits for more of the body."""
        call = self._call
        data = call.take()
        if not data and not call.body_ended and not call.over:
            call.on_body = self._feed
            return
        call.on_body = _nothing
        with self._changed:
            self._body = data
            self._body_ended = call.body_ended
            self._changed.notify_all()

    def _answer(self, started: Started, data: bytes, ended: bool) -> None:
        status, reason, fields = started
        try:
            self._call.answer(status, fields, (data,) if data else (), ended, reason)
        except BadAnswer as problem:
            self._wrong(problem)
        self._taken(len(data))

    def _write(self, data: bytes) -> None:
        try:
            self._call.write((data,))
        except BadAnswer as problem:
            self._wrong(problem)
        self._taken(len(data))

    def _end(self) -> None:
        try:
            self._call.end()
        except BadAnswer as problem:
            self._wrong(problem)

    def _wrong(self, problem: BadAnswer) -> None:
        self._call.failed_by(str(problem))
        self._left()

    def _taken(self, size: int) -> None:
        """*size* bytes are on their way to the client, or wait for it."""
        self._owed += size
        if self._call.full and not self._call.over:
            self._call.on_room = self._room
        else:
            self._room()

    def _room(self) -> None:
        with self._changed:
            self._outstanding -= self._owed
            self._owed = 0
            self._changed.notify_all()

    # In the thread.

    def work(self) -> None:
        """Let the app answer."""
        if self._gone:
            return
        try:
            self._answer_all()
        except ClientGone:
            pass
        except BaseException:  # whatever it is, SystemExit included: an app does not end the proxy, nor this thread
            self._in_reactor(self._call.failed, Failure())
        finally:
            # Frames of a traceback would keep all of this.
            self._environ = {}

    def _answer_all(self) -> None:
        result = self._app.app(self._environ, self.start_response)
        try:
            whole = _is_whole(result)
            for data in result:
                if self._gone:
                    return
                if data:
                    ended = whole and not self._begun
                    self._say(_checked(data), ended=ended)
                    if ended:
                        return
            if not self._begun:
                self._say(b"", ended=True)
            else:
                self._in_reactor(self._end)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        """
        As PEP 3333 has it.

        :raises ValueError: *status* or *headers* cannot be that
        """
        if exc_info is not None:
            try:
                if self._begun:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                # A traceback in a frame of its own is a circle.
                exc_info = None
        elif self._started is not None:
            raise RuntimeError("start_response was called before, and not for an error")
        number, _, reason = status.partition(" ")
        if len(number) != 3 or not (number.isascii() and number.isdigit()):
            raise ValueError(f"{status!r} is no status")
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self._started = int(number), reason.encode("latin-1"), fields
        return self._write_now

    def _write_now(self, data: bytes) -> None:
        """The ``write()`` of PEP 3333."""
        if data:
            self._say(_checked(data), ended=False)

    def _say(self, data: bytes, *, ended: bool) -> None:
        if self._started is None:
            raise RuntimeError("the app did not call start_response before its first bytes")
        with self._changed:
            while self._outstanding > HIGH_WATER and not self._gone:
                self._changed.wait()
            if self._gone:
                raise ClientGone("nobody waits for the answer any more")
            self._outstanding += len(data)
        if self._begun:
            self._in_reactor(self._write, data)
            return
        self._begun = True
        self._in_reactor(self._answer, self._started, data, ended)

    def _more_body(self) -> bytes:
        """More of the body, for the app's ``wsgi.input``; empty at the end."""
        with self._changed:
            if not self._body and not self._body_ended and not self._gone:
                self._in_reactor(self._feed)
                while not self._body and not self._body_ended and not self._gone:
                    self._changed.wait()
            if self._gone and not self._body:
                raise ClientGone("the client left before its request was complete")
            data, self._body = self._body, b""
            return data


def _nothing() -> None:
    """Nobody wants to hear of it."""


def _checked(data: Any) -> bytes:
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"a body is bytes, not {type(data).__name__}")
    return bytes(data)


def _is_whole(result: Any) -> bool:
    """Whether *result* is a body in one piece (PEP 3333: its length says so)."""
    return isinstance(result, list | tuple) and len(result) == 1
