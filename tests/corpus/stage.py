"""
Where the cases are played: one raw origin, and as many raw clients as there are cases, some at a time, around a real proxy.

Nothing here knows HTTP beyond what :mod:`tests.corpus.parse` reads; everything is bytes on sockets.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from tests.corpus.case import Answer, Case, Client, Heard, Origin, Outcome
from tests.corpus.parse import Broken, Unfinished, answers_in, check_request_head, framing_of, take_chunked

#: Cases at a time.
_TOGETHER: Final = 24
#: Long enough for a read of its own, on loopback.
_MOMENT: Final = 0.03
#: Pieces in which a case is played the second time.
_PIECES: Final = 3
_RESET: Final = b"\1\0\0\0\0\0\0\0"
_WIRE_NAME: Final = re.compile(rb"q[0-9A-F]{3}")

Check = Callable[[bytes], list[tuple[bytes, bytes]]]


class _Play:
    """A case that runs."""

    def __init__(self, case: Case, number: int, in_pieces: bool, patience: float) -> None:
        self.case = case
        self._patience = patience
        self.in_pieces = in_pieces
        self.outcome = Outcome(b"q%03X" % number)
        self.changed = asyncio.Event()

    def named(self, data: bytes) -> bytes:
        return data.replace(b"<id>", self.outcome.wire_name)

    async def until(self, condition: Callable[[], object], what: str) -> bool:
        """Wait until *condition* is true."""
        try:
            async with asyncio.timeout(self._patience):
                while not condition():
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            self.outcome.late = what
            return False
        return True


class Stage:
    """
    An origin and its clients.

    :param check: judges every head that reaches the origin; what it raises as Broken is kept
    :param patience: seconds that a client waits for anything
    :ivar strays: requests at the origin that bear no case's name
    """

    def __init__(self, check: Check = check_request_head, *, patience: float = 12.0) -> None:
        self._check = check
        self._patience = patience
        self._plays: dict[bytes, _Play] = {}
        self._calls = 0
        self._ended = False
        self.strays: list[bytes] = []
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self.listening.getsockname()[1]

    def play(self, cases: Iterable[tuple[Case, bool]], ports: Mapping[str, int]) -> dict[tuple[str, bool], Outcome]:
        """
        Play the *cases*, each of them whole or in pieces, against a proxy whose listeners have these *ports*.

        :returns: what came of each, by its name and whether it was in pieces
        """
        return asyncio.run(self._play_all(list(cases), ports))

    async def _play_all(self, cases: list[tuple[Case, bool]], ports: Mapping[str, int]) -> dict[tuple[str, bool], Outcome]:
        server = await asyncio.start_server(self._serve, sock=self.listening, limit=1 << 20)
        gate = asyncio.Semaphore(_TOGETHER)
        plays = [_Play(case, number, in_pieces, self._patience) for number, (case, in_pieces) in enumerate(cases)]
        self._plays = {play.outcome.wire_name: play for play in plays}

        async def one(play: _Play) -> None:
            async with gate:
                await _ClientSide(play, ports[play.case.listener]).run()

        await asyncio.gather(*(one(play) for play in plays if not play.case.alone))
        for play in plays:
            if play.case.alone:
                await one(play)
        # What is still on its way to the origin gets there.
        await asyncio.sleep(0.5)
        self._ended = True
        server.close()
        return {(play.case.name, play.in_pieces): play.outcome for play in plays}

    # The origin.

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._calls += 1
        call = _Call(self, self._calls, reader, writer)
        try:
            await call.run()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            call.over(by_us=self._ended)
            writer.close()

    def play_of(self, head: bytes) -> _Play | None:
        """Whose request it is."""
        for name in _WIRE_NAME.findall(head):
            if name in self._plays:
                return self._plays[name]
        return None

    def broken(self, head: bytes) -> str:
        """What is wrong with a head; empty when nothing is."""
        try:
            self._check(head)
        except Broken as broken:
            return str(broken)
        return ""


class _Call:
    """One connection of the proxy to the origin."""

    def __init__(self, stage: Stage, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._stage = stage
        self._number = number
        self._reader = reader
        self._writer = writer
        self._buffer = b""
        self._plays: list[_Play] = []
        self._closed_by_us = False

    async def _more(self) -> bool:
        data = await self._reader.read(1 << 18)
        self._buffer += data
        return bool(data)

    async def run(self) -> None:
        """Requests, one after the other."""
        while True:
            while b"\r\n\r\n" not in self._buffer:
                if not await self._more():
                    if self._buffer:
                        self._stray()
                    return
            end = self._buffer.index(b"\r\n\r\n") + 4
            head = self._buffer[:end]
            play = self._stage.play_of(head)
            if play is None:
                self._stray()
                return
            self._plays.append(play)
            heard = Heard(head, self._number, raw=head, broken=self._stage.broken(head))
            is_probe = play.outcome.wire_name + b"/probe " in head
            if not is_probe:
                play.outcome.heard.append(heard)
                play.changed.set()
            scripts = play.case.origin
            script = (Origin.BODY, Origin.OK) if is_probe else scripts[min(len(play.outcome.heard), len(scripts)) - 1]
            try:
                # Whatever the script says, the request is read to its end, which may not come.
                for step in (*script, Origin.BODY):
                    if await self._step(step, play, heard):
                        return
            finally:
                if Origin.ECHO not in script:
                    self._take_body(heard)
                play.changed.set()
            if not heard.complete:
                return
            self._buffer = self._buffer[len(heard.raw) :]

    def _stray(self) -> None:
        play = self._stage.play_of(self._buffer)
        if play is not None:
            play.outcome.heard.append(Heard(b"", self._number, self._buffer, broken="not even a head"))
        else:
            self._stage.strays.append(self._buffer)

    def _take_body(self, heard: Heard) -> None:
        """As much of the body as has come."""
        start = len(heard.head)
        try:
            length = framing_of(self._stage._check(heard.head)) if not heard.broken else -2
            if length == -1:
                heard.body, heard.trailers, end = take_chunked(self._buffer, start)
                heard.complete = True
            else:
                end = start + max(length, 0)
                heard.body = self._buffer[start:end]
                heard.complete = len(self._buffer) >= end
        except Unfinished as unfinished:
            heard.body, end = unfinished.args[0], len(self._buffer)
        except Broken as broken:
            heard.broken, end = str(broken), len(self._buffer)
        heard.raw = self._buffer[:end]

    async def _step(self, step: bytes | Origin, play: _Play, heard: Heard) -> bool:
        """Do one thing; returns whether the connection is over."""
        writer = self._writer
        if isinstance(step, bytes):
            writer.write(play.named(step))
            await writer.drain()
        elif step is Origin.BODY:
            self._take_body(heard)
            while not heard.complete and not heard.broken:
                if not await self._more():
                    return True
                self._take_body(heard)
        elif step is Origin.SOME:
            if len(self._buffer) <= len(heard.head):
                await self._more()
        elif step is Origin.OK:
            head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
            writer.write(head if heard.head.startswith(b"HEAD ") else head + play.outcome.wire_name)
        elif step is Origin.PAUSE:
            await asyncio.sleep(_MOMENT)
        elif step is Origin.SILENCE:
            while await self._more():
                pass
            return True
        elif step is Origin.ECHO:
            await self._echo(heard)
            self._closed_by_us = True
            return True
        else:
            self._closed_by_us = True
            if step is Origin.RESET:
                _reset_at_close(writer)
            return True
        return False

    async def _echo(self, heard: Heard) -> None:
        while True:
            self._writer.write(self._buffer[len(heard.raw) :])
            heard.raw = self._buffer
            heard.complete = True
            if not await self._more():
                return

    def over(self, *, by_us: bool) -> None:
        """The connection has ended."""
        if by_us or self._closed_by_us:
            return
        # It ended because of the last request on it; those before it had left it in order.
        for play in self._plays[-1:]:
            play.outcome.closed_calls.add(self._number)
            play.changed.set()


class _ClientSide:
    """The client of one case."""

    def __init__(self, play: _Play, port: int) -> None:
        self._play = play
        self._outcome = play.outcome
        self._port = port
        self._seen = 0
        self._known = 0

    async def run(self) -> None:
        """Everything that the client does, until its connection is done with."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reading = asyncio.create_task(self._read(reader))
        try:
            for step in self._play.case.client:
                if await self._step(step, writer):
                    return
            await self._see_the_end(writer)
        except OSError:
            self._outcome.ended = self._outcome.ended or "reset"
        finally:
            writer.close()
            reading.cancel()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        outcome = self._outcome
        try:
            while data := await reader.read(1 << 18):
                outcome.stream += data
                self._play.changed.set()
            outcome.ended = "end"
        except OSError:
            outcome.ended = "reset"
        self._play.changed.set()

    async def _step(self, step: bytes | Client, writer: asyncio.StreamWriter) -> bool:
        """Do one thing; returns whether the client has left."""
        play, outcome = self._play, self._outcome
        if isinstance(step, bytes):
            await self._send(play.named(step), writer)
        elif step is Client.HEARD:
            self._known += 1
            await play.until(lambda: len(outcome.heard) >= self._known or outcome.ended, step.value)
        elif step is Client.ANSWERED:
            await play.until(lambda: len(outcome.stream) > self._seen or outcome.ended, step.value)
            self._seen = len(outcome.stream)
        elif step is Client.PAUSE:
            await asyncio.sleep(_MOMENT)
        elif step is Client.END:
            writer.write_eof()
        else:
            _reset_at_close(writer)
            writer.close()
            # What it asked for is cancelled at the origin, if it got there.
            await play.until(lambda: all(each.call in outcome.closed_calls for each in outcome.heard), "cancelled at the origin")
            return True
        return False

    async def _send(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        self._outcome.sent += data
        if not self._play.in_pieces:
            writer.write(data)
            await writer.drain()
            return
        size = -(-len(data) // _PIECES) or 1
        for position in range(0, len(data), size):
            writer.write(data[position : position + size])
            await writer.drain()
            await asyncio.sleep(_MOMENT)

    def _final(self) -> list[Answer]:
        outcome = self._outcome
        try:
            answers = answers_in(outcome.stream, ended=outcome.ended, to_head=self._play.case.to_head)
        except Broken:
            return []
        return [answer for answer in answers if (answer.status >= 200 or answer.status == 101) and answer.whole]

    async def _see_the_end(self, writer: asyncio.StreamWriter) -> None:
        play, outcome, case = self._play, self._outcome, self._play.case
        if case.kept is False:
            await play.until(lambda: outcome.ended, "the end of its connection")
            return
        wanted = len(case.statuses)
        await play.until(lambda: len(self._final()) >= wanted or outcome.ended, f"{wanted} answers")
        if case.kept is None or outcome.ended or outcome.late:
            return
        got = len(outcome.stream)
        outcome.probed = True
        writer.write(play.named(b"GET /<id>/probe HTTP/1.1\r\nHost: corpus.example\r\n\r\n"))
        await play.until(lambda: self._probe(got) or outcome.ended, "an answer to a further request")
        outcome.probe = self._probe(got)
        outcome.stream = outcome.stream[:got]

    def _probe(self, start: int) -> Answer | None:
        try:
            answers = answers_in(self._outcome.stream[start:], ended="", to_head=False)
        except Broken:
            return None
        return answers[0] if answers and answers[0].whole else None


def _reset_at_close(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
