"""
TLS directly on the socket: what :mod:`twistedproxy.transport.tcp` does for plain connections.

A connection is three things in turn: for those that we make, a socket that connects; a handshake; and, when that is done, a
:class:`TlsConnection`, which is what protocols see.  There are no buffers between OpenSSL and the kernel: OpenSSL reads one
record at a time, so that the poller, which is level-triggered, tells of whatever was not read yet.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import partial
from typing import Any

from cryptography import x509
from OpenSSL import SSL
from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure

from twistedproxy.transport.poller import Poller
from twistedproxy.transport.sending import lost
from twistedproxy.transport.tcp import DONE, LARGE_READ, SMALL_READ, Connection
from twistedproxy.transport.tls_records import (
    BROKEN,
    CUT,
    ENDED,
    RECORD,
    WANTS_READ,
    WANTS_WRITE,
    breakage,
    handle_of,
    read_record,
    read_records,
    session_reused,
    write_records,
)

_BOTH_ENDED = SSL.SENT_SHUTDOWN | SSL.RECEIVED_SHUTDOWN


class TlsConnection(Connection):
    """
    A TLS connection whose handshake is done.

    To a protocol it is a :class:`~twistedproxy.transport.tcp.Connection`: a close_notify is the regular end of what the other
    side sends, and the end of the stream without one is a ``ConnectionLost`` (RFC 8446 §6.1).

    :param remember: called when the other side may have sent a session ticket
    :ivar handshake_time: seconds that the handshake took, of connections that we have made; None where nobody has measured it
    """

    __slots__ = ("_read_waits", "_remember", "_ssl", "_tls", "_write_waits", "handshake_time")

    def __init__(
        self,
        sock: Any,
        poller: Poller,
        protocol: IProtocol,
        tls: SSL.Connection,
        remember: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(sock, poller, protocol)
        self._tls = tls
        self._ssl = handle_of(tls)
        self._send = partial(write_records, self._ssl)
        self._remember = remember
        self.handshake_time: float | None = None
        #: Reading must be tried again when the socket is writable: OpenSSL has to send first, or has news that no event tells of.
        self._read_waits = False
        #: Writing goes on when the socket is readable: OpenSSL has to read first.
        self._write_waits = False
        if remember is not None:
            self._deliver = self._first_data

    def _first_data(self, data: bytes) -> None:
        """Tickets came before the first data: the next connection can resume while this one is still open."""
        self._deliver = self._protocol.dataReceived
        if self._remember is not None:
            self._remember()
        self._deliver(data)

    # Reading.

    def doRead(self) -> None:
        if not self._reading:
            if self._write_waits:
                self._write_again()
            else:
                self._hung_up()
            return
        if self._read_size != SMALL_READ:
            self._read_many()
            return
        data = read_record(self._ssl)
        if type(data) is not bytes:
            self._not_read(data)  # type: ignore[arg-type]
            return
        if self._write_waits:
            self._write_again()
        if len(data) == RECORD:
            self._read_size = LARGE_READ
        self._deliver(data)

    def _read_many(self) -> None:
        """Bodies come in full records: as many as are there are handed on as one piece."""
        data, outcome = read_records(self._ssl)
        if self._write_waits:
            self._write_again()
        if len(data) < RECORD:
            self._read_size = SMALL_READ
        if not data:
            self._not_read(outcome)
            return
        if outcome not in (0, WANTS_READ):
            # The kernel may have nothing more to tell: look again, after the protocol got what came before.
            if outcome in (CUT, BROKEN):
                self._broken = breakage(outcome)
            self._read_waits = True
            self._poller.addWriter(self)
        self._deliver(data)

    def _not_read(self, outcome: int) -> None:
        if outcome == WANTS_READ:
            return
        if outcome == WANTS_WRITE:
            self._read_waits = True
            self._poller.removeReader(self)
            self._poller.addWriter(self)
        elif outcome == ENDED:
            self._read_ended()
        else:
            self._fail(self._broken or breakage(outcome))

    def _fail(self, problem: OSError) -> None:
        if problem.errno == errno.EPROTO:
            # After a fatal alert the session is not to be resumed (RFC 8446 §6.2): no tidy end.
            self._remember = None
            super().connectionLost(lost(problem))
        else:
            self.connectionLost(lost(problem))

    def pauseProducing(self) -> None:
        super().pauseProducing()
        if self._write_waits:
            self._poller.addReader(self)

    def resumeProducing(self) -> None:
        super().resumeProducing()
        if self._read_waits and self._reading:
            self._poller.addWriter(self)

    # Writing.

    def doWrite(self) -> None:
        if self._read_waits:
            if not self._writing:
                self._poller.removeWriter(self)
            if self._reading:
                self._read_waits = False
                self._poller.addReader(self)
                self.doRead()
        if self._writing:
            super().doWrite()
            if self._writing and self._tls.want_read():
                self._write_waits = True
                self._poller.removeWriter(self)
                self._poller.addReader(self)

    def _break(self, problem: OSError) -> None:
        # OpenSSL reads nothing any more after a write has failed: there is nothing to wait for.
        self.pauseProducing()
        super()._break(problem)

    def _write_again(self) -> None:
        self._write_waits = False
        if not self._reading:
            self._poller.removeReader(self)
        self._poller.addWriter(self)

    @property
    def sends_files(self) -> bool:
        # The kernel knows nothing of our keys.
        return False

    def _send_pieces(self, pieces: list[bytes]) -> int:
        """Whole records leave uncopied; what is smaller is joined with what follows."""
        send = self._send
        total = 0
        carried: bytes | memoryview = b""
        for piece in pieces:
            rest: bytes | memoryview = piece
            if carried:
                taken = RECORD - len(carried)
                carried = b"".join((carried, memoryview(piece)[:taken]))
                if len(carried) < RECORD:
                    continue
                sent = send(carried)
                total += sent
                if sent != RECORD:
                    return total
                carried = b""
                rest = memoryview(piece)[taken:]
            whole = len(rest) - len(rest) % RECORD
            if whole:
                view = memoryview(rest)
                sent = send(view[:whole])
                total += sent
                if sent != whole:
                    return total
                rest = view[whole:]
            carried = rest
        if carried:
            total += send(carried)
        return total

    # Ending.

    def _shut(self) -> None:
        if not self._write_done:
            try:
                self._tls.shutdown()
            except SSL.Error:
                pass  # the socket does not take it, or is gone: it is closed all the same
        self.connectionLost(DONE)

    def _shutdown_writing(self) -> None:
        if self._write_done:
            return
        try:
            self._tls.shutdown()
            self._write_done = True
        except (SSL.WantWriteError, SSL.WantReadError):
            self._writing = True
            self._poller.addWriter(self)
        except SSL.Error as problem:
            self._break(OSError(errno.EPIPE, str(problem)))

    def connectionLost(self, reason: Failure) -> None:
        if not self.disconnected:
            if self._remember is not None:
                self._remember()
                self._remember = None
            # OpenSSL would declare a session void that did not end on both sides; over TCP that says nothing about it.
            self._tls.set_shutdown(_BOTH_ENDED)
        super().connectionLost(reason)

    # Facts.

    @property
    def tls_version(self) -> str:
        """``TLSv1.3`` or ``TLSv1.2``."""
        return self._tls.get_protocol_version_name()

    @property
    def cipher(self) -> str:
        """OpenSSL's name of the cipher suite."""
        return self._tls.get_cipher_name() or ""

    @property
    def alpn(self) -> bytes:
        """The application protocol that was agreed on (RFC 7301); empty when there was none."""
        return self._tls.get_alpn_proto_negotiated()

    @property
    def server_name(self) -> str | None:
        """The name that the client asked for (SNI, RFC 6066 §3)."""
        name = self._tls.get_servername()
        return None if name is None else name.decode("ascii", "backslashreplace")

    @property
    def client_certificate(self) -> x509.Certificate | None:
        """The certificate that the client has shown, which was verified; None: it has shown none."""
        return self._tls.get_peer_certificate(as_cryptography=True)

    @property
    def session_reused(self) -> bool:
        """Whether the handshake resumed an earlier session."""
        return session_reused(self._tls)
