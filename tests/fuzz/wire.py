"""
Fuzzing of the wire with atheris: what the properties in tests/wire say of any bytes, on bytes that coverage leads to.

    make fuzz                       ten minutes
    make fuzz FUZZ=60               a minute
    python -m tests.fuzz.wire FILE  what a file that an earlier run found does

The first byte of an input says what it is taken for, the second where a body is split.  What was found interesting is kept in
var/fuzz/ for the next run; an input that breaks a property is written beside it, as var/fuzz-….
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import atheris

with atheris.instrument_imports(include=["twistedproxy.wire", "twistedproxy.message"]):
    from tests.wire.client_hellos import hello
    from tests.wire.http2 import any_frames
    from tests.wire.invariants import any_body, any_opening, any_path, any_request, any_response

ROOT: Final = Path(__file__).resolve().parents[2]
CORPUS: Final = ROOT / "var" / "fuzz"
REQUEST, RESPONSE, BODY, PATH, FRAMES, ANSWERS, OPENING = range(7)
SEEDS: Final = (
    (REQUEST, b"GET /a/%2e%2e/b;c?d HTTP/1.1\r\nHost: a.example:80\r\nConnection: keep-alive, upgrade\r\nUpgrade: x\r\n\r\n"),
    (REQUEST, b"POST http://[::1]:81?x HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello"),
    (REQUEST, b"OPTIONS * HTTP/1.0\r\nX:\t y \r\nX: z\r\nTransfer-Encoding: chunked\r\n\r\n"),
    (RESPONSE, b'HTTP/1.1 200 OK\r\nContent-Length : 5\r\nConnection: close\r\nETag: "x" \r\n\r\n'),
    (RESPONSE, b"HTTP/1.0 304\r\nTransfer-Encoding: chunked\r\n\r\n"),
    (BODY, b"5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\nX: y\r\nHost: z\r\n\r\nGET / HTTP/1.1\r\n"),
    (BODY, b"0\r\n\r\n"),
    (FRAMES, b"\x00\x00\x04\x01\x05\x00\x00\x00\x01\x82\x84\x86\xbe\x00\x00\x01\x00\x01\x00\x00\x00\x01a"),
    (FRAMES, b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x0a\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x05"),
    (ANSWERS, b"\x00\x00\x05\x01\x04\x00\x00\x00\x01\x88\x40\x01a\x01b\x00\x00\x01\x00\x09\x00\x00\x00\x01\x00"),
    (OPENING, b"PROXY TCP6 2001:db8::7 ::ffff:c633:6401 4124 443\r\n"),
    (OPENING, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f\xc0\0\x02\x07\xc6\x33\x64\x01\xdc\x04\x01\xbb\x02\0\0"),
    (OPENING, hello("a.example", b"h2", b"http/1.1")),
    (PATH, b"/a/./%2e%2E/b//c;d/..\\%5c%2f%252e%00"),
)


def one_input(data: bytes) -> None:
    """Check what holds for any bytes on *data*; whatever it raises has been found."""
    if len(data) < 2:
        return
    kind, cut, data = data[0] % 7, data[1], data[2:]
    if kind == REQUEST:
        any_request(data)
    elif kind == RESPONSE:
        any_response(data, b"HEAD" if cut % 2 else b"GET")
    elif kind == BODY:
        first, second = sorted((cut % 16, cut // 16))
        any_body(data, (data[:first], data[first:second], data[second:]))
    elif kind in (FRAMES, ANSWERS):
        cut %= len(data) + 1
        any_frames(data, (data[:cut], data[cut:]), is_client=kind == ANSWERS)
    elif kind == OPENING:
        any_opening(data)
    else:
        any_path(b"/" + data)


def main() -> None:
    """Fuzz, with libFuzzer's own arguments."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    for number, (kind, data) in enumerate(SEEDS):
        (CORPUS / f"seed-{number}").write_bytes(bytes((kind, 0x52)) + data)
    arguments = [sys.argv[0], *sys.argv[1:]]
    if all(argument.startswith("-") for argument in sys.argv[1:]):
        arguments += [f"-artifact_prefix={ROOT / 'var'}/fuzz-", "-max_len=600", str(CORPUS)]
    atheris.Setup(arguments, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
