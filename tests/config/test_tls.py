"""[tls …] sections: what is wrong with them, and what is legal and still told."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.config.sites import SMALL, errors, loaded, warnings
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
            "versions = TLSv1.3 TLSv1.1",
            "13 [tls site] versions: TLSv1.2 is left out between others; name every version from oldest to newest",
        ),
    ],
)
def test_one_thing_is_wrong(line: str, problem: str) -> None:
    assert errors(SITE + line + "\n") == [problem]


def test_a_section_without_certificates_is_an_error() -> None:
    assert errors(SITE.replace("self_signed = localhost", "profile = old"))[0] == (
        "11 [tls site]: has no certificate; add certificates = CHAIN.pem KEY.pem, or self_signed = NAME"
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
    ],
)
def test_one_thing_is_told(line: str, told: str) -> None:
    assert warnings(SITE + line + "\n") == [told]


def test_a_certificate_is_warned_of_21_days_ahead(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = Authority(tmp_path)
    for days, expected in ((20.5, 1), (21.5, 0)):
        files = authority.issue("a.example", expires=now + timedelta(days=days))
        os.chmod(files.key, 0o600)
        text = SITE.replace("self_signed = localhost", f"certificates = {files.chain} {files.key}")
        assert len(load_text(text, "site.ini", {}).warnings) == expected


def test_every_knob_is_written_as_it_is_read() -> None:
    text = SITE + (
        "profile = old\nversions = TLSv1.2 TLSv1.3\nciphers = ECDHE-RSA-AES128-GCM-SHA256 TLS_AES_128_GCM_SHA256\n"
        "curves = X25519 secp384r1\nsession_timeout = 2h\nticket_rotation = 0\nwatch_interval = 1m\n"
    )
    settings = loaded(text).settings
    assert loaded(effective(settings), name="/srv/effective.ini").settings.tls == settings.tls
