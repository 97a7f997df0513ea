"""Several certificates for one name, and what the profiles offer, as clients see it."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.transport.authority import Authority
from tests.transport.test_deadlines import Hands
from tests.transport.tls_wires import Foreign, arrive, foreign_client, tls
from tests.transport.wires import Epoll
from twistedproxy.settings.tls import TlsSettings
from twistedproxy.transport.certificates import load
from twistedproxy.transport.contexts import TlsServer
from twistedproxy.transport.credentials import Credential, by_name
from twistedproxy.transport.profiles import PROFILES, knows_cipher, knows_curve, offer_of


@pytest.fixture
def poller() -> Iterator[Epoll]:
    made = Epoll()
    yield made
    made.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def shown(foreign: Foreign) -> tuple[str, str]:
    """The kind of the key and the common name of what the server showed."""
    data = foreign.tls.getpeercert(True)
    assert data is not None
    leaf = x509.load_der_x509_certificate(data)
    kind = {ec.EllipticCurvePublicKey: "ECDSA", rsa.RSAPublicKey: "RSA"}
    key = next(name for made, name in kind.items() if isinstance(leaf.public_key(), made))
    return key, str(leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


def only(kind: str) -> ssl.SSLContext:
    """A client of TLS 1.2 that can check keys of one *kind* only."""
    context = foreign_client(version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(f"ECDHE-{kind}-AES128-GCM-SHA256")
    return context


@pytest.mark.parametrize("kind", ["RSA", "ECDSA"])
@pytest.mark.parametrize("first", ["RSA", "ECDSA"])
def test_a_client_sees_the_kind_of_key_that_it_can_check(
    poller: Epoll, authority: Authority, tmp_path: Path, kind: str, first: str
) -> None:
    pair = [authority.issue("a.example", common_name=each, kind=each) for each in sorted(("RSA", "ECDSA"), key=first.__ne__)]
    server = TlsServer(tls(*pair), str(tmp_path), Hands())
    for name in ("a.example", "unknown.example", None):
        _, foreign = arrive(poller, server, only(kind), name=name)
        assert shown(foreign) == (kind, kind)


def test_each_kind_is_shown_with_its_own_chain(poller: Epoll, tmp_path: Path) -> None:
    pair = []
    for number, kind in enumerate(("RSA", "ECDSA")):
        directory = tmp_path / kind
        directory.mkdir()
        issuer = Authority(directory, f"Authority {number}")
        files = issuer.issue("a.example", kind=kind)
        with open(files.chain, "ab") as chain:
            chain.write(Path(issuer.path).read_bytes())
        pair.append(files)
    server = TlsServer(tls(*pair), str(tmp_path), Hands())
    for number, kind in enumerate(("RSA", "ECDSA")):
        context = only(kind)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(str(tmp_path / kind / f"Authority {number}.pem"))
        _, foreign = arrive(poller, server, context, name="a.example")
        assert shown(foreign)[0] == kind
    assert len(os.listdir("/proc/self/fd")) < 200


def credential(authority: Authority, *names: str, kind: str = "ECDSA") -> Credential:
    files = authority.issue(*names, kind=kind)
    return Credential(load(files), files.chain)


def test_names_have_the_first_of_each_kind_and_an_exact_one_is_completed_by_its_wildcard(authority: Authority) -> None:
    exact = credential(authority, "www.a.example", kind="RSA")
    wild = credential(authority, "*.a.example", "a.example")
    later = credential(authority, "a.example", kind="ECDSA")
    assert by_name([exact, wild, later]) == {
        "www.a.example": (wild, exact),
        "*.a.example": (wild,),
        "a.example": (wild,),
    }


def test_what_is_shown_can_be_told(authority: Authority) -> None:
    made = credential(authority, "a.example", kind="RSA")
    assert (made.kind, made.names, made.issuer, len(made.fingerprint)) == ("RSA", ("a.example",), "CN=Test Authority", 64)


# Profiles.


def negotiates(poller: Epoll, authority: Authority, tmp_path: Path, context: ssl.SSLContext, **knobs: object) -> str:
    """Version and cipher that a client with *context* gets; raises ssl.SSLError when it gets none."""
    server = TlsServer(tls(authority.issue("a.example", kind="RSA"), **knobs), str(tmp_path), Hands())
    arrival, _ = arrive(poller, server, context, name="a.example")
    return f"{arrival.connection.tls_version} {arrival.connection.cipher}"


def test_the_modern_profile_speaks_tls_1_3_only(poller: Epoll, authority: Authority, tmp_path: Path) -> None:
    assert negotiates(poller, authority, tmp_path, foreign_client(), profile="modern").startswith("TLSv1.3 ")
    with pytest.raises(ssl.SSLError):
        negotiates(poller, authority, tmp_path, foreign_client(version=ssl.TLSVersion.TLSv1_2), profile="modern")


def test_the_intermediate_profile_is_the_default_and_has_forward_secrecy_only(
    poller: Epoll, authority: Authority, tmp_path: Path
) -> None:
    assert TlsSettings("site").profile == "intermediate"
    context = foreign_client(version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384")
    assert negotiates(poller, authority, tmp_path, context) == "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384"
    context.set_ciphers("AES128-GCM-SHA256")
    with pytest.raises(ssl.SSLError):
        negotiates(poller, authority, tmp_path, context)


def test_the_client_chooses_among_what_the_intermediate_profile_offers(
    poller: Epoll, authority: Authority, tmp_path: Path
) -> None:
    for first in ("ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-GCM-SHA256"):
        context = foreign_client(version=ssl.TLSVersion.TLSv1_2)
        context.set_ciphers(f"{first}:ECDHE-RSA-AES256-GCM-SHA384")
        assert negotiates(poller, authority, tmp_path, context) == f"TLSv1.2 {first}"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2])
def test_the_old_profile_speaks_to_old_clients_and_chooses_itself(
    poller: Epoll, authority: Authority, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("AES256-SHA:ECDHE-RSA-AES128-SHA:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    got = negotiates(poller, authority, tmp_path, context, profile="old")
    assert got == f"{version.name.replace('_', '.')} ECDHE-RSA-AES128-SHA"


def test_ciphers_of_the_site_are_taken_in_its_order(poller: Epoll, authority: Authority, tmp_path: Path) -> None:
    context = foreign_client(version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384")
    ciphers = ("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256")
    assert negotiates(poller, authority, tmp_path, context, ciphers=ciphers).endswith("ECDHE-RSA-AES256-GCM-SHA384")
    # Nothing was said of TLS 1.3.
    assert negotiates(poller, authority, tmp_path, foreign_client(), ciphers=ciphers).startswith("TLSv1.3 TLS_AES")
    suites = ("TLS_CHACHA20_POLY1305_SHA256",)
    assert negotiates(poller, authority, tmp_path, foreign_client(), ciphers=suites) == "TLSv1.3 TLS_CHACHA20_POLY1305_SHA256"


def test_only_the_curves_of_the_site_are_taken(poller: Epoll, authority: Authority, tmp_path: Path) -> None:
    context = foreign_client()
    context.set_ecdh_curve("secp384r1")
    assert negotiates(poller, authority, tmp_path, context, curves=("secp384r1",)).startswith("TLSv1.3")
    with pytest.raises(ssl.SSLError):
        negotiates(poller, authority, tmp_path, context, curves=("X25519",))


def test_versions_of_the_site_stand_in_for_the_profiles() -> None:
    offer = offer_of(TlsSettings("site", profile="old", versions=("TLSv1.3", "TLSv1.2")))
    assert offer.versions == ("TLSv1.2", "TLSv1.3")
    assert offer.ciphers == PROFILES["old"].ciphers


def test_every_name_of_the_profiles_is_known_to_openssl() -> None:
    for profile in PROFILES.values():
        assert all(map(knows_cipher, profile.ciphers))
        assert all(map(knows_curve, profile.curves[1:]))
    assert not knows_cipher("eNULL")
    assert not knows_cipher("nonsense")
    assert not knows_cipher("TLS_NONSENSE")
    assert not knows_curve("nonsense")
