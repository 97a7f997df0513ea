"""
The calls into OpenSSL that are made for every message.

pyOpenSSL's ``recv`` and ``send`` allocate a buffer for each call and raise an exception for each wait; for a small message
that costs more than the encryption (measured: 3.7 µs of 10.8 for one ``send`` with its ``recv``).  Here is the one place that
reaches below them; everything else about TLS goes through pyOpenSSL's public interface.
"""

from __future__ import annotations

import errno
import os
from typing import Any, Final

from OpenSSL import SSL
from OpenSSL._util import ffi as _ffi
from OpenSSL._util import lib as _lib

#: The most that one record holds (RFC 8446 §5.1).  Reads of this size leave nothing decrypted behind that no event would tell of.
RECORD: Final = 16 * 1024
#: The most that one call of :func:`read_records` returns.
MANY: Final = 16 * RECORD

# What a call that moved nothing waits for, or that it will never move anything again.
WANTS_READ: Final = -1
WANTS_WRITE: Final = -2
ENDED: Final = -3
CUT: Final = -4
BROKEN: Final = -5

_OUTCOMES: Final = {
    _lib.SSL_ERROR_WANT_READ: WANTS_READ,
    _lib.SSL_ERROR_WANT_WRITE: WANTS_WRITE,
    _lib.SSL_ERROR_ZERO_RETURN: ENDED,
    _lib.SSL_ERROR_SYSCALL: CUT,
}

#: Every read of the process goes through this one: what came is copied out of it before anybody else runs.
_buffer: Final = _ffi.new("char[]", MANY)
_read = _lib.SSL_read
_write = _lib.SSL_write
_unpack = _ffi.unpack


def handle_of(connection: SSL.Connection) -> Any:
    """The ``SSL *`` that the other functions take; lives as long as *connection*."""
    return connection._ssl


def read_record(ssl: Any) -> bytes | int:
    """The content of one record; else WANTS_READ, WANTS_WRITE, ENDED (by close_notify), CUT or BROKEN (see :func:`breakage`)."""
    size: int = _read(ssl, _buffer, RECORD)
    if size > 0:
        data: bytes = _unpack(_buffer, size)
        return data
    return _outcome(ssl, size)


def read_records(ssl: Any) -> tuple[bytes, int]:
    """As many records as are there and fit into MANY; and 0, or the outcome that ended the reading."""
    have = 0
    while have <= MANY - RECORD:
        size = _read(ssl, _buffer + have, RECORD)
        if size <= 0:
            return _unpack(_buffer, have), _outcome(ssl, size)
        have += size
    return _unpack(_buffer, have), 0


def write_records(ssl: Any, data: bytes | memoryview) -> int:
    """
    Send *data* as far as the kernel takes it; returns the number of bytes taken.

    When that was not all, the next call must begin with the bytes that were not taken.

    :raises OSError: the connection is broken
    """
    total = len(data)
    if total <= RECORD and type(data) is bytes:
        size = _write(ssl, data, total)
        return size if size > 0 else _not_written(ssl, size)
    done = 0
    with _ffi.from_buffer(data) as start:
        while done < total:
            # One record at most: SSL_MODE_ENABLE_PARTIAL_WRITE.
            size = _write(ssl, start + done, total - done)
            if size <= 0:
                return done + _not_written(ssl, size)
            done += size
    return done


def _not_written(ssl: Any, result: int) -> int:
    outcome = _outcome(ssl, result)
    if outcome in (WANTS_READ, WANTS_WRITE):
        return 0
    raise breakage(outcome)


def _outcome(ssl: Any, result: int) -> int:
    return _OUTCOMES.get(_lib.SSL_get_error(ssl, result), BROKEN)


def breakage(outcome: int) -> OSError:
    """
    Why the last call was CUT or BROKEN; to be asked at once.  Nothing can be read or written any more.

    A system call that failed is itself; a stream that ended without close_notify is ECONNRESET; what OpenSSL refused is EPROTO.
    """
    code = _ffi.errno
    entry = _lib.ERR_peek_error()
    _lib.ERR_clear_error()
    if outcome == CUT:
        return OSError(code, os.strerror(code)) if code else _truncated()
    if entry and _lib.ERR_GET_REASON(entry) == _lib.SSL_R_UNEXPECTED_EOF_WHILE_READING:
        return _truncated()
    words = _lib.ERR_reason_error_string(entry)
    return OSError(errno.EPROTO, f"TLS: {_ffi.string(words).decode() if words else 'the connection has failed'}")


def _truncated() -> OSError:
    return OSError(errno.ECONNRESET, "closed without close_notify")


def forget_errors() -> None:
    """Empty OpenSSL's queue of errors, so that what another part of the process left there is not taken for ours."""
    _lib.ERR_clear_error()


def session_reused(connection: SSL.Connection) -> bool:
    """Whether the handshake resumed an earlier session."""
    return bool(_lib.SSL_session_reused(connection._ssl))


def set_groups(context: SSL.Context, names: tuple[str, ...]) -> None:
    """
    Let *context* exchange keys by the groups *names* only, the preferred one first.

    :raises ValueError: OpenSSL does not know one of them
    """
    if not _lib.SSL_CTX_set1_curves_list(context._context, ":".join(names).encode("ascii")):
        _lib.ERR_clear_error()
        raise ValueError(f"a group of {', '.join(names)} is not known")
