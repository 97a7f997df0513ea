"""
Probes: what an active check sends to a peer, and how its failure is said in a few words.

A probe is a client's work and not the data path: it goes through Twisted's endpoints and treq, opens a connection of its own
for every check, follows no redirect, and keeps nothing.  How long it may take is decided by who asks: a probe is cancelled by
cancelling its Deferred.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from socket import AF_INET6
from typing import Any, Final, cast

from OpenSSL import SSL, crypto
from service_identity.exceptions import VerificationError
from treq.client import HTTPClient
from twisted.internet import error as net
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, UNIXClientEndpoint
from twisted.internet.interfaces import (
    IAddress,
    IOpenSSLClientConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import Certificate, CertificateOptions, optionsForClientTLS, platformTrust, trustRootFromCertificates
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from twistedproxy.addresses import Address, Tcp, Unix
from twistedproxy.settings import CertificateFiles, CheckSettings, PoolSettings, ServerSettings, StatusRanges
from twistedproxy.transport.certificates import load
from twistedproxy.transport.names import Answered, Resolved
from twistedproxy.wire.proxy_protocol import ENCODERS

#: Bytes of an answer's body that are read, so that the peer can end it in peace.
BODY_READ: Final = 64 * 1024
#: Seconds after the end of a check at which its connection is cut, if the peer has not let it be closed.
GRACE: Final = 1.0

_WORDS: Final[dict[type[BaseException], str]] = {
    net.ConnectionRefusedError: "connection refused",
    net.DNSLookupError: "name not found",
    net.TimeoutError: "connection timed out",
    net.TCPTimedOutError: "connection timed out",
    VerificationError: "certificate is for another name",
    net.ConnectionClosed: "connection closed before the answer was complete",
}

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


Resolve = Callable[[str, int, Answered], None]


class ProbeFailed(Exception):
    """A peer did not pass; the text is the reason, in a few words."""


class Probe:
    """
    The check of one pool (``check = …``), to be sent to any of its servers.

    ``probe(server)`` returns a Deferred that fires with None when the server passes, and fails with :class:`ProbeFailed`
    otherwise.  Making a probe reads the files that ``ca`` and ``client_certificate`` name: OSError when the first cannot be read,
    ValueError when there is no certificate in it, CertificateProblem when the second cannot be used.

    *reactor* connects, and *resolve* looks up names, as :meth:`twistedproxy.transport.names.Names.resolve` does: what is
    checked are the addresses that requests go to.
    """

    def __init__(self, reactor: Any, resolve: Resolve, check: CheckSettings, settings: PoolSettings) -> None:
        self._reactor = reactor
        self._resolve = resolve
        self._check = check
        self._settings = settings
        self._trust = trustRootFromCertificates(read_certificates(settings.ca)) if settings.ca else platformTrust()
        self._shown = _shown(settings.client_certificate) if settings.client_certificate else {}
        # Nobody's client asks: the connection is our own.
        self._preface = ENCODERS[settings.proxy_protocol](None) if settings.proxy_protocol != "no" else b""
        self._tls: dict[str, IOpenSSLClientConnectionCreator] = {}

    def __call__(self, server: ServerSettings) -> Deferred[None]:
        return Deferred.fromCoroutine(self._judge(server))

    async def _judge(self, server: ServerSettings) -> None:
        connection = _OneConnection(self._endpoint(server.address), self._preface)
        try:
            if self._check.kind == "tcp":
                await connection.connect(Factory.forProtocol(Protocol))
                connection.lose()
            else:
                await self._ask(server, connection)
        except (CancelledError, net.ConnectingCancelledError, ProbeFailed):
            raise
        except Exception as error:
            raise ProbeFailed(in_few_words(error)) from error
        finally:
            self._reactor.callLater(GRACE, connection.cut)

    async def _ask(self, server: ServerSettings, connection: _OneConnection) -> None:
        """Send the request, and wait for the answer and for its body (or BODY_READ of it)."""
        if server.tls:
            connection.secure(self._tls_towards(server), self._reactor)
        url = f"{'https' if server.tls else 'http'}://peer{self._check.target}"
        client = HTTPClient(_Verbatim(Agent.usingEndpointFactory(self._reactor, connection), url))
        host = self._settings.check_host or server.authority
        response = await client.request(
            self._check.method,
            "http://peer/",
            headers=Headers({"Host": [host], "User-Agent": ["revproxy (check)"]}),
            allow_redirects=False,
            unbuffered=True,
            reactor=self._reactor,
        )
        await _discard(response)
        if not is_expected(response.code, self._settings.check_expect):
            raise ProbeFailed(f"status {response.code}")

    def _endpoint(self, address: Address) -> IStreamClientEndpoint:
        if isinstance(address, Unix):
            return UNIXClientEndpoint(self._reactor, address.path)
        return _ByName(self._reactor, self._resolve, address)

    def _tls_towards(self, server: ServerSettings) -> IOpenSSLClientConnectionCreator:
        name = server.tls_name(self._settings)
        tls = self._tls.get(name)
        if tls is None:
            if self._settings.verify:
                tls = optionsForClientTLS(name, trustRoot=self._trust, extraCertificateOptions=self._shown)
            else:
                tls = _Unverified(name, self._shown)
            self._tls[name] = tls
        return tls


def is_expected(status: int, ranges: StatusRanges) -> bool:
    """Whether *status* is within one of *ranges*, both ends included."""
    return any(low <= status <= high for low, high in ranges)


def read_certificates(path: str) -> list[Certificate]:
    """The certificates of a PEM file; OSError when it cannot be read, ValueError when it holds none."""
    with open(path, "rb") as file:
        blocks = _CERTIFICATE.findall(file.read())
    if not blocks:
        raise ValueError(f"{path} holds no certificate")
    return [Certificate.loadPEM(block) for block in blocks]


def _shown(files: CertificateFiles) -> dict[str, Any]:
    """Our own certificate, for peers that ask for one: options of CertificateOptions."""
    certified = load(files)
    certificate, *issuers = (crypto.X509.from_cryptography(each) for each in certified.chain)
    return {
        "certificate": certificate,
        "extraCertChain": issuers,
        "privateKey": crypto.PKey.from_cryptography_key(certified.key),
    }


def in_few_words(error: BaseException) -> str:
    """The reason why a check failed, for logs and tables: ``connection refused``, ``name not found`` …"""
    # The failures of twisted.web say little themselves and carry what lies beneath.
    beneath: list[Failure] | None = getattr(error, "reasons", None)
    if beneath is not None:
        known = [words for failure in beneath if (words := _known(failure.value)) is not None]
        return known[0] if known else "the answer is not HTTP"
    return _known(error) or f"{type(error).__name__}: {error}"


def _known(error: BaseException | None) -> str | None:
    if isinstance(error, SSL.Error):
        return _tls_words(error)
    if isinstance(error, net.ConnectError) and type(error) not in _WORDS and error.osError:
        return os.strerror(error.osError).lower()
    return next((words for kind, words in _WORDS.items() if isinstance(error, kind)), None)


def _tls_words(error: SSL.Error) -> str:
    queue = error.args[0] if error.args else []
    words = str(queue[-1][-1]) if queue else "the connection was closed"
    return "certificate could not be verified" if words == "certificate verify failed" else f"TLS handshake failed: {words}"


@implementer(IStreamClientEndpoint)
class _ByName:
    """
    The first address of a name that takes a connection.

    Twisted's HostnameEndpoint asks the reactor's resolver at each connection, and refuses names that are no host names by
    IDNA (``my_app``), which the resolvers of containers know none the less.
    """

    def __init__(self, reactor: Any, resolve: Resolve, address: Tcp) -> None:
        self._reactor = reactor
        self._resolve = resolve
        self._address = address

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        found: Deferred[Resolved] = Deferred()
        self._resolve(self._address.host, self._address.port, found.callback)
        problem: Exception = net.DNSLookupError(f"no address for {self._address}")
        for family, (host, port, *_) in await found:
            endpoint = TCP6ClientEndpoint if family == AF_INET6 else TCP4ClientEndpoint
            try:
                return await endpoint(self._reactor, host, port).connect(factory)
            except net.ConnectError as error:
                problem = error
        raise problem


@implementer(IAgentEndpointFactory, IStreamClientEndpoint)
class _OneConnection:
    """The one connection of one check: an Agent's way to the peer, whatever the URL says, and the way to end it."""

    def __init__(self, endpoint: IStreamClientEndpoint, preface: bytes) -> None:
        self._endpoint = endpoint
        self._preface = preface
        self._secured: Callable[[IProtocolFactory], IProtocolFactory] | None = None
        self._transport: Any = None

    def secure(self, tls: IOpenSSLClientConnectionCreator, clock: Any) -> None:
        """TLS is spoken from the first byte on."""
        self._secured = lambda factory: TLSMemoryBIOFactory(tls, True, factory, clock)

    def endpointForURI(self, uri: URI) -> _OneConnection:
        return self

    def connect(self, protocolFactory: Any) -> Deferred[IProtocol]:
        # Not two lines in the log for every check.
        protocolFactory.noisy = False

        def connected(protocol: Any) -> IProtocol:
            inner = protocol if self._secured is None else protocol.wrappedProtocol
            self._transport = inner.transport
            return cast(IProtocol, inner)

        factory = protocolFactory if self._secured is None else self._secured(protocolFactory)
        return self._endpoint.connect(_Prefaced(factory, self._preface)).addCallback(connected)

    def lose(self) -> None:
        """Close it, once all is sent and the peer agrees."""
        self._transport.loseConnection()

    def cut(self) -> None:
        """Close it now, whoever disagrees; nothing happens when it never stood or is closed."""
        if self._transport is not None:
            self._transport.abortConnection()


class _Prefaced(Factory):
    """Makes the protocols of another factory; what is sent first on their connections is a preface."""

    noisy = False

    def __init__(self, factory: IProtocolFactory, preface: bytes) -> None:
        self._factory: Any = factory
        self._preface = preface

    def buildProtocol(self, addr: IAddress | None) -> Any:
        protocol: Any = self._factory.buildProtocol(addr)
        make_connection = protocol.makeConnection

        def made(transport: Any) -> None:
            transport.write(self._preface)
            make_connection(transport)

        if self._preface:
            protocol.makeConnection = made
        return protocol


@implementer(IAgent)
class _Verbatim:
    """An Agent that asks for one URL: what treq makes of a URL is not what site.ini says, byte for byte."""

    def __init__(self, agent: Agent, url: str) -> None:
        self._agent = agent
        self._url = url.encode()

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        return self._agent.request(method, self._url, headers, bodyProducer)


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    """TLS with a peer whose certificate nobody looks at (``verify = no``)."""

    def __init__(self, name: str, shown: dict[str, Any]) -> None:
        self._name = name
        self._context = CertificateOptions(verify=False, **shown).getContext()

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        # An address is no server name (RFC 6066 §3).
        if not isIPAddress(self._name) and not isIPv6Address(self._name):
            connection.set_tlsext_host_name(self._name.encode("idna"))
        return connection


def _discard(response: IResponse) -> Deferred[None]:
    """Read the body to its end, or BODY_READ bytes of it, and keep nothing."""
    # Beneath what treq wraps around it: nothing is unpacked, so that a small body cannot become a large one.
    while hasattr(response, "original"):
        response = response.original
    reader = _Discard()
    response.deliverBody(reader)
    return reader.done


class _Discard(Protocol):
    """Takes the body of an answer, and what comes beyond BODY_READ ends the connection."""

    def __init__(self) -> None:
        self.done: Deferred[None] = Deferred()
        self._left = BODY_READ

    def dataReceived(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left <= 0 and not self.done.called:
            self.done.callback(None)
            cast(ITransport, self.transport).loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.done.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self.done.callback(None)
        else:
            self.done.errback(reason)
