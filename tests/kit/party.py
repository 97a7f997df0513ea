"""Who takes part in a play besides the proxy: each speaks bytes over one connection, and notes what it hears."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from tests.kit.streams import CAPACITY, Stream


def spoken(*parts: str | bytes) -> bytes:
    """
    What a play writes, as bytes: text is a head, one line a line, indented as it likes; bytes stand for themselves.
    """
    return b"".join(_head(part) if isinstance(part, str) else part for part in parts)


def _head(text: str) -> bytes:
    lines = [line.strip() for line in text.strip().splitlines()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


@dataclass(frozen=True)
class Message:
    """
    A message as a party reads it.

    :ivar start: the request line or status line
    :ivar fields: by lower-case name; several of one name are joined by ``, ``
    """

    start: str
    fields: dict[str, str]
    body: bytes

    @property
    def status(self) -> int:
        """Of an answer."""
        return int(self.start.split(" ")[1])


class Party:
    """
    A client or an origin.

    All that comes must be asserted, in order, by :meth:`hears`, :meth:`hears_message`, :meth:`sees_end` or :meth:`sees_cut`.

    :ivar heard: bytes that came and were not asserted yet
    """

    def __init__(self, name: str, stream: Stream, turn: Callable[[], None]) -> None:
        self.name = name
        self.heard = b""
        self._stream = stream
        self._turn = turn
        self._takes = True
        self._end_seen = False

    # What it does.

    def says(self, *parts: str | bytes) -> None:
        """Send heads (text) and bodies (bytes) in one piece; what the proxy does not read waits, without limit."""
        self.has_said(*parts)
        self._turn()

    def has_said(self, *parts: str | bytes) -> None:
        """The same, which the proxy sees when somebody else does something."""
        assert not self._stream.closed, f"{self.name} has closed its connection"
        self._stream.other.inbox += spoken(*parts)

    def says_slowly(self, *parts: str | bytes) -> None:
        """The same, byte by byte."""
        for value in spoken(*parts):
            self.says(bytes((value,)))

    def ends(self) -> None:
        """Send nothing more, and go on listening."""
        self._stream.shutdown(socket.SHUT_WR)
        self._turn()

    def leaves(self) -> None:
        """Close."""
        self.take()
        self._end_seen = True
        self._stream.close()
        self._turn()

    def follows(self) -> None:
        """Close too, if the other side has ended the connection."""
        if self._stream.ended and not self._stream.closed:
            self.reads_on()
            self.leaves()

    def resets(self) -> None:
        """Cut the connection."""
        self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.leaves()

    def stops_reading(self, room: int = CAPACITY) -> None:
        """From now on nothing is taken; *room* more bytes fit into the buffers of the kernels."""
        self._takes = False
        self._stream.capacity = room

    def reads(self, size: int) -> bytes:
        """Take up to *size* bytes, though it has stopped reading."""
        data = bytes(self._stream.inbox[:size])
        del self._stream.inbox[:size]
        self._turn()
        return data

    def reads_on(self) -> None:
        """Take everything from now on."""
        self._takes = True
        self._turn()

    # What it notices.

    def take(self) -> bool:
        """Read what has come, if it reads; whether there was anything."""
        inbox = self._stream.inbox
        if not self._takes or not inbox or self._stream.closed:
            return False
        self.heard += bytes(inbox)
        inbox.clear()
        return True

    def hears(self, *parts: str | bytes) -> None:
        """What has come begins with exactly these bytes."""
        wanted = spoken(*parts)
        got = self.heard[: len(wanted)]
        assert got == wanted, f"{self.name} should have heard\n{_shown(wanted)}\nand heard\n{_shown(self.heard)}"
        self.heard = self.heard[len(wanted) :]

    def hears_nothing(self) -> None:
        """Nothing has come, and the connection stands."""
        assert not self.heard, f"{self.name} heard\n{_shown(self.heard)}"
        assert not self._cut_off, f"{self.name}: the proxy has ended the connection"

    def hears_message(self, *, head_only: bool = False) -> Message:
        """A whole message with Content-Length, or without a body."""
        head, mark, rest = self.heard.partition(b"\r\n\r\n")
        assert mark, f"{self.name} should have heard a message, and heard\n{_shown(self.heard)}"
        start, *lines = head.decode("latin-1").split("\r\n")
        fields: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(": ")
            key = name.lower()
            fields[key] = f"{fields[key]}, {value}" if key in fields else value
        length = 0 if head_only else int(fields.get("content-length", "0"))
        assert len(rest) >= length, f"{self.name} heard {len(rest)} of {length} bytes of a body"
        self.heard = rest[length:]
        return Message(start, fields, rest[:length])

    def sees_end(self) -> None:
        """The proxy has ended its side in order; nothing is left unheard."""
        assert not self.heard, f"{self.name} heard\n{_shown(self.heard)}"
        assert self._stream.ended, f"{self.name}: the connection stands"
        assert not self._stream.reset, f"{self.name}: the connection was cut"
        self._end_seen = True

    def sees_cut(self) -> None:
        """The proxy has cut the connection; nothing is left unheard."""
        assert not self.heard, f"{self.name} heard\n{_shown(self.heard)}"
        assert self._stream.reset, f"{self.name}: the connection was not cut"
        self._end_seen = True

    def overlooks(self) -> bytes:
        """Whatever has come and however it ended is left unjudged; returns the bytes."""
        self._end_seen = True
        data, self.heard = self.heard, b""
        return data

    @property
    def was_ended(self) -> bool:
        """Whether the proxy has ended its side, in whatever way."""
        return self._stream.ended or self._stream.reset

    @property
    def ended_in_order(self) -> bool:
        """Whether the proxy has ended its side without a reset."""
        return self._stream.ended and not self._stream.reset

    @property
    def has_left(self) -> bool:
        """Whether it has closed its own side altogether."""
        return self._stream.closed

    @property
    def waiting(self) -> int:
        """Bytes that it has sent and the proxy has not read."""
        return len(self._stream.other.inbox)

    @property
    def is_closed(self) -> bool:
        """Whether the proxy has closed its socket altogether."""
        return self._stream.other.closed

    @property
    def _cut_off(self) -> bool:
        return (self._stream.ended or self._stream.reset) and not self._end_seen

    def check_out(self) -> None:
        """Nothing happened that the play did not speak of."""
        assert not self.heard, f"{self.name} also heard\n{_shown(self.heard)}"
        assert not self._cut_off, f"{self.name}: the connection was ended, which the play does not mention"


def _shown(data: bytes) -> str:
    text = data[:4000].decode("latin-1").replace("\r\n", "⏎\n")
    return f"{text}{'…' if len(data) > 4000 else ''} [{len(data)} bytes]"
