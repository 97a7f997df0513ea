"""Certificates that clients show: which are believed, and who they say it is."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL, crypto

from twistedproxy.settings.tls import TlsSettings
from twistedproxy.transport.certificates import CertificateProblem, load_chain, load_revocations
from twistedproxy.transport.tls_problems import TlsProblem, distrust_of

_UNSEEN: Final = re.compile(rb"[^\x20-\x7e]")


@dataclass(frozen=True)
class ClientCert:
    """
    The certificate of a client, which was verified.

    Names are written as RFC 4514 says, what is not visible ASCII as ``\\XX``, so that they can stand in a header field.

    :ivar subject: whose it is; *issuer*: who says so
    :ivar serial: in hexadecimal; with the issuer it names the certificate
    :ivar fingerprint: SHA-256, in hexadecimal
    :ivar expires: seconds since 1970
    :ivar encoded: the certificate itself (DER) in base64
    """

    subject: str
    issuer: str
    serial: str
    fingerprint: str
    expires: float
    encoded: str

    @classmethod
    def of(cls, certificate: x509.Certificate) -> ClientCert:
        """What *certificate* says."""
        return cls(
            _name(certificate.subject),
            _name(certificate.issuer),
            f"{certificate.serial_number:X}",
            certificate.fingerprint(hashes.SHA256()).hex(),
            certificate.not_valid_after_utc.timestamp(),
            base64.b64encode(certificate.public_bytes(Encoding.DER)).decode("ascii"),
        )


def _name(name: x509.Name) -> str:
    """RFC 4514 §2.4: any byte may be written as a backslash and two hexadecimal digits."""
    return _UNSEEN.sub(lambda found: b"\\%02X" % found[0][0], name.rfc4514_string().encode()).decode("ascii")


def ask(context: SSL.Context, settings: TlsSettings, *, insists: bool = False) -> None:
    """
    Let *context* ask clients for certificates, if *settings* say so.

    One that is not believed ends the handshake; whether there has to be one is decided on requests, so that whoever comes without
    can be told.  Where nothing is told, *insists*: the handshake fails without one that is required.

    :raises CertificateProblem: the authorities, or the list of what they revoked, cannot be read
    """
    if settings.verify_client == "no":
        return
    if settings.client_ca is None:
        raise CertificateProblem(f"[tls {settings.name}] has verify_client, but no client_ca")
    store = context.get_cert_store()
    assert store is not None
    for authority in load_chain(settings.client_ca):
        store.add_cert(crypto.X509.from_cryptography(authority))
        context.add_client_ca(authority)
    # An authority in the middle may be believed without the one above it.
    flags = crypto.X509StoreFlags.PARTIAL_CHAIN
    if settings.client_crl is not None:
        for revocations in load_revocations(settings.client_crl):
            store.add_crl(revocations)
        flags |= crypto.X509StoreFlags.CRL_CHECK
    store.set_flags(flags)
    context.set_verify_depth(settings.client_depth)
    must = SSL.VERIFY_FAIL_IF_NO_PEER_CERT if insists and settings.verify_client == "require" else 0
    context.set_verify(SSL.VERIFY_PEER | must, _judge)


def _judge(connection: SSL.Connection, certificate: crypto.X509, code: int, depth: int, believed: int) -> bool:
    """Called by OpenSSL for each certificate of a chain: its word counts, and the reason is kept."""
    if not believed and connection.get_app_data() is None:
        connection.set_app_data(code)
    return bool(believed)


def distrust(connection: SSL.Connection) -> TlsProblem | None:
    """Why a client's certificate was not believed in a handshake that failed; None if it was not that."""
    code = connection.get_app_data()
    if code is None:
        return None
    return TlsProblem(f"the client's {str(distrust_of(code)).replace('for a server', 'for a client')}", unverified=True)
