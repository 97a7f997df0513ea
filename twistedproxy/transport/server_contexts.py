"""The contexts of a port: for each name the one that shows its certificates.  A set of them never changes; it is replaced."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL

from twistedproxy.settings.tls import TlsSettings
from twistedproxy.transport.client_certificates import ask
from twistedproxy.transport.credentials import Credential, by_name, install
from twistedproxy.transport.profiles import context_for, offer_of
from twistedproxy.transport.tls_problems import TlsProblem

#: Names that clients ask for are looked up among ours; longer ones than names can be are not.
_LONGEST_NAME: Final = 255


class ServerContexts:
    """
    What is shown to clients, by the name that they ask for (SNI).

    The exact name wins over ``*.name``; who asks for none of the names, or for none at all, is shown the first certificate and
    those of other kinds for its first name.

    :param staples: OCSP responses by the fingerprints of certificates; they may change
    :ivar credentials: what can be shown, the first one by default
    :ivar default: what a connection begins with, until its client has said a name
    :raises CertificateProblem: a certificate cannot be used
    """

    def __init__(
        self,
        settings: TlsSettings,
        credentials: Sequence[Credential],
        protocols: tuple[bytes, ...],
        staples: Mapping[str, bytes],
        *,
        insists: bool = False,
    ) -> None:
        self.credentials = tuple(credentials)
        self._settings = settings
        self._protocols = protocols
        self._staples = staples
        self._insists = insists
        self._offer = offer_of(settings)
        contexts: dict[tuple[Credential, ...], SSL.Context] = {}
        names = by_name(credentials)
        first = credentials[0]
        shown_first = names[first.names[0]] if first.names else (first,)
        if first not in shown_first:
            # Its first name is that of an earlier kind's: the first certificate is shown all the same.
            shown_first = (first,)
        contexts[shown_first] = self.default = self._context(shown_first)
        self._names: dict[str, SSL.Context] = {}
        for name, shown in names.items():
            if shown not in contexts:
                contexts[shown] = self._context(shown)
            self._names[name] = contexts[shown]
        # Asked of the context that a connection begins with.
        self.default.set_tlsext_servername_callback(self._choose)

    def _context(self, credentials: tuple[Credential, ...]) -> SSL.Context:
        context = context_for(SSL.TLS_SERVER_METHOD, self._offer)
        install(context, credentials)
        ask(context, self._settings, insists=self._insists)
        # Sessions are resumed by tickets, or from this cache by TLS 1.2 clients without; a session is for one [tls] section.
        context.set_session_cache_mode(SSL.SESS_CACHE_SERVER)
        context.set_session_id(hashlib.sha256(self._settings.name.encode()).digest())
        context.set_timeout(int(self._settings.session_timeout))
        if self._protocols:
            context.set_alpn_select_callback(self._select_protocol)
        if self._settings.ocsp:
            context.set_ocsp_server_callback(self._staple)
        return context

    def _choose(self, connection: SSL.Connection) -> None:
        asked = connection.get_servername()
        if asked is None or len(asked) > _LONGEST_NAME:
            return
        name = asked.decode("ascii", "replace").lower().rstrip(".")
        context = self._names.get(name) or self._names.get("*." + name.partition(".")[2])
        if context is not None and context is not self.default:
            connection.set_context(context)

    def _staple(self, connection: SSL.Connection, _: object) -> bytes:
        """What belongs to the certificate that was chosen; nothing if there is nothing."""
        if not self._staples:
            return b""
        shown = connection.get_certificate(as_cryptography=True)
        return b"" if shown is None else self._staples.get(shown.fingerprint(hashes.SHA256()).hex(), b"")

    def _select_protocol(self, connection: SSL.Connection, offered: list[bytes]) -> bytes:
        for protocol in self._protocols:
            if protocol in offered:
                return protocol
        # A fatal alert, not a guess: what both sides do not agree on is how one protocol is taken for another (RFC 7301 §3.2).
        raise TlsProblem(f"no application protocol in common: the client offers {b' '.join(offered).decode('ascii', 'replace')}")
