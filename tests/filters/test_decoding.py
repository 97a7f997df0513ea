"""Content codings taken off piece by piece; what is broken, cut or a bomb is refused."""

from __future__ import annotations

import gzip

import brotli
import pytest
import zstandard

from twistedproxy.errors import ResponseError
from twistedproxy.filters import decoding
from twistedproxy.filters.decoding import decoder_of

TEXT = b"".join(b"line %d\n" % number for number in range(5000))
CODED = {
    b"gzip": gzip.compress(TEXT),
    b"br": brotli.compress(TEXT, quality=3),
    b"zstd": zstandard.ZstdCompressor().compress(TEXT),
}


@pytest.mark.parametrize("coding", CODED)
@pytest.mark.parametrize("size", [1, 100, 1_000_000])
def test_codings_come_off(coding: bytes, size: int) -> None:
    decoder = decoder_of((b"identity", coding))
    assert decoder is not None
    data = CODED[coding]
    assert b"".join(decoder.feed(data[start : start + size]) for start in range(0, len(data), size)) == TEXT
    decoder.finish()


@pytest.mark.parametrize("coding", CODED)
def test_what_is_cut_short_is_told(coding: bytes) -> None:
    decoder = decoder_of((coding,))
    assert decoder is not None
    decoder.feed(b"")
    decoder.finish()
    decoder.feed(CODED[coding][:-12])
    with pytest.raises(ResponseError, match="cut short"):
        decoder.finish()


@pytest.mark.parametrize("coding", CODED)
def test_what_is_something_else_is_told(coding: bytes) -> None:
    decoder = decoder_of((coding,))
    assert decoder is not None
    with pytest.raises(ResponseError, match="bad_content_coding"):
        decoder.feed(b"<html>this is not what it says, and it is long enough for all of them</html>" * 9)


@pytest.mark.parametrize("coding", CODED)
def test_a_bomb_does_not_go_off(coding: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MOST", 10_000)
    decoder = decoder_of((coding,))
    assert decoder is not None
    with pytest.raises(ResponseError, match="too much comes out"):
        decoder.feed(CODED[coding])


def test_members_of_gzip_follow_each_other() -> None:
    decoder = decoder_of((b"x-gzip",))
    assert decoder is not None
    assert decoder.feed(gzip.compress(b"one") + gzip.compress(b" two") + b"\0\0") == b"one two"
    decoder.finish()


def test_what_is_not_coded_needs_nothing_and_what_is_unknown_is_left() -> None:
    assert decoder_of(()) is None
    for codings in ((b"compress",), (b"gzip", b"br")):
        with pytest.raises(KeyError):
            decoder_of(codings)
