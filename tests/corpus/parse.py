"""What came over a wire, read as strictly as can be: the judges of the corpus believe nobody."""

from __future__ import annotations

import re
from typing import Final

from tests.corpus.case import Answer

_FIELD: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ?([\t\x20-\x7e\x80-\xff]*)")
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) [\t\x20-\x7e\x80-\xff]*")
_REQUEST_LINE: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [\x21-\x7e]+ HTTP/1\.1")
_HOST: Final = re.compile(rb"(?:[0-9A-Za-z._~\-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
_CHUNK_SIZE: Final = re.compile(rb"[0-9a-f]+")
_LENGTH: Final = re.compile(rb"[0-9]+")

Fields = list[tuple[bytes, bytes]]


class Broken(Exception):
    """The bytes are not what they should be."""


class Unfinished(Exception):
    """The bytes may become what they should be."""


def fields_of(lines: list[bytes]) -> Fields:
    """
    Names in lower case, and values.

    :raises Broken: a line is no field
    """
    fields = []
    for line in lines:
        match = _FIELD.fullmatch(line)
        if match is None:
            raise Broken(f"field line {line[:80]!r}")
        fields.append((match[1].lower(), match[2]))
    return fields


def values(fields: Fields, name: bytes) -> list[bytes]:
    """All values of a field."""
    return [value for each, value in fields if each == name]


def framing_of(fields: Fields) -> int:
    """
    The length that the fields announce; -1: chunked; -2: none.

    :raises Broken: it could be read in two ways
    """
    codings, lengths = values(fields, b"transfer-encoding"), values(fields, b"content-length")
    if len(codings) + len(lengths) > 1:
        raise Broken(f"framing {codings} {lengths}")
    if codings:
        if codings != [b"chunked"]:
            raise Broken(f"coding {codings}")
        return -1
    if lengths:
        if not _LENGTH.fullmatch(lengths[0]):
            raise Broken(f"length {lengths}")
        return int(lengths[0])
    return -2


def check_request_head(head: bytes) -> Fields:
    """
    The fields of a head that a proxy of this name may send to an origin.

    :param head: with its empty line
    :raises Broken: some server might read it in another way, or it holds what is not for the next hop
    """
    if head.count(b"\n") != head.count(b"\r\n") or head.count(b"\r") != head.count(b"\r\n"):
        raise Broken("a CR or LF stands alone")
    line, *lines = head[:-4].split(b"\r\n")
    if not _REQUEST_LINE.fullmatch(line):
        raise Broken(f"request line {line[:80]!r}")
    fields = fields_of(lines)
    hosts = values(fields, b"host")
    if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
        raise Broken(f"Host {hosts}")
    framing_of(fields)
    names = [name for name, _ in fields]
    upgrade = values(fields, b"upgrade")
    if upgrade not in ([], [b"websocket"]):
        raise Broken(f"Upgrade {upgrade}")
    if values(fields, b"connection") != ([b"Upgrade"] if upgrade else []):
        raise Broken(f"Connection {values(fields, b'connection')}")
    for name in (b"keep-alive", b"proxy-connection", b"http2-settings", b"te"):
        if name in names:
            raise Broken(f"{name.decode()} is for one hop")
    if values(fields, b"expect") not in ([], [b"100-continue"], [b"100-Continue"]):
        raise Broken(f"Expect {values(fields, b'expect')}")
    if not any(value.endswith(b" twistedproxy") for value in values(fields, b"via")):
        raise Broken("no Via")
    return fields


def take_chunked(data: bytes, start: int) -> tuple[bytes, bytes, int]:
    """
    Body, trailer section and end of a chunked body that begins at *start*.

    :raises Unfinished: its end has not come
    :raises Broken: it is not as plain as a sender can make it
    """
    body: list[bytes] = []
    position = start
    while True:
        end = data.find(b"\r\n", position)
        if end < 0:
            if data[position:].strip(b"0123456789abcdef\r"):
                raise Broken(f"chunk line {data[position:][:40]!r}")
            raise Unfinished(b"".join(body))
        if not _CHUNK_SIZE.fullmatch(data, position, end):
            raise Broken(f"chunk line {data[position:end][:40]!r}")
        size = int(data[position:end], 16)
        position = end + 2
        if size == 0:
            break
        body.append(data[position : position + size])
        if len(data) < position + size + 2:
            raise Unfinished(b"".join(body))
        if data[position + size : position + size + 2] != b"\r\n":
            raise Broken("a chunk without CRLF behind it")
        position += size + 2
    if data.startswith(b"\r\n", position):
        return b"".join(body), b"", position + 2
    end = data.find(b"\r\n\r\n", position)
    if end < 0:
        raise Unfinished(b"".join(body))
    fields_of(data[position:end].split(b"\r\n"))
    return b"".join(body), data[position : end + 2], end + 4


def answers_in(stream: bytes, *, ended: str, to_head: bool) -> list[Answer]:
    """
    All answers in what a client got, interim ones too; of the last one perhaps only a part.

    :param ended: how the connection ended: ``""`` for not at all, ``"end"`` or ``"reset"``
    :raises Broken: it is no sequence of answers
    """
    answers = []
    position = 0
    while position < len(stream):
        end = stream.find(b"\r\n\r\n", position)
        if end < 0:
            if ended:
                raise Broken(f"half of a head: {stream[position:][:80]!r}")
            break
        line, *lines = stream[position:end].split(b"\r\n")
        position = end + 4
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise Broken(f"status line {line[:80]!r}")
        fields = fields_of(lines)
        framing = framing_of(fields)
        answer = Answer(int(match[1]), stream[end - len(b"\r\n".join([line, *lines])) : position])
        answers.append(answer)
        if answer.status == 101:
            answer.body, answer.whole = stream[position:], True
            break
        if to_head or answer.status < 200 or answer.status in (204, 304):
            if (answer.status < 200 and framing != -2) or (answer.status == 204 and framing != -2):
                raise Broken(f"{answer.status} with a framing")
            answer.whole = True
        elif framing == -1:
            try:
                answer.body, _, position = take_chunked(stream, position)
            except Unfinished as unfinished:
                answer.body = unfinished.args[0]
                break
            answer.whole = True
        elif framing >= 0:
            answer.body = stream[position : position + framing]
            answer.whole = len(answer.body) == framing
            position += framing
        else:
            answer.body, answer.whole = stream[position:], ended == "end"
            break
    return answers
