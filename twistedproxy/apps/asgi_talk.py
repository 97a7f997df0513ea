"""What conversations with an ASGI app have in common: the scope, and the way between the reactor and the loop."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from urllib.parse import unquote

from twisted.python.failure import Failure

from twistedproxy.apps.call import Call
from twistedproxy.apps.loop import Loop
from twistedproxy.apps.process import Process
from twistedproxy.transport.sending import HIGH_WATER

_VERSIONS: Final = {10: "1.0", 11: "1.1", 20: "2"}
#: Seconds that an app has to end when its client has left, before it is cancelled.
_GRACE: Final = 30.0

Message = dict[str, Any]


class Talk:
    """
    One call, between the reactor and the loop of its app.

    :ivar scope: as the app gets it
    :ivar task: of the app; None before it has begun
    """

    def __init__(self, call: Call, loop: Loop, process: Process, state: dict[str, Any]) -> None:
        self.call = call
        self.loop = loop
        self.process = process
        self.in_reactor = process.in_reactor
        self.task: asyncio.Task[Any] | None = None
        self.scope: Message = scope_of(call, state)
        # In the loop: nobody listens any more; bytes handed over that the client has not taken.
        self.gone = False
        self.outstanding = 0
        self._changed = asyncio.Event()
        #: On the reactor: bytes that wait for room.
        self._owed = 0
        call.on_gone = self.left

    # On the reactor.

    def left(self) -> None:
        """The client is gone, or time is up."""
        self.loop.call(self._left)

    def taken(self, size: int) -> None:
        """*size* bytes are on their way to the client, or wait for it."""
        self._owed += size
        if self.call.full and not self.call.over:
            self.call.on_room = self.room
        else:
            self.room()

    def room(self) -> None:
        """The client has taken what there was."""
        owed, self._owed = self._owed, 0
        self.loop.call(self._taken, owed)

    # In the loop.

    async def changed(self) -> None:
        """Wait until something has changed."""
        self._changed.clear()
        await self._changed.wait()

    def tell(self) -> None:
        """Something has changed."""
        self._changed.set()

    def _left(self) -> None:
        self.gone = True
        self.tell()
        task = self.task
        if task is None or not task.done():
            self.loop.loop.call_later(_GRACE, lambda: self.task.cancel() if self.task is not None else None)

    def _taken(self, size: int) -> None:
        self.outstanding -= size
        self.tell()

    async def has_room(self) -> bool:
        """Wait until more may be said; False: nobody listens."""
        while self.outstanding > HIGH_WATER and not self.gone:
            await self.changed()
        return not self.gone

    def failed(self, failure: Failure) -> None:
        """The app has raised."""
        self.in_reactor(self.call.failed, failure)

    async def receive(self) -> Message:
        """What the app is told next."""
        raise NotImplementedError

    async def send(self, message: Message) -> None:
        """What the app says."""
        raise NotImplementedError

    def returned(self) -> None:
        """The app has returned."""
        raise NotImplementedError


def scope_of(call: Call, state: dict[str, Any]) -> Message:
    """The scope of a connection (HTTP & WebSocket ASGI Message Format 2.3)."""
    request = call.request
    path = request.root.encode("ascii") + request.path
    scope: Message = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": _VERSIONS[request.version],
        "method": request.method.decode("latin-1"),
        "scheme": request.scheme,
        "path": unquote(path.decode("latin-1")),
        "raw_path": path,
        "query_string": request.query,
        "root_path": request.root,
        "headers": [(name.lower(), value) for name, value in request.fields],
        "client": (request.client, request.client_port) if request.client else None,
        "server": (request.host, request.port),
        "state": state.copy(),
        "extensions": {},
    }
    return scope


def unexpected(message: Message, expected: str) -> RuntimeError:
    """An app said what it may not say now."""
    return RuntimeError(f"the app has sent {message.get('type')!r}, and {expected} is expected")
