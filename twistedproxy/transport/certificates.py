"""Certificates with their keys: read from files, and asked for the names that they are good for."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from twistedproxy.settings.tls import CertificateFiles

PrivateKey = (
    dsa.DSAPrivateKey | ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
)

_REVOCATIONS: Final = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)


class CertificateProblem(Exception):
    """A certificate or a key cannot be used; the text names the file and the reason."""


@dataclass(frozen=True)
class Certified:
    """A chain, the server's own certificate first, and the key that belongs to it."""

    chain: tuple[x509.Certificate, ...]
    key: PrivateKey

    @property
    def names(self) -> tuple[str, ...]:
        """The names that the certificate is good for."""
        return names_of(self.chain[0])

    def install(self, context: SSL.Context) -> None:
        """
        Let *context* show it.

        :raises SSL.Error: OpenSSL refuses it, for instance because its key is too short
        """
        context.use_certificate(self.chain[0])
        for issuer in self.chain[1:]:
            context.add_extra_chain_cert(issuer)
        context.use_privatekey(self.key)
        context.check_privatekey()


def load(files: CertificateFiles) -> Certified:
    """
    Read a chain and its key.

    :raises CertificateProblem: a file cannot be read or understood
    """
    try:
        with open(files.chain, "rb") as file:
            chain = x509.load_pem_x509_certificates(file.read())
        with open(files.key, "rb") as file:
            key = load_pem_private_key(file.read(), None)
    except OSError as problem:
        raise CertificateProblem(f"{problem.filename} cannot be read: {problem.strerror}") from problem
    except TypeError as problem:
        raise CertificateProblem(f"the key in {files.key} is encrypted") from problem
    except ValueError as problem:
        raise CertificateProblem(f"{files.chain} and {files.key} do not hold a certificate and its key: {problem}") from problem
    if not isinstance(key, PrivateKey):
        raise CertificateProblem(f"the key in {files.key} is of a kind that TLS does not sign with")
    return Certified(tuple(chain), key)


def load_chain(path: str) -> list[x509.Certificate]:
    """
    The certificates of a PEM file.

    :raises CertificateProblem: there are none that can be read
    """
    try:
        return x509.load_pem_x509_certificates(_contents(path))
    except ValueError as problem:
        raise CertificateProblem(f"{path} holds no certificate that can be read") from problem


def load_revocations(path: str) -> list[x509.CertificateRevocationList]:
    """
    The lists of revoked certificates (RFC 5280 §5) of a PEM file; there may be one of each authority.

    :raises CertificateProblem: there are none, or one cannot be read
    """
    lists = _REVOCATIONS.findall(_contents(path))
    try:
        found = [x509.load_pem_x509_crl(text) for text in lists]
    except ValueError as problem:
        raise CertificateProblem(f"{path} holds a list of revoked certificates that cannot be read") from problem
    if not found:
        raise CertificateProblem(f"{path} holds no list of revoked certificates (-----BEGIN X509 CRL-----)")
    return found


def _contents(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as problem:
        raise CertificateProblem(f"{path} cannot be read: {problem.strerror}") from problem


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """
    The names and addresses that *certificate* is good for, in lower case.

    The common name counts only when there are no alternative names (RFC 9525 §2).
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return tuple(str(entry.value).lower() for entry in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME))
    return (
        *(name.lower() for name in names.get_values_for_type(x509.DNSName)),
        *(str(address) for address in names.get_values_for_type(x509.IPAddress)),
    )


def is_address(name: str) -> bool:
    """Whether *name* is an IP address rather than a name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
