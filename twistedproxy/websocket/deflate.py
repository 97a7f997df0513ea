"""
permessage-deflate (RFC 7692), negotiated with the client and with the peer each for itself.

What is agreed with one side says nothing of the other: a message is inflated where it comes in and, if that side has agreed,
deflated where it goes out.  autobahn's codec does the work; what was said in the handshake is read here, strictly.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from autobahn.websocket.compress_deflate import PerMessageDeflate

NAME: Final = b"permessage-deflate"

#: Our own compressor: 32 KiB a connection instead of 256, for a few per cent of size.
_WINDOW_BITS: Final = 12
_MEMORY_LEVEL: Final = 5
#: zlib has no raw stream with a window of 8 bits.
_LEAST_BITS: Final = 9

# RFC 7692 §7.1.2: 8 to 15, without leading zeros.
_bits: Final = re.compile(rb"[89]|1[0-5]")

_SERVER_ALONE: Final = b"server_no_context_takeover"
_CLIENT_ALONE: Final = b"client_no_context_takeover"
_SERVER_BITS: Final = b"server_max_window_bits"
_CLIENT_BITS: Final = b"client_max_window_bits"


class BadParameters(Exception):
    """Parameters that RFC 7692 §7.1 does not allow."""


class Deflate:
    """
    One side's codec: autobahn's, which asks for it by these names.

    What is agreed not to be carried over from message to message is not kept either.
    """

    EXTENSION_NAME = "permessage-deflate"

    def __init__(self, server: bool, server_alone: bool, client_alone: bool, server_bits: int, client_bits: int) -> None:
        """
        :param server: we are the server
        :param server_alone: the server compresses each message by itself; *client_alone*: the client does
        :param server_bits: the window of what the server compresses, 9 to 15; *client_bits*: likewise
        """
        make: Any = PerMessageDeflate
        self._codec = make(server, server_alone, client_alone, server_bits, client_bits, _MEMORY_LEVEL)
        self._ours_alone, self._theirs_alone = (server_alone, client_alone) if server else (client_alone, server_alone)
        self.start_compress_message: Callable[[], None] = self._codec.start_compress_message
        self.compress_message_data: Callable[[bytes], bytes] = self._codec.compress_message_data
        self.start_decompress_message: Callable[[], None] = self._codec.start_decompress_message
        self.decompress_message_data: Callable[..., bytes] = self._codec.decompress_message_data

    def end_compress_message(self) -> bytes:
        """The last bytes of a message."""
        rest: bytes = self._codec.end_compress_message()
        if self._ours_alone:
            self._codec._compressor = None
        return rest

    def end_decompress_message(self) -> None:
        """A message is complete.  Raises PayloadCorruptError when it is not."""
        codec = self._codec
        codec.end_decompress_message()
        if self._theirs_alone or codec._decompressor.eof:
            # RFC 7692 §7.2.3.5: a sender may end its stream with a message, and begin another.
            codec._decompressor = None


def parameters(element: bytes) -> tuple[bytes, Mapping[bytes, bytes | None]]:
    """
    The name and the parameters of one element of Sec-WebSocket-Extensions, which is well-formed, in lower case.

    :raises BadParameters: one is there twice (RFC 7692 §7.1)
    """
    name, *parts = (part.strip(b" \t") for part in element.split(b";"))
    found: dict[bytes, bytes | None] = {}
    for part in parts:
        key, equals, value = part.partition(b"=")
        key = key.strip(b" \t").lower()
        if key in found:
            raise BadParameters(f"{key.decode('ascii')} is repeated")
        found[key] = value.strip(b" \t").strip(b'"') if equals else None
    return name.lower(), found


def accept(offers: bytes | None, *, takeover: bool) -> tuple[Deflate, bytes] | None:
    """
    Choose from what a client offers (the value of its Sec-WebSocket-Extensions): a codec, and the answer; None for none.

    :param takeover: contexts may be kept from message to message
    """
    for element in offers.split(b",") if offers else ():
        try:
            name, offer = parameters(element.strip(b" \t"))
            if name == NAME:
                return _accept(offer, takeover)
        except BadParameters:
            # RFC 7692 §5.1: an offer that cannot be accepted is passed over; the next may do.
            continue
    return None


def _accept(offer: Mapping[bytes, bytes | None], takeover: bool) -> tuple[Deflate, bytes]:
    _check(offer)
    answer = [NAME]
    alone = not takeover or _SERVER_ALONE in offer
    if alone:
        answer.append(_SERVER_ALONE)
    client_alone = not takeover or _CLIENT_ALONE in offer
    if client_alone:
        answer.append(_CLIENT_ALONE)
    bits = _WINDOW_BITS
    wanted = offer.get(_SERVER_BITS)
    if _SERVER_BITS in offer:
        if wanted is None or int(wanted) < _LEAST_BITS:
            raise BadParameters("no such window")
        bits = min(bits, int(wanted))
        answer.append(b"%b=%b" % (_SERVER_BITS, wanted))
    return Deflate(True, alone, client_alone, bits, zlib.MAX_WBITS), b"; ".join(answer)


def offer(*, takeover: bool) -> bytes:
    """What we offer to a peer."""
    if takeover:
        return b"%b; %b" % (NAME, _CLIENT_BITS)
    return b"%b; %b; %b; %b" % (NAME, _SERVER_ALONE, _CLIENT_ALONE, _CLIENT_BITS)


def agreed(element: bytes, *, takeover: bool) -> tuple[Deflate, bool]:
    """
    What a peer has made of our :func:`offer`: a codec, and whether we may compress, too.

    :raises BadParameters: it has answered what was not offered
    """
    _, answer = parameters(element)
    _check(answer)
    if _CLIENT_BITS in answer and answer[_CLIENT_BITS] is None:
        raise BadParameters("a window without a size")
    bits = int(answer.get(_CLIENT_BITS) or _WINDOW_BITS)
    alone = not takeover or _CLIENT_ALONE in answer
    codec = Deflate(False, _SERVER_ALONE in answer, alone, zlib.MAX_WBITS, max(_LEAST_BITS, min(bits, _WINDOW_BITS)))
    return codec, bits >= _LEAST_BITS


def _check(said: Mapping[bytes, bytes | None]) -> None:
    for name, value in said.items():
        if name in (_SERVER_ALONE, _CLIENT_ALONE):
            good = value is None
        elif name == _CLIENT_BITS:
            good = value is None or bool(_bits.fullmatch(value))
        else:
            good = name == _SERVER_BITS and value is not None and bool(_bits.fullmatch(value))
        if not good:
            raise BadParameters(f"{name.decode('ascii')} is not as RFC 7692 has it")
