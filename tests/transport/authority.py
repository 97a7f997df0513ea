"""A certificate authority for tests."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from twistedproxy.settings.tls import CertificateFiles
from twistedproxy.transport.certificates import is_address

DAY = timedelta(days=1)
_KEYS = {
    "ECDSA": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
}

#: What the key of an authority is for.
_ISSUES: Final = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


class Authority:
    """Issues certificates into a directory."""

    def __init__(self, directory: Path, name: str = "Test Authority", above: Authority | None = None) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._issued = 0
        above = above or self
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(above._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 2000 * DAY)
            .not_valid_after(now + 2000 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_ISSUES, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .add_extension(above._identifier, critical=False)
            .sign(above._key, hashes.SHA256())
        )
        path = directory / f"{name}.pem"
        path.write_bytes(certificate.public_bytes(Encoding.PEM))
        #: The authority's own certificate, for those who believe it.
        self.path = str(path)

    @property
    def _identifier(self) -> x509.AuthorityKeyIdentifier:
        """By which certificates name the key that has signed them: who looks strictly wants it (RFC 5280 §4.2.1.1)."""
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())

    def deputy(self, directory: Path, name: str) -> Authority:
        """An authority below this one."""
        return Authority(directory, name, self)

    def revoke(self, *chains: str, until: datetime | None = None) -> str:
        """A file with the list of the certificates in *chains*, which are revoked."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(now - 100 * DAY)
            .next_update(until or now + 10 * DAY)
        )
        for chain in chains:
            leaf = x509.load_pem_x509_certificates(Path(chain).read_bytes())[0]
            entry = x509.RevokedCertificateBuilder().serial_number(leaf.serial_number).revocation_date(now - DAY)
            builder = builder.add_revoked_certificate(entry.build())
        path = self._directory / "revoked.pem"
        path.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))
        return str(path)

    def issue(
        self,
        *names: str,
        expires: datetime | None = None,
        passphrase: bytes | None = None,
        alternatives: bool = True,
        common_name: str = "a common name",
        kind: str = "ECDSA",
    ) -> CertificateFiles:
        """A certificate for *names*, with a key of a *kind*; without *alternatives* it has a common name only."""
        key = _KEYS[kind]()
        end = expires or datetime.now(UTC) + 10 * DAY
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - 100 * DAY)
            .not_valid_after(end)
            .add_extension(self._identifier, critical=False)
        )
        if alternatives:
            builder = builder.add_extension(
                x509.SubjectAlternativeName(
                    [x509.IPAddress(ipaddress.ip_address(name)) if is_address(name) else x509.DNSName(name) for name in names]
                ),
                critical=False,
            )
        certificate = builder.sign(self._key, hashes.SHA256())
        self._issued += 1
        chain = self._directory / f"{self._issued}.pem"
        chain.write_bytes(certificate.public_bytes(Encoding.PEM))
        encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        key_file = self._directory / f"{self._issued}.key"
        key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
        return CertificateFiles(str(chain), str(key_file))
