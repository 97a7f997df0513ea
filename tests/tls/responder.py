"""What an OCSP responder says, signed by whomever the test likes; and certificates that name one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from twistedproxy.settings.tls import CertificateFiles
from twistedproxy.transport.certificates import load
from twistedproxy.transport.credentials import Credential

DAY = timedelta(days=1)

Signer = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


class Issuer:
    """An authority with a responder at *url*."""

    def __init__(self, url: str | None, name: str = "Issuer", key: ec.EllipticCurvePrivateKey | None = None) -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self._url = url
        self.now = datetime.now(UTC)
        self.certificate = self._signed(name, self.key, x509.BasicConstraints(True, None), name)

    def _signed(self, subject: str, key: ec.EllipticCurvePrivateKey, *extensions: x509.ExtensionType | str) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(_named(subject))
            .issuer_name(_named(extensions[-1]) if isinstance(extensions[-1], str) else self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now - 500 * DAY)
            .not_valid_after(self.now + 500 * DAY)
        )
        for extension in extensions:
            if not isinstance(extension, str):
                builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name: str = "a.example") -> Signer:
        """A certificate for *name* that names the responder."""
        key = ec.generate_private_key(ec.SECP256R1())
        extensions: list[x509.ExtensionType] = [x509.SubjectAlternativeName([x509.DNSName(name)])]
        if self._url is not None:
            where = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(self._url))
            extensions.append(x509.AuthorityInformationAccess([where]))
        return self._signed(name, key, *extensions), key

    def files(self, directory: Path, name: str = "a.example", *, chained: bool = True) -> CertificateFiles:
        """Such a certificate with its key, and its issuer behind it, in files."""
        leaf, key = self.issue(name)
        chain, key_file = directory / f"{name}.pem", directory / f"{name}.key"
        issuer = self.certificate.public_bytes(Encoding.PEM) if chained else b""
        chain.write_bytes(leaf.public_bytes(Encoding.PEM) + issuer)
        key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return CertificateFiles(str(chain), str(key_file))

    def credential(self, directory: Path) -> Credential:
        """The same, read."""
        files = self.files(directory)
        return Credential(load(files), files.chain)

    def deputy(self, *, allowed: bool = True) -> Signer:
        """Who signs in the issuer's place, if it is *allowed* to."""
        key = ec.generate_private_key(ec.SECP256R1())
        purpose = ExtendedKeyUsageOID.OCSP_SIGNING if allowed else ExtendedKeyUsageOID.SERVER_AUTH
        return self._signed("Deputy", key, x509.ExtendedKeyUsage([purpose])), key

    def says(
        self,
        leaf: x509.Certificate,
        status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
        *,
        made: datetime | None = None,
        ends: datetime | None = None,
        by: Signer | None = None,
    ) -> bytes:
        """A response about *leaf*, which holds for a day to either side unless told otherwise, signed *by* us or a deputy."""
        made = made or self.now - DAY
        signer, key = by or (self.certificate, self.key)
        revoked = status is ocsp.OCSPCertStatus.REVOKED
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response(
                leaf, self.certificate, hashes.SHA1(), status, made, ends or self.now + DAY, made if revoked else None, None
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, signer)
        )
        if by is not None:
            builder = builder.certificates([signer])
        return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
