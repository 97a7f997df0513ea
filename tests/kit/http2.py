"""Clients and origins of HTTP/2 in a play: the h2 library on a party of the play."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.settings import Settings
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


class Http2Origin:
    """
    A peer that speaks HTTP/2: the next connection that the proxy has made.

    :ivar party: its side of the connection
    :ivar goaway: the error code of the proxy's GOAWAY, None as long as there was none
    """

    def __init__(self, play: Play, name: str | None = None, *, settings: dict[int, int] | None = None) -> None:
        self.party: Party = play.origin(name)
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8", validate_outbound_headers=False))
        self.goaway: int | None = None
        self.requests: dict[int, Answer] = {}
        self.order: list[int] = []
        self._next = 0
        if settings:
            self.h2.local_settings = Settings(client=False, initial_values=settings)  # type: ignore[arg-type]
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        """Send what the library has put together, and take what comes."""
        data = self.h2.data_to_send()
        if data and not self.party.was_ended:
            self.party.says(data)
        self._take()

    def _take(self) -> None:
        while self.party.heard:
            data, self.party.heard = self.party.heard, b""
            for event in self.h2.receive_data(data):
                self._note(event)
            data = self.h2.data_to_send()
            if data and not self.party.was_ended:
                self.party.says(data)

    def _note(self, event: Event) -> None:
        if isinstance(event, ConnectionTerminated):
            self.goaway = int(event.error_code or 0)
            return
        number = getattr(event, "stream_id", 0) or 0
        if isinstance(event, RequestReceived):
            self.requests[number] = Answer(fields=list(event.headers))
            self.order.append(number)
        elif isinstance(event, DataReceived):
            self.requests[number].body += event.data
            if event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, number)
        elif isinstance(event, TrailersReceived):
            self.requests[number].trailers = list(event.headers)
        elif isinstance(event, StreamEnded):
            self.requests[number].ended = True
        elif isinstance(event, StreamReset):
            self.requests[number].reset = int(event.error_code)

    def hears(self) -> int:
        """The number of the next request's stream."""
        self._take()
        assert self._next < len(self.order), "no request has come"
        self._next += 1
        return self.order[self._next - 1]

    def request(self, stream: int) -> Answer:
        """What has come on *stream*."""
        self._take()
        return self.requests[stream]

    def answers(self, stream: int, status: str, *fields: tuple[str, str], body: bytes = b"", more: bool = False) -> None:
        """Answer; *more*: of the body follows."""
        self.h2.send_headers(stream, [(":status", status), *fields], end_stream=not body and not more)
        if body:
            self.h2.send_data(stream, body, end_stream=not more)
        self.flush()

    def sends(self, stream: int, data: bytes, *, ends: bool = False) -> None:
        """More of an answer's body."""
        self.h2.send_data(stream, data, end_stream=ends)
        self.flush()

    def trails(self, stream: int, *fields: tuple[str, str]) -> None:
        """End an answer by trailers."""
        self.h2.send_headers(stream, fields, end_stream=True)
        self.flush()

    def resets(self, stream: int, code: int) -> None:
        """Give a stream up."""
        self.h2.reset_stream(stream, code)
        self.flush()

    def says_frames(self, *frames: Frame) -> None:
        """Frames that the library would not send."""
        self.party.says(b"".join(frame.serialize() for frame in frames))
        self._take()
