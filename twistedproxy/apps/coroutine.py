"""``python = package.module:function``: a coroutine function that answers, on the reactor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import coroutine
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from twistedproxy.apps.call import Call
from twistedproxy.apps.loading import CannotLoad, loaded
from twistedproxy.message import Field
from twistedproxy.settings.answers import HostedApp

_NO_LOOP: Final = (
    "it awaits something of asyncio, and this reactor is not asyncio's: run twistd with --reactor=asyncio, await Deferreds of "
    "Twisted, or write the app for asgi ="
)

HeadersLike = Mapping[str, str] | Iterable[tuple[str, str]]
Body = bytes | str | AsyncIterator[bytes]


class Fields(Mapping[str, str]):
    """Header fields of a request, by their names in any case; several of one name are joined by commas (RFC 9110 §5.2)."""

    def __init__(self, fields: Iterable[Field]) -> None:
        self.pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]
        self._joined: dict[str, str] = {}
        for name, value in self.pairs:
            key = name.lower()
            between = "; " if key == "cookie" else ", "
            self._joined[key] = f"{self._joined[key]}{between}{value}" if key in self._joined else value

    def __getitem__(self, name: str) -> str:
        return self._joined[name.lower()]

    def __iter__(self) -> Any:
        return iter(self._joined)

    def __len__(self) -> int:
        return len(self._joined)


class Request:
    """
    A request, as the function gets it.

    :ivar method: for instance ``GET``
    :ivar path: escaped, as it was sent, without *root*
    :ivar query: behind the question mark, as it was sent; empty for none
    :ivar client: the client's address, by the word of trusted proxies; empty for clients by a unix socket
    :ivar scheme: ``http`` or ``https``, likewise
    :ivar host: the host that is asked for, without a port
    :ivar root: what ``strip_prefix`` has taken off the path
    """

    def __init__(self, call: Call) -> None:
        request = call.request
        self._call = call
        self.method = request.method.decode("latin-1")
        self.path = request.path.decode("latin-1")
        self.query = request.query.decode("latin-1")
        self.client = request.client
        self.scheme = request.scheme
        self.host = request.host
        self.root = request.root

    @cached_property
    def headers(self) -> Fields:
        """The header fields, with those that peers get: X-Forwarded-For and the like."""
        return Fields(self._call.request.fields)

    async def body(self) -> bytes:
        """All of the body; ``max_body`` bounds it."""
        return b"".join([piece async for piece in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body as it comes; the client is held back meanwhile."""
        call = self._call
        while True:
            data = call.take()
            if data:
                yield data
            elif call.body_ended or call.over:
                return
            else:
                await _told(call, "on_body")


@dataclass(frozen=True)
class Response:
    """
    An answer.

    :ivar headers: a mapping, or pairs of name and value
    :ivar body: bytes, text (sent as UTF-8), or an asynchronous iterator of bytes, which is held back when the client is slow
    """

    status: int = 200
    headers: HeadersLike = field(default_factory=dict)
    body: Body = b""


class CoroutineApp(Service):
    """
    An app that is a coroutine function.

    :raises CannotLoad: it is none
    """

    def __init__(self, settings: HostedApp) -> None:
        self.called = settings.name
        self._function: Callable[[Request], Any] = loaded(settings)
        if not callable(self._function):
            raise CannotLoad(f"{settings.target} cannot be called", "name a coroutine function (async def)")

    def call(self, call: Call) -> None:
        """As :meth:`twistedproxy.apps.call.App.call`."""
        running = Deferred.fromCoroutine(_either(self._answer(call)))
        call.on_gone = running.cancel
        running.addErrback(_failed, call)

    async def _answer(self, call: Call) -> None:
        said = self._function(Request(call))
        if not hasattr(said, "__await__"):
            raise TypeError(f"{self.called} is no coroutine function: it has returned {type(said).__name__}")
        said = await said
        response = said if isinstance(said, Response) else Response(*said)
        headers = response.headers.items() if isinstance(response.headers, Mapping) else response.headers
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        body = response.body.encode("utf-8") if isinstance(response.body, str) else response.body
        if isinstance(body, bytes | bytearray | memoryview):
            call.answer(response.status, fields, (body,) if body else (), True)
            return
        call.answer(response.status, fields, (), False)
        try:
            async for piece in body:
                if call.over:
                    return
                call.write((piece,))
                if call.full:
                    await _told(call, "on_room")
        finally:
            close = getattr(body, "aclose", None)
            if close is not None:
                await close()
        call.end()


def _failed(failure: Failure, call: Call) -> None:
    if not call.over or failure.check(CancelledError, asyncio.CancelledError) is None:
        if failure.check(RuntimeError) and "no running event loop" in failure.getErrorMessage():
            failure.value = RuntimeError(f"{failure.getErrorMessage()}: {_NO_LOOP}")
        call.failed(failure)


async def _told(call: Call, what: str) -> None:
    """Wait until *call* tells of *what*: ``on_body`` or ``on_room``."""
    told: Deferred[None] = Deferred()
    setattr(call, what, lambda: told.callback(None) if not told.called else None)
    await told


@coroutine
def _either(running: Any) -> Generator[Any, Any, None]:
    """Run a coroutine that awaits Deferreds, or, where the reactor is asyncio's, futures of asyncio."""
    send: Any = running.send
    value: Any = None
    while True:
        try:
            awaited = send(value)
        except StopIteration:
            return
        if getattr(awaited, "_asyncio_future_blocking", None) is not None:
            # As a task of asyncio does, to say that it has understood.
            awaited._asyncio_future_blocking = False
            if not _in_loop():
                send, value = running.throw, RuntimeError(_NO_LOOP)
                continue
            awaited = Deferred.fromFuture(awaited)
        try:
            value = yield awaited
            send = running.send
        except GeneratorExit:
            running.close()
            raise
        except BaseException as problem:  # whatever was awaited has raised; it is the coroutine's to see
            send, value = running.throw, problem


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
