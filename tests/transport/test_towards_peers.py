"""TLS towards peers: by which names they are known, and which certificate we show."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.transport.authority import Authority
from tests.transport.test_deadlines import Hands
from tests.transport.tls_wires import Arrival, Door, Foreign, depart, join, pool, tls
from tests.transport.wires import Epoll, Peer, settle, turn_until
from twistedproxy.addresses import Tcp
from twistedproxy.transport.certificates import CertificateProblem
from twistedproxy.transport.contexts import TlsClient, TlsServer
from twistedproxy.transport.tls_handshake import OutgoingTls
from twistedproxy.transport.tls_problems import TlsProblem

AT = Tcp("192.0.2.1", 443)


@pytest.fixture
def poller() -> Iterator[Epoll]:
    made = Epoll()
    yield made
    made.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server(authority: Authority, tmp_path: Path) -> TlsServer:
    return TlsServer(tls(authority.issue("a.example"), authority.issue("b.example")), str(tmp_path), Hands())


def test_one_address_is_verified_for_each_name_by_which_it_is_called(
    poller: Epoll, server: TlsServer, authority: Authority
) -> None:
    client = TlsClient(pool(ca=authority.path))
    for name in ("a.example", "b.example"):
        for resumed in (False, True):
            arrival, _ = join(poller, server, client.called(name), address=AT)
            assert arrival.connection.server_name == name
            assert arrival.connection.session_reused is resumed
            arrival.connection.write(b"x")
            settle(poller)
    _, peer = join(poller, server, client.called("c.example"), address=AT)
    assert isinstance(peer.loss, TlsProblem)
    assert str(peer.loss) == "certificate is for a.example, not c.example"


def test_of_a_peer_that_left_no_session_is_kept(poller: Epoll, server: TlsServer, authority: Authority) -> None:
    client = TlsClient(pool(ca=authority.path))
    arrival, _ = join(poller, server, client.called("a.example"), address=AT)
    arrival.connection.write(b"x")
    settle(poller)
    client.forget(AT)
    arrival, _ = join(poller, server, client.called("a.example"), address=AT)
    assert not arrival.connection.session_reused


def shown(poller: Epoll, authority: Authority, client: TlsClient) -> object:
    """The certificate that *client* shows to a server that insists on one."""
    mine = authority.issue("a.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(mine.chain, mine.key)
    context.load_verify_locations(authority.path)
    context.verify_mode = ssl.CERT_REQUIRED
    door, peer = Door(), Peer()
    depart(poller, door, client.called("a.example"), peer, AT)
    foreign = Foreign(door.accept(), context)
    door.close()
    foreign.handshake(poller)
    turn_until(poller, lambda: peer.transport or peer.losses)
    certificate = foreign.tls.getpeercert()
    assert certificate is not None
    return certificate["subjectAltName"]


def test_our_certificate_is_shown_to_peers_that_ask_for_one(poller: Epoll, authority: Authority) -> None:
    client = TlsClient(pool(ca=authority.path, client_certificate=authority.issue("proxy.example")))
    assert shown(poller, authority, client) == (("DNS", "proxy.example"),)


def test_without_one_such_a_peer_refuses(poller: Epoll, authority: Authority) -> None:
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        shown(poller, authority, TlsClient(pool(ca=authority.path)))


def test_a_certificate_that_cannot_be_read_keeps_the_proxy_from_starting(authority: Authority, tmp_path: Path) -> None:
    pair = authority.issue("proxy.example")
    Path(pair.key).unlink()
    with pytest.raises(CertificateProblem, match="cannot be read: No such file"):
        TlsClient(pool(client_certificate=pair))


class Stopwatch:
    """Watches a connection in the making; each look at the clock takes a second."""

    preface = b""

    def __init__(self) -> None:
        self.looks = 0
        self.connections: list[object] = []

    def now(self) -> float:
        self.looks += 1
        return float(self.looks)

    def made(self, connection: object) -> None:
        self.connections.append(connection)

    def failed(self, connection: object, reason: object) -> None:
        raise AssertionError(reason)


def test_a_connection_knows_how_long_its_handshake_took(poller: Epoll, server: TlsServer, authority: Authority) -> None:
    door, peer, watch = Door(), Peer(), Stopwatch()
    sock = door.visit()
    sock.setblocking(False)
    outgoing = OutgoingTls(sock, poller, peer, TlsClient(pool(ca=authority.path)).called("a.example"), AT, watch)
    outgoing.connect(door.name)
    arrival = Arrival(poller, door.accept(), server, None)
    door.close()
    turn_until(poller, lambda: arrival.over and (peer.transport or peer.losses))
    assert peer.transport.handshake_time == 1.0
    assert watch.connections == [outgoing]
    _, unwatched = join(poller, server, TlsClient(pool(ca=authority.path)).called("a.example"), address=AT)
    assert unwatched.transport.handshake_time is None
