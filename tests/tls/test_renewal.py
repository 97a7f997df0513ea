"""When certificates are obtained by ACME, what is shown meanwhile, and what becomes of failures; on a clock moved by hand."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred

from tests.tls.files import Said, at_once
from tests.transport.authority import Authority
from tests.transport.test_deadlines import Hands
from tests.transport.tls_wires import tls
from twistedproxy.tls.issuing import AcmeProblem, Issued, Proof, Stage
from twistedproxy.tls.renewal import Ground, Renewal
from twistedproxy.tls.watch import Watch
from twistedproxy.transport.contexts import TlsServer

START = datetime(2027, 1, 15, tzinfo=UTC)
DAY = timedelta(days=1)


class Play:
    """A section with acme, and an authority that issues certificates of 100 days for its names, or does what the test says."""

    def __init__(self, directory: Path, **knobs: Any) -> None:
        self.directory = directory
        self.authority = Authority(directory)
        self.hands = Hands(START.timestamp())
        self.challenges: dict[bytes, bytes] = {}
        self.tries: list[float] = []
        self.problem: Exception | None = None
        self.issued: Issued | None = None
        self.names = ("a.example", "b.example")
        self.during: Callable[[], None] = lambda: None
        self.settings = tls(acme="https://acme.example/dir", names=self.names, **knobs)
        self.waiting: list[Callable[[], None]] | None = None
        self.begin()

    def begin(self) -> None:
        self.server = TlsServer(self.settings, str(self.directory), self.hands)
        self.watch = Watch([self.server], at_once, self.hands, self.hands.reactor)
        ground = Ground(self.challenges, self._in_thread, lambda call: call(), self.hands, self.hands.reactor)
        self.renewal = Renewal(self.watch, self._obtain, ground)

    def _in_thread(self, call: Callable[[], Any]) -> Deferred[Any]:
        if self.waiting is None:
            return maybeDeferred(call)
        done: Deferred[Any] = Deferred()
        self.waiting.append(lambda: maybeDeferred(call).chainDeferred(done))
        return done

    def _obtain(self, stage: Stage, given_up: threading.Event) -> Issued:
        self.tries.append(self.hands.reactor.seconds())
        self.given_up = given_up
        proofs = [Proof(name, f"token-{name}", f"token-{name}.thumb") for name in self.names]
        for proof in proofs:
            stage.show(proof)
        try:
            self.during()
            if self.problem is not None:
                raise self.problem
        finally:
            for proof in proofs:
                stage.hide(proof)
        if self.issued is not None:
            return self.issued
        files = self.authority.issue(*self.names, expires=self.now + 100 * DAY)
        return Issued(Path(files.chain).read_text(), Path(files.key).read_text())

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.hands.reactor.seconds())

    @property
    def origins(self) -> list[str]:
        return [each.origin for each in self.server.credentials]


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    made = Play(tmp_path)
    yield made
    if made.renewal.running:
        made.renewal.stopService()
    assert not made.hands.reactor.getDelayedCalls()
    assert made.challenges == {}
    assert not made.server.validators.is_pending


def test_one_of_our_own_is_shown_until_there_is_one(play: Play) -> None:
    assert (play.origins, play.server.credentials[0].names) == (["self_signed"], ("a.example", "b.example"))
    with Said() as said:
        play.renewal.startService()
    assert play.origins == ["acme"]
    assert play.server.credentials[0].issuer == "CN=Test Authority"
    assert said.lines == []
    assert said.told[0] == "[tls site]: asking https://acme.example/dir for a certificate"
    assert os.stat(play.server.acme_file).st_mode & 0o077 == 0


def test_it_is_renewed_when_a_third_of_its_life_is_left(play: Play) -> None:
    play.renewal.startService()
    first = play.server.credentials[0].fingerprint
    play.hands.advance(66 * 86_400, step=3600)
    assert play.server.credentials[0].fingerprint == first
    play.hands.advance(86_400, step=3600)
    assert play.server.credentials[0].fingerprint != first
    assert len(play.tries) == 2


def test_what_is_there_is_taken_over_at_the_next_start(play: Play) -> None:
    play.renewal.startService()
    play.renewal.stopService()
    play.begin()
    assert play.origins == ["acme"]
    play.renewal.startService()
    assert len(play.tries) == 1


def test_other_names_are_asked_for_at_once(play: Play) -> None:
    play.renewal.startService()
    play.renewal.stopService()
    play.names = ("a.example", "c.example")
    play.settings = tls(acme="https://acme.example/dir", names=play.names)
    play.begin()
    play.renewal.startService()
    assert play.server.credentials[0].names == ("a.example", "c.example")


def test_failures_are_followed_by_tries_that_are_later_each_time(play: Play) -> None:
    play.problem = AcmeProblem("a.example: nobody answers")
    with Said() as said:
        play.renewal.startService()
        play.hands.advance(3 * 86_400, step=60)
    waits = [after - before for before, after in zip(play.tries, play.tries[1:], strict=False)]
    assert waits[:4] == pytest.approx([120, 360, 1080, 3240], abs=61)
    assert max(waits) <= 8 * 3600 + 61
    assert sum(each < 3600 for each in play.tries) <= 5
    assert said.lines[0] == (
        "[tls site]: no certificate by ACME: a.example: nobody answers; what was shown before is shown on. "
        "The next try is in 2 minutes"
    )
    assert play.renewal.problem == "a.example: nobody answers"
    assert play.origins == ["self_signed"]
    play.problem = None
    play.hands.advance(8 * 3600 + 60, step=60)
    assert (play.origins, play.renewal.problem) == (["acme"], "")


def test_a_renewal_that_fails_leaves_the_old_one_until_it_succeeds(play: Play) -> None:
    play.renewal.startService()
    first = play.server.credentials[0].fingerprint
    play.problem = OSError(28, "No space left on device")
    with Said() as said:
        play.hands.advance(70 * 86_400, step=3600)
    assert play.server.credentials[0].fingerprint == first
    assert "No space left on device" in said.lines[0]
    play.problem = None
    play.hands.advance(86_400, step=3600)
    assert play.server.credentials[0].fingerprint != first


def test_what_the_authority_may_ask_is_answered_as_long_as_it_may(play: Play) -> None:
    seen: list[dict[bytes, bytes]] = []
    play.during = lambda: seen.append(dict(play.challenges))
    play.renewal.startService()
    assert seen == [{b"token-a.example": b"token-a.example.thumb", b"token-b.example": b"token-b.example.thumb"}]
    assert play.challenges == {}


def test_with_tls_alpn_the_handshakes_answer(tmp_path: Path) -> None:
    play = Play(tmp_path, challenge="tls-alpn-01")
    seen: list[tuple[bool, int]] = []
    play.during = lambda: seen.append((play.server.validators.is_pending, len(play.challenges)))
    play.problem = AcmeProblem("no")
    play.renewal.startService()
    assert seen == [(True, 0)]
    assert not play.server.validators.is_pending
    play.renewal.stopService()


def test_while_another_process_is_at_it_this_one_waits_for_the_file(play: Play) -> None:
    os.makedirs(os.path.dirname(play.server.acme_file))
    with open(f"{play.server.acme_file}.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with Said() as said:
            play.renewal.startService()
            play.hands.advance(600, step=60)
        assert (play.tries, said.lines) == ([], [])
    play.hands.advance(60, step=60)
    assert play.origins == ["acme"]


def test_what_cannot_be_used_is_told_of(play: Play) -> None:
    play.issued = Issued("no chain", "no key")
    with Said() as said:
        play.renewal.startService()
    assert "what the authority has issued cannot be used" in said.lines[0]
    assert play.origins == ["self_signed"]


def test_a_fault_of_ours_is_told_of_and_tried_again(play: Play) -> None:
    play.problem = ZeroDivisionError("a fault")
    with Said() as said:
        play.renewal.startService()
        assert len(said.lines) == 2
        play.problem = None
        play.hands.advance(180, step=60)
    assert play.origins == ["acme"]


def test_one_try_at_a_time_and_none_is_waited_for_at_the_end(play: Play) -> None:
    play.waiting = []
    play.renewal.startService()
    play.hands.advance(600, step=60)
    assert len(play.waiting) == 1
    play.during = lambda: None
    play.renewal.stopService()
    play.problem = AcmeProblem("it was given up")
    with Said() as said:
        play.waiting[0]()
    assert play.given_up.is_set()
    assert said.lines == []
