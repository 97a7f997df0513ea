"""Clients that show certificates: which are believed, and what is known of them."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.tls.files import at_once
from tests.transport.authority import Authority
from tests.transport.test_deadlines import Hands
from tests.transport.tls_wires import Arrival, Door, Foreign, foreign_client, tls
from tests.transport.wires import Epoll, turn_until
from twistedproxy.settings.tls import CertificateFiles
from twistedproxy.tls.watch import Watch
from twistedproxy.transport.certificates import CertificateProblem
from twistedproxy.transport.client_certificates import ClientCert
from twistedproxy.transport.contexts import TlsServer

BOTH_VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@pytest.fixture
def poller() -> Iterator[Epoll]:
    made = Epoll()
    yield made
    made.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "Clients")


def server_for(authority: Authority, tmp_path: Path, **knobs: Any) -> TlsServer:
    knobs = {"verify_client": "optional", "client_ca": authority.path, **knobs}
    return TlsServer(tls(authority.issue("a.example"), **knobs), str(tmp_path), Hands())


def visit(
    poller: Epoll,
    server: TlsServer,
    files: CertificateFiles | None,
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    session: ssl.SSLSession | None = None,
    context: ssl.SSLContext | None = None,
) -> tuple[Arrival, Foreign]:
    """How the visit of a client that shows *files* went, on our side and on its own."""
    context = context or foreign_client(version=version)
    if files is not None:
        context.load_cert_chain(files.chain, files.key)
    door = Door()
    sock = door.visit()
    sock.connect(door.name)
    arrival = Arrival(poller, door.accept(), server)
    door.close()
    foreign = Foreign(sock, context, "a.example", session)
    try:
        foreign.handshake(poller)
    except (ssl.SSLError, ConnectionError):
        pass
    turn_until(poller, lambda: arrival.over)
    return arrival, foreign


def problem(arrival: Arrival) -> str:
    (found,) = arrival.problems
    assert found.unverified
    return str(found)


@BOTH_VERSIONS
def test_a_certificate_of_a_known_authority_is_believed(
    poller: Epoll, authority: Authority, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    files = authority.issue(alternatives=False, common_name="Alice")
    arrival, _ = visit(poller, server_for(authority, tmp_path), files, version)
    shown = arrival.connection.client_certificate
    assert shown is not None
    cert = ClientCert.of(shown)
    assert (cert.subject, cert.issuer) == ("CN=Alice", "CN=Clients")
    leaf = x509.load_pem_x509_certificate(Path(files.chain).read_bytes())
    assert cert.fingerprint == leaf.fingerprint(hashes.SHA256()).hex()
    assert int(cert.serial, 16) == leaf.serial_number
    assert cert.expires == leaf.not_valid_after_utc.timestamp()


@pytest.mark.parametrize("verify", ["optional", "require"])
def test_the_handshake_of_a_client_without_one_succeeds(poller: Epoll, authority: Authority, tmp_path: Path, verify: str) -> None:
    arrival, _ = visit(poller, server_for(authority, tmp_path, verify_client=verify), None)
    assert arrival.connection.client_certificate is None


@BOTH_VERSIONS
def test_where_nobody_can_be_told_the_handshake_insists(
    poller: Epoll, authority: Authority, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    for verify, told in (("require", ["the client has shown no certificate"]), ("optional", [])):
        settings = tls(authority.issue("a.example"), verify_client=verify, client_ca=authority.path)
        arrival, _ = visit(poller, TlsServer(settings, str(tmp_path), Hands(), insists=True), None, version)
        assert [str(each) for each in arrival.problems] == told


def test_nobody_is_asked_unless_the_site_says_so(poller: Epoll, authority: Authority, tmp_path: Path) -> None:
    server = server_for(authority, tmp_path, verify_client="no")
    arrival, _ = visit(poller, server, authority.issue("alice"))
    assert arrival.connection.client_certificate is None


@BOTH_VERSIONS
def test_a_certificate_of_an_unknown_authority_ends_the_handshake(
    poller: Epoll, authority: Authority, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other", "Strangers")
    arrival, _ = visit(poller, server_for(authority, tmp_path), stranger.issue("alice"), version)
    assert problem(arrival) == "the client's certificate was issued by an authority that is not known"


@BOTH_VERSIONS
def test_an_expired_certificate_ends_the_handshake(
    poller: Epoll, authority: Authority, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    files = authority.issue("alice", expires=datetime.now(UTC) - timedelta(days=1))
    arrival, _ = visit(poller, server_for(authority, tmp_path), files, version)
    assert problem(arrival) == "the client's certificate has expired"


def test_a_revoked_certificate_ends_the_handshake(poller: Epoll, authority: Authority, tmp_path: Path) -> None:
    revoked, sound = authority.issue("mallory"), authority.issue("alice")
    server = server_for(authority, tmp_path, client_crl=authority.revoke(revoked.chain))
    assert problem(visit(poller, server, revoked)[0]) == "the client's certificate was revoked"
    assert visit(poller, server, sound)[0].problems == []


def test_a_list_that_has_expired_lets_nobody_in(poller: Epoll, authority: Authority, tmp_path: Path) -> None:
    server = server_for(authority, tmp_path, client_crl=authority.revoke(until=datetime.now(UTC) - timedelta(days=1)))
    arrival, _ = visit(poller, server, authority.issue("alice"))
    assert problem(arrival) == "the client's certificate cannot be checked: the list of those revoked has expired"


@BOTH_VERSIONS
def test_a_resumed_session_knows_its_client_and_none_is_resumed_after_a_revocation(
    poller: Epoll, authority: Authority, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    files = authority.issue(alternatives=False, common_name="Mallory")
    crl = authority.revoke()
    server = server_for(authority, tmp_path, client_crl=crl)
    hands = Hands()
    watch = Watch([server], at_once, hands, hands.reactor)
    context = foreign_client(version=version)
    _, foreign = visit(poller, server, files, context=context)
    foreign.read()
    session = foreign.tls.session
    arrival, foreign = visit(poller, server, files, session=session, context=context)
    assert arrival.connection.session_reused
    shown = arrival.connection.client_certificate
    assert shown is not None
    assert ClientCert.of(shown).subject == "CN=Mallory"

    authority.revoke(files.chain)
    watch.look()
    arrival, _ = visit(poller, server, files, session=session, context=context)
    assert problem(arrival) == "the client's certificate was revoked"


@BOTH_VERSIONS
def test_the_certificate_of_another_name_asks_for_the_same(
    poller: Epoll, authority: Authority, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other", "Strangers")
    settings = tls(
        authority.issue("default.example"), authority.issue("a.example"), verify_client="require", client_ca=authority.path
    )
    server = TlsServer(settings, str(tmp_path), Hands())
    arrival, foreign = visit(poller, server, authority.issue(alternatives=False, common_name="Alice"), version)
    shown = foreign.tls.getpeercert(True)
    assert shown is not None
    names = x509.load_der_x509_certificate(shown).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.example"]
    assert arrival.connection.client_certificate is not None
    assert "not known" in problem(visit(poller, server, stranger.issue("alice"), version)[0])


def test_a_chain_may_be_as_deep_as_the_site_says(poller: Epoll, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "middle").mkdir()
    middle = authority.deputy(tmp_path / "middle", "Middle")
    files = middle.issue("alice")
    with open(files.chain, "ab") as chain:
        chain.write(Path(middle.path).read_bytes())
    assert visit(poller, server_for(authority, tmp_path, client_depth=1), files)[0].problems == []
    assert "too long a chain" in problem(visit(poller, server_for(authority, tmp_path, client_depth=0), files)[0])
    # Who believes the one in the middle needs to know nothing of the one above.
    assert visit(poller, server_for(authority, tmp_path, client_ca=middle.path), files)[0].problems == []


def test_what_is_no_visible_ascii_is_escaped_in_names() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Jürgen\r\nX-Admin: 1, Dr.")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(255)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    assert ClientCert.of(made).subject == r"CN=J\C3\BCrgen\0D\0AX-Admin: 1\, Dr."
    assert ClientCert.of(made).serial == "FF"


def test_authorities_and_revocations_that_cannot_be_read_are_named(authority: Authority, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_bytes(b"")
    with pytest.raises(CertificateProblem, match=r"empty\.pem holds no certificate"):
        server_for(authority, tmp_path, client_ca=str(empty))
    with pytest.raises(CertificateProblem, match=r"empty\.pem holds no list"):
        server_for(authority, tmp_path, client_crl=str(empty))
    with pytest.raises(CertificateProblem, match="no client_ca"):
        server_for(authority, tmp_path, client_ca=None)
