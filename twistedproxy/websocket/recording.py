"""
Recordings: what passes on WebSockets, as lines of JSON with times, from which it can be played again.

    {"opened": "2026-01-01T12:00:00+00:00", "websocket": 7, "client": "192.0.2.1", "route": "/ws/", "subprotocol": "chat"}
    {"websocket": 7, "at": 0.012, "from": "client", "text": "hello"}
    {"websocket": 7, "at": 0.034, "from": "peer", "base64": "AAEC", "binary": true}
    {"websocket": 7, "at": 9.1, "ended": "client closed with 1000"}

A message that passes in parts stands in several lines, all but the last of which say ``"more": true``; their bytes are in base64.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from twistedproxy.websocket.frames import BINARY, TEXT

if TYPE_CHECKING:
    from twistedproxy.websocket.register import WebSocket
    from twistedproxy.websocket.relay import Relay
    from twistedproxy.websocket.side import Side

_log = Logger()


class Recording:
    """
    A file that WebSockets are recorded to; it may be read by its owner only, for it holds all that was said.

    :ivar path: of the file
    :ivar messages: that were recorded
    """

    def __init__(self, path: str) -> None:
        """:raises OSError: the file cannot be written"""
        self.path = path
        self.messages = 0
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(number, "a", encoding="ascii", buffering=1)

    def watch(self, websocket: WebSocket, relay: Relay, wall: float) -> None:
        """Record *websocket* from now (*wall*: seconds since 1970) to its end."""
        number = websocket.number
        began = relay.now()
        self._write(
            {
                "opened": datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds"),
                "websocket": number,
                "client": websocket.client,
                "route": relay.route_name,
                "subprotocol": websocket.subprotocol,
            }
        )

        def passed(source: Side, opcode: int, data: bytes, first: bool, last: bool) -> None:
            self.messages += first
            line: dict[str, Any] = {"websocket": number, "at": round(relay.now() - began, 6), "from": source.name}
            if opcode == TEXT and first and last:
                line["text"] = data.decode("utf-8")
            else:
                line["base64"] = base64.b64encode(data).decode("ascii")
                if opcode == BINARY:
                    line["binary"] = True
                if not last:
                    line["more"] = True
            self._write(line)

        def ended() -> None:
            self._write({"websocket": number, "at": round(relay.now() - began, 6), "ended": relay.outcome})

        relay.watchers = (*relay.watchers, passed)
        relay.on_outcome = (*relay.on_outcome, ended)

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._file.closed:
            return
        try:
            self._file.write(json.dumps(line) + "\n")
        except OSError as error:
            # Those who speak are not to suffer from a full disk.
            _log.error(
                "recording to {path} ends after {messages} messages: {error}",
                path=self.path,
                messages=self.messages,
                error=str(error),
            )
            self.close()

    def close(self) -> None:
        """Record nothing more."""
        with contextlib.suppress(OSError):  # what is left to be written may not fit on the disk, either
            self._file.close()


class BadRecording(Exception):
    """A file is no recording."""


def client_messages(path: str, websocket: int | None = None) -> Iterator[tuple[float, int, bytes]]:
    """
    The messages of the client in a recording: when they came (seconds from the beginning), opcode, bytes.

    :param websocket: of which WebSocket; of the first in the file without
    :raises OSError: the file cannot be read
    :raises BadRecording: it is no recording
    """
    parts: list[bytes] = []
    with Path(path).open(encoding="ascii") as file:
        for number, text in enumerate(file, 1):
            try:
                line = json.loads(text)
                websocket = line["websocket"] if websocket is None else websocket
                if line["websocket"] != websocket or line.get("from") != "client":
                    continue
                parts.append(line["text"].encode("utf-8") if "text" in line else base64.b64decode(line["base64"], validate=True))
                at = float(line["at"])
            except (ValueError, KeyError, TypeError, AttributeError):
                raise BadRecording(f"line {number} of {path} is not from a recording") from None
            if not line.get("more"):
                yield at, BINARY if line.get("binary") else TEXT, b"".join(parts)
                parts.clear()
