"""``revproxy replay``: say to a peer what a client said in a recording."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.ssl import optionsForClientTLS
from twisted.internet.task import deferLater, react

from twistedproxy.websocket.frames import BINARY
from twistedproxy.websocket.recording import BadRecording, client_messages

#: Seconds that a peer has to answer after the last message.
_LAST_WORD = 2.0


class Replay:
    """
    One conversation.

    :ivar sent: messages sent, *received*: that came back
    :ivar closed: how the peer ended it: code and reason; None as long as it has not
    """

    def __init__(self, messages: Iterator[tuple[float, int, bytes]], speed: float) -> None:
        """*speed*: 2.0 is twice as fast as it was, 0.0 without any pause."""
        self._messages = messages
        self._speed = speed
        self.sent = self.received = 0
        self.closed: tuple[int | None, str | None] | None = None

    async def run(self, reactor: Any, url: str, subprotocols: list[str]) -> None:
        """
        Speak to *url*.

        :raises Exception: no connection, no handshake, or a recording that is none
        """
        opened: Deferred[Any] = Deferred()
        ended: Deferred[None] = Deferred()
        replay = self

        class Speaker(WebSocketClientProtocol):
            def onOpen(self) -> None:
                opened.callback(self)

            def onMessage(self, payload: bytes, isBinary: bool) -> None:
                replay.received += 1

            def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
                replay.closed = (code, reason)
                if not opened.called:
                    opened.errback(ConnectionError(f"no WebSocket at {url}: {reason}"))
                if not ended.called:
                    ended.callback(None)

        make: Any = WebSocketClientFactory
        factory = make(url, reactor=reactor, protocols=subprotocols)
        factory.protocol = Speaker
        parts = urlsplit(url)
        host = parts.hostname or ""
        secure = parts.scheme == "wss"
        endpoint: Any = HostnameEndpoint(reactor, host.encode("idna"), parts.port or (443 if secure else 80))
        if secure:
            endpoint = wrapClientTLS(optionsForClientTLS(host), endpoint)
        await endpoint.connect(factory)
        speaker = await opened
        began = reactor.seconds()
        for at, opcode, data in self._messages:
            wait = at / self._speed - (reactor.seconds() - began) if self._speed else 0.0
            await deferLater(reactor, max(0.0, wait))
            if self.closed is not None:
                return
            speaker.sendMessage(data, isBinary=opcode == BINARY)
            self.sent += 1
        await deferLater(reactor, _LAST_WORD)
        if self.closed is None:
            speaker.sendClose(1000)
            await ended


def replay_recording(file: str, url: str, websocket: int | None, speed: float, subprotocols: list[str]) -> int:
    """Run it in a process of its own; returns the exit status."""
    if urlsplit(url).scheme not in ("ws", "wss") or not urlsplit(url).hostname:
        print(f"{url} is not the URL of a WebSocket; write ws://HOST:PORT/PATH", file=sys.stderr)
        return 1
    replay = Replay(client_messages(file, websocket), speed)
    problem = ""

    async def run(reactor: Any) -> None:
        nonlocal problem
        try:
            await replay.run(reactor, url, subprotocols)
        except (BadRecording, OSError) as error:
            problem = str(error)
        except Exception as error:  # whatever keeps a connection from standing
            problem = f"{url}: {error}"

    try:
        react(lambda reactor: Deferred.fromCoroutine(run(reactor)))
    except SystemExit as end:
        if end.code:
            return 1
    if problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"{replay.sent} messages sent, {replay.received} received")
    if replay.closed is not None and replay.closed[0] != 1000:
        code, reason = replay.closed
        print(f"the peer ended it: {code} {reason or ''}".rstrip(), file=sys.stderr)
        return 1
    return 0
