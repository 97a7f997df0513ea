"""What can go wrong with TLS, in words for people."""

from __future__ import annotations

import os
from typing import Final

from OpenSSL import SSL


class TlsProblem(Exception):
    """
    A handshake that failed; the text says why.

    :ivar unverified: the other side's certificate is not to be believed
    """

    def __init__(self, text: str, *, unverified: bool = False) -> None:
        super().__init__(text)
        self.unverified = unverified


_NOT_TLS: Final = "the other side does not speak TLS"
#: OpenSSL's reasons that say little to those who do not know it.
_WORDS: Final = {
    "http request": _NOT_TLS,
    "https proxy request": _NOT_TLS,
    "wrong version number": _NOT_TLS,
    "packet length too long": _NOT_TLS,
    "unsupported protocol": "no protocol version is spoken by both sides",
    "version too low": "no protocol version is spoken by both sides",
    "no shared cipher": "no cipher is offered by both sides",
    "no suitable signature algorithm": "no signature algorithm is offered by both sides",
    "peer did not return a certificate": "the client has shown no certificate",
    "no protocols available": "no protocol version is spoken by both sides",
}


def problem_of(error: SSL.Error) -> TlsProblem:
    """The words for what ``do_handshake`` raised."""
    if isinstance(error, SSL.SysCallError):
        code = error.args[0]
        if code == -1:
            return TlsProblem("the other side closed the connection during the handshake")
        return TlsProblem(f"the connection broke during the handshake: {os.strerror(code)}")
    if isinstance(error, SSL.ZeroReturnError):
        return TlsProblem("the other side closed the connection during the handshake")
    reasons = reasons_of(error)
    for reason in reasons:
        if reason in _WORDS:
            return TlsProblem(_WORDS[reason])
        _, alert, name = reason.partition(" alert ")
        if alert:
            return TlsProblem(f"the other side refused: {name}")
    return TlsProblem(f"the handshake failed: {reasons[-1] if reasons else 'no reason is known'}")


def reasons_of(error: SSL.Error) -> list[str]:
    """What OpenSSL says about itself, the cause first."""
    queue = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return [str(entry[-1]) for entry in queue]


#: Codes of a chain that was not believed (X509_V_ERR_…), in words.
_DISTRUST: Final = {
    SSL.X509VerificationCodes.ERR_CERT_HAS_EXPIRED: "certificate has expired",
    SSL.X509VerificationCodes.ERR_CERT_NOT_YET_VALID: "certificate is not valid yet",
    SSL.X509VerificationCodes.ERR_DEPTH_ZERO_SELF_SIGNED_CERT: "certificate is self-signed and not known",
    SSL.X509VerificationCodes.ERR_SELF_SIGNED_CERT_IN_CHAIN: "certificate was issued by an authority that is not known",
    SSL.X509VerificationCodes.ERR_UNABLE_TO_GET_ISSUER_CERT: "certificate was issued by an authority that is not known",
    SSL.X509VerificationCodes.ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "certificate was issued by an authority that is not known",
    SSL.X509VerificationCodes.ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: "certificate was issued by an authority that is not known",
    SSL.X509VerificationCodes.ERR_CERT_SIGNATURE_FAILURE: "certificate has a wrong signature",
    SSL.X509VerificationCodes.ERR_CERT_REVOKED: "certificate was revoked",
    SSL.X509VerificationCodes.ERR_UNABLE_TO_GET_CRL: "certificate was issued by an authority whose revocations are not known",
    SSL.X509VerificationCodes.ERR_CRL_HAS_EXPIRED: "certificate cannot be checked: the list of those revoked has expired",
    SSL.X509VerificationCodes.ERR_CERT_UNTRUSTED: "certificate is not trusted",
    SSL.X509VerificationCodes.ERR_INVALID_CA: "certificate was issued by one that may not issue any",
    SSL.X509VerificationCodes.ERR_INVALID_PURPOSE: "certificate is not meant for a server",
    SSL.X509VerificationCodes.ERR_CERT_CHAIN_TOO_LONG: "certificate has too long a chain",
}


def distrust_of(code: int) -> TlsProblem:
    """The words for a chain that was not believed, by OpenSSL's *code*."""
    return TlsProblem(_DISTRUST.get(code, f"certificate could not be verified (OpenSSL's code {code})"), unverified=True)
