"""What checks send, and the words in which they say that a peer did not pass; on a network in memory."""

from __future__ import annotations

import datetime
from pathlib import Path
from socket import AF_INET, AF_INET6
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import crypto
from twisted.internet import error
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import CertificateOptions
from twisted.internet.testing import MemoryReactorClock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.test.iosim import FakeAddress, FakeTransport, IOPump, connect

from twistedproxy.addresses import Address, Tcp, Unix
from twistedproxy.settings import CheckSettings, PoolSettings, ServerSettings
from twistedproxy.transport.names import Answered
from twistedproxy.upstream.probes import BODY_READ, GRACE, Probe, ProbeFailed, in_few_words

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HERE = Tcp("127.0.0.1", 9001)


class Origin(Protocol):
    """A peer: keeps what it is sent, and answers once with *answer*."""

    def __init__(self, answer: bytes, *, closes: bool) -> None:
        self.answer = answer
        self.closes = closes
        self.received = b""
        self.lost = False

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        if b"\r\n\r\n" in self.received:
            self.transport.write(self.answer)
            if self.closes:
                self.transport.loseConnection()

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.lost = True


class Scene:
    """One check of one peer, from its start to its outcome."""

    def __init__(self, check: CheckSettings, address: Address = HERE, *, tls: bool = False, **knobs: Any) -> None:
        self.reactor = MemoryReactorClock()
        server = ServerSettings(address, tls=tls)
        self.looked_up: list[tuple[str, int]] = []
        self.probe = Probe(self.reactor, self._resolve, check, PoolSettings("app", servers=(server,), **knobs))
        self.outcome = "pending"
        self.server = server
        self.begin()

    def begin(self) -> None:
        self.check: Deferred[None] = self.probe(self.server)
        self.check.addCallbacks(lambda _: self._ended("passed"), lambda failure: self._ended(failure))

    def _resolve(self, host: str, port: int, answered: Answered) -> None:
        """Addresses are known at once; names when :attr:`answered` is called."""
        if isIPAddress(host):
            answered([(AF_INET, (host, port))])
        elif isIPv6Address(host):
            answered([(AF_INET6, (host, port, 0, 0))])
        elif host.endswith(".internal"):
            answered([(AF_INET, ("10.0.0.1", port))])
        else:
            self.looked_up.append((host, port))
            self.answered = answered

    def _ended(self, result: Any) -> None:
        if isinstance(result, Failure):
            result = result.getErrorMessage() if result.check(ProbeFailed) else result.type.__name__
        self.outcome = result

    def peer_is(self, origin: Protocol, tls: CertificateOptions | None = None) -> IOPump:
        """The connection stands, and *origin* is at its other end."""
        factory: Any = Factory.forProtocol(lambda: origin)
        if tls is not None:
            factory = TLSMemoryBIOFactory(tls, False, factory, self.reactor)
        server = factory.buildProtocol(FakeAddress())
        client = self._client_factory().buildProtocol(FakeAddress())
        pump = connect(server, FakeTransport(server, True), client, FakeTransport(client, False), clock=self.reactor)
        pump.flush()
        return pump

    def cannot_connect(self, reason: Exception) -> None:
        self._client_factory().clientConnectionFailed(self.reactor.connectors[-1], Failure(reason))
        self.reactor.advance(GRACE)

    def _client_factory(self) -> Any:
        unix: list[Any] = self.reactor.unixClients
        return unix[-1][1] if unix else self.reactor.tcpClients[-1][2]


def http(method: str = "GET", target: str = "/health") -> CheckSettings:
    return CheckSettings("http", method, target)


TCP = CheckSettings("tcp")


def answered(answer: bytes, *, closes: bool = False, **knobs: Any) -> str:
    """The outcome of GET /health at a peer that answers so."""
    scene = Scene(http(), **knobs)
    scene.peer_is(Origin(answer, closes=closes))
    return scene.outcome


def test_an_http_check_sends_its_method_target_and_host_and_keeps_nothing() -> None:
    target = "/health/%7e;v=1?a=%2F&b=c:d{}"
    scene = Scene(http("GET", target))
    origin = Origin(OK, closes=False)
    scene.peer_is(origin)
    assert scene.reactor.tcpClients[0][:2] == ("127.0.0.1", 9001)
    line, *fields = origin.received.decode().split("\r\n")
    assert line == f"GET {target} HTTP/1.1"
    assert "Host: 127.0.0.1:9001" in fields
    assert "Connection: close" in fields
    assert "User-Agent: revproxy (check)" in fields
    assert scene.outcome == "passed"
    assert origin.lost


@pytest.mark.parametrize(
    ("address", "tls", "knobs", "host"),
    [
        (Tcp("::1", 80), False, {}, "[::1]"),
        (Tcp("::1", 81), False, {}, "[::1]:81"),
        (Tcp("10.0.0.1", 443), False, {}, "10.0.0.1:443"),
        (Unix("/run/app.sock"), False, {}, "localhost"),
        (Tcp("my_app.internal", 80), False, {}, "my_app.internal"),
        (HERE, False, {"check_host": "shop.example.com"}, "shop.example.com"),
    ],
)
def test_the_host_of_a_check_is_the_address_of_the_peer_unless_the_site_says_another(
    address: Address, tls: bool, knobs: dict[str, Any], host: str
) -> None:
    scene = Scene(http(), address, tls=tls, **knobs)
    origin = Origin(OK, closes=False)
    scene.peer_is(origin)
    assert f"\r\nHost: {host}\r\n".encode() in origin.received
    assert scene.outcome == "passed"


@pytest.mark.parametrize(
    ("status", "expect", "outcome"),
    [
        (200, ((200, 399),), "passed"),
        (399, ((200, 399),), "passed"),
        (400, ((200, 399),), "status 400"),
        (503, ((200, 399),), "status 503"),
        (200, ((204, 204), (401, 401)), "status 200"),
        (401, ((204, 204), (401, 401)), "passed"),
    ],
)
def test_the_status_of_the_answer_decides(status: int, expect: tuple[tuple[int, int], ...], outcome: str) -> None:
    assert answered(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status, check_expect=expect) == outcome


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9001/login\r\nContent-Length: 0\r\n\r\n"
    assert answered(moved) == "passed"
    assert answered(moved, check_expect=((200, 299),)) == "status 302"


def test_a_head_check_waits_for_no_body() -> None:
    scene = Scene(http("HEAD"))
    scene.peer_is(Origin(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", closes=False))
    assert scene.outcome == "passed"


def test_a_body_is_read_to_its_end_in_every_framing() -> None:
    assert answered(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n") == "passed"
    assert answered(b"HTTP/1.1 200 OK\r\n\r\nok", closes=True) == "passed"
    assert answered(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no") == "pending"


def test_a_body_without_end_is_cut() -> None:
    scene = Scene(http())
    origin = Origin(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(BODY_READ), closes=False)
    scene.peer_is(origin)
    assert scene.outcome == "passed"
    assert origin.lost


def test_a_packed_body_is_not_unpacked() -> None:
    assert answered(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope") == "passed"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "connection closed before the answer was complete"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", "connection closed before the answer was complete"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", "connection closed before the answer was complete"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "the answer is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "the answer is not HTTP"),
    ],
)
def test_an_answer_that_is_cut_or_is_not_http_does_not_pass(answer: bytes, words: str) -> None:
    assert answered(answer, closes=True) == words


@pytest.mark.parametrize("check", [http(), TCP])
@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (error.ConnectionRefusedError(), "connection refused"),
        (error.TimeoutError(), "connection timed out"),
        (error.TCPTimedOutError(), "connection timed out"),
        (error.NoRouteError(osError=113), "no route to host"),
        (error.ConnectError(osError=2), "no such file or directory"),
        (error.ConnectError(string="odd"), "ConnectError: An error occurred while connecting: odd."),
    ],
)
def test_why_no_connection_could_be_made_is_said_in_few_words(check: CheckSettings, reason: Exception, words: str) -> None:
    scene = Scene(check)
    scene.cannot_connect(reason)
    assert scene.outcome == words


def test_a_tcp_check_connects_and_closes_and_sends_nothing() -> None:
    scene = Scene(TCP, tls=True)
    origin = Origin(b"", closes=False)
    scene.peer_is(origin)
    assert (scene.outcome, origin.received, origin.lost) == ("passed", b"", True)


def test_peers_on_a_unix_socket_are_connected_to_there() -> None:
    scene = Scene(TCP, Unix("/run/app.sock"))
    assert scene.reactor.unixClients[0][0] == "/run/app.sock"
    scene.peer_is(Origin(b"", closes=False))
    assert scene.outcome == "passed"


def test_a_peer_with_a_name_is_asked_at_the_first_of_its_addresses_that_takes_a_connection() -> None:
    scene = Scene(TCP, Tcp("my_app", 9001))
    assert scene.looked_up == [("my_app", 9001)]
    scene.answered([(AF_INET6, ("fd00::1", 9001, 0, 0)), (AF_INET, ("10.0.0.1", 9001))])
    assert scene.reactor.tcpClients[-1][:2] == ("fd00::1", 9001)
    scene.cannot_connect(error.ConnectionRefusedError())
    assert scene.reactor.tcpClients[-1][:2] == ("10.0.0.1", 9001)
    scene.peer_is(Origin(b"", closes=False))
    assert scene.outcome == "passed"


def test_a_name_without_address_does_not_pass() -> None:
    scene = Scene(http(), Tcp("my_app", 9001))
    scene.answered([])
    assert scene.outcome == "name not found"


def test_a_check_is_cancelled_while_a_name_is_looked_up() -> None:
    scene = Scene(http(), Tcp("my_app", 9001))
    scene.check.cancel()
    assert "Cancelled" in scene.outcome
    scene.answered([(AF_INET, ("10.0.0.1", 9001))])
    assert scene.reactor.tcpClients == []


@pytest.mark.parametrize("check", [http(), TCP])
def test_a_check_is_cancelled_while_it_connects(check: CheckSettings) -> None:
    scene = Scene(check)
    scene.check.cancel()
    assert "Cancelled" in scene.outcome
    assert scene.reactor.connectors[0].stoppedConnecting


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"])
def test_a_check_that_is_cancelled_in_mid_answer_leaves_no_connection_behind(answer: bytes) -> None:
    scene = Scene(http())
    origin = Origin(answer, closes=False)
    pump = scene.peer_is(origin)
    scene.check.cancel()
    assert scene.outcome != "passed"
    scene.reactor.advance(GRACE)
    pump.flush()
    assert origin.lost
    assert scene.reactor.getDelayedCalls() == []


class Authority:
    """A certificate authority for one test, and certificates that it signs or that sign themselves."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.certificate = self._sign(self.name, self.key.public_key(), x509.BasicConstraints(ca=True, path_length=None))

    def _sign(self, subject: x509.Name, key: Any, extension: Any, days: int = 1) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=2))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(extension, critical=True)
            .sign(self.key, hashes.SHA256())
        )

    def server(self, name: str, days: int = 1) -> CertificateOptions:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key.public_key(), x509.SubjectAlternativeName([x509.DNSName(name)]), days)
        return CertificateOptions(
            privateKey=crypto.PKey.from_cryptography_key(key), certificate=crypto.X509.from_cryptography(certificate)
        )

    def write(self, path: Path) -> str:
        path.write_bytes(b"Our authority:\n" + self.certificate.public_bytes(serialization.Encoding.PEM))
        return str(path)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def ca(authority: Authority, tmp_path: Path) -> str:
    return authority.write(tmp_path / "ca.pem")


def test_a_check_of_an_https_peer_verifies_its_certificate_against_the_authority_of_the_site(
    authority: Authority, ca: str
) -> None:
    scene = Scene(http(), Tcp("app.internal", 443), tls=True, ca=ca)
    origin = Origin(OK, closes=True)
    scene.peer_is(origin, authority.server("app.internal"))
    assert scene.outcome == "passed"
    assert b"\r\nHost: app.internal\r\n" in origin.received


def test_a_second_check_of_an_https_peer_passes_as_the_first_did(authority: Authority, ca: str) -> None:
    scene = Scene(http(), HERE, tls=True, ca=ca, server_name="app.internal")
    for _ in range(2):
        scene.peer_is(Origin(OK, closes=True), authority.server("app.internal"))
        assert scene.outcome == "passed"
        scene.outcome = "pending"
        scene.begin()


def test_a_certificate_for_another_name_does_not_pass(authority: Authority, ca: str) -> None:
    scene = Scene(http(), Unix("/run/app.sock"), tls=True, ca=ca)
    scene.peer_is(Origin(OK, closes=True), authority.server("app.internal"))
    assert scene.outcome == "certificate is for another name"


def test_a_certificate_of_an_unknown_authority_does_not_pass(authority: Authority) -> None:
    scene = Scene(http(), Tcp("app.internal", 443), tls=True)
    scene.peer_is(Origin(OK, closes=True), authority.server("app.internal"))
    assert scene.outcome == "certificate could not be verified"


def test_a_certificate_that_has_expired_does_not_pass(authority: Authority, ca: str) -> None:
    scene = Scene(http(), Tcp("app.internal", 443), tls=True, ca=ca)
    scene.peer_is(Origin(OK, closes=True), authority.server("app.internal", days=-1))
    assert scene.outcome == "certificate could not be verified"


@pytest.mark.parametrize("server_name", [None, "whatever.example.com"])
def test_with_verify_no_any_certificate_passes(authority: Authority, server_name: str | None) -> None:
    scene = Scene(http(), HERE, tls=True, verify=False, server_name=server_name)
    scene.peer_is(Origin(OK, closes=True), authority.server("app.internal"))
    assert scene.outcome == "passed"


def test_a_peer_that_does_not_speak_tls_does_not_pass() -> None:
    scene = Scene(http(), HERE, tls=True, verify=False)

    class Plain(Protocol):
        def dataReceived(self, data: bytes) -> None:
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    scene.peer_is(Plain())
    assert scene.outcome == "TLS handshake failed: wrong version number"


def test_an_authority_file_without_certificate_is_an_error_at_once(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    with pytest.raises(ValueError, match="holds no certificate"):
        Scene(http(), ca=str(empty))
    with pytest.raises(FileNotFoundError):
        Scene(http(), ca=str(tmp_path / "absent.pem"))


def test_an_error_that_nobody_expected_says_its_kind() -> None:
    assert in_few_words(RuntimeError("odd")) == "RuntimeError: odd"
