"""
OCSP (RFC 6960): what is asked of a responder, and whether its answer may be shown to clients (RFC 6066 §8).

Pure: bytes and certificates in, verdicts out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

#: By how much the clock of a responder may be ahead of ours.
_SLACK: Final = timedelta(minutes=5)
#: An answer that does not say when the next one comes counts for so long.
_USUAL: Final = timedelta(days=1)


class OcspProblem(Exception):
    """
    An answer that is not shown to anybody; the text says why.

    :ivar revoked: the certificate has been revoked
    """

    def __init__(self, text: str, *, revoked: bool = False) -> None:
        super().__init__(text)
        self.revoked = revoked


@dataclass(frozen=True)
class Staple:
    """
    An answer that says of a certificate that it is good.

    :ivar data: as the responder has sent it
    :ivar made: since when it holds
    :ivar ends: from when on it is worth nothing
    """

    data: bytes
    made: datetime
    ends: datetime

    @property
    def refreshed(self) -> datetime:
        """When another one should be asked for: half of its life is left for the responder's bad days."""
        return self.made + (self.ends - self.made) / 2


def responder_of(leaf: x509.Certificate) -> str | None:
    """The URL of the responder that *leaf* names (RFC 5280 §4.2.2.1); None: it names none that is asked by HTTP."""
    try:
        access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, ValueError):
        return None
    for each in access:
        if each.access_method == AuthorityInformationAccessOID.OCSP and isinstance(
            each.access_location, x509.UniformResourceIdentifier
        ):
            url = each.access_location.value
            if url.startswith(("http://", "https://")):
                return url
    return None


def issuer_of(chain: tuple[x509.Certificate, ...]) -> x509.Certificate | None:
    """The certificate of *chain* that has issued the first one; None: it is not there."""
    for issuer in chain[1:]:
        try:
            chain[0].verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            continue
        return issuer
    return None


def request_for(leaf: x509.Certificate, issuer: x509.Certificate) -> bytes:
    """What is sent to the responder.  Responders know issuers by SHA-1 (RFC 5019 §2.1.1); nothing depends on its strength."""
    built = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, hashes.SHA1()).build()
    return built.public_bytes(Encoding.DER)


def judged(data: bytes, leaf: x509.Certificate, issuer: x509.Certificate, now: datetime) -> Staple:
    """
    The answer *data* about *leaf*, if it may be shown at *now* (RFC 6960 §3.2).

    :raises OcspProblem: it may not
    """
    try:
        answer = ocsp.load_der_ocsp_response(data)
    except ValueError:
        raise OcspProblem("the answer is no OCSP response") from None
    if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise OcspProblem(f"the responder answers {answer.response_status.name.lower().replace('_', ' ')}")
    try:
        _check_signature(answer, issuer, now)
        single = next((each for each in answer.responses if _is_about(each, leaf, issuer)), None)
    except (ValueError, UnsupportedAlgorithm) as problem:
        raise OcspProblem(f"the answer cannot be understood: {problem}") from None
    if single is None:
        raise OcspProblem("the answer is about another certificate")
    made = single.this_update_utc
    ends = single.next_update_utc or made + _USUAL
    if made > now + _SLACK:
        raise OcspProblem(f"the answer holds from {made:%Y-%m-%d %H:%M} on")
    if ends <= now:
        raise OcspProblem(f"the answer held until {ends:%Y-%m-%d %H:%M}")
    if single.certificate_status is ocsp.OCSPCertStatus.REVOKED:
        raise OcspProblem("the certificate has been revoked", revoked=True)
    if single.certificate_status is not ocsp.OCSPCertStatus.GOOD:
        raise OcspProblem("the responder does not know the certificate")
    return Staple(data, made, ends)


def _is_about(single: ocsp.OCSPSingleResponse, leaf: x509.Certificate, issuer: x509.Certificate) -> bool:
    """RFC 6960 §4.1.1: the issuer by hashes of its name and its key, the certificate by its number."""
    if single.serial_number != leaf.serial_number:
        return False
    asked = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, single.hash_algorithm).build()
    return (single.issuer_name_hash, single.issuer_key_hash) == (asked.issuer_name_hash, asked.issuer_key_hash)


def _check_signature(answer: ocsp.OCSPResponse, issuer: x509.Certificate, now: datetime) -> None:
    """Signed by the issuer, or by whom the issuer has given a certificate for that purpose (RFC 6960 §4.2.2.2)."""
    if _signs(issuer, answer):
        return
    for deputy in answer.certificates:
        if _is_deputy(deputy, issuer, now) and _signs(deputy, answer):
            return
    raise OcspProblem("the answer is not signed by the issuer of the certificate, nor by its deputy")


def _is_deputy(deputy: x509.Certificate, issuer: x509.Certificate, now: datetime) -> bool:
    try:
        deputy.verify_directly_issued_by(issuer)
        purposes = deputy.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in purposes and deputy.not_valid_before_utc <= now < deputy.not_valid_after_utc


def _signs(signer: x509.Certificate, answer: ocsp.OCSPResponse) -> bool:
    key = signer.public_key()
    signed = answer.signature, answer.tbs_response_bytes
    algorithm = answer.signature_hash_algorithm
    try:
        if isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
            key.verify(*signed, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
            key.verify(*signed, ec.ECDSA(algorithm))
        elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            key.verify(*signed)
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
