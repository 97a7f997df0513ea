"""What is negotiated on ports with TLS: ciphers and curves that OpenSSL knows, and versions without a gap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from twistedproxy.config.problems import BadValue, Problem
from twistedproxy.config.reader import Section
from twistedproxy.config.scalars import Context
from twistedproxy.settings import TlsSettings
from twistedproxy.transport.profiles import SUITE_PREFIX, VERSIONS, knows_cipher, knows_curve, offer_of

#: What browsers have given up (RFC 8996).
_DEPRECATED: Final = ("TLSv1", "TLSv1.1")


def cipher(text: str, at: Context) -> str:
    """A name of OpenSSL's for a cipher, or of a suite of TLS 1.3."""
    if ":" in text:
        raise BadValue(f"{text!r} are several ciphers", f"split them by blanks: {text.replace(':', ' ')}")
    if not text.isascii() or not knows_cipher(text):
        raise BadValue(f"{text!r} is not a cipher that OpenSSL has here", "openssl ciphers -v lists them")
    return text


def curve(text: str, at: Context) -> str:
    """A name of OpenSSL's for a group."""
    if ":" in text:
        raise BadValue(f"{text!r} are several curves", f"split them by blanks: {text.replace(':', ' ')}")
    if not text.isascii() or not knows_curve(text):
        raise BadValue(f"{text!r} is not a curve that OpenSSL has here", "write for instance X25519, prime256v1 or secp384r1")
    return text


def errors(section: Section, settings: TlsSettings | None) -> Iterator[Problem]:
    """What is wrong with a [tls …] section as a whole; *settings* are None when they could not be made."""
    if not (section.gives("certificates") or section.gives("self_signed")):
        yield section.problem("", "has no certificate", "add certificates = CHAIN.pem KEY.pem, or self_signed = NAME")
    if settings is None:
        return
    known = list(VERSIONS)
    places = sorted(known.index(version) for version in settings.versions)
    if places and places != list(range(places[0], places[-1] + 1)):
        missing = next(known[place] for place in range(places[0], places[-1]) if place not in places)
        yield section.problem("versions", f"{missing} is left out between others", "name every version from oldest to newest")


def warnings(section: Section, settings: TlsSettings) -> Iterator[Problem]:
    """What of a [tls …] section is legal and dangerous, or without effect."""
    versions = offer_of(settings).versions
    old = [version for version in versions if version in _DEPRECATED]
    if old:
        key = "versions" if settings.versions else "profile"
        yield section.problem(key, f"{' and '.join(old)} can be attacked (RFC 8996)", "leave them to clients that know no other")
    has_suites, has_ciphers = "TLSv1.3" in versions, versions != ("TLSv1.3",)
    for name in settings.ciphers:
        if not (has_suites if name.startswith(SUITE_PREFIX) else has_ciphers):
            yield section.problem("ciphers", f"{name} has no effect with {' and '.join(versions)}", "remove it")
