"""
What is offered in a handshake: versions, ciphers and groups, by the names of Mozilla's profiles.

The profiles are those of "Server Side TLS" 5.8 (https://wiki.mozilla.org/Security/Server_Side_TLS).  Who connects chooses among
what is offered, as Mozilla advises, except with the profile for old clients, whose own order is not to be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from OpenSSL import SSL

from twistedproxy.settings.tls import TlsSettings
from twistedproxy.transport.tls_records import set_groups

#: Names of versions, the oldest first.
VERSIONS: Final = {
    "TLSv1": SSL.TLS1_VERSION,
    "TLSv1.1": SSL.TLS1_1_VERSION,
    "TLSv1.2": SSL.TLS1_2_VERSION,
    "TLSv1.3": SSL.TLS1_3_VERSION,
}
#: Suites of TLS 1.3 begin with it; they are chosen apart from those of older versions (RFC 8446 §B.4).
SUITE_PREFIX: Final = "TLS_"
#: OpenSSL signs nothing for versions before TLS 1.2 (SHA-1) at its usual level of security.
_LOW: Final = "@SECLEVEL=0"

_SUITES: Final = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
_CURVES: Final = ("X25519MLKEM768", "X25519", "prime256v1", "secp384r1")
#: Forward secrecy and authenticated encryption only.
_SOUND: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
_OLD: Final = (
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA256",
    "AES256-SHA256",
    "AES128-SHA",
    "AES256-SHA",
)


@dataclass(frozen=True)
class Offer:
    """
    What one side offers.

    :ivar versions: names of :data:`VERSIONS`, without a gap
    :ivar ciphers: OpenSSL's names of ciphers and IANA's of the suites of TLS 1.3, the preferred one first
    :ivar curves: groups for the exchange of keys, likewise; those that OpenSSL does not know here are left out; none: its own
    :ivar server_chooses: a server takes the first of its own order, not of the client's
    """

    versions: tuple[str, ...] = ("TLSv1.2", "TLSv1.3")
    ciphers: tuple[str, ...] = (*_SUITES, *_SOUND)
    curves: tuple[str, ...] = _CURVES
    server_chooses: bool = False


INTERMEDIATE: Final = Offer()
#: Towards peers we are the ones who connect: they choose a group of all that OpenSSL offers.
TO_PEERS: Final = replace(INTERMEDIATE, curves=())
PROFILES: Final = {
    "intermediate": INTERMEDIATE,
    "modern": replace(INTERMEDIATE, versions=("TLSv1.3",)),
    "old": Offer(tuple(VERSIONS), (*_SUITES, *_SOUND, *_OLD), _CURVES, server_chooses=True),
}


def offer_of(settings: TlsSettings) -> Offer:
    """The profile of *settings*, with what they say themselves instead; who names ciphers has an order in mind."""
    offer = PROFILES[settings.profile]
    if settings.versions:
        offer = replace(offer, versions=tuple(version for version in VERSIONS if version in settings.versions))
    if settings.ciphers:
        suites = tuple(name for name in settings.ciphers if name.startswith(SUITE_PREFIX))
        others = tuple(name for name in settings.ciphers if not name.startswith(SUITE_PREFIX))
        # Whoever names only those of one kind has nothing to say about the other.
        kept_suites = tuple(name for name in offer.ciphers if name.startswith(SUITE_PREFIX))
        kept_others = tuple(name for name in offer.ciphers if not name.startswith(SUITE_PREFIX))
        offer = replace(offer, ciphers=(*(suites or kept_suites), *(others or kept_others)), server_chooses=True)
    if settings.curves:
        offer = replace(offer, curves=settings.curves)
    return offer


def context_for(method: int, offer: Offer) -> SSL.Context:
    """
    A context that negotiates what *offer* says.

    :param method: ``SSL.TLS_SERVER_METHOD`` or ``SSL.TLS_CLIENT_METHOD``
    :raises SSL.Error: OpenSSL knows none of the ciphers
    """
    context = SSL.Context(method)
    versions = [VERSIONS[version] for version in offer.versions]
    context.set_min_proto_version(min(versions))
    context.set_max_proto_version(max(versions))
    options = SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION
    if offer.server_chooses:
        options |= SSL.OP_CIPHER_SERVER_PREFERENCE
    context.set_options(options)
    # An idle connection keeps no buffers: 34 KiB less for each.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    words = [name for name in offer.ciphers if not name.startswith(SUITE_PREFIX)]
    if min(versions) < SSL.TLS1_2_VERSION:
        words.append(_LOW)
    context.set_cipher_list(":".join(words).encode())
    context.set_tls13_ciphersuites(":".join(name for name in offer.ciphers if name.startswith(SUITE_PREFIX)).encode())
    if offer.curves:
        set_groups(context, tuple(filter(knows_curve, offer.curves)))
    return context


def knows_cipher(name: str) -> bool:
    """Whether OpenSSL has a cipher, or a suite of TLS 1.3, of that *name*."""
    context = SSL.Context(SSL.TLS_METHOD)
    try:
        if name.startswith(SUITE_PREFIX):
            context.set_tls13_ciphersuites(name.encode())
        else:
            # One that is there without encryption or without a certificate is none that a server may offer.
            context.set_cipher_list(f"{name}:!aNULL:!eNULL".encode())
    except SSL.Error:
        return False
    return True


def knows_curve(name: str) -> bool:
    """Whether OpenSSL has a group of that *name*."""
    known = _curves.get(name)
    if known is None:
        try:
            set_groups(SSL.Context(SSL.TLS_METHOD), (name,))
            known = True
        except ValueError:
            known = False
        if len(_curves) < 100:
            _curves[name] = known
    return known


_curves: Final[dict[str, bool]] = {}
