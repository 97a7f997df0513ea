"""The shell's verbs for WebSockets: who is connected, what is being said, and a word of one's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

from twistedproxy.admin.changes import Changes
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.roles import Role
from twistedproxy.admin.tables import Column, count, duration, printable, size
from twistedproxy.admin.verb import Listing, Said, Verb
from twistedproxy.spelling import counted
from twistedproxy.websocket.frames import BINARY, TEXT
from twistedproxy.websocket.recording import Recording
from twistedproxy.websocket.register import WebSocket
from twistedproxy.websocket.relay import Relay
from twistedproxy.websocket.side import Side, may_be_sent

if TYPE_CHECKING:
    from twistedproxy.admin.live import Live

#: Characters of a message that tail shows, and messages that it shows at most.
_SHOWN: Final = 200
_MOST: Final = 1000
#: What a message calls a secret: its value is not shown.
_SECRET: Final = re.compile(
    r"""(["']?[\w-]*(?:pass(?:word|wd|phrase)?|secret|token|authorization|api_?key|cookie|session(?:_?id)?|jwt)[\w-]*["']?\s*[:=]\s*)"""
    r"""("(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|[^\s,;&}\]]+)""",
    re.IGNORECASE,
)
_BEARER: Final = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]+", re.IGNORECASE)


class WebSocketVerbs:
    """The verbs of one operator, whose changes are *changes*."""

    def __init__(self, live: Live, changes: Changes, width: Callable[[], int | None]) -> None:
        self._live = live
        self._changes = changes
        self._width = width

    def verbs(self) -> Sequence[Verb]:
        """All of them."""
        number = (self._numbers,)
        return (
            Verb(self.websockets),
            Verb(self.close, number, Role.OPERATE),
            Verb(self.send, number, Role.OPERATE),
            Verb(self.record, (self._what,), Role.PROGRAM),
        )

    def websockets(self) -> Listing[WebSocket]:
        """
        the WebSockets that are open: who, where, how long, and how much was said

        Messages and their bytes are counted where a route relays messages; a tunnel knows bytes only, frames and all.
        """
        columns = (
            Column("NUMBER", right=True),
            Column("CLIENT"),
            Column("ROUTE"),
            Column("PEER"),
            Column("OPEN", right=True),
            Column("SILENT", right=True),
            Column("UP", right=True),
            Column("DOWN", right=True),
            Column("BYTES UP", right=True, drop=1),
            Column("BYTES DOWN", right=True, drop=1),
            Column("SUBPROTOCOL", drop=2),
        )
        now = self._live.clock.monotonic()

        def row(websocket: WebSocket) -> list[str]:
            joined = websocket.joined
            up, down = (count(joined.messages_up), count(joined.messages_down)) if isinstance(joined, Relay) else ("-", "-")
            return [
                str(websocket.number),
                websocket.client,
                joined.route_name,
                joined.peer_name,
                duration(now - websocket.opened),
                duration(now - joined.last_activity),
                up,
                down,
                size(joined.bytes_up),
                size(joined.bytes_down),
                websocket.subprotocol or "-",
            ]

        named = ((str(websocket.number), websocket) for websocket in self._live.websockets)
        return Listing(named, columns, row, self._width, empty="no WebSockets")

    def tail(self, number: int, messages: int = 10, seconds: float = 30) -> Deferred[Said]:
        """
        the next messages of a WebSocket, once they have passed or the time is over

        Values that look like secrets are left out, and what is long is cut off.  record(number, file) keeps everything.
        """
        relay = self._relay(number)
        if not 1 <= messages <= _MOST:
            raise VerbError(f"messages is a number from 1 to {_MOST}, not {messages!r}")
        lines: list[str] = []
        done: Deferred[Said] = Deferred()
        began = relay.now()

        def passed(source: Side, opcode: int, data: bytes, first: bool, last: bool) -> None:
            if first:
                arrow = "→" if source is relay.client else "←"
                lines.append(f"{relay.now() - began:8.3f} {arrow} {shown(opcode, data, last)}")
            if len(lines) >= messages:
                finish()

        def finish() -> None:
            relay.watchers = tuple(watcher for watcher in relay.watchers if watcher is not passed)
            relay.on_outcome = tuple(told for told in relay.on_outcome if told is not finish)
            if timer.active():
                timer.cancel()
            if relay.outcome:
                lines.append(f"ended: {relay.outcome}")
            if not done.called:
                done.callback(Said("\n".join(lines) or "nothing was said"))

        timer = relay.reactor.callLater(seconds, finish)
        relay.watchers = (*relay.watchers, passed)
        relay.on_outcome = (*relay.on_outcome, finish)
        return done

    def close(self, number: int, code: int = 1000, reason: str = "") -> Said:
        """
        end a WebSocket in order, with a code and a reason that both sides get

        A tunnel knows no codes: its connections are closed when what was said has arrived.
        """
        websocket = self._websocket(number)
        if not isinstance(code, int) or not may_be_sent(code):
            raise VerbError(f"a code is 1000 to 1003, 1007 to 1014, or 3000 to 4999, not {code!r}")
        if len(reason.encode("utf-8")) > 123:
            raise VerbError("a reason has 123 bytes at most")
        joined = websocket.joined

        def do() -> str:
            if isinstance(joined, Relay):
                joined.end(code, reason)
            else:
                joined.close()
            return f"WebSocket {number} of {websocket.client} is closed"

        return self._for_good(f"close({number}, {code}, {reason!r})", do, f"WebSocket {number} of {websocket.client} is closed")

    def send(self, number: int, text: str | bytes) -> Said:
        """send a message of one's own to the client of a WebSocket: str is text, bytes are binary"""
        relay = self._relay(number)
        if not isinstance(text, str | bytes):
            raise VerbError(f"a message is text, or bytes, not {text!r}")

        def do() -> str:
            if isinstance(text, str):
                relay.client.send_message(TEXT, text.encode("utf-8"))
            else:
                relay.client.send_message(BINARY, text)
            return "sent"

        return self._for_good(f"send({number}, …) of {len(text)}", do, f"{len(text)} characters are sent")

    def record(self, what: int | str, file: str | None = None) -> Said:
        """
        record a WebSocket, or all of a route from now on, to a file; without a file: stop it

        The file gets a line of JSON for each message, with its time.  `revproxy replay FILE --to ws://…` says again what the
        client said.
        """
        if file is None:
            return self._stop_recording(str(what))
        chosen = self._chosen(what)
        recordings = self._live.websockets.recordings
        if file in recordings:
            raise VerbError(f"{file} is being recorded to; record({file!r}) stops that")

        def do() -> str:
            try:
                recording = Recording(file)
            except OSError as error:
                raise VerbError(f"{file} cannot be written: {error.strerror}") from None

            def watch(websocket: WebSocket) -> None:
                joined = websocket.joined
                if isinstance(joined, Relay) and (not isinstance(what, str) or joined.route_name == what):
                    recording.watch(websocket, joined, self._live.clock.wall())

            recordings[file] = (recording, watch)
            for websocket in chosen:
                watch(websocket)
            if isinstance(what, str):
                self._live.websockets.on_open.append(watch)
            return f"recording to {file}; record({file!r}) stops it"

        return self._for_good(f"record({what!r}, {file!r})", do, f"record to {file}", f"record({file!r}) stops it")

    def _stop_recording(self, file: str) -> Said:
        websockets = self._live.websockets
        if file not in websockets.recordings:
            raise VerbError(f"nothing is recorded to {file!r}; recordings: {', '.join(websockets.recordings) or 'none'}")

        def do() -> str:
            recording, watch = websockets.recordings.pop(file)
            recording.close()
            if watch in websockets.on_open:
                websockets.on_open.remove(watch)
            return f"{counted(recording.messages, 'message')} recorded to {file}"

        return self._for_good(f"record({file!r})", do, f"stop recording to {file}")

    def _chosen(self, what: int | str) -> list[WebSocket]:
        if not isinstance(what, str):
            self._relay(what)
            return [self._websocket(what)]
        routes = {route.name: route for route in self._live.routes.routes}
        if what not in routes:
            raise VerbError(f"there is no route {what!r}; known: {', '.join(map(repr, routes))}")
        if routes[what].settings.websocket != "messages":
            raise VerbError(f"route {what} joins bytes; its messages are seen with websocket = messages")
        return list(self._live.websockets)

    def _websocket(self, number: int) -> WebSocket:
        websocket = self._live.websockets.get(number)
        if websocket is None:
            raise VerbError(f"there is no WebSocket {number!r}; websockets() lists them")
        return websocket

    def _relay(self, number: int) -> Relay:
        joined = self._websocket(number).joined
        if not isinstance(joined, Relay):
            raise VerbError(f"route {joined.route_name} joins bytes; its messages are seen with websocket = messages")
        return joined

    def _numbers(self, given: Sequence[str]) -> Iterable[str]:
        return [str(websocket.number) for websocket in self._live.websockets]

    def _what(self, given: Sequence[str]) -> Iterable[str]:
        return [*self._numbers(given), *(repr(route.name) for route in self._live.routes.routes)]

    def _for_good(self, command: str, do: Callable[[], str], would: str, why_not: str = "it has been said") -> Said:
        said: Said = self._changes.make_for_good(command, do, would, why_not)
        return said


def shown(opcode: int, data: bytes, whole: bool) -> str:
    """A message for people: without what looks like a secret, and not too long of it."""
    if opcode == BINARY:
        text = f"binary, {counted(len(data), 'byte')}: {data[:32].hex(' ')}"
        return text + " …" if len(data) > 32 or not whole else text
    text = data[: 8 * _SHOWN].decode("utf-8", "replace")
    text = _BEARER.sub(r"\1 …", _SECRET.sub(r"\1…", text))
    cut = len(text) > _SHOWN or len(data) > 8 * _SHOWN or not whole
    return printable(text[:_SHOWN]) + (" …" if cut else "")
