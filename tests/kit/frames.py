"""WebSocket frames as a play writes and reads them (RFC 6455 §5.2)."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from tests.kit.party import Party

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode: int, payload: bytes | str = b"", *, mask: bytes | None = None, fin: bool = True, rsv: int = 0) -> bytes:
    """A frame; with a *mask* it is a client's."""
    data = payload.encode() if isinstance(payload, str) else payload
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    bit = 0 if mask is None else 0x80
    if len(data) < 126:
        head = struct.pack("!BB", first, bit | len(data))
    elif len(data) < 65536:
        head = struct.pack("!BBH", first, bit | 126, len(data))
    else:
        head = struct.pack("!BBQ", first, bit | 127, len(data))
    if mask is None:
        return head + data
    return head + mask + _xor(data, mask)


def from_client(opcode: int, payload: bytes | str = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    """A client's frame."""
    return frame(opcode, payload, mask=b"\x12\x34\x56\x78", fin=fin, rsv=rsv)


def closing(code: int, reason: str = "") -> bytes:
    """The payload of a Close frame."""
    return struct.pack("!H", code) + reason.encode()


def _xor(data: bytes, mask: bytes) -> bytes:
    key = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data) ^ int.from_bytes(key)).to_bytes(len(data))


@dataclass(frozen=True)
class Frame:
    """A frame as it was heard."""

    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0
    masked: bool = False

    @property
    def close(self) -> tuple[int | None, str]:
        """Of a Close frame: code and reason."""
        assert self.opcode == CLOSE, self
        if not self.payload:
            return None, ""
        return int.from_bytes(self.payload[:2]), self.payload[2:].decode()


def heard(party: Party) -> list[Frame]:
    """Every whole frame that *party* has heard."""
    frames = []
    data = party.heard
    start = 0
    while len(data) - start >= 2:
        size, at = data[start + 1] & 0x7F, start + 2
        if size == 126:
            size, at = int.from_bytes(data[at : at + 2]), at + 2
        elif size == 127:
            size, at = int.from_bytes(data[at : at + 8]), at + 8
        masked = bool(data[start + 1] & 0x80)
        mask = data[at : at + 4] if masked else b""
        at += len(mask)
        if len(data) < at + size:
            break
        payload = data[at : at + size]
        if masked:
            payload = _xor(payload, mask)
        first = data[start]
        frames.append(Frame(first & 15, payload, bool(first & 128), first >> 4 & 7, masked))
        start = at + size
    party.heard = data[start:]
    return frames


def hears_frame(party: Party, opcode: int, payload: bytes | str = b"") -> Frame:
    """Exactly one frame has come, whole and final."""
    data = payload.encode() if isinstance(payload, str) else payload
    frames = heard(party)
    assert [(each.opcode, each.payload, each.fin) for each in frames] == [(opcode, data, True)], f"{party.name} heard {frames}"
    return frames[0]


def hears_close(party: Party, code: int | None, reason: str | None = None) -> None:
    """A Close frame has come, and nothing else; *reason* None: any."""
    frames = heard(party)
    assert len(frames) == 1, f"{party.name} heard {frames}"
    assert frames[0].close[0] == code, f"{party.name} heard {frames}"
    if reason is not None:
        assert frames[0].close[1] == reason, f"{party.name} heard {frames}"


def whole(frames: list[Frame]) -> tuple[int, bytes]:
    """The one message that *frames* are: its opcode and its bytes."""
    assert frames[-1].fin and not any(each.fin for each in frames[:-1]), frames
    assert all(each.opcode == 0 for each in frames[1:]), frames
    return frames[0].opcode, b"".join(each.payload for each in frames)


def deflated(data: bytes) -> bytes:
    """A message's payload as permessage-deflate has it (RFC 7692 §7.2.1)."""
    codec = zlib.compressobj(wbits=-15)
    return (codec.compress(data) + codec.flush(zlib.Z_SYNC_FLUSH))[:-4]


def inflated(data: bytes) -> bytes:
    """The way back (RFC 7692 §7.2.2)."""
    return zlib.decompressobj(wbits=-15).decompress(data + b"\0\0\xff\xff")
