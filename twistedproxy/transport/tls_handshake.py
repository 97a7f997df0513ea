"""Handshakes: what stands between a socket and a :class:`~twistedproxy.transport.tls.TlsConnection`."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Any, Final

from OpenSSL import SSL
from twisted.internet.interfaces import IAddress, IProtocol
from twisted.python.failure import Failure

from twistedproxy.addresses import Address
from twistedproxy.transport.acme_tls import AcmeTls
from twistedproxy.transport.client_certificates import distrust
from twistedproxy.transport.contexts import TlsClient, TlsServer
from twistedproxy.transport.deadlines import Deadlines, Timed
from twistedproxy.transport.outgoing import Watch, has_connected, introduce, start_connecting
from twistedproxy.transport.poller import Poller, forget
from twistedproxy.transport.tcp import stream_address
from twistedproxy.transport.tls import TlsConnection
from twistedproxy.transport.tls_problems import TlsProblem, problem_of
from twistedproxy.transport.tls_records import forget_errors

#: Hears of a handshake that failed, with the client's address.
OnFailure = Callable[[TlsProblem, IAddress | None], None]

_PLAIN_TEXT: Final = b"This port speaks HTTPS: the request came without TLS.\n"
_PLAIN_ANSWER: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
    % (len(_PLAIN_TEXT), _PLAIN_TEXT)
)
#: The first bytes of methods; a handshake begins with 22 (RFC 8446 §5.1).
_CAPITALS: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")


class _Handshake(Timed):
    """A handshake in the poller; ends with exactly one of :meth:`_done` and :meth:`_failed`, or silently by :meth:`_leave`."""

    __slots__ = ("_over", "_poller", "_protocol", "_sock", "_tls")

    _tls: SSL.Connection

    def __init__(self, sock: socket.socket, poller: Poller, protocol: IProtocol) -> None:
        super().__init__()
        self._sock = sock
        self._poller = poller
        self._protocol = protocol
        self._over = False

    def _step(self) -> None:
        forget_errors()
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            self._poller.removeWriter(self)
            self._poller.addReader(self)
        except SSL.WantWriteError:
            self._poller.removeReader(self)
            self._poller.addWriter(self)
        except TlsProblem as problem:
            self._fail(problem)
        except SSL.Error as error:
            self._fail(self._problem(error))
        else:
            self._leave()
            self._done()

    def _problem(self, error: SSL.Error) -> TlsProblem:
        return problem_of(error)

    def _leave(self) -> None:
        """The poller and the deadlines know of it no more."""
        self._over = True
        forget(self._poller, self)

    def _fail(self, problem: TlsProblem | OSError) -> None:
        if not self._over:
            self._leave()
            self._sock.close()
            self._failed(problem)

    def _done(self) -> None:
        raise NotImplementedError

    def _failed(self, problem: TlsProblem | OSError) -> None:
        raise NotImplementedError

    # What the poller calls.

    def doRead(self) -> None:
        self._step()

    def doWrite(self) -> None:
        self._step()

    def connectionLost(self, reason: Failure) -> None:
        self._fail(TlsProblem(f"the handshake failed: {reason.getErrorMessage()}"))

    def fileno(self) -> int:
        return self._sock.fileno()

    def logPrefix(self) -> str:
        return "TLS handshake"


class IncomingTls(_Handshake):
    """
    The handshake with a client.

    When it is done, *protocol* is connected to a :class:`TlsConnection`; when it fails, *on_failure* is called and the protocol
    never hears of it.  Exactly one of the two happens.
    """

    __slots__ = ("_answers_http", "_deadlines", "_on_failure", "_peer", "_started", "_timeout")

    def __init__(
        self,
        sock: socket.socket,
        poller: Poller,
        protocol: IProtocol,
        server: TlsServer | AcmeTls,
        *,
        answers_http: bool = True,
    ) -> None:
        """:param answers_http: who speaks plain HTTP is told to come with TLS"""
        super().__init__(sock, poller, protocol)
        self._answers_http = answers_http
        self._tls = server.connection(sock)
        self._deadlines: Deadlines | None = None
        self._on_failure: OnFailure | None = None
        self._peer: IAddress | None = None
        self._timeout = inf
        self._started = False

    def start(self, deadlines: Deadlines, timeout: float, on_failure: OnFailure | None = None) -> None:
        """Begin; the handshake must be done within *timeout* seconds."""
        self._deadlines = deadlines
        self._timeout = timeout
        self._on_failure = on_failure
        try:
            self._peer = stream_address(self._sock.family, self._sock.getpeername())
        except OSError:
            pass  # gone already: the first read says so
        deadlines.watch(self, deadlines.now() + timeout)
        self._poller.addReader(self)

    def abort(self) -> None:
        """Give up: the socket is closed, and *on_failure* is called."""
        self._fail(TlsProblem("the handshake was given up"))

    def deadline_passed(self, now: float) -> None:
        self._fail(TlsProblem(f"the handshake took longer than {self._timeout:g} s"))

    def doRead(self) -> None:
        if not self._started:
            try:
                first = self._sock.recv(1, socket.MSG_PEEK)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._fail(problem_of(SSL.SysCallError(error.errno, "")))
                return
            self._started = True
            if first and first[0] in _CAPITALS and self._answers_http:
                self._refuse_plain_http()
                return
        self._step()

    def _refuse_plain_http(self) -> None:
        sock = self._sock
        try:
            # What is unread when a socket closes becomes a reset, which would overtake the answer.
            sock.recv(65536)
            sock.send(_PLAIN_ANSWER)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it did not wait for the answer
        self._fail(TlsProblem("the client speaks plain HTTP"))

    def _problem(self, error: SSL.Error) -> TlsProblem:
        return distrust(self._tls) or problem_of(error)

    def _leave(self) -> None:
        super()._leave()
        if self._deadlines is not None:
            self._deadlines.forget(self)

    def _done(self) -> None:
        self._on_failure = None  # which probably knows of us: a circle
        TlsConnection(self._sock, self._poller, self._protocol, self._tls).start()

    def _failed(self, problem: TlsProblem | OSError) -> None:
        on_failure, self._on_failure = self._on_failure, None
        if on_failure is not None and isinstance(problem, TlsProblem):
            on_failure(problem, self._peer)


class OutgoingTls(_Handshake):
    """
    A TLS connection that we make: the socket connects, the handshake, the certificate is verified.

    Its protocol hears ``makeConnection`` with a :class:`TlsConnection` when all that is done, otherwise ``connectionLost`` with
    a Failure that holds an ``OSError`` or a :class:`TlsProblem`.  With a *watch*, that hears of the failure instead.

    :ivar connecting: the socket is not connected yet
    """

    __slots__ = ("_address", "_began", "_client", "_watch", "connecting")

    def __init__(
        self,
        sock: socket.socket,
        poller: Poller,
        protocol: IProtocol,
        client: TlsClient,
        address: Address,
        watch: Watch | None = None,
    ) -> None:
        super().__init__(sock, poller, protocol)
        self._client = client
        self._address = address
        self._watch = watch
        #: When the socket was connected, as the watch's clock has it.
        self._began = 0.0
        self.connecting = True

    def connect(self, name: Any) -> None:
        """
        Begin; *name* is what ``socket.connect`` takes, already resolved.

        :raises OSError: the kernel refused at once
        """
        start_connecting(self._sock, name)
        self._poller.addWriter(self)

    def discard(self) -> None:
        """Give up without a word to anybody, if the protocol has not been connected yet."""
        if not self._over:
            self._watch = None
            self._leave()
            self._sock.close()

    def _step(self) -> None:
        if not self.connecting:
            super()._step()
            return
        try:
            if not has_connected(self._sock):
                return
            introduce(self._sock, self._watch)
        except OSError as problem:
            self._fail(problem)
            return
        self.connecting = False
        if self._watch is not None:
            self._began = self._watch.now()
        try:
            self._tls = self._client.connection(self._sock, self._address)
        except TlsProblem as problem:
            self._fail(problem)
            return
        super()._step()

    def _problem(self, error: SSL.Error) -> TlsProblem:
        return self._client.distrust(self._tls) or problem_of(error)

    def _done(self) -> None:
        try:
            self._client.verify(self._tls, self._address)
        except TlsProblem as problem:
            try:
                self._tls.shutdown()
            except SSL.Error:
                pass  # a courtesy
            self._sock.close()
            self._failed(problem)
            return
        watch, self._watch = self._watch, None
        remember = partial(self._client.remember, self._tls, self._address)
        connection = TlsConnection(self._sock, self._poller, self._protocol, self._tls, remember)
        if watch is not None:
            connection.handshake_time = watch.now() - self._began
            watch.made(self)
        connection.start()

    def _failed(self, problem: TlsProblem | OSError) -> None:
        watch, self._watch = self._watch, None
        if watch is None:
            self._protocol.connectionLost(Failure(problem))
        else:
            watch.failed(self, Failure(problem))
