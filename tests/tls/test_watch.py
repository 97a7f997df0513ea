"""Certificates are taken from their files while the proxy runs; what cannot be used changes nothing."""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from tests.tls.files import Said, Shelf
from tests.transport.test_deadlines import Hands
from tests.transport.tls_wires import arrive, foreign_client, tls
from tests.transport.wires import Epoll, settle
from twistedproxy.tls.watch import Watch
from twistedproxy.transport.contexts import TlsServer

LATER = datetime(2027, 4, 1, tzinfo=UTC)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shelf = Shelf(tmp_path)
    shelf.put(shelf.authority.issue("a.example", expires=LATER))
    return shelf


def test_other_files_are_shown_after_the_next_look(shelf: Shelf, tmp_path: Path) -> None:
    hands, server, watch = shelf.watched(tmp_path)
    with Said() as said:
        shelf.put(shelf.authority.issue("b.example", expires=LATER))
        hands.advance(9, step=1)
        assert server.credentials[0].names == ("a.example",)
        hands.advance(2, step=1)
        assert server.credentials[0].names == ("b.example",)
    assert watch.renewals == 1
    assert said.lines == []
    assert said.told == ["[tls site]: other certificates are shown: b.example (ECDSA, until 2027-04-01)"]


def test_the_interval_is_the_sites(shelf: Shelf, tmp_path: Path) -> None:
    hands, server, _ = shelf.watched(tmp_path, watch_interval=60.0)
    shelf.put(shelf.authority.issue("b.example", expires=LATER))
    hands.advance(59, step=1)
    assert server.credentials[0].names == ("a.example",)
    hands.advance(2, step=1)
    assert server.credentials[0].names == ("b.example",)


def test_files_that_are_not_watched_are_taken_when_the_proxy_is_told_to(shelf: Shelf, tmp_path: Path) -> None:
    hands, server, watch = shelf.watched(tmp_path, watch_interval=0.0)
    shelf.put(shelf.authority.issue("b.example", expires=LATER))
    hands.advance(600, step=10)
    assert server.credentials[0].names == ("a.example",)
    watch.look(again=True)
    assert server.credentials[0].names == ("b.example",)


def test_half_of_a_pair_changes_nothing_until_the_other_half_is_there(shelf: Shelf, tmp_path: Path) -> None:
    hands, server, watch = shelf.watched(tmp_path)
    other = shelf.authority.issue("b.example", expires=LATER)
    with Said() as said:
        shelf.put(other, key=False)
        hands.advance(10, step=1)
        assert server.credentials[0].names == ("a.example",)
        shelf.put(other, chain=False)
        hands.advance(10, step=1)
        assert server.credentials[0].names == ("b.example",)
    assert said.lines == []
    assert watch.problem == ""


def test_files_that_do_not_belong_together_are_warned_of_once(shelf: Shelf, tmp_path: Path) -> None:
    hands, server, watch = shelf.watched(tmp_path)
    with Said() as said:
        shelf.put(shelf.authority.issue("b.example", expires=LATER), key=False)
        hands.advance(300, step=1)
    (line,) = said.lines
    assert line.startswith(f"[tls site]: {shelf.place.chain} cannot be used: ")
    assert "key values mismatch" in line
    assert "what was shown before is shown on" in line
    assert "key values mismatch" in watch.problem
    assert server.credentials[0].names == ("a.example",)
    assert watch.renewals == 0


@pytest.mark.parametrize("broken", [b"", b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n"])
def test_a_broken_file_is_warned_of_and_a_sound_one_taken_afterwards(shelf: Shelf, tmp_path: Path, broken: bytes) -> None:
    hands, server, watch = shelf.watched(tmp_path)
    with Said() as said:
        Path(shelf.place.chain).write_bytes(broken)
        hands.advance(60, step=1)
        assert len(said.lines) == 1
        assert shelf.place.chain in said.lines[0]
        shelf.put(shelf.authority.issue("b.example", expires=LATER))
        hands.advance(10, step=1)
    assert len(said.lines) == 1
    assert server.credentials[0].names == ("b.example",)
    assert watch.problem == ""


def test_a_file_that_is_gone_is_warned_of_and_missed_no_more_when_it_is_back(shelf: Shelf, tmp_path: Path) -> None:
    hands, server, watch = shelf.watched(tmp_path)
    with Said() as said:
        os.rename(shelf.place.key, shelf.place.key + ".aside")
        hands.advance(10, step=1)
        assert "cannot be read: No such file" in watch.problem
        os.rename(shelf.place.key + ".aside", shelf.place.key)
        hands.advance(10, step=1)
    assert watch.problem == ""
    assert said.lines == []
    assert server.credentials[0].names == ("a.example",)


def test_a_link_that_leads_elsewhere_counts_as_another_file(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    first, second = (shelf.authority.issue(name, expires=LATER) for name in ("a.example", "b.example"))
    os.symlink(first.chain, shelf.place.chain)
    os.symlink(first.key, shelf.place.key)
    hands, server, _ = shelf.watched(tmp_path)
    for source, target in ((second.chain, shelf.place.chain), (second.key, shelf.place.key)):
        os.symlink(source, target + ".new")
        os.rename(target + ".new", target)
    hands.advance(10, step=1)
    assert server.credentials[0].names == ("b.example",)


def test_sessions_are_sealed_with_new_keys_now_and_then(shelf: Shelf, tmp_path: Path) -> None:
    hands, server, watch = shelf.watched(tmp_path, ticket_rotation=3600.0)
    with Said() as said:
        before = server.credentials[0]
        hands.advance(3590, step=10)
        assert server.credentials[0] is before
        hands.advance(20, step=10)
    assert server.credentials[0] is not before
    assert server.credentials[0].fingerprint == before.fingerprint
    assert watch.renewals == 0
    assert said.told == []


def test_expiry_is_warned_of_every_day_from_21_days_ahead(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    start = datetime.fromtimestamp(1_800_001_000, UTC)
    shelf.put(shelf.authority.issue("a.example", expires=start + timedelta(days=22)))
    with Said() as said:
        hands, _, _ = shelf.watched(tmp_path)
        assert said.lines == []
        hands.advance(4 * 86_400, step=600)
    assert len(said.lines) == 3
    assert said.lines[0].startswith(f"[tls site]: {shelf.place.chain} expires on 2027-02-06, in 2")
    assert said.lines[0].endswith("days; renew it")


def test_an_expired_certificate_is_named_at_the_start(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.put(shelf.authority.issue("a.example", expires=datetime(2026, 12, 31, tzinfo=UTC)))
    with Said() as said:
        shelf.watched(tmp_path)
    assert said.lines == [f"[tls site]: {shelf.place.chain} expired on 2026-12-31; renew it"]


def test_a_list_of_revoked_certificates_that_ends_is_told_of(shelf: Shelf, tmp_path: Path) -> None:
    crl = shelf.authority.revoke(until=datetime(2027, 1, 20, tzinfo=UTC))
    with Said() as said:
        hands, _, _ = shelf.watched(tmp_path, verify_client="optional", client_ca=shelf.authority.path, client_crl=crl)
        hands.advance(6 * 86_400, step=600)
    assert f"[tls site]: {crl}: the list of CN=Test Authority ends on 2027-01-20 00:00; fetch a new one" in said.lines
    assert said.lines[-1] == (
        f"[tls site]: {crl}: the list of CN=Test Authority ended on 2027-01-20 00:00: no certificate of its clients is believed"
    )


def test_looks_do_not_overtake_each_other(shelf: Shelf, tmp_path: Path) -> None:
    hands = Hands(1_800_000_000.0)
    server = TlsServer(tls(shelf.place), str(tmp_path), hands)
    calls: list[tuple[Deferred[object], object]] = []

    def later(call: object) -> Deferred[object]:
        calls.append((Deferred(), call))
        return calls[-1][0]

    watch = Watch([server], later, hands, hands.reactor)  # type: ignore[arg-type]
    first, second, told = watch.look(), watch.look(), watch.look(again=True)
    assert len(calls) == 1
    shelf.put(shelf.authority.issue("b.example", expires=LATER))
    ends, call = calls[0]
    ends.callback(call())  # type: ignore[operator]
    assert first.called and second.called and not told.called
    ends, call = calls[1]
    ends.callback(call())  # type: ignore[operator]
    assert told.called
    assert server.credentials[0].names == ("b.example",)


def test_a_stopped_watch_looks_no_more(shelf: Shelf, tmp_path: Path) -> None:
    hands, server, watch = shelf.watched(tmp_path)
    watch.stopService()
    shelf.put(shelf.authority.issue("b.example", expires=LATER))
    hands.advance(60, step=1)
    assert server.credentials[0].names == ("a.example",)
    assert not hands.reactor.getDelayedCalls()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed_until_the_keys_change_and_a_newer_one_then(
    shelf: Shelf, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    hands, server, _ = shelf.watched(tmp_path, ticket_rotation=3600.0)
    poller = Epoll()
    context = foreign_client(version=version)

    def visit(session: ssl.SSLSession | None) -> tuple[bool, ssl.SSLSession | None]:
        arrival, foreign = arrive(poller, server, context, name="a.example", session=session)
        foreign.read()
        resumed = arrival.connection.session_reused
        newer = foreign.tls.session
        foreign.close_notify()
        settle(poller)
        return resumed, newer

    first = visit(None)[1]
    assert visit(first)[0]
    hands.advance(3700, step=10)
    resumed, second = visit(first)
    assert not resumed
    assert visit(second)[0]
    poller.close()
