"""
Files of the cache: self-describing, and checked in every byte.

A file is a head (magic, version, kind, lengths, the CRC-32 of the body, and a BLAKE2b digest of head and facts), the facts,
and the body when it is small.  Large bodies have files of their own, named and summed up in the facts.  A third kind lists
the variants of a URI.
"""

from __future__ import annotations

import hashlib
import itertools
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from twistedproxy.cache.entry import DamagedEntry, Facts, Outside
from twistedproxy.cache.key import Values
from twistedproxy.cache.policy import Terms
from twistedproxy.message import Headers

MAGIC: Final = b"revcache"
VERSION: Final = 3
_INSIDE: Final = 1
_OUTSIDE: Final = 2
_VARIANTS: Final = 3

_DIGEST_SIZE: Final = 16
# magic, version, kind, bytes of the facts, bytes of the body, CRC-32 of the body in this file
_HEAD: Final = struct.Struct("<8sHHIQI")
_START: Final = _HEAD.size + _DIGEST_SIZE
# status, request time, response time, initial age, lifetime, no_cache, must_revalidate, while_revalidate, if_error,
# generation, number of Vary names
_NUMBERS: Final = struct.Struct("<HddddBBddQH")


@dataclass(frozen=True, slots=True)
class Stored:
    """What an entry's file holds: exactly one of *body* and *outside*."""

    facts: Facts
    body: bytes | None
    outside: Outside | None

    @property
    def key(self) -> bytes:
        """The primary key."""
        return self.facts.key


@dataclass(frozen=True, slots=True)
class Variants:
    """
    The variants of one URI (RFC 9111 §4.1).

    :ivar names: the field names of Vary that select among them
    :ivar generation: 8 bytes of chance in the names of their files, so that forgotten variants are never found again
    :ivar files: the names of their files, oldest first
    """

    key: bytes
    names: tuple[bytes, ...]
    generation: bytes
    files: tuple[str, ...]


def pack_entry(facts: Facts, body: bytes | None, outside: Outside | None) -> bytes:
    """The bytes of an entry's file; exactly one of *body* and *outside* is given."""
    terms = facts.terms
    numbers = _NUMBERS.pack(
        facts.status,
        facts.request_time,
        facts.response_time,
        terms.initial_age,
        terms.lifetime,
        terms.no_cache,
        terms.must_revalidate,
        terms.while_revalidate,
        terms.if_error,
        facts.generation,
        len(facts.names),
    )
    token, sums = (b"", b"") if outside is None else (outside.token.encode("ascii"), _pack_sums(outside.sums))
    values = (b"-" if value is None else b"+" + value for value in facts.values)
    fields = itertools.chain.from_iterable(facts.headers)
    strings = _pack_strings((numbers, facts.key, facts.reason, token, sums, *facts.names, *values, *fields))
    if outside is not None:
        return _seal(_OUTSIDE, strings, outside.length, b"")
    content = body or b""
    return _seal(_INSIDE, strings, len(content), content)


def pack_variants(variants: Variants) -> bytes:
    """The bytes of the file that lists the variants of a URI."""
    names = _pack_strings(variants.names)
    files = "".join(variants.files).encode("ascii")
    return _seal(_VARIANTS, _pack_strings((variants.key, variants.generation, names, files)), 0, b"")


def unpack(data: bytes) -> Stored | Variants:
    """
    What a file holds.

    :raises DamagedEntry: when it is not, to the last byte, what was written
    """
    kind, facts, body_length, body_sum = _open(data)
    body = data[_START + len(facts) :]
    if len(body) != (body_length if kind == _INSIDE else 0) or zlib.crc32(body) != body_sum:
        raise DamagedEntry("the body is damaged")
    try:
        if kind == _VARIANTS:
            return _unpack_variants(facts)
        return _unpack_entry(kind, facts, body, body_length)
    except (struct.error, ValueError, IndexError) as error:
        raise DamagedEntry(f"the facts make no sense: {error}") from error


def unpack_facts(data: bytes) -> Facts | None:
    """
    The facts of an entry, from the whole of its file or as much of its beginning as holds them; None for a list of variants.

    :raises DamagedEntry: when they are not what was written, or not all there; the body is not looked at
    """
    kind, facts, body_length, _ = _open(data)
    try:
        return None if kind == _VARIANTS else _unpack_entry(kind, facts, b"", body_length).facts
    except (struct.error, ValueError, IndexError) as error:
        raise DamagedEntry(f"the facts make no sense: {error}") from error


def _open(data: bytes) -> tuple[int, bytes, int, int]:
    """The kind, the facts, and the length and checksum of the body, when all but the body is what was written."""
    if len(data) < _START or not data.startswith(MAGIC):
        raise DamagedEntry("not a file of the cache")
    _, version, kind, facts_length, body_length, body_sum = _HEAD.unpack_from(data)
    if version != VERSION:
        raise DamagedEntry(f"written by version {version} of the format, this is {VERSION}")
    facts = data[_START : _START + facts_length]
    if data[_HEAD.size : _START] != _digest(data[: _HEAD.size], facts):
        raise DamagedEntry("the head or the facts are damaged")
    return kind, facts, body_length, body_sum


def _unpack_entry(kind: int, facts: bytes, body: bytes, length: int) -> Stored:
    numbers, key, reason, token, sums, *rest = _unpack_strings(facts)
    status, request_time, response_time, age, lifetime, no_cache, must_revalidate, *graces, generation, count = _NUMBERS.unpack(
        numbers
    )
    names, values, fields = tuple(rest[:count]), rest[count : 2 * count], rest[2 * count :]
    return Stored(
        Facts(
            key,
            names,
            tuple([None if value == b"-" else value[1:] for value in values]),
            status,
            reason,
            Headers(zip(fields[::2], fields[1::2], strict=True)),
            request_time,
            response_time,
            Terms(age, lifetime, bool(no_cache), bool(must_revalidate), *graces),
            generation,
        ),
        body if kind == _INSIDE else None,
        None if kind == _INSIDE else Outside(token.decode("ascii"), length, struct.unpack(f"<{len(sums) // 4}I", sums)),
    )


def _unpack_variants(facts: bytes) -> Variants:
    key, generation, names, files = _unpack_strings(facts)
    hexadecimal = files.decode("ascii")
    split = tuple(hexadecimal[start : start + 32] for start in range(0, len(hexadecimal), 32))
    return Variants(key, tuple(_unpack_strings(names)), generation, split)


def variant_seed(generation: bytes, values: Values) -> bytes:
    """What distinguishes the file of one variant from those of the others."""
    return generation + _pack_strings(b"-" if value is None else b"+" + value for value in values)


def _seal(kind: int, facts: bytes, body_length: int, body: bytes) -> bytes:
    head = _HEAD.pack(MAGIC, VERSION, kind, len(facts), body_length, zlib.crc32(body))
    return b"".join((head, _digest(head, facts), facts, body))


def _digest(head: bytes, facts: bytes) -> bytes:
    return hashlib.blake2b(head + facts, digest_size=_DIGEST_SIZE).digest()


def _pack_sums(sums: tuple[int, ...]) -> bytes:
    return struct.pack(f"<{len(sums)}I", *sums)


def _pack_strings(strings: Iterable[bytes]) -> bytes:
    """Strings behind the table of their lengths."""
    items = list(strings)
    return struct.pack(f"<I{len(items)}I", len(items), *map(len, items)) + b"".join(items)


def _unpack_strings(data: bytes) -> list[bytes]:
    (count,) = struct.unpack_from("<I", data)
    lengths = struct.unpack_from(f"<{count}I", data, 4)
    strings = []
    start = 4 + 4 * count
    for length in lengths:
        strings.append(data[start : start + length])
        start += length
    if start != len(data):
        raise ValueError("the lengths do not add up")
    return strings
