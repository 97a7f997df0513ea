"""
HPACK (RFC 7541): header blocks to field lists and back.

What we send uses the static table only: a list of fields is always the same block, whoever gets it, so that a block is made once
for all connections.  What comes is decoded with the dynamic table that the other side fills.  The static table and the Huffman
code are the hpack library's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from hpack.exceptions import HPACKDecodingError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

from twistedproxy.message import Field

#: Bytes of the dynamic table that the other side may use (RFC 9113 §6.5.2: the default, which we leave).
_CAPACITY: Final = 4096
#: What a field counts besides its letters (RFC 7541 §4.1).
OVERHEAD: Final = 32
#: "The table has room for nothing": what every connection's first block begins with, as we fill none (RFC 7541 §6.3).
NO_TABLE: Final = b"\x20"
#: Blocks that are remembered together with what they say, as long as the table stays what it is.
_MOST_KNOWN: Final = 16
_LONGEST_KNOWN: Final = 1024
#: Bytes of a field that we remember how to say: of what many say again, and not of what one says to fill our memory.
_SHORT: Final = 160
#: No number is larger than fits into so many bytes behind the first (RFC 7541 §5.1).
_MOST_DIGITS: Final = 4

_STATIC: Final[tuple[Field, ...]] = ((b"", b""), *HeaderTable.STATIC_TABLE)
_WHOLE: Final = {field: number for number, field in enumerate(_STATIC) if number}
_NAMES: Final = {name: number for number, (name, _) in reversed(list(enumerate(_STATIC))) if number}
#: Never to be put into any table on the way, where others could guess at them (RFC 7541 §7.1.3).
_SECRET: Final = frozenset((b"authorization", b"proxy-authorization", b"cookie", b"set-cookie"))


class HpackError(Exception):
    """A block that is none: its connection is lost, for nobody knows what the table is (RFC 9113 §4.3)."""


class ListTooLarge(Exception):
    """A block says more than anybody may say: likewise."""


class Decoder:
    """
    The blocks of one direction of one connection.

    :param most: bytes of a field list, each field counted with :data:`OVERHEAD`
    """

    __slots__ = ("_capacity", "_known", "_most", "_size", "_table")

    def __init__(self, most: int) -> None:
        self._most = most
        self._capacity = _CAPACITY
        self._size = 0
        self._table: deque[Field] = deque()
        self._known: dict[bytes, tuple[Field, ...]] = {}

    def decode(self, block: bytes) -> tuple[Field, ...]:
        """
        The fields of *block*; the very same tuple for one that is repeated.

        :raises HpackError: it is malformed
        :raises ListTooLarge: it says too much
        """
        known = self._known.get(block)
        if known is not None:
            return known
        try:
            fields, changed = self._decode(block)
        except IndexError:
            raise HpackError("a block ends too early, or names what no table holds") from None
        except HPACKDecodingError as error:
            raise HpackError(str(error)) from None
        if changed:
            self._known.clear()
        elif len(block) <= _LONGEST_KNOWN:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[block] = fields
        return fields

    def _decode(self, block: bytes) -> tuple[tuple[Field, ...], bool]:
        fields: list[Field] = []
        at = 0
        size = len(block)
        most = self._most
        changed = False
        while at < size:
            first = block[at]
            if first & 0x80:
                # RFC 7541 §6.1: indexed
                number = first & 0x7F
                at += 1
                if number == 0x7F:
                    number, at = _number(block, at, 0x7F)
                field = self._entry(number)
            elif first & 0xE0 == 0x20:
                # §6.3: the table's size
                number, at = _number(block, at + 1, 0x1F) if first == 0x3F else (first & 0x1F, at + 1)
                if fields or number > _CAPACITY:
                    raise HpackError("the table's size changes in mid-block, or beyond what we allow")
                self._capacity = number
                self._evict()
                changed = True
                continue
            else:
                # §6.2: literal, to be put into the table or not
                mask = 0x3F if first & 0x40 else 0x0F
                number = first & mask
                at += 1
                if number == mask:
                    number, at = _number(block, at, mask)
                if number:
                    name = self._entry(number)[0]
                else:
                    name, at = _string(block, at)
                value, at = _string(block, at)
                field = (name, value)
                if first & 0x40:
                    self._add(field)
                    changed = True
            fields.append(field)
            most -= len(field[0]) + len(field[1]) + OVERHEAD
            if most < 0:
                raise ListTooLarge(f"more than {self._most} bytes of fields")
        return tuple(fields), changed

    def _entry(self, number: int) -> Field:
        if number < len(_STATIC):
            if not number:
                raise HpackError("there is no entry 0 (RFC 7541 §6.1)")
            return _STATIC[number]
        return self._table[number - len(_STATIC)]

    def _add(self, field: Field) -> None:
        self._table.appendleft(field)
        self._size += len(field[0]) + len(field[1]) + OVERHEAD
        self._evict()

    def _evict(self) -> None:
        """RFC 7541 §4.3, §4.4: the oldest go; a field that has no room even alone empties the table."""
        while self._size > self._capacity:
            name, value = self._table.pop()
            self._size -= len(name) + len(value) + OVERHEAD


def _number(block: bytes, at: int, number: int) -> tuple[int, int]:
    """RFC 7541 §5.1: what goes on behind a prefix that is full; the number, and where the next thing begins."""
    shift = 0
    while True:
        digit = block[at]
        at += 1
        number += (digit & 0x7F) << shift
        if digit < 0x80:
            return number, at
        shift += 7
        if shift > 7 * _MOST_DIGITS:
            raise HpackError("a number is too large")


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    """RFC 7541 §5.2."""
    first = block[at]
    at += 1
    length = first & 0x7F
    if length == 0x7F:
        length, at = _number(block, at, 0x7F)
    end = at + length
    if end > len(block):
        raise HpackError("a string ends behind its block")
    text = block[at:end]
    if first & 0x80:
        text = _plain(text) if length <= 64 else bytes(decode_huffman(text))
    return text, end


@lru_cache(maxsize=2048)
def _plain(text: bytes) -> bytes:
    """Of a short text in Huffman code: most are names and values that come again and again."""
    return bytes(decode_huffman(text))


def encode(fields: Iterable[Field]) -> bytes:
    """The block of a field list, names in lower case."""
    return b"".join(
        [
            _known_literal(name, value) if len(name) + len(value) <= _SHORT and name not in _SECRET else _literal(name, value)
            for name, value in fields
        ]
    )


def _literal(name: bytes, value: bytes) -> bytes:
    """RFC 7541 §6.2.2, §6.2.3: a field that goes into no table; for secrets: nor into one of anybody else."""
    whole = _WHOLE.get((name, value))
    if whole is not None:
        return bytes((0x80 | whole,))
    flag = 0x10 if name in _SECRET else 0
    number = _NAMES.get(name, 0)
    start = _prefixed(flag, 0x0F, number)
    if not number:
        start += _prefixed(0, 0x7F, len(name)) + name
    return start + _prefixed(0, 0x7F, len(value)) + value


_known_literal = lru_cache(maxsize=4096)(_literal)


def _prefixed(flag: int, most: int, number: int) -> bytes:
    """RFC 7541 §5.1."""
    if number < most:
        return bytes((flag | number,))
    digits = [flag | most]
    number -= most
    while number >= 0x80:
        digits.append(0x80 | number & 0x7F)
        number >>= 7
    digits.append(number)
    return bytes(digits)
