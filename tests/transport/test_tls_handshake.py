"""Handshakes: with whom, for how long, and what is said when they fail."""

from __future__ import annotations

import socket
import ssl
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from twisted.internet.error import ConnectionDone

from tests.transport.authority import Authority
from tests.transport.test_deadlines import Hands
from tests.transport.tls_wires import PEER, Arrival, Door, Foreign, arrive, depart, foreign_client, join, pool, tls
from tests.transport.wires import Epoll, Peer, Plain, settle, turn_until
from twistedproxy.addresses import Tcp, Unix
from twistedproxy.transport.contexts import TlsClient, TlsServer
from twistedproxy.transport.tls_problems import TlsProblem


@pytest.fixture(params=[Epoll, Plain])
def poller(request: pytest.FixtureRequest) -> Iterator[Epoll | Plain]:
    made = request.param()
    yield made
    made.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server(authority: Authority, tmp_path: Path) -> TlsServer:
    return TlsServer(tls(authority.issue("a.example")), str(tmp_path), Hands())


@pytest.fixture
def client(authority: Authority) -> TlsClient:
    return TlsClient(pool(ca=authority.path))


def knock(poller: Epoll | Plain, server: TlsServer, tcp: bool = False) -> tuple[Arrival, socket.socket]:
    """A client that has connected and said nothing yet."""
    door = Door(tcp=tcp)
    sock = door.visit()
    sock.connect(door.name)
    sock.setblocking(False)
    arrival = Arrival(poller, door.accept(), server)
    door.close()
    return arrival, sock


def failure(arrival: Arrival) -> str:
    """Why the one handshake failed; its protocol heard nothing of it."""
    assert arrival.peer.transport is None
    assert not arrival.peer.losses
    (problem,) = arrival.problems
    return str(problem)


def refusal(peer: Peer) -> TlsProblem:
    """What the protocol of an outgoing connection heard."""
    assert peer.transport is None
    assert isinstance(peer.loss, TlsProblem)
    return peer.loss


# Clients that never come to the end of a handshake.


def test_a_client_that_is_slow_is_cut_at_the_timeout(poller: Epoll | Plain, server: TlsServer) -> None:
    arrival, sock = knock(poller, server)
    sock.send(b"\x16\x03\x01\x01\x00")
    settle(poller)
    arrival.hands.advance(9.9)
    assert not arrival.over
    arrival.hands.advance(0.5)
    assert failure(arrival) == "the handshake took longer than 10 s"
    assert sock.recv(10) == b""
    assert poller.members == 0
    assert arrival.hands.reactor.getDelayedCalls() == [] or arrival.hands.advance(1) is None


def test_the_timeout_ends_with_the_handshake(poller: Epoll | Plain, server: TlsServer) -> None:
    arrival, _ = arrive(poller, server, foreign_client())
    arrival.hands.advance(20)
    assert not arrival.peer.losses
    assert arrival.problems == []
    assert arrival.hands.reactor.getDelayedCalls() == []


def test_a_client_that_leaves_at_once_is_told_of_once(poller: Epoll | Plain, server: TlsServer) -> None:
    arrival, sock = knock(poller, server)
    sock.close()
    settle(poller)
    assert failure(arrival) == "the other side closed the connection during the handshake"
    arrival.handshake.abort()
    arrival.hands.advance(20)
    assert len(arrival.problems) == 1


def test_the_address_of_a_client_that_failed_is_told(poller: Epoll | Plain, server: TlsServer) -> None:
    arrival, sock = knock(poller, server, tcp=True)
    where = sock.getsockname()
    sock.close()
    turn_until(poller, lambda: arrival.over)
    (address,) = arrival.where
    assert (address.host, address.port) == where


def test_a_listener_that_stops_may_give_up_handshakes(poller: Epoll | Plain, server: TlsServer) -> None:
    arrival, sock = knock(poller, server)
    arrival.handshake.abort()
    assert failure(arrival) == "the handshake was given up"
    assert sock.recv(10) == b""
    assert poller.members == 0


@pytest.mark.parametrize("request_line", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"OPTIONS * HTTP/1.1\r\n\r\n", b"P"])
def test_plain_http_is_answered_in_plain_http(poller: Epoll | Plain, server: TlsServer, request_line: bytes) -> None:
    arrival, sock = knock(poller, server)
    sock.send(request_line)
    settle(poller)
    answer = sock.recv(4096)
    head, _, text = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"Content-Length: %d" % len(text) in head
    assert b"HTTPS" in text
    assert sock.recv(10) == b""
    assert failure(arrival) == "the client speaks plain HTTP"


@pytest.mark.parametrize(
    "data", [b"\x00" * 64, b"\x80\x2e\x01\x00\x02" * 20, b"ssh-2.0-client\r\n", b"\x16\x03\x01\x00\x05hello"]
)
def test_what_is_neither_is_cut(poller: Epoll | Plain, server: TlsServer, data: bytes) -> None:
    arrival, sock = knock(poller, server)
    sock.send(data)
    settle(poller)
    assert failure(arrival) != "the client speaks plain HTTP"
    assert poller.members == 0


def test_a_client_hello_byte_by_byte(poller: Epoll | Plain, server: TlsServer) -> None:
    arrival, sock = knock(poller, server)
    foreign = Foreign(sock, foreign_client())
    with pytest.raises(ssl.SSLWantReadError):
        foreign.tls.do_handshake()
    for byte in foreign.take():
        sock.send(bytes([byte]))
        settle(poller)
    foreign.handshake(poller)
    turn_until(poller, lambda: arrival.over)
    assert arrival.connection.tls_version == "TLSv1.3"


# What is negotiated.


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions_are_refused(poller: Epoll | Plain, server: TlsServer) -> None:
    context = foreign_client(version=ssl.TLSVersion.TLSv1_1)
    context.set_ciphers("ALL:@SECLEVEL=0")
    arrival, sock = knock(poller, server)
    with pytest.raises(ssl.SSLError):
        Foreign(sock, context).handshake(poller)
    settle(poller)
    assert failure(arrival) == "no protocol version is spoken by both sides"


@pytest.mark.parametrize(("offered", "spoken"), [("TLSv1.2", ssl.TLSVersion.TLSv1_3), ("TLSv1.3", ssl.TLSVersion.TLSv1_2)])
def test_only_the_versions_of_the_settings_are_spoken(
    poller: Epoll | Plain, authority: Authority, offered: str, spoken: ssl.TLSVersion, tmp_path: Path
) -> None:
    server = TlsServer(tls(authority.issue("a.example"), versions=(offered,)), str(tmp_path), Hands())
    arrival, _ = arrive(poller, server, foreign_client())
    assert arrival.connection.tls_version == offered
    arrival, sock = knock(poller, server)
    with pytest.raises(ssl.SSLError):
        Foreign(sock, foreign_client(version=spoken)).handshake(poller)


def test_ciphers_without_forward_secrecy_are_refused(poller: Epoll | Plain, server: TlsServer) -> None:
    context = foreign_client(version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("AES128-SHA")
    arrival, sock = knock(poller, server)
    with pytest.raises(ssl.SSLError):
        Foreign(sock, context).handshake(poller)
    settle(poller)
    assert failure(arrival) == "no cipher is offered by both sides"


def test_the_preferred_protocol_in_common_is_agreed_on(poller: Epoll | Plain, server: TlsServer) -> None:
    arrival, foreign = arrive(poller, server, foreign_client(alpn=["h2", "http/1.1"]))
    assert arrival.connection.alpn == b"http/1.1"
    assert foreign.tls.selected_alpn_protocol() == "http/1.1"
    arrival, _ = arrive(poller, server, foreign_client())
    assert arrival.connection.alpn == b""


def test_no_protocol_in_common_is_no_connection(poller: Epoll | Plain, server: TlsServer) -> None:
    arrival, sock = knock(poller, server)
    with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
        Foreign(sock, foreign_client(alpn=["ftp", "imap"])).handshake(poller)
    assert failure(arrival) == "no application protocol in common: the client offers ftp imap"


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("shop.example", "shop.example"),
        ("SHOP.example", "shop.example"),
        ("www.b.example", "*.b.example"),
        ("exact.b.example", "exact.b.example"),
        ("deep.www.b.example", "a.example"),
        ("b.example", "a.example"),
        ("unknown.example", "a.example"),
        (None, "a.example"),
        ("old.example", "old.example"),
    ],
)
def test_the_certificate_is_chosen_by_name(
    poller: Epoll | Plain, authority: Authority, tmp_path: Path, asked: str | None, shown: str
) -> None:
    settings = tls(
        authority.issue("a.example"),
        authority.issue("shop.example", "www.shop.example"),
        authority.issue("*.b.example"),
        authority.issue("exact.b.example"),
        authority.issue(alternatives=False, common_name="old.example"),
    )
    server = TlsServer(settings, str(tmp_path), Hands())
    _, foreign = arrive(poller, server, foreign_client(), name=asked)
    certificate = foreign.tls.getpeercert(binary_form=True)
    assert certificate is not None
    assert shown.encode() in certificate


# Sessions.


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("tickets", [True, False])
@pytest.mark.parametrize("name", ["a.example", "b.example"])
def test_a_client_may_resume_its_session(
    poller: Epoll | Plain, authority: Authority, tmp_path: Path, version: ssl.TLSVersion, tickets: bool, name: str
) -> None:
    server = TlsServer(tls(authority.issue("a.example"), authority.issue("b.example")), str(tmp_path), Hands())
    context = foreign_client(version=version)
    if not tickets:
        context.options |= ssl.OP_NO_TICKET
    arrival, foreign = arrive(poller, server, context, name=name)
    arrival.connection.write(b"x")
    settle(poller)
    foreign.read()
    session = foreign.tls.session
    arrival.connection.abortConnection()
    arrival, foreign = arrive(poller, server, context, name=name, session=session)
    assert foreign.tls.session_reused
    assert arrival.connection.session_reused


def test_the_site_says_for_how_long_a_session_can_be_resumed(poller: Epoll | Plain, authority: Authority, tmp_path: Path) -> None:
    server = TlsServer(tls(authority.issue("a.example"), session_timeout=7200.0), str(tmp_path), Hands())
    arrival, foreign = arrive(poller, server, foreign_client())
    arrival.connection.write(b"x")
    settle(poller)
    foreign.read()
    assert foreign.tls.session is not None
    assert foreign.tls.session.ticket_lifetime_hint == 7200


def test_we_resume_sessions_with_a_peer_even_while_the_first_is_open(
    poller: Epoll | Plain, server: TlsServer, client: TlsClient
) -> None:
    arrival, peer = join(poller, server, client)
    arrival.connection.write(b"x")
    settle(poller)
    assert peer.received == b"x"
    second, other = join(poller, server, client)
    assert second.connection.session_reused
    assert other.transport.session_reused


def test_a_connection_that_was_cut_leaves_its_session(poller: Epoll | Plain, server: TlsServer, client: TlsClient) -> None:
    arrival, peer = join(poller, server, client)
    arrival.connection.write(b"x")
    settle(poller)
    peer.transport.abortConnection()
    assert join(poller, server, client)[0].connection.session_reused


def test_a_session_is_not_resumed_with_another_peer(poller: Epoll | Plain, server: TlsServer, authority: Authority) -> None:
    client = TlsClient(pool(ca=authority.path, server_name="a.example"))
    arrival, _ = join(poller, server, client)
    arrival.connection.write(b"x")
    settle(poller)
    arrival, _ = join(poller, server, client, address=Tcp("other.example", 443))
    assert not arrival.connection.session_reused


# Peers that are verified.


def test_a_certificate_for_another_name_is_refused(poller: Epoll | Plain, server: TlsServer, client: TlsClient) -> None:
    arrival, peer = join(poller, server, client, address=Tcp("b.example", 443))
    problem = refusal(peer)
    assert str(problem) == "certificate is for a.example, not b.example"
    assert problem.unverified
    settle(poller)
    assert not arrival.peer.losses or arrival.peer.losses[0].check(ConnectionDone)


def test_the_name_of_the_settings_counts(poller: Epoll | Plain, server: TlsServer, authority: Authority) -> None:
    client = TlsClient(pool(ca=authority.path, server_name="a.example"))
    for address in (Tcp("127.0.0.1", 443), Unix("/run/app.sock")):
        arrival, peer = join(poller, server, client, address=address)
        assert peer.transport is not None
        assert arrival.connection.server_name == "a.example"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_may_stand_in_a_certificate(poller: Epoll | Plain, authority: Authority, tmp_path: Path, host: str) -> None:
    server = TlsServer(tls(authority.issue("a.example", host)), str(tmp_path), Hands())
    client = TlsClient(pool(ca=authority.path))
    arrival, peer = join(poller, server, client, address=Tcp(host, 443))
    assert peer.transport is not None
    assert arrival.connection.server_name is None
    _, peer = join(poller, server, client, address=Tcp("127.0.0.2", 443))
    assert str(refusal(peer)) == f"certificate is for a.example, {host}, not 127.0.0.2"


def test_an_international_name_is_asked_for_in_ascii(poller: Epoll | Plain, authority: Authority, tmp_path: Path) -> None:
    server = TlsServer(tls(authority.issue("xn--bcher-kva.example")), str(tmp_path), Hands())
    arrival, peer = join(poller, server, TlsClient(pool(ca=authority.path)), address=Tcp("bücher.example", 443))
    assert peer.transport is not None
    assert arrival.connection.server_name == "xn--bcher-kva.example"


def test_an_expired_certificate_is_refused(
    poller: Epoll | Plain, authority: Authority, client: TlsClient, tmp_path: Path
) -> None:
    expired = authority.issue("a.example", expires=datetime.now(UTC) - timedelta(days=1))
    arrival, peer = join(poller, TlsServer(tls(expired), str(tmp_path), Hands()), client)
    problem = refusal(peer)
    assert str(problem) == "certificate has expired"
    assert problem.unverified
    assert failure(arrival).startswith("the other side refused: ")


def test_a_certificate_of_an_unknown_authority_is_refused(poller: Epoll | Plain, server: TlsServer, tmp_path: Path) -> None:
    other = Authority(tmp_path, "Another Authority")
    _, peer = join(poller, server, TlsClient(pool(ca=other.path)))
    problem = refusal(peer)
    assert str(problem) == "certificate was issued by an authority that is not known"
    assert problem.unverified


def test_the_system_does_not_know_the_authority_of_a_test(poller: Epoll | Plain, server: TlsServer) -> None:
    _, peer = join(poller, server, TlsClient(pool()))
    assert refusal(peer).unverified


def test_nothing_is_verified_when_the_settings_say_so(poller: Epoll | Plain, tmp_path: Path) -> None:
    server = TlsServer(tls(self_signed=("localhost",)), str(tmp_path), Hands(datetime.now(UTC).timestamp()))
    _, peer = join(poller, server, TlsClient(pool(verify=False)), address=Tcp("wherever.example", 443))
    assert peer.transport is not None
    _, peer = join(poller, server, TlsClient(pool()), address=Tcp("localhost", 443))
    assert str(refusal(peer)) == "certificate is self-signed and not known"


def test_a_name_that_nobody_can_have_is_a_problem_of_that_connection(poller: Epoll | Plain, client: TlsClient) -> None:
    door = Door()
    peer = Peer()
    depart(poller, door, client, peer, Tcp("x" * 70 + ".example", 443))
    turn_until(poller, lambda: peer.losses)
    assert "no name" in str(refusal(peer))
    assert poller.members == 0


def test_a_peer_without_tls_is_told_as_such(poller: Epoll | Plain, client: TlsClient) -> None:
    door = Door()
    peer = Peer()
    depart(poller, door, client, peer)
    theirs = door.accept()
    theirs.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    turn_until(poller, lambda: peer.losses)
    problem = refusal(peer)
    assert str(problem) == "the other side does not speak TLS"
    assert not problem.unverified


def test_a_peer_that_closes_in_the_handshake_is_told_as_such(poller: Epoll | Plain, client: TlsClient) -> None:
    door = Door()
    peer = Peer()
    depart(poller, door, client, peer)
    settle(poller)
    theirs = door.accept()
    theirs.recv(4096)
    theirs.close()
    turn_until(poller, lambda: peer.losses)
    assert str(refusal(peer)) == "the other side closed the connection during the handshake"


def test_a_refused_connection_is_told_with_its_error(poller: Epoll | Plain, client: TlsClient) -> None:
    door = Door(tcp=True)
    door.close()
    peer = Peer()
    try:
        depart(poller, door, client, peer)
    except ConnectionRefusedError:
        return  # said at once
    turn_until(poller, lambda: peer.losses)
    assert isinstance(peer.loss, ConnectionRefusedError)


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_a_connection_in_the_making_can_be_given_up(poller: Epoll | Plain, client: TlsClient, turns: int) -> None:
    door = Door()
    peer = Peer()
    outgoing = depart(poller, door, client, peer)
    for _ in range(turns):
        poller.turn(0)
    outgoing.discard()
    outgoing.discard()
    settle(poller)
    assert peer.transport is None
    assert not peer.losses
    assert poller.members == 0


def test_who_is_connected_is_not_given_up(poller: Epoll | Plain, server: TlsServer, client: TlsClient) -> None:
    door = Door()
    peer = Peer()
    outgoing = depart(poller, door, client, peer, PEER)
    arrival = Arrival(poller, door.accept(), server)
    turn_until(poller, lambda: arrival.over and peer.transport)
    outgoing.discard()
    arrival.connection.write(b"hello")
    settle(poller)
    assert peer.received == b"hello"


# What is over is gone, without the garbage collector: what OpenSSL keeps for a connection is large.


def test_nothing_holds_a_handshake_that_succeeded(poller: Epoll | Plain, server: TlsServer) -> None:
    arrival, foreign = arrive(poller, server, foreign_client())
    foreign.sock.close()
    losses = arrival.peer.losses
    turn_until(poller, lambda: losses)
    gone = weakref.ref(arrival)
    del arrival
    assert gone() is None


def test_nothing_holds_a_handshake_that_failed(poller: Epoll | Plain, server: TlsServer) -> None:
    arrival, sock = knock(poller, server)
    sock.close()
    problems = arrival.problems
    turn_until(poller, lambda: problems)
    gone = weakref.ref(arrival)
    del arrival
    assert gone() is None
