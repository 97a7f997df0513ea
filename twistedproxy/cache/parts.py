"""
Stored parts of a response: what a 206 holds, and how two of them become one (RFC 9111 §3.3, §3.4, RFC 9110 §15.3.7.3).

A part is an entry with status 206, whose Content-Range says where it belongs; it is one range of bytes without a gap.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from twistedproxy.cache.entry import Entry, Facts
from twistedproxy.cache.extent import Extent, Span, content_range, extent_of
from twistedproxy.cache.ranges import extent

#: Parts whose union is larger are not joined: that is done by writing both anew.
JOINED: Final = 4 * 1024 * 1024


def joined(old: Entry, facts: Facts) -> tuple[Facts, Extent, Span] | None:
    """
    What becomes of a stored part when another one of the same representation has come.

    :param old: the stored part
    :param facts: of the new one
    :return: the facts of both as one, where its bytes belong, and the span of it that is taken from *old* (before the new one's
        bytes, or behind them); None when they must not or cannot be joined
    """
    new = extent_of(facts.headers)
    if old.status != 206 or facts.status != 206 or new is None:
        return None
    known = extent(old)
    # §3.4: only with the same strong validator.
    tags = old.headers.get_all(b"etag")
    if len(tags) != 1 or not tags[0].startswith(b'"') or facts.headers.get_all(b"etag") != tags:
        return None
    if old.facts.values != facts.values or old.facts.names != facts.names or known.total != new.total:
        return None
    if known.start < new.start <= known.stop < new.stop:
        both, kept = Extent(known.start, new.stop, new.total), (known.start, new.start)
    elif new.start < known.start <= new.stop < known.stop:
        both, kept = Extent(new.start, known.stop, new.total), (new.stop, known.stop)
    else:
        return None
    if both.stop - both.start > JOINED:
        return None
    # §3.4: fields of the newer response go before.
    headers = facts.headers.without({b"content-range"})
    if both.is_all:
        return replace(facts, status=200, reason=b"OK", headers=headers), both, kept
    where = content_range((both.start, both.stop), both.total)
    return replace(facts, headers=headers.plus((b"Content-Range", where))), both, kept


def bytes_of(entry: Entry, span: Span) -> bytes:
    """
    The bytes of *span*, in places of the whole, from a stored part of at most :data:`JOINED` bytes.

    :raises DamagedEntry: they are not what was written
    """
    start = extent(entry).start
    if entry.body is not None:
        body = entry.body
    else:
        reader = entry.open()
        blocks = []
        while block := reader.read():
            blocks.append(block)
        body = b"".join(blocks)
    return body[span[0] - start : span[1] - start]
