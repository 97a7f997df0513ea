"""Staples are fetched, kept, refreshed and dropped on a clock that is moved by hand; clients see them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.x509 import ocsp
from OpenSSL import SSL
from twisted.internet.defer import Deferred

from tests.tls.files import Said
from tests.tls.responder import DAY, Issuer
from tests.transport.test_deadlines import Hands
from tests.transport.tls_wires import tls
from twistedproxy.tls.ocsp import OcspProblem
from twistedproxy.tls.stapling import Stapling
from twistedproxy.transport.contexts import TlsServer

URL = "http://ocsp.example/"


class Stage:
    """A section that staples, and a responder whose answers the test gives."""

    def __init__(self, directory: Path, issuer: Issuer, *, chained: bool = True) -> None:
        self.issuer = issuer
        self.hands = Hands(issuer.now.timestamp())
        self.directory = directory
        self.server = TlsServer(tls(issuer.files(directory, chained=chained), ocsp=True), str(directory), self.hands)
        self.leaf = self.server.credentials[0].leaf
        self.asked: list[tuple[str, Deferred[bytes]]] = []
        self.stapling = self.started()

    def started(self) -> Stapling:
        def ask(url: str, request: bytes) -> Deferred[bytes]:
            assert ocsp.load_der_ocsp_request(request).serial_number == self.leaf.serial_number
            self.asked.append((url, Deferred()))
            return self.asked[-1][1]

        stapling = Stapling([self.server], str(self.directory), ask, self.hands, self.hands.reactor)
        stapling.startService()
        return stapling

    @property
    def now(self) -> datetime:
        return self.issuer.now + (self.hands.reactor.seconds() * DAY / 86_400)

    def good(self) -> bytes:
        return self.issuer.says(self.leaf, made=self.now, ends=self.now + 4 * DAY)

    def answers(self, what: bytes | Exception) -> None:
        """To the latest question."""
        question = self.asked[-1][1]
        question.errback(what) if isinstance(what, Exception) else question.callback(what)

    @property
    def state(self) -> str:
        return self.stapling.state(self.server.credentials[0])

    def seen(self, protocol: int = SSL.TLS1_3_VERSION) -> bytes:
        """What a client sees that asks for a staple."""
        found: list[bytes] = []
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(protocol)
        context.set_ocsp_client_callback(lambda connection, data, _: found.append(data) or True)
        client = SSL.Connection(context)
        client.set_connect_state()
        client.request_ocsp()
        server = SSL.Connection(self.server.prepare().default)
        server.set_accept_state()
        for _ in range(6):
            for one, other in ((client, server), (server, client)):
                try:
                    one.do_handshake()
                except SSL.WantReadError:
                    pass
                try:
                    other.bio_write(one.bio_read(65536))
                except SSL.WantReadError:
                    pass
        return found[0]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path, Issuer(URL))
    yield made
    made.stapling.stopService()
    assert not made.hands.reactor.getDelayedCalls()


def test_no_handshake_waits_for_the_responder_and_later_ones_show_what_it_said(stage: Stage) -> None:
    assert [url for url, _ in stage.asked] == [URL]
    assert (stage.seen(), stage.state) == (b"", "asked for")
    good = stage.good()
    stage.answers(good)
    assert stage.seen() == stage.seen(SSL.TLS1_2_VERSION) == good
    assert stage.state.startswith("good until ")


def test_it_is_refreshed_when_half_of_its_life_is_over(stage: Stage) -> None:
    stage.answers(stage.good())
    stage.hands.advance(2 * 86_400 - 60, step=300)
    assert len(stage.asked) == 1
    stage.hands.advance(120, step=15)
    assert len(stage.asked) == 2
    newer = stage.good()
    stage.answers(newer)
    assert stage.seen() == newer


def test_a_responder_that_fails_is_asked_again_less_and_less_often_and_the_last_word_counts_until_its_end(stage: Stage) -> None:
    good = stage.good()
    stage.answers(good)
    stage.hands.advance(2 * 86_400 + 60, step=300)
    with Said() as said:
        times = []
        while stage.hands.reactor.seconds() < 3.9 * 86_400:
            if not stage.asked[-1][1].called:
                times.append(stage.hands.reactor.seconds())
                stage.answers(ConnectionRefusedError("connection refused"))
            stage.hands.advance(60, step=60)
    waits = [after - before for before, after in itertools.pairwise(times)]
    assert waits[:3] == pytest.approx([60, 120, 240], abs=61)
    assert max(waits) <= 3600 + 61
    assert len(said.lines) == 1
    assert "no answer (connection refused)" in said.lines[0]
    assert "what it said before is shown on" in said.lines[0]
    assert stage.seen() == good
    stage.hands.advance(0.2 * 86_400, step=300)
    assert stage.seen() == b""


def test_a_certificate_that_has_been_revoked_is_told_of_and_nothing_is_stapled(stage: Stage) -> None:
    stage.answers(stage.good())
    stage.hands.advance(2 * 86_400 + 60, step=300)
    with Said() as said:
        stage.answers(stage.issuer.says(stage.leaf, ocsp.OCSPCertStatus.REVOKED, made=stage.now, ends=stage.now + DAY))
    assert "the certificate has been revoked" in said.lines[0]
    assert stage.seen() == b""
    assert stage.state == "the certificate has been revoked"


def test_what_was_said_is_kept_over_restarts_as_long_as_it_holds(stage: Stage) -> None:
    good = stage.good()
    stage.answers(good)
    stage.stapling.stopService()
    stage.server.staples.clear()
    stage.stapling = stage.started()
    assert len(stage.asked) == 1
    assert stage.seen() == good
    stage.stapling.stopService()
    stage.hands.advance(5 * 86_400, step=86_400)
    stage.stapling = stage.started()
    assert len(stage.asked) == 2
    assert stage.seen() == b""
    (kept,) = (stage.directory / "ocsp").iterdir()
    assert kept.stat().st_mode & 0o077 == 0


def test_another_certificate_gets_a_staple_of_its_own(stage: Stage) -> None:
    stage.answers(stage.good())
    stage.issuer.files(stage.directory)
    stage.server.adopt(stage.server.prepare())
    stage.leaf = stage.server.credentials[0].leaf
    stage.hands.advance(30, step=15)
    assert len(stage.asked) == 2
    assert stage.seen() == b""
    good = stage.good()
    stage.answers(good)
    assert stage.seen() == good


def test_an_answer_that_comes_after_the_end_changes_nothing(stage: Stage) -> None:
    stage.stapling.stopService()
    stage.answers(OcspProblem("too late"))
    assert stage.seen() == b""


def test_a_certificate_without_its_issuer_is_told_of(tmp_path: Path) -> None:
    with Said() as said:
        stage = Stage(tmp_path, Issuer(URL), chained=False)
    assert stage.asked == []
    assert said.lines == [
        f"[tls site]: nothing is stapled to {tmp_path}/a.example.pem: its issuer does not follow it in its file; "
        "append the issuer's certificate"
    ]
    stage.stapling.stopService()


def test_a_certificate_without_a_responder_is_left_alone(tmp_path: Path) -> None:
    with Said() as said:
        stage = Stage(tmp_path, Issuer(None))
        stage.hands.advance(3600, step=15)
    assert (stage.asked, said.lines, stage.state) == ([], [], "names no responder")
    stage.stapling.stopService()


def test_a_directory_that_cannot_be_written_is_told_of(stage: Stage) -> None:
    (stage.directory / "ocsp").write_bytes(b"in the way")
    good = stage.good()
    with Said() as said:
        stage.answers(good)
    assert "cannot be written" in said.lines[0]
    assert stage.seen() == good
    os.remove(stage.directory / "ocsp")
