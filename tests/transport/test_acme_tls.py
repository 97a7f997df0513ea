"""Validators of an authority are told from clients, and shown what they want to see (RFC 8737)."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterator

import pytest
from cryptography import x509

from tests.transport.tls_wires import Arrival, Door, Foreign, foreign_client
from tests.transport.wires import Epoll, turn_until
from twistedproxy.transport.acme_tls import MOST, AcmeTls, Beginning, beginning

NOW = 1_800_000_000.0


@pytest.fixture
def poller() -> Iterator[Epoll]:
    made = Epoll()
    yield made
    made.close()


def hello(*protocols: str, name: str = "a.example") -> bytes:
    """What a client that offers *protocols* begins with."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = foreign_client(alpn=list(protocols)) if protocols else foreign_client()
    client = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def told(data: bytes) -> Beginning | int:
    """What *data* is found to be when it comes byte by byte."""
    for size in range(1, len(data) + 1):
        found = beginning(data[:size])
        if isinstance(found, Beginning):
            return found
        assert found > size, "it would be asked again for what is there"
    return found


def test_a_validator_is_who_offers_one_protocol_only() -> None:
    assert told(hello("acme-tls/1")) is Beginning.VALIDATOR
    assert told(hello("acme-tls/1", name="a" * 60 + ".example")) is Beginning.VALIDATOR
    for protocols in ((), ("h2", "http/1.1"), ("acme-tls/1", "h2"), ("h2", "acme-tls/1"), ("acme-tls/2",)):
        assert told(hello(*protocols)) is Beginning.OTHER


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"\x80", b"\x15\x03\x01", b"\x16\x03\x01\xff\xff" + b"x" * MOST])
def test_what_is_no_handshake_is_somebody_else(data: bytes) -> None:
    assert beginning(data) is Beginning.OTHER


def visit(poller: Epoll, shown: AcmeTls, context: ssl.SSLContext, name: str) -> tuple[Arrival, Foreign]:
    door = Door()
    sock = door.visit()
    sock.connect(door.name)
    arrival = Arrival(poller, door.accept(), shown)
    door.close()
    foreign = Foreign(sock, context, name)
    try:
        foreign.handshake(poller)
    finally:
        turn_until(poller, lambda: arrival.over)
    return arrival, foreign


def test_each_name_has_its_proof_until_it_was_seen(poller: Epoll) -> None:
    shown = AcmeTls()
    assert not shown.is_pending
    shown.add("a.example", "token.one", NOW)
    shown.add("b.example", "token.two", NOW)
    assert shown.is_pending
    for name, proof in (("a.example", b"token.one"), ("b.example", b"token.two"), ("B.Example", b"token.two")):
        arrival, foreign = visit(poller, shown, foreign_client(alpn=["acme-tls/1"]), name)
        assert arrival.connection.alpn == b"acme-tls/1"
        data = foreign.tls.getpeercert(True)
        assert data is not None
        leaf = x509.load_der_x509_certificate(data)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [name.lower()]
        (identifier,) = (each for each in leaf.extensions if each.oid.dotted_string == "1.3.6.1.5.5.7.1.31")
        assert identifier.critical
        assert isinstance(identifier.value, x509.UnrecognizedExtension)
        assert identifier.value.value == b"\x04\x20" + hashlib.sha256(proof).digest()
    shown.remove("a.example")
    with pytest.raises(ssl.SSLError):
        visit(poller, shown, foreign_client(alpn=["acme-tls/1"]), "a.example")
    shown.remove("b.example")
    shown.remove("b.example")
    assert not shown.is_pending


def test_an_address_is_asked_for_by_its_name_in_dns(poller: Epoll) -> None:
    shown = AcmeTls()
    shown.add("192.0.2.1", "token.one", NOW)
    _, foreign = visit(poller, shown, foreign_client(alpn=["acme-tls/1"]), "1.2.0.192.in-addr.arpa")
    data = foreign.tls.getpeercert(True)
    assert data is not None
    names = x509.load_der_x509_certificate(data).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.1"]


def test_nobody_else_is_shown_a_proof(poller: Epoll) -> None:
    shown = AcmeTls()
    shown.add("a.example", "token.one", NOW)
    with pytest.raises(ssl.SSLError):
        visit(poller, shown, foreign_client(alpn=["http/1.1"]), "a.example")
