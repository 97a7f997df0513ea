"""Lines of heads and trailer sections: field lines (RFC 9112 §5), and line ends that are none (§2.2)."""

from __future__ import annotations

from twistedproxy.message import Field, Headers
from twistedproxy.wire.grammar import FIELD_LINE, PADDED_FIELD_LINE


def parse_field_lines(block: bytes) -> Headers | None:
    """
    The fields of field lines; None when one of the lines is none.

    :param block: whole lines, each with its CRLF
    """
    lines = block.count(b"\n")
    fields: list[Field] = FIELD_LINE.findall(block)
    if len(fields) == lines:
        return Headers(fields, block)
    fields = [(name, value.rstrip(b" \t")) for name, value in PADDED_FIELD_LINE.findall(block)]
    return Headers(fields) if len(fields) == lines else None


def has_stray_line_end(data: bytes) -> bool:
    """Whether a CR or LF stands alone in *data*; a CR at its very end may still get its LF."""
    pairs = data.count(b"\r\n")
    return data.count(b"\n") != pairs or data.count(b"\r") - data.endswith(b"\r") != pairs
