"""What is negotiated: TLS contexts for our ports, with a certificate for each name, and for the peers of a pool."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from copy import copy
from typing import Final

from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.pyopenssl import verify_hostname, verify_ip_address

from twistedproxy.addresses import Address, Tcp
from twistedproxy.clock import Clock
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.settings.tls import CertificateFiles, TlsSettings
from twistedproxy.transport.acme_tls import AcmeTls
from twistedproxy.transport.certificates import CertificateProblem, is_address, load, names_of
from twistedproxy.transport.credentials import Credential
from twistedproxy.transport.profiles import TO_PEERS, context_for
from twistedproxy.transport.self_signed import self_signed, utc
from twistedproxy.transport.server_contexts import ServerContexts
from twistedproxy.transport.tls_problems import TlsProblem, distrust_of, reasons_of
from twistedproxy.transport.tls_records import session_reused

#: What is spoken over TLS, in the order of preference (RFC 7301).
HTTP_1: Final = (b"http/1.1",)
HTTP_2: Final = (b"h2",)

_FILE_NAME: Final = re.compile(r"[^A-Za-z0-9._-]")


class TlsServer:
    """
    What a port shows to its clients: certificates chosen by the name that they ask for (SNI), renewed while it is open.

    Those from files come first, then the one by ACME (a self-signed one until it is there), then the self-signed one, both of
    which *state_dir* keeps.

    :param protocols: offered by ALPN (RFC 7301), the preferred one first
    :param insists: where ``verify_client = require``, the handshake fails without a client's certificate
    :ivar settings: its [tls …] section
    :ivar validators: what validators of an authority (ACME) are shown
    :ivar staples: what clients are shown of the issuers' word on certificates (OCSP responses), by the certificates' fingerprints
    :raises CertificateProblem: a certificate cannot be used; nothing is listened on with half of them
    """

    def __init__(
        self,
        settings: TlsSettings,
        state_dir: str,
        clock: Clock,
        protocols: tuple[bytes, ...] = HTTP_1,
        *,
        insists: bool = False,
    ) -> None:
        self.settings = settings
        self._insists = insists
        self.validators = AcmeTls()
        self.staples: dict[str, bytes] = {}
        self._state_dir = state_dir
        self._clock = clock
        self._protocols = protocols
        self._contexts = self.prepare()

    @property
    def credentials(self) -> tuple[Credential, ...]:
        """What is shown, the default first."""
        return self._contexts.credentials

    @property
    def files(self) -> tuple[str, ...]:
        """The files that others may change, each once."""
        settings = self.settings
        certificates = (path for files in settings.certificates for path in (files.chain, files.key))
        believed = (path for path in (settings.client_ca, settings.client_crl) if path is not None)
        automatic = (self.acme_file,) if settings.acme is not None else ()
        return tuple(dict.fromkeys((*certificates, *automatic, *believed)))

    def prepare(self) -> ServerContexts:
        """
        Read every file again, and make what is shown of them; nothing changes before :meth:`adopt`.  Any thread may do it.

        :raises CertificateProblem: a certificate cannot be used
        """
        settings = self.settings
        credentials = [Credential(load(files), files.chain) for files in settings.certificates]
        if settings.acme is not None:
            credentials.append(self._by_acme())
        if settings.self_signed:
            path = os.path.join(self._state_dir, f"self-signed-{file_name(settings.name)}.pem")
            made = self_signed(path, settings.self_signed, utc(self._clock.wall()))
            credentials.append(Credential(made, path, "self_signed"))
        if not credentials:
            raise CertificateProblem(f"[tls {settings.name}] has neither certificates nor self_signed names")
        return ServerContexts(settings, credentials, self._protocols, self.staples, insists=self._insists)

    @property
    def acme_file(self) -> str:
        """Where the certificate by ACME is kept with its key."""
        return os.path.join(self._state_dir, "acme", f"{file_name(self.settings.name)}.pem")

    def _by_acme(self) -> Credential:
        """The certificate by ACME; until there is one, one of our own in its place."""
        path = self.acme_file
        try:
            return Credential(load(CertificateFiles(path, path)), path, "acme")
        except CertificateProblem:
            path = os.path.join(self._state_dir, f"acme-awaited-{file_name(self.settings.name)}.pem")
            made = self_signed(path, self.settings.names, utc(self._clock.wall()))
            return Credential(made, path, "self_signed")

    def adopt(self, contexts: ServerContexts) -> None:
        """
        Show what was prepared to those who connect from now on.

        Handshakes and connections go on with what they began with.  Tickets of sessions are sealed with keys of their contexts:
        who comes with an older one shakes hands in full.
        """
        self._contexts = contexts

    def connection(self, sock: socket.socket) -> SSL.Connection:
        """Our side of a handshake on *sock*."""
        connection = SSL.Connection(self._contexts.default, sock)
        connection.set_accept_state()
        return connection


def file_name(name: str) -> str:
    """The *name* of a section, safe for a file; a digest keeps two names apart that become the same by it."""
    return f"{_FILE_NAME.sub('_', name)}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


class TlsClient:
    """
    How the peers of a pool are spoken to: which authorities are believed, which name is expected, and which certificate is shown.

    Sessions are kept for each peer, and resumed.

    :param protocols: offered by ALPN; none: nothing is offered
    :param resumes: sessions are resumed; otherwise every handshake is a full one, with the peer's certificate
    :raises CertificateProblem: the authorities cannot be read, or the certificate cannot be used
    """

    def __init__(self, settings: PoolSettings, protocols: tuple[bytes, ...] = HTTP_1, *, resumes: bool = True) -> None:
        self._resumes = resumes
        self._verified = settings.verify
        self._server_name = settings.server_name
        self._sessions: dict[Address, SSL.Session] = {}
        context = context_for(SSL.TLS_CLIENT_METHOD, TO_PEERS)
        context.set_session_cache_mode(SSL.SESS_CACHE_CLIENT | SSL.SESS_CACHE_NO_INTERNAL)
        if protocols:
            context.set_alpn_protos(list(protocols))
        if settings.verify:
            try:
                if settings.ca is None:
                    context.set_default_verify_paths()
                else:
                    context.load_verify_locations(settings.ca)
            except SSL.Error as error:
                raise CertificateProblem(f"{settings.ca}: no authorities could be read from it") from error
            context.set_verify(SSL.VERIFY_PEER, _judge)
        if settings.client_certificate is not None:
            try:
                load(settings.client_certificate).install(context)
            except SSL.Error as error:
                problem = ", ".join(reasons_of(error))
                raise CertificateProblem(f"{settings.client_certificate.chain} cannot be used: {problem}") from error
        self._context = context
        self._named: dict[str, TlsClient] = {}

    def called(self, name: str) -> TlsClient:
        """The same for peers that are called *name*, whatever their address; what it remembers of a peer is its own."""
        client = self._named.get(name)
        if client is None:
            client = self._named[name] = copy(self)
            client._server_name = name
            client._sessions = {}
        return client

    def name_of(self, address: Address) -> str:
        """The name, or the IP address, that the certificate of the peer at *address* must be good for."""
        return self._server_name or (address.host if isinstance(address, Tcp) else "localhost")

    def connection(self, sock: socket.socket, address: Address) -> SSL.Connection:
        """
        Our side of a handshake on *sock*, which leads to the peer at *address*.

        :raises TlsProblem: the peer's name cannot be asked for
        """
        connection = SSL.Connection(self._context, sock)
        name = self.name_of(address)
        # An address is no server name (RFC 6066 §3).
        if not is_address(name):
            connection.set_tlsext_host_name(_a_labels(name).encode("ascii"))
        session = self._sessions.get(address)
        if session is not None:
            connection.set_session(session)
        connection.set_connect_state()
        return connection

    def verify(self, connection: SSL.Connection, address: Address) -> None:
        """
        Whether the peer is the one that was meant (RFC 9525); the chain of its certificate was verified in the handshake.

        :raises TlsProblem: its certificate is for another name
        """
        # Only sessions of verified connections are remembered: one that was resumed was verified for the same peer before.
        if not self._verified or session_reused(connection):
            return
        name = self.name_of(address)
        try:
            if is_address(name):
                verify_ip_address(connection, name)
            else:
                verify_hostname(connection, _a_labels(name))
        except (VerificationError, CertificateError):
            certificate = connection.get_peer_certificate(as_cryptography=True)
            names = names_of(certificate) if certificate is not None else ()
            shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
            raise TlsProblem(f"certificate is for {shown or 'no name'}, not {name}", unverified=True) from None

    def forget(self, address: Address) -> None:
        """There is no peer at *address* any more."""
        self._sessions.pop(address, None)
        for name, client in list(self._named.items()):
            client._sessions.pop(address, None)
            if not client._sessions:
                del self._named[name]

    def distrust(self, connection: SSL.Connection) -> TlsProblem | None:
        """Why the chain of the peer's certificate was not believed in a handshake that failed; None if it was not that."""
        code = connection.get_app_data()
        return None if code is None else distrust_of(code)

    def remember(self, connection: SSL.Connection, address: Address) -> None:
        """Keep the session of a verified connection, for the next one to the same peer."""
        session = connection.get_session() if self._resumes else None
        if session is not None:
            self._sessions[address] = session


def _judge(connection: SSL.Connection, certificate: crypto.X509, code: int, depth: int, believed: int) -> bool:
    """Called by OpenSSL for each certificate of a chain: its word counts, and the reason is kept."""
    if not believed and connection.get_app_data() is None:
        connection.set_app_data(code)
    return bool(believed)


def _a_labels(name: str) -> str:
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        raise TlsProblem(f"{name!r} is no name that can be asked for") from None
