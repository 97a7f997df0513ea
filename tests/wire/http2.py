"""One end of an HTTP/2 connection whose owner only takes notes, and what holds for any bytes that come to it."""

from __future__ import annotations

from collections.abc import Iterable

from twistedproxy.message import Field
from twistedproxy.wire.http2_connection import WireConnection
from twistedproxy.wire.http2_floods import Flood, FrameLimits
from twistedproxy.wire.http2_frames import PREFACE, Code, Setting, settings_frame
from twistedproxy.wire.http2_stream import ConnectionProblem, StreamProblem, WireStream

SETTINGS = {Setting.INITIAL_WINDOW_SIZE: 100_000, Setting.MAX_CONCURRENT_STREAMS: 100}
#: What a client says before anything else.
HELLO = PREFACE + settings_frame({})


class Notes:
    """
    An owner.

    :ivar heard: what it was told, in order
    :ivar refused: paths of requests that it calls broken
    """

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []
        self.refused = b"/refused"

    def stream_opened(self, stream: WireStream, fields: tuple[Field, ...], ended: bool) -> None:
        if (b":path", self.refused) in fields:
            raise StreamProblem(Code.PROTOCOL_ERROR, "refused")
        stream.owner = self
        said = dict(fields)
        if said.get(b"content-length", b"").isdigit() and len(said[b"content-length"]) < 9:
            stream.left = int(said[b"content-length"])
        self.heard.append(("opened", stream.number, fields, ended))

    def fields_received(self, stream: WireStream, fields: tuple[Field, ...], ended: bool) -> None:
        self.heard.append(("fields", stream.number, fields, ended))

    def data_received(self, stream: WireStream, data: bytes, counted: int, ended: bool) -> None:
        self.heard.append(("data", stream.number, data, counted, ended))

    def stream_reset(self, stream: WireStream, code: int, remote: bool) -> None:
        self.heard.append(("reset", stream.number, code, remote))

    def window_opened(self, stream: WireStream | None) -> None:
        self.heard.append(("window", stream.number if stream else 0))

    def went_away(self, last: int, code: int) -> None:
        self.heard.append(("goaway", last, code))


class End:
    """A connection with its notes."""

    def __init__(self, *, is_client: bool = False, limits: FrameLimits | None = None, most_fields: int = 4096) -> None:
        self.notes = Notes()
        self.wire = WireConnection(self.notes, SETTINGS, limits or FrameLimits(), most_fields, 0.0, is_client=is_client)
        self.wire.out.clear()

    @property
    def heard(self) -> list[tuple[object, ...]]:
        """What came since it was asked last."""
        heard, self.notes.heard = self.notes.heard, []
        return heard

    @property
    def said(self) -> bytes:
        """What it wants to send since then."""
        said = b"".join(self.wire.out)
        self.wire.out.clear()
        return said

    def takes(self, *data: bytes) -> str:
        """Let *data* come; how the connection ended by that, if it did."""
        try:
            for piece in data:
                self.wire.receive(piece, 0.0)
        except ConnectionProblem as problem:
            return problem.code.name
        except Flood as flood:
            return f"flood: {flood}"
        return ""


def any_frames(data: bytes, pieces: Iterable[bytes], *, is_client: bool = False) -> None:
    """Whatever comes: nothing but the wire's own errors, and the same however it is split."""
    whole, split = End(is_client=is_client), End(is_client=is_client)
    if is_client:
        for end in (whole, split):
            for _ in range(3):
                end.wire.send_fields(end.wire.open(end), b"\x82", ended=False)
    hello = settings_frame({}) if is_client else HELLO
    one = whole.takes(hello + data)
    other = split.takes(hello, *pieces)
    assert one == other
    assert whole.heard == split.heard
    assert whole.said == split.said
    assert all(stream.room >= 0 for stream in whole.wire.streams.values())
