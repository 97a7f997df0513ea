"""What is negotiated on ports with TLS: ciphers and curves that OpenSSL knows, and versions without a gap."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from twistedproxy.config import files, network
from twistedproxy.config.problems import BadValue, Problem
from twistedproxy.config.reader import Section
from twistedproxy.config.scalars import Context, duration, write_duration
from twistedproxy.settings.listen import ListenSettings
from twistedproxy.settings.route_knobs import RouteKnobs
from twistedproxy.settings.tls import AcmeBinding, HstsSettings, TlsSettings
from twistedproxy.spelling import choose_from
from twistedproxy.tls import expiry
from twistedproxy.tls.ocsp import issuer_of, responder_of
from twistedproxy.transport.certificates import load_revocations
from twistedproxy.transport.profiles import SUITE_PREFIX, VERSIONS, knows_cipher, knows_curve, offer_of

_DIRECTORIES: Final = {
    "letsencrypt": "https://acme-v02.api.letsencrypt.org/directory",
    "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}
_URL: Final = re.compile(r"https://[!-~]+")
_EMAIL: Final = re.compile(r"[!-?A-~]+@[A-Za-z0-9.-]+")
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_=-]{16,}")
_ONLY_WITH_ACME: Final = ("names", "email", "challenge", "acme_ca", "acme_account")
_HSTS_WORDS: Final = ("includeSubDomains", "preload")
#: What the lists of browsers ask of a site at least (https://hstspreload.org): seconds.
_PRELOADED: Final = 365 * 86_400
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


def acme_directory(text: str, at: Context) -> str:
    """An ``https://`` URL, or the name of a well-known one."""
    if text in _DIRECTORIES:
        return _DIRECTORIES[text]
    if not _URL.fullmatch(text):
        raise BadValue(f"{text!r} is not a directory", f"write its https:// URL, or {' or '.join(_DIRECTORIES)}")
    return text


def acme_name(text: str, at: Context) -> str:
    """A name or an address that an authority can look at."""
    if text.startswith("*."):
        raise BadValue(f"{text!r} is a wildcard", "only DNS can show that one is ours: get it by certbot, and name the files")
    name = network.host_name(text, at)
    if "." not in name.strip(".") and ":" not in name:
        raise BadValue(f"{text!r} is no public name", "write a name in DNS, or an address")
    return name


def email(text: str, at: Context) -> str:
    """An address of mail."""
    if not _EMAIL.fullmatch(text):
        raise BadValue(f"{text!r} is not an e-mail address", "write for instance admin@example.com")
    return text


def acme_binding(text: str, at: Context) -> AcmeBinding:
    """``KID HMAC_KEY``."""
    words = text.split()
    if len(words) != 2 or not _BASE64URL.fullmatch(words[1]):
        raise BadValue("these are not a key identifier and a key", "write KID HMAC_KEY as the authority has given them")
    return AcmeBinding(*words)


def write_acme_binding(value: AcmeBinding) -> str:
    """As :func:`acme_binding` reads it."""
    return f"{value.kid} {value.hmac_key}"


def hsts(text: str, at: Context) -> HstsSettings:
    """``DURATION [includeSubDomains] [preload]``."""
    age, *words = text.split()
    for word in words:
        if word not in _HSTS_WORDS:
            raise BadValue(f"{word!r} is not a word of hsts", choose_from(word, _HSTS_WORDS))
        if words.count(word) > 1:
            raise BadValue(f"{word} is said twice", "remove one")
    return HstsSettings(duration(age, at), "includeSubDomains" in words, "preload" in words)


def write_hsts(value: HstsSettings) -> str:
    """As :func:`hsts` reads it."""
    words = [word for word, said in zip(_HSTS_WORDS, (value.subdomains, value.preload), strict=True) if said]
    return " ".join([write_duration(value.max_age), *words])


def errors(section: Section, settings: TlsSettings | None) -> Iterator[Problem]:
    """What is wrong with a [tls …] section as a whole; *settings* are None when they could not be made."""
    if not (section.gives("certificates") or section.gives("self_signed") or section.gives("acme")):
        yield section.problem("", "has no certificate", "add certificates = CHAIN.pem KEY.pem, acme = …, or self_signed = NAME")
    if settings is None:
        return
    if settings.acme is not None and not section.gives("names"):
        yield section.problem("acme", "there are no names", "add names = …, for which a certificate is wanted")
    if settings.verify_client != "no" and settings.client_ca is None:
        yield section.problem("verify_client", "there is no client_ca", "name the file of the authorities whose clients come in")
    known = list(VERSIONS)
    places = sorted(known.index(version) for version in settings.versions)
    if places and places != list(range(places[0], places[-1] + 1)):
        missing = next(known[place] for place in range(places[0], places[-1]) if place not in places)
        yield section.problem("versions", f"{missing} is left out between others", "name every version from oldest to newest")


def warnings(section: Section, settings: TlsSettings, doors: Iterable[ListenSettings]) -> Iterator[Problem]:
    """What of a [tls …] section is legal and dangerous, or without effect; *doors*: the listeners of the site."""
    if settings.acme is None:
        for key in _ONLY_WITH_ACME:
            if section.gives(key):
                yield section.problem(key, "has no effect without acme", "add acme = letsencrypt, or remove the line")
    elif settings.challenge == "http-01" and all(door.tls is not None for door in doors):
        yield section.problem(
            "challenge" if section.gives("challenge") else "acme",
            "the authority asks by plain HTTP, and no listener is plain",
            "add a [listen …] with on = tcp:80, or write challenge = tls-alpn-01",
        )
    versions = offer_of(settings).versions
    old = [version for version in versions if version in _DEPRECATED]
    if old:
        key = "versions" if settings.versions else "profile"
        yield section.problem(key, f"{' and '.join(old)} can be attacked (RFC 8996)", "leave them to clients that know no other")
    has_suites, has_ciphers = "TLSv1.3" in versions, versions != ("TLSv1.3",)
    for name in settings.ciphers:
        if not (has_suites if name.startswith(SUITE_PREFIX) else has_ciphers):
            yield section.problem("ciphers", f"{name} has no effect with {' and '.join(versions)}", "remove it")
    if settings.ocsp:
        yield from _without_responder(section, settings)
    if settings.client_crl is not None:
        now = datetime.now(UTC)
        for line in expiry.revocation_warnings(settings.client_crl, load_revocations(settings.client_crl), now):
            yield section.problem("client_crl", line)
    hsts = settings.hsts
    if hsts is not None and hsts.preload and not (hsts.subdomains and hsts.max_age >= _PRELOADED):
        remedy = "write hsts = 365d includeSubDomains preload"
        yield section.problem("hsts", "browsers preload only a year or more, with all subdomains", remedy)
    if settings.verify_client == "no":
        for key in ("client_ca", "client_depth", "client_crl"):
            if section.gives(key):
                yield section.problem(
                    key, "has no effect: verify_client is no", "add verify_client = require, or remove the line"
                )


def _without_responder(section: Section, settings: TlsSettings) -> Iterator[Problem]:
    """Certificates for which ocsp = yes has no effect."""
    for number, pair in enumerate(settings.certificates):
        line = section.entries["certificates"].items[number].line
        chain = files.chain_of(pair.chain)
        if responder_of(chain[0]) is None:
            yield section.problem("certificates", f"{pair.chain} names no OCSP responder: nothing can be stapled to it", "", line)
        elif issuer_of(tuple(chain)) is None:
            yield section.problem(
                "certificates",
                f"{pair.chain} has no issuer: nothing can be stapled to it",
                "append the issuer's certificate",
                line,
            )


def route_warnings(section: Section, route: RouteKnobs, doors: Iterable[TlsSettings]) -> Iterator[Problem]:
    """What of a route's say on certificates of clients is without effect, or dangerous; *doors*: the [tls …] of its listeners."""
    asked = any(tls.verify_client != "no" for tls in doors)
    for key in ("client_cert_headers", "require_client_cert"):
        if section.gives(key) and getattr(route, key) and not asked:
            effect = "nobody is let in" if key == "require_client_cert" else "has no effect"
            remedy = "add verify_client = optional to the [tls …] section of its listener"
            yield section.problem(key, f"{effect}: no listener of the route asks for certificates", remedy)
    if route.client_cert_headers and route.cache is not None and asked and "{client_cert." not in (route.cache_key or ""):
        yield section.problem(
            "client_cert_headers" if section.gives("client_cert_headers") else "cache",
            "what a peer answers to one certificate is served to all",
            "put {client_cert.fingerprint} into cache_key",
        )
