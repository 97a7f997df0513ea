"""[tls …] sections: what is wrong with them, and what is legal and still told."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.config.sites import SMALL, errors, loaded, warnings
from tests.tls.responder import Issuer
from tests.transport.authority import Authority
from twistedproxy.config.effective import effective
from twistedproxy.config.load import load_text

SITE = SMALL + "[listen https]\non = tcp:8443\ntls = site\n[tls site]\nself_signed = localhost\n"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("profile = modren", "13 [tls site] profile: 'modren' is not known here; did you mean modern?"),
        (
            "ciphers = AES128-NOTHING",
            "13 [tls site] ciphers: 'AES128-NOTHING' is not a cipher that OpenSSL has here; openssl ciphers -v lists them",
        ),
        (
            "ciphers = AES128-SHA:AES256-SHA",
            "13 [tls site] ciphers: 'AES128-SHA:AES256-SHA' are several ciphers; split them by blanks: AES128-SHA AES256-SHA",
        ),
        (
            "curves = X25518",
            "13 [tls site] curves: 'X25518' is not a curve that OpenSSL has here; "
            "write for instance X25519, prime256v1 or secp384r1",
        ),
        (
            "acme = letsencript",
            "13 [tls site] acme: 'letsencript' is not a directory; write its https:// URL, or letsencrypt or letsencrypt-staging",
        ),
        ("acme = letsencrypt", "13 [tls site] acme: there are no names; add names = …, for which a certificate is wanted"),
        (
            "acme = letsencrypt\nnames = *.example.com",
            "14 [tls site] names: '*.example.com' is a wildcard; "
            "only DNS can show that one is ours: get it by certbot, and name the files",
        ),
        (
            "acme = letsencrypt\nnames = localhost",
            "14 [tls site] names: 'localhost' is no public name; write a name in DNS, or an address",
        ),
        (
            "acme = letsencrypt\nnames = a.example\nemail = me",
            "15 [tls site] email: 'me' is not an e-mail address; write for instance admin@example.com",
        ),
        (
            "acme = letsencrypt\nnames = a.example\nacme_account = me",
            "15 [tls site] acme_account: these are not a key identifier and a key; "
            "write KID HMAC_KEY as the authority has given them",
        ),
        (
            "verify_client = require",
            "13 [tls site] verify_client: there is no client_ca; name the file of the authorities whose clients come in",
        ),
        ("hsts = soon", "13 [tls site] hsts: 'soon' is not a duration; write for instance 250ms, 5s, 10m, 24h or 30d"),
        (
            "hsts = 1d includeSubdomains",
            "13 [tls site] hsts: 'includeSubdomains' is not a word of hsts; did you mean includeSubDomains?",
        ),
        ("hsts = 1d preload preload", "13 [tls site] hsts: preload is said twice; remove one"),
        (
            "versions = TLSv1.3 TLSv1.1",
            "13 [tls site] versions: TLSv1.2 is left out between others; name every version from oldest to newest",
        ),
    ],
)
def test_one_thing_is_wrong(line: str, problem: str) -> None:
    assert errors(SITE + line + "\n") == [problem]


def test_a_section_without_certificates_is_an_error() -> None:
    assert errors(SITE.replace("self_signed = localhost", "profile = old"))[0] == (
        "11 [tls site]: has no certificate; add certificates = CHAIN.pem KEY.pem, acme = …, or self_signed = NAME"
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "profile = old",
            "13 [tls site] profile: TLSv1 and TLSv1.1 can be attacked (RFC 8996); leave them to clients that know no other",
        ),
        (
            "versions = TLSv1.1 TLSv1.2",
            "13 [tls site] versions: TLSv1.1 can be attacked (RFC 8996); leave them to clients that know no other",
        ),
        (
            "profile = modern\nciphers = ECDHE-RSA-AES128-GCM-SHA256",
            "14 [tls site] ciphers: ECDHE-RSA-AES128-GCM-SHA256 has no effect with TLSv1.3; remove it",
        ),
        (
            "versions = TLSv1.2\nciphers = TLS_AES_128_GCM_SHA256",
            "14 [tls site] ciphers: TLS_AES_128_GCM_SHA256 has no effect with TLSv1.2; remove it",
        ),
        (
            "email = me@example.com",
            "13 [tls site] email: has no effect without acme; add acme = letsencrypt, or remove the line",
        ),
        (
            "client_depth = 1",
            "13 [tls site] client_depth: has no effect: verify_client is no; add verify_client = require, or remove the line",
        ),
        (
            "hsts = 90d includeSubDomains preload",
            "13 [tls site] hsts: browsers preload only a year or more, with all subdomains; "
            "write hsts = 365d includeSubDomains preload",
        ),
        (
            "[route /x]\npool = app\nrequire_client_cert = yes",
            "15 [route /x] require_client_cert: nobody is let in: no listener of the route asks for certificates; "
            "add verify_client = optional to the [tls …] section of its listener",
        ),
        (
            "[route /x]\npool = app\nclient_cert_headers = yes",
            "15 [route /x] client_cert_headers: has no effect: no listener of the route asks for certificates; "
            "add verify_client = optional to the [tls …] section of its listener",
        ),
    ],
)
def test_one_thing_is_told(line: str, told: str) -> None:
    assert warnings(SITE + line + "\n") == [told]


def test_an_authority_that_asks_by_plain_http_needs_a_plain_listener() -> None:
    text = SITE.replace("[listen http]\non = tcp:8080\n", "") + "acme = letsencrypt\nnames = a.example\n"
    assert warnings(text) == [
        "11 [tls site] acme: the authority asks by plain HTTP, and no listener is plain; "
        "add a [listen …] with on = tcp:80, or write challenge = tls-alpn-01"
    ]
    assert warnings(text + "challenge = tls-alpn-01\n") == []


def test_a_certificate_is_warned_of_21_days_ahead(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = Authority(tmp_path)
    for days, expected in ((20.5, 1), (21.5, 0)):
        files = authority.issue("a.example", expires=now + timedelta(days=days))
        os.chmod(files.key, 0o600)
        text = SITE.replace("self_signed = localhost", f"certificates = {files.chain} {files.key}")
        assert len(load_text(text, "site.ini", {}).warnings) == expected


def test_a_cache_that_mixes_what_clients_with_certificates_get_is_told_of(tmp_path: Path) -> None:
    verifying = SITE + f"verify_client = optional\nclient_ca = {Authority(tmp_path).path}\n[cache c]\ndirectory = c\n"
    route = "[route /x]\npool = app\ncache = c\nclient_cert_headers = yes\n"
    assert warnings(verifying + route) == [
        "20 [route /x] client_cert_headers: what a peer answers to one certificate is served to all; "
        "put {client_cert.fingerprint} into cache_key"
    ]
    assert warnings(verifying + route + "cache_key = {scheme}://{host}{uri}{client_cert.fingerprint}\n") == []


def test_a_certificate_to_which_nothing_can_be_stapled_is_told_of(tmp_path: Path) -> None:
    for url, chained, told in (
        (None, True, "names no OCSP responder: nothing can be stapled to it"),
        ("http://o.example", False, "has no issuer: nothing can be stapled to it; append the issuer's certificate"),
        ("http://o.example", True, ""),
    ):
        files = Issuer(url).files(tmp_path, chained=chained)
        os.chmod(files.key, 0o600)
        text = SITE.replace("self_signed = localhost", f"certificates = {files.chain} {files.key}\nocsp = yes")
        assert warnings(text) == ([f"12 [tls site] certificates: {files.chain} {told}"] if told else [])


def test_revocations_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    line = f"verify_client = require\nclient_ca = {authority.path}\nclient_crl = {authority.path}\n"
    assert errors(SITE + line) == [
        f"15 [tls site] client_crl: {authority.path} holds no list of revoked certificates (-----BEGIN X509 CRL-----); "
        "openssl crl -inform DER turns one into PEM"
    ]
    assert errors(SITE + line.replace(f"crl = {authority.path}", f"crl = {authority.revoke()}")) == []


def test_a_list_of_revoked_certificates_that_has_ended_is_told_of(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    for days, told in ((-1, "no certificate of its clients is believed"), (5, "fetch a new one"), (90, "")):
        crl = authority.revoke(until=datetime.now(UTC) + timedelta(days=days))
        found = warnings(SITE + f"verify_client = require\nclient_ca = {authority.path}\nclient_crl = {crl}\n")
        assert len(found) == bool(told)
        assert all(each.startswith(f"15 [tls site] client_crl: {crl}: the list of CN=Test Authority end") for each in found)
        assert all(each.endswith(told) for each in found)


def test_every_knob_is_written_as_it_is_read() -> None:
    text = SITE + (
        "profile = old\nversions = TLSv1.2 TLSv1.3\nciphers = ECDHE-RSA-AES128-GCM-SHA256 TLS_AES_128_GCM_SHA256\n"
        "curves = X25519 secp384r1\nhsts = 30d includeSubDomains\n"
        "acme = letsencrypt\nnames = a.example 192.0.2.1\nemail = a@b.example\nchallenge = tls-alpn-01\n"
        "acme_account = kid zWNDZM6eQGHWpSRTPal5eIUYFTu7EajV\nocsp = yes\n"
        "session_timeout = 2h\nticket_rotation = 0\nwatch_interval = 1m\n"
    )
    settings = loaded(text).settings
    assert loaded(effective(settings), name="/srv/effective.ini").settings.tls == settings.tls
