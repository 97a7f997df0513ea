"""A request and its answer, as messages of ASGI."""

from __future__ import annotations

from typing import Any

from twistedproxy.apps.answer_head import BadAnswer
from twistedproxy.apps.asgi_talk import Message, Talk, unexpected
from twistedproxy.apps.call import Call
from twistedproxy.apps.loop import Loop
from twistedproxy.apps.process import Process
from twistedproxy.message import Field


class HttpTalk(Talk):
    """One request."""

    def __init__(self, call: Call, loop: Loop, process: Process, state: dict[str, Any]) -> None:
        super().__init__(call, loop, process, state)
        self._body = call.take() if call.is_here or call.body_ended else b""
        self._body_ended = call.body_ended
        self._asked = False
        #: All of the body was received; the answer is complete.
        self._received = False
        self._complete = False
        self._start: tuple[int, list[Field]] | None = None
        self._begun = False

    # On the reactor.

    def _feed(self) -> None:
        """The app waits for more of the body."""
        call = self.call
        data = call.take()
        if not data and not call.body_ended and not call.over:
            call.on_body = self._feed
            return
        call.on_body = lambda: None
        self.loop.call(self._fed, data, call.body_ended)

    def _answer(self, status: int, fields: list[Field], data: bytes, ended: bool) -> None:
        try:
            self.call.answer(status, fields, (data,) if data else (), ended)
        except BadAnswer as problem:
            self._wrong(problem)
        self.taken(len(data))

    def _write(self, data: bytes, ended: bool) -> None:
        try:
            self.call.write((data,) if data else ())
            if ended:
                self.call.end()
        except BadAnswer as problem:
            self._wrong(problem)
        self.taken(len(data))

    def _wrong(self, problem: BadAnswer) -> None:
        self.call.failed_by(str(problem))
        self.left()

    # In the loop.

    def _fed(self, data: bytes, ended: bool) -> None:
        self._asked = False
        self._body, self._body_ended = data, ended
        self.tell()

    async def receive(self) -> Message:
        """``http.request`` as long as there is something of the body, then ``http.disconnect`` when all is over."""
        while not self._received and not self._body and not self._body_ended and not self.gone:
            if not self._asked:
                self._asked = True
                self.in_reactor(self._feed)
            await self.changed()
        if not self._received and not self.gone:
            data, self._body = self._body, b""
            self._received = self._body_ended
            return {"type": "http.request", "body": data, "more_body": not self._body_ended}
        while not self.gone and not self._complete:
            await self.changed()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """
        ``http.response.start``, then ``http.response.body``; to a client that has left nothing is sent.

        :raises RuntimeError: the app may not say this now
        """
        kind = message["type"]
        if self._start is None:
            if kind != "http.response.start":
                raise unexpected(message, "http.response.start")
            self._start = message["status"], [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
            return
        if self._complete or kind != "http.response.body":
            raise unexpected(message, "nothing more" if self._complete else "http.response.body")
        data, ended = bytes(message.get("body", b"")), not message.get("more_body", False)
        if ended:
            self._complete = True
        if await self.has_room():
            self.outstanding += len(data)
            if self._begun:
                self.in_reactor(self._write, data, ended)
            else:
                self._begun = True
                self.in_reactor(self._answer, *self._start, data, ended)
        if ended:
            self.tell()

    def returned(self) -> None:
        """The app has returned: its answer must be complete."""
        if not self._complete and not self.gone:
            self.in_reactor(self._unanswered)

    def _unanswered(self) -> None:
        if not self.call.over:
            self.call.failed_by("it has returned, and its answer is not complete" if self._begun else "it has returned no answer")
