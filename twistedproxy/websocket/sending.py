"""What is sent to one side of a WebSocket: messages in parts or whole, and the frames between them."""

from __future__ import annotations

import struct
from typing import Any, Final

from twistedproxy.transport.sending import HIGH_WATER
from twistedproxy.websocket.deflate import Deflate
from twistedproxy.websocket.frames import CLOSE, CONTINUATION, PING, frame_head, masked, new_mask

#: RSV1, which a compressed message begins with (RFC 7692 §6).
_COMPRESSED: Final = 4
#: Messages of our own that wait for the end of one that is on its way.
_MOST_INSERTED: Final = 100
#: Smaller messages are sent as they are.
_WORTH_DEFLATING: Final = 32
#: Payloads up to here are joined with their head for one system call; larger ones are not copied.
_JOINED: Final = 16 * 1024

#: Why a side is held: it does not take what is answered to it.
ANSWERED: Final = 16


class Sending:
    """
    The sending half of a side.

    :ivar masks: frames are masked, as a client's are (RFC 6455 §5.1)
    :ivar written: bytes that were sent
    :ivar close_sent: the last frame was sent
    :ivar gone: there is no connection any more
    """

    masks = False
    written = 0
    close_sent = False
    gone = False
    transport: Any
    #: By which we compress; None: not.
    _codec: Deflate | None = None
    _inserted: list[tuple[int, bytes]]
    #: A message is on its way; none of its frames was sent yet; it is compressed.
    _inside = False
    _untold = True
    _deflating = False

    def hold(self, why: int) -> None:
        """Read no more of the side until :meth:`release`."""
        raise NotImplementedError

    def release(self, why: int) -> None:
        """*why* is over."""
        raise NotImplementedError

    def send_frame(self, opcode: int, data: bytes, fin: bool = True, rsv: int = 0) -> None:
        """Every frame leaves through here."""
        mask = new_mask() if self.masks else b""
        head = frame_head(opcode, len(data), fin=fin, rsv=rsv, mask=mask)
        if mask:
            data = masked(data, mask)
        self.written += len(head) + len(data)
        if len(data) <= _JOINED:
            self.transport.write(head + data)
        else:
            self.transport.writeSequence([head, data])

    def send_piece(self, opcode: int, data: bytes, first: bool, last: bool) -> None:
        """Send a part of a message as one frame; compressed if that was agreed and is worth it."""
        if self.close_sent or self.gone:
            return
        codec = self._codec
        if first:
            self._untold = self._inside = True
            self._deflating = codec is not None and not (last and len(data) < _WORTH_DEFLATING)
            if self._deflating and codec is not None:
                codec.start_compress_message()
        rsv = 0
        if self._deflating and codec is not None:
            data = codec.compress_message_data(data)
            if last:
                data += codec.end_compress_message()
            elif not data:
                return
            rsv = _COMPRESSED
        if self._untold:
            self._untold = False
            self.send_frame(opcode, data, last, rsv)
        else:
            self.send_frame(CONTINUATION, data, last)
        if last:
            self._inside = False
            if self._inserted:
                inserted, self._inserted = self._inserted, []
                for message in inserted:
                    self.send_message(*message)
                if not self.transport.pending > HIGH_WATER:
                    self.release(ANSWERED)

    def send_message(self, opcode: int, data: bytes) -> None:
        """Send a message of our own, after the one that is on its way."""
        if self._inside:
            self._inserted.append((opcode, data))
            if len(self._inserted) >= _MOST_INSERTED:
                # Who makes us speak so much says nothing more until it was said.
                self.hold(ANSWERED)
        else:
            self.send_piece(opcode, data, True, True)

    def send_ping(self) -> None:
        """Ask for a sign of life."""
        self.send_frame(PING, b"")

    def send_close(self, code: int | None, reason: bytes = b"") -> None:
        """Send a Close frame, the only one; without a code an empty one.  *reason* has 123 bytes at most."""
        if self.close_sent or self.gone:
            return
        self.send_frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)
        self.close_sent = True
