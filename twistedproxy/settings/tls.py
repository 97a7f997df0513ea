"""``[tls NAME]``: certificates, and how TLS is spoken with clients."""

from __future__ import annotations

from dataclasses import dataclass

from twistedproxy.settings.knob import knob


@dataclass(frozen=True)
class CertificateFiles:
    """A certificate chain and its private key in PEM; both may be one file."""

    chain: str
    key: str


@dataclass(frozen=True)
class AcmeBinding:
    """External account binding (RFC 8555 §7.3.4): what an authority has given us, beside ACME, to know us by."""

    kid: str
    hmac_key: str


@dataclass(frozen=True)
class HstsSettings:
    """``hsts = DURATION [includeSubDomains] [preload]``: browsers come back with TLS only, for so long (RFC 6797 §6.1)."""

    max_age: float
    subdomains: bool = False
    preload: bool = False

    @property
    def field(self) -> str:
        """The value of Strict-Transport-Security."""
        words = [f"max-age={int(self.max_age)}"]
        words += ["includeSubDomains"] if self.subdomains else []
        words += ["preload"] if self.preload else []
        return "; ".join(words)


@dataclass(frozen=True)
class TlsSettings:
    """Server certificates and what is negotiated."""

    name: str
    certificates: tuple[CertificateFiles, ...] = knob(
        "certificates",
        "CHAIN.pem [KEY.pem] a line, or a directory with fullchain.pem and privkey.pem; the first is the default",
        default=(),
    )
    self_signed: tuple[str, ...] = knob(
        "host_names", "names for which a self-signed certificate is made in state_dir at the first start", default=()
    )
    acme: str | None = knob(
        "acme_directory",
        "URL of an authority's ACME directory, letsencrypt or letsencrypt-staging: certificates for names come from there by "
        "themselves; by it you agree to its terms",
    )
    names: tuple[str, ...] = knob("acme_names", "what the certificate by ACME is for: host names and addresses", default=())
    email: str | None = knob("email", "where the authority may write to")
    challenge: str = knob(
        "choice",
        "how the authority sees that the names are ours: by plain HTTP on port 80, or by a TLS handshake on port 443",
        default="http-01",
        choices=("http-01", "tls-alpn-01"),
    )
    acme_ca: str | None = knob(
        "authorities", "PEM file of the authorities by which the directory is believed; the well-known ones without"
    )
    acme_account: AcmeBinding | None = knob(
        "acme_binding", "KID HMAC_KEY (base64url) of an account with the authority, if it wants one (external account binding)"
    )
    profile: str = knob(
        "choice",
        "versions, ciphers and curves by the name of one of Mozilla's profiles",
        default="intermediate",
        choices=("intermediate", "modern", "old"),
    )
    versions: tuple[str, ...] = knob(
        "tls_versions",
        "protocol versions offered, instead of the profile's",
        default=(),
        choices=("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
    )
    ciphers: tuple[str, ...] = knob(
        "ciphers",
        "OpenSSL's names, TLS_… for those of TLS 1.3, instead of the profile's; the first that a client knows is taken",
        default=(),
    )
    curves: tuple[str, ...] = knob(
        "curves", "groups for the exchange of keys, for instance X25519, instead of the profile's", default=()
    )
    ocsp: bool = knob(
        "boolean", "ask the issuers of certificates for their word that these were not revoked, and staple it", default=False
    )
    hsts: HstsSettings | None = knob(
        "hsts",
        "DURATION [includeSubDomains] [preload]: browsers come with TLS only for so long; answers that say so themselves stay as "
        "they are",
    )
    verify_client: str = knob(
        "choice",
        "whether clients are asked for a certificate; one that is not believed is never let in",
        default="no",
        choices=("no", "optional", "require"),
    )
    client_ca: str | None = knob("authorities", "PEM file of the authorities that issue certificates of clients")
    client_depth: int = knob(
        "integer", "authorities between one of client_ca and a client's certificate, at most", default=3, minimum=0, maximum=50
    )
    client_crl: str | None = knob(
        "revocations", "PEM file of lists of revoked certificates (CRL), one of each authority that issues any"
    )
    session_timeout: float = knob("duration", "a client may resume its session for", default=3600.0, minimum=1, maximum=604_800)
    ticket_rotation: float = knob(
        "duration", "sessions are sealed with new keys after; older ones are not resumed; 0: never", default=43200.0, minimum=0
    )
    watch_interval: float = knob(
        "duration", "files are looked at for changes every; 0: only when the proxy is told to", default=10.0, minimum=0
    )
