"""Streams of an HTTP/2 connection: what both ends know of one, what may go wrong with it, and who hears of what comes on it."""

from __future__ import annotations

from typing import Any, Final, Protocol

from twistedproxy.message import Field
from twistedproxy.wire.http2_frames import Code


class ConnectionProblem(Exception):
    """The other side broke the rules so that the connection must end; GOAWAY is among what is to be sent."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code


class StreamProblem(Exception):
    """The other side broke the rules on one stream, which is reset."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code


class WireStream:
    """
    What both ends know of a stream.

    :ivar number: odd ones are the client's (RFC 9113 §5.1.1)
    :ivar owner: whose it is; None until somebody has taken it
    :ivar window: bytes that we may send on it, if the connection's window allows; negative after a change of settings
    :ivar room: bytes that the other side may send
    :ivar left: bytes that are still to come by content-length; -1 when any number may come
    :ivar theirs_over: the other side sends nothing more; *ours_over*: we do not
    """

    __slots__ = ("left", "number", "ours_over", "owner", "room", "theirs_over", "window")

    def __init__(self, number: int, window: int, room: int) -> None:
        self.number = number
        self.owner: Any = None
        self.window = window
        self.room = room
        self.left = -1
        self.theirs_over = False
        self.ours_over = False

    def __repr__(self) -> str:
        return f"<stream {self.number} window={self.window} room={self.room}>"


class Owner(Protocol):
    """Who hears of what comes on a connection.  A call may end the connection (:attr:`WireConnection.over`)."""

    def stream_opened(self, stream: WireStream, fields: tuple[Field, ...], ended: bool) -> None:
        """
        The client has opened a stream with the head of a request.

        :raises StreamProblem: there is something wrong with it
        """

    def fields_received(self, stream: WireStream, fields: tuple[Field, ...], ended: bool) -> None:
        """Likewise, on a stream that is open: an answer to a client, trailers."""

    def data_received(self, stream: WireStream, data: bytes, counted: int, ended: bool) -> None:
        """Content; *counted*: bytes of the windows that it took, padding included."""

    def stream_reset(self, stream: WireStream, code: int, remote: bool) -> None:
        """A stream is over, by RST_STREAM: the other side's, or ours for what the other side had done."""

    def window_opened(self, stream: WireStream | None) -> None:
        """More may be sent on a stream; None: on all."""

    def went_away(self, last: int, code: int) -> None:
        """GOAWAY: streams above *last* were not, and will not be, worked at."""


class _Nobody:
    """The owner of connections that are over; hears nothing."""

    def stream_opened(self, stream: WireStream, fields: tuple[Field, ...], ended: bool) -> None: ...

    def fields_received(self, stream: WireStream, fields: tuple[Field, ...], ended: bool) -> None: ...

    def data_received(self, stream: WireStream, data: bytes, counted: int, ended: bool) -> None: ...

    def stream_reset(self, stream: WireStream, code: int, remote: bool) -> None: ...

    def window_opened(self, stream: WireStream | None) -> None: ...

    def went_away(self, last: int, code: int) -> None: ...


NOBODY: Final = _Nobody()
