"""What TLS says of a client's connection, as far as exchanges are concerned: who the client is, and what it must be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twistedproxy import errors
from twistedproxy.errors import Reason
from twistedproxy.message import CERT_FIELDS, Headers, ResponseHead
from twistedproxy.settings.tls import TlsSettings
from twistedproxy.transport.client_certificates import ClientCert

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Secured:
    """
    What there is to know of a connection with TLS.

    :ivar verifies: clients are asked for certificates here
    :ivar client_cert: the client's, verified; None: it has shown none
    :ivar refusal: why its requests are refused, whatever they are; None: they are not
    :ivar hsts: Strict-Transport-Security for its answers; empty for none
    """

    verifies: bool = False
    client_cert: ClientCert | None = None
    refusal: Reason | None = None
    hsts: bytes = b""

    def with_hsts(self, head: ResponseHead) -> ResponseHead:
        """*head* for this client, who is told to come with TLS (RFC 6797 §7.1), unless *head* has its own say on that."""
        made = head.strict
        if made is not None and made[0] == self.hsts:
            return made[1]
        if b"strict-transport-security" in head.headers:
            return head
        headers = head.headers.plus((b"Strict-Transport-Security", self.hsts))
        strict = ResponseHead(head.status, head.reason, headers, length=head.length)
        head.strict = (self.hsts, strict)
        return strict


def secured_by(settings: TlsSettings, client_cert: ClientCert | None, wall: float) -> Secured | None:
    """
    What exchanges have to know of a connection with *client_cert*, at *wall* seconds since 1970; None: nothing.

    A session that is resumed brings a certificate that may have expired since it was verified.
    """
    hsts = settings.hsts.field.encode("ascii") if settings.hsts is not None else b""
    if settings.verify_client == "no":
        return Secured(hsts=hsts) if hsts else None
    refusal = None
    if client_cert is not None and client_cert.expires < wall:
        client_cert, refusal = None, errors.CLIENT_CERT_EXPIRED
    elif client_cert is None and settings.verify_client == "require":
        refusal = errors.CLIENT_CERT_MISSING
    return Secured(True, client_cert, refusal, hsts)


class RequireClientCert:
    """A guard: only clients with a certificate are let in."""

    def admit(self, exchange: Exchange, passed: int) -> bool:
        """Whether the client has shown one."""
        secured = exchange.downstream.secured
        if secured is not None and secured.client_cert is not None:
            return True
        exchange.refuse(errors.CLIENT_CERT_MISSING)
        return False


def with_cert_fields(fields: Headers, secured: Secured) -> Headers:
    """*fields* for a peer, with what the connection says of the client's certificate in place of what anybody else says."""
    if not secured.verifies:
        return fields
    own: list[tuple[str, str]] = [("X-Client-Cert-Verified", "NONE")]
    cert = secured.client_cert
    if cert is not None:
        own = [
            # RFC 9440 §2.2: a byte sequence (RFC 8941 §3.3.5).
            ("Client-Cert", f":{cert.encoded}:"),
            ("X-Client-Cert-Verified", "SUCCESS"),
            ("X-Client-Cert-Subject", cert.subject),
            ("X-Client-Cert-Issuer", cert.issuer),
            ("X-Client-Cert-Serial", cert.serial),
            ("X-Client-Cert-Fingerprint", cert.fingerprint),
        ]
    return fields.without(CERT_FIELDS).plus(*((name.encode("ascii"), value.encode("ascii")) for name, value in own))
