"""A client of HTTP/2 in a play: the h2 library's client side on a party of the play."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    Event,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from hyperframe.frame import Frame, GoAwayFrame

from tests.kit.party import Party
from tests.kit.play import Play


@dataclass
class Answer:
    """What came on a stream."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    interim: list[str] = field(default_factory=list)
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> str:
        """Of the final answer; empty as long as there is none."""
        return dict(self.fields).get(":status", "")

    def __getitem__(self, name: str) -> str:
        return dict(self.fields)[name]


class Http2Client:
    """
    Somebody who speaks HTTP/2 by prior knowledge.

    :ivar party: its connection, as the play sees it
    :ivar goaways: the last streams and error codes of the GOAWAY frames that came
    """

    def __init__(self, play: Play, *, opens_windows: bool = True) -> None:
        self.party: Party = play.client()
        self.h2 = H2Connection(
            H2Configuration(
                client_side=True, header_encoding="utf-8", validate_outbound_headers=False, normalize_outbound_headers=False
            )
        )
        self.goaways: list[tuple[int, int]] = []
        self._answers: dict[int, Answer] = {}
        self._opens_windows = opens_windows
        self.h2.initiate_connection()
        self.flush()

    def asks(
        self,
        method: str = "GET",
        path: str = "/",
        *fields: tuple[str, str],
        body: bytes | None = None,
        more: bool = False,
        pseudo: Sequence[tuple[str, str]] = (),
    ) -> int:
        """Begin a request, the number of its stream; *more*: its body follows by :meth:`sends`."""
        stream = self.h2.get_next_available_stream_id()
        head = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "a"), *pseudo, *fields]
        self.h2.send_headers(stream, head, end_stream=body is None and not more)
        if body is not None:
            self.h2.send_data(stream, body, end_stream=not more)
        self.flush()
        return stream

    def sends(self, stream: int, data: bytes, *, ends: bool = False) -> None:
        """More of a request's body."""
        self.h2.send_data(stream, data, end_stream=ends)
        self.flush()

    def sends_frames(self, *frames: Frame) -> None:
        """Frames that the library would not send."""
        self.party.says(b"".join(frame.serialize() for frame in frames))
        self._take()

    def flush(self) -> None:
        """Send what the library has put together, and take what comes back."""
        data = self.h2.data_to_send()
        if data:
            self.party.says(data)
        self._take()

    def answer(self, stream: int) -> Answer:
        """What has come on *stream* so far."""
        self._take()
        return self._answers.setdefault(stream, Answer())

    def _take(self) -> None:
        while self.party.heard:
            data, self.party.heard = self.party.heard, b""
            for event in self.h2.receive_data(self._without_goaways(data)):
                self._note(event)
            data = self.h2.data_to_send()
            if data and not self.party.ended_in_order:
                self.party.says(data)

    def _without_goaways(self, data: bytes) -> bytes:
        """Note each GOAWAY: the library would take nothing any more behind it, not even the answers that are still to come."""
        kept = b""
        while data:
            frame, length = Frame.parse_frame_header(memoryview(data[:9]))
            whole, data = data[: 9 + length], data[9 + length :]
            if isinstance(frame, GoAwayFrame):
                frame.parse_body(memoryview(whole[9:]))
                self.goaways.append((frame.last_stream_id, frame.error_code))
            else:
                kept += whole
        return kept

    def _note(self, event: Event) -> None:
        answer = self._answers.setdefault(getattr(event, "stream_id", 0) or 0, Answer())
        if isinstance(event, ResponseReceived):
            answer.fields = list(event.headers)
        elif isinstance(event, InformationalResponseReceived):
            answer.interim.append(dict(event.headers)[":status"])
        elif isinstance(event, DataReceived):
            answer.body += event.data
            if self._opens_windows and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, TrailersReceived):
            answer.trailers = list(event.headers)
        elif isinstance(event, StreamEnded):
            answer.ended = True
        elif isinstance(event, StreamReset):
            answer.reset = int(event.error_code)
