"""Certificates from files, and self-signed ones that are made when there are none."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.transport.authority import Authority
from tests.transport.test_deadlines import Hands
from tests.transport.tls_wires import pool, tls
from twistedproxy.settings.tls import CertificateFiles
from twistedproxy.transport.certificates import CertificateProblem, load
from twistedproxy.transport.contexts import TlsClient, TlsServer
from twistedproxy.transport.self_signed import self_signed

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_names_are_the_alternative_names(authority: Authority) -> None:
    assert load(authority.issue("A.example", "*.b.example", "::1")).names == ("a.example", "*.b.example", "::1")


def test_the_common_name_counts_only_without_alternative_names(authority: Authority) -> None:
    assert load(authority.issue(alternatives=False, common_name="Old.example")).names == ("old.example",)
    assert load(authority.issue("new.example", common_name="old.example")).names == ("new.example",)


def test_a_missing_file_is_named(authority: Authority) -> None:
    files = authority.issue("a.example")
    with pytest.raises(CertificateProblem, match=r"absent.pem cannot be read: No such file"):
        load(CertificateFiles("absent.pem", files.key))


def test_an_encrypted_key_is_named(authority: Authority) -> None:
    with pytest.raises(CertificateProblem, match="is encrypted"):
        load(authority.issue("a.example", passphrase=b"secret"))


def test_what_is_no_certificate_is_named(authority: Authority) -> None:
    files = authority.issue("a.example")
    with pytest.raises(CertificateProblem, match="do not hold a certificate and its key"):
        load(CertificateFiles(files.key, files.key))


def test_a_key_that_does_not_belong_is_refused(authority: Authority, tmp_path: Path) -> None:
    files = CertificateFiles(authority.issue("a.example").chain, authority.issue("b.example").key)
    with pytest.raises(CertificateProblem, match=r"cannot be used: .*key values mismatch"):
        TlsServer(tls(files), str(tmp_path), Hands())


def test_a_section_without_certificates_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CertificateProblem, match="neither certificates nor self_signed"):
        TlsServer(tls(), str(tmp_path), Hands())


def test_authorities_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_bytes(b"")
    with pytest.raises(CertificateProblem, match=r"empty\.pem"):
        TlsClient(pool(ca=str(empty)))


def test_a_self_signed_certificate_is_made_once(tmp_path: Path) -> None:
    path = str(tmp_path / "state" / "site.pem")
    names = ("localhost", "*.Demo.example", "bücher.example", "127.0.0.1", "::1")
    made = self_signed(path, names, NOW)
    assert set(made.names) == {"localhost", "*.demo.example", "xn--bcher-kva.example", "127.0.0.1", "::1"}
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert os.listdir(tmp_path / "state") == ["site.pem"]
    assert self_signed(path, names, NOW + timedelta(days=300)).chain == made.chain
    certificate = made.chain[0]
    assert certificate.not_valid_before_utc < NOW < certificate.not_valid_after_utc < NOW + timedelta(days=398)


def test_it_is_renewed_before_it_expires(tmp_path: Path) -> None:
    path = str(tmp_path / "site.pem")
    made = self_signed(path, ("localhost",), NOW)
    later = NOW + timedelta(days=391)
    renewed = self_signed(path, ("localhost",), later)
    assert renewed.chain != made.chain
    assert self_signed(path, ("localhost",), later).chain == renewed.chain


def test_it_is_made_anew_for_other_names_and_when_the_file_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "site.pem"
    made = self_signed(str(path), ("localhost",), NOW)
    other = self_signed(str(path), ("localhost", "demo.example"), NOW)
    assert other.chain != made.chain
    path.write_bytes(b"damaged")
    path.chmod(0o644)
    assert self_signed(str(path), ("localhost",), NOW).names == ("localhost",)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_state_dir_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(CertificateProblem, match=r"cannot be written: .*state_dir"):
        self_signed(str(tmp_path / "file" / "site.pem"), ("localhost",), NOW)


def test_sections_keep_their_certificates_apart(tmp_path: Path) -> None:
    hands = Hands(NOW.timestamp())
    for name in ("a b", "a_b", "../up"):
        settings = tls(self_signed=("localhost",))
        TlsServer(type(settings)(name, self_signed=settings.self_signed), str(tmp_path / "state"), hands)
    assert len(os.listdir(tmp_path / "state")) == 3
    assert os.listdir(tmp_path) == ["state"]
