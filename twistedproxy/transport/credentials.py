"""
Credentials: certificates with their keys as a port shows them, and which of them are for a name.

A name may have one of each kind of key: with RSA and ECDSA, what the client can check decides which one it sees.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from twistedproxy.transport.certificates import CertificateProblem, Certified
from twistedproxy.transport.tls_problems import reasons_of


@dataclass(frozen=True, eq=False)
class Credential:
    """
    A certificate that is shown, and where it came from.

    :ivar source: the file of its chain
    :ivar origin: the knob by which it came: ``certificates``, ``acme`` or ``self_signed``
    """

    certified: Certified
    source: str
    origin: str = "certificates"

    @property
    def leaf(self) -> x509.Certificate:
        """The server's own certificate."""
        return self.certified.chain[0]

    @property
    def names(self) -> tuple[str, ...]:
        """The names that it is good for."""
        return self.certified.names

    @property
    def kind(self) -> str:
        """What its key is: OpenSSL has a place for one of each kind."""
        key = self.certified.key
        if isinstance(key, rsa.RSAPrivateKey):
            return "RSA"
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return "ECDSA"
        return type(key).__name__.removesuffix("PrivateKey")

    @property
    def expires(self) -> datetime:
        """The end of its life, in UTC."""
        return self.leaf.not_valid_after_utc

    @property
    def issuer(self) -> str:
        """Who has issued it, as RFC 4514 writes names."""
        return self.leaf.issuer.rfc4514_string()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, in hexadecimal."""
        return self.leaf.fingerprint(hashes.SHA256()).hex()


def by_name(credentials: Sequence[Credential]) -> dict[str, tuple[Credential, ...]]:
    """
    The credentials for each name, exact or ``*.name``: of every kind of key the first that has the name.

    An exact name takes what it lacks from the wildcard above it.
    """
    kinds: dict[str, dict[str, Credential]] = {}
    for credential in credentials:
        for name in credential.names:
            kinds.setdefault(name, {}).setdefault(credential.kind, credential)
    return {name: _of_each_kind({**kinds.get(_wildcard(name), {}), **own}) for name, own in kinds.items()}


def _wildcard(name: str) -> str:
    """The wildcard that *name* falls under; itself for a wildcard."""
    return "*." + name.partition(".")[2]


def _of_each_kind(kinds: dict[str, Credential]) -> tuple[Credential, ...]:
    return tuple(kinds[kind] for kind in sorted(kinds))


#: Where the files of a process are, by their descriptors.
_DESCRIPTORS: Final = "/proc/self/fd"


def install(context: SSL.Context, credentials: Iterable[Credential]) -> None:
    """
    Let *context* show *credentials*, of which no two are of one kind.

    :raises CertificateProblem: OpenSSL refuses one, for instance because its key is too short or belongs to another certificate
    """
    several = tuple(credentials)
    for credential in several:
        try:
            if len(several) == 1:
                credential.certified.install(context)
            else:
                _install_beside(context, credential.certified)
        except SSL.Error as error:
            raise CertificateProblem(f"{credential.source} cannot be used: {', '.join(reasons_of(error))}") from error


def _install_beside(context: SSL.Context, certified: Certified) -> None:
    """
    Install it beside those of other kinds: each has a chain of its own, which OpenSSL takes from a file only.

    The file is one in memory, so that what is shown is what was checked, whatever becomes of files on disks.
    """
    descriptor = os.memfd_create("chain", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            for certificate in certified.chain:
                file.write(certificate.public_bytes(Encoding.PEM))
        context.use_certificate_chain_file(f"{_DESCRIPTORS}/{descriptor}")
    finally:
        os.close(descriptor)
    context.use_privatekey(certified.key)
    context.check_privatekey()
