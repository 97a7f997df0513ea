"""Checks of peers that speak TLS: on sockets inside one process, the peer's side driven by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.transport.authority import DAY, Authority
from tests.transport.test_deadlines import Hands
from tests.transport.tls_wires import Arrival, Door, tls
from tests.transport.wires import Epoll, settle, turn_until
from twistedproxy.addresses import Tcp
from twistedproxy.settings.checks import CheckSettings
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.settings.servers import ServerSettings
from twistedproxy.settings.tls import CertificateFiles
from twistedproxy.transport.certificates import CertificateProblem
from twistedproxy.transport.contexts import TlsServer
from twistedproxy.transport.deadlines import Deadlines
from twistedproxy.transport.dialer import Dialer
from twistedproxy.transport.names import Names
from twistedproxy.upstream.probes import PROBES

TLS = CheckSettings("tls")
GET = CheckSettings("http", "GET", "/health")


@pytest.fixture
def poller() -> Iterator[Epoll]:
    made = Epoll()
    yield made
    made.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


class Checked:
    """Checks of one peer called ``app.internal``, whose certificate is *files*; None: it speaks no TLS."""

    def __init__(
        self,
        poller: Epoll,
        directory: Path,
        files: CertificateFiles | None,
        check: CheckSettings,
        is_https: bool = True,
        **knobs: Any,
    ) -> None:
        self.poller = poller
        self.hands = Hands()
        self._door = Door(tcp=True)
        self._server = TlsServer(tls(files), str(directory), self.hands) if files is not None else None
        self.line = ServerSettings(Tcp("app.internal", 443), tls=is_https)
        settings = PoolSettings("app", servers=(self.line,), check=check, **knobs)
        names = Names(lambda host, port, answered: answered([(2, self._door.name)]), self.hands, 30.0)
        dial = Dialer(poller, names, self.hands.reactor).dial
        self.probe = PROBES[check.kind](check, settings, dial, Deadlines(self.hands.reactor, self.hands))

    def outcome(self, answer: bytes = b"") -> str:
        """Of one check; the peer says *answer* as soon as it has read something."""
        told: list[str] = []
        self.probe(self.line).addCallbacks(
            lambda _: told.append("passed"), lambda failure: told.append(failure.getErrorMessage())
        )
        self.poller.turn(0)
        sock = self._door.accept()
        if self._server is None:
            sock.send(answer)
            turn_until(self.poller, lambda: told)
            sock.close()
            return told[0]
        self.arrival = arrival = Arrival(self.poller, sock, self._server)
        turn_until(self.poller, lambda: told or arrival.peer.received)
        if answer and not told:
            self.asked = bytes(arrival.peer.received)
            arrival.connection.write(answer)
            turn_until(self.poller, lambda: told)
        settle(self.poller)
        if arrival.peer.transport is not None and not arrival.peer.losses:
            arrival.connection.abortConnection()
        return told[0]

    def close(self) -> None:
        self._door.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_a_tls_check_verifies_the_certificate_anew_each_time(poller: Epoll, authority: Authority, tmp_path: Path) -> None:
    peer = Checked(poller, tmp_path, authority.issue("app.internal"), TLS, ca=authority.path)
    for _ in range(3):
        assert peer.outcome() == "passed"
        assert not peer.arrival.connection.session_reused
        assert peer.arrival.connection.alpn == b""
        assert peer.arrival.peer.ended_cleanly
    peer.close()


def test_a_tls_check_speaks_tls_with_servers_that_requests_go_to_without(
    poller: Epoll, authority: Authority, tmp_path: Path
) -> None:
    peer = Checked(poller, tmp_path, authority.issue("app.internal"), TLS, is_https=False, ca=authority.path)
    assert peer.outcome() == "passed"
    peer.close()


@pytest.mark.parametrize("check", [TLS, GET])
def test_a_certificate_that_is_not_good_does_not_pass(
    poller: Epoll, authority: Authority, tmp_path: Path, check: CheckSettings
) -> None:
    other = Checked(poller, tmp_path, authority.issue("b.example"), check, ca=authority.path)
    assert other.outcome() == "certificate is for b.example, not app.internal"
    old = Checked(poller, tmp_path, authority.issue("app.internal", expires=datetime.now(UTC) - DAY), check, ca=authority.path)
    assert old.outcome() == "certificate has expired"
    unknown = Checked(poller, tmp_path, authority.issue("app.internal"), check)
    assert unknown.outcome() == "certificate was issued by an authority that is not known"
    trusted = Checked(poller, tmp_path, authority.issue("b.example"), TLS, verify=False)
    assert trusted.outcome() == "passed"
    named = Checked(poller, tmp_path, authority.issue("b.example"), TLS, ca=authority.path, server_name="b.example")
    assert named.outcome() == "passed"
    for peer in (other, old, unknown, trusted, named):
        peer.close()


@pytest.mark.parametrize("check", [TLS, GET])
def test_a_peer_that_does_not_speak_tls_does_not_pass(poller: Epoll, tmp_path: Path, check: CheckSettings) -> None:
    peer = Checked(poller, tmp_path, None, check, verify=False)
    said = peer.outcome(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert said == "TLS handshake failed: the other side does not speak TLS"
    peer.close()


def test_an_http_check_of_an_https_peer_resumes_its_session(poller: Epoll, authority: Authority, tmp_path: Path) -> None:
    peer = Checked(poller, tmp_path, authority.issue("app.internal"), GET, ca=authority.path)
    for resumed in (False, True, True):
        assert peer.outcome(OK) == "passed"
        assert peer.arrival.connection.session_reused is resumed
        assert b"\r\nHost: app.internal\r\n" in peer.asked
    peer.close()


def test_authorities_that_cannot_be_read_are_an_error_at_once(poller: Epoll, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    with pytest.raises(CertificateProblem, match="no authorities could be read"):
        Checked(poller, tmp_path, None, TLS, ca=str(empty))
