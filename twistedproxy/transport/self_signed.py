"""Self-signed certificates, for a first start without an authority: made once, kept, renewed before they expire."""

from __future__ import annotations

import ipaddress
import os
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from twistedproxy.settings.tls import CertificateFiles
from twistedproxy.transport.certificates import CertificateProblem, Certified, is_address, load

#: How long a certificate is good for; browsers refuse more than 398 days.
_VALID: Final = timedelta(days=397)
#: A certificate that expires within this time is renewed.
_RENEW: Final = timedelta(days=7)
#: Clocks of clients may be behind ours.
_SLACK: Final = timedelta(hours=1)


def self_signed(path: str, names: tuple[str, ...], now: datetime) -> Certified:
    """
    The certificate for *names* that is kept in *path* (chain and key in one file), made when there is none that serves.

    One that was made for other names, or that expires within a few days of *now*, is made anew.

    :raises CertificateProblem: the file cannot be written
    """
    kept = _kept(path, names, now)
    if kept is not None:
        return kept
    made = make(names, now)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _write(path, made)
    except OSError as problem:
        raise CertificateProblem(f"{path} cannot be written: {problem.strerror}; see state_dir") from problem
    return made


def _kept(path: str, names: tuple[str, ...], now: datetime) -> Certified | None:
    try:
        kept = load(CertificateFiles(path, path))
    except CertificateProblem:
        return None
    certificate = kept.chain[0]
    if set(kept.names) != {_spelled(name) for name in names}:
        return None
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - _RENEW:
        return None
    return kept


def make(names: tuple[str, ...], now: datetime, critical: x509.ExtensionType | None = None) -> Certified:
    """
    A new key (P-256) and a certificate of its own for *names*: host names, ``*.names`` and IP addresses.

    :param critical: one more extension, which nobody may overlook
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _spelled(names[0])[:64])])
    alternatives: list[x509.GeneralName] = [
        x509.IPAddress(ipaddress.ip_address(name)) if is_address(name) else x509.DNSName(_spelled(name)) for name in names
    ]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        # It may stand among the authorities of a client that chooses to believe it, and can issue nothing.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if critical is not None:
        builder = builder.add_extension(critical, critical=True)
    return Certified((builder.sign(key, hashes.SHA256()),), key)


def _spelled(name: str) -> str:
    """As certificates spell it: lower case, A-labels, addresses in their shortest form."""
    return str(ipaddress.ip_address(name)) if is_address(name) else name.lower().encode("idna").decode("ascii")


def _write(path: str, made: Certified) -> None:
    aside = f"{path}.new"
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(made.chain[0].public_bytes(Encoding.PEM))
        file.write(made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        os.fsync(file.fileno())
    os.rename(aside, path)


def utc(seconds: float) -> datetime:
    """Seconds since 1970 (``Clock.wall``) as certificates count time."""
    return datetime.fromtimestamp(seconds, UTC)
