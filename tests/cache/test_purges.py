"""Purges: by URL, prefix, tag and of everything; soft and hard; over restarts and between processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cache.plays import Stage, request, response
from twistedproxy.cache.entry import Entry
from twistedproxy.cache.fill import Fill
from twistedproxy.cache.ledger import Ledger
from twistedproxy.cache.outcomes import LookupVerdict, StoreVerdict
from twistedproxy.cache.purge import PurgeKind, tags_of
from twistedproxy.message import Headers

TAGGED = "Cache-Control: max-age=60\nCache-Tag: red,blue\nSurrogate-Key: big small"
LARGE = b"0123456789" * 70_000

#: What covers /a of example.com, and not /z.
COVERING = [
    (PurgeKind.URL, b"http://example.com/a"),
    (PurgeKind.PREFIX, b"http://example.com/a"),
    (PurgeKind.PREFIX, b"http://example.com/"),
    (PurgeKind.TAG, b"red"),
    (PurgeKind.TAG, b"small"),
    (PurgeKind.ALL, b""),
]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_tags_stand_apart_by_blanks_or_commas() -> None:
    fields = Headers([(b"Cache-Tag", b"a, b,c"), (b"Surrogate-Key", b"d  e"), (b"cache-tag", b"f"), (b"X-Tag", b"g")])
    assert tags_of(fields) == {b"a", b"b", b"c", b"d", b"e", b"f"}
    assert tags_of(Headers([(b"Cache-Tag", b" , ")])) == frozenset()


@pytest.mark.parametrize("body", [b"hello", LARGE])
@pytest.mark.parametrize("place", ["memory", "disk", "restarted", "elsewhere"])
@pytest.mark.parametrize(("kind", "value"), COVERING)
def test_what_is_purged_is_served_nowhere(tmp_path: Path, kind: PurgeKind, value: bytes, place: str, body: bytes) -> None:
    stage = Stage(tmp_path)
    asked = request(target="/a")
    stage.fetch(TAGGED, body, asked)
    other = Stage(tmp_path)
    assert other.served(asked) == body
    assert stage.cache.removals.purge(kind, value, soft=False).written
    if place == "disk":
        stage.forget_memory()
    elif place == "restarted":
        stage = Stage(tmp_path, scan=False)
    elif place == "elsewhere":
        stage = other
        stage.later(1)
    assert stage.served(asked) is None
    stage.fetch(TAGGED, b"later", asked)
    stage.forget_memory()
    assert stage.served(asked) == b"later"


@pytest.mark.parametrize("place", ["memory", "disk", "restarted", "elsewhere"])
@pytest.mark.parametrize(("kind", "value"), COVERING)
def test_what_is_purged_softly_is_stale_and_may_be_validated(tmp_path: Path, kind: PurgeKind, value: bytes, place: str) -> None:
    stage = Stage(tmp_path)
    asked = request(target="/a")
    stage.fetch(TAGGED + '\nETag: "1"', b"hello", asked)
    other = Stage(tmp_path)
    assert other.served(asked) == b"hello"
    stage.later(10)
    stage.cache.removals.purge(kind, value, soft=True)
    if place == "disk":
        stage.forget_memory()
    elif place == "restarted":
        stage = Stage(tmp_path, scan=False, at=10)
    elif place == "elsewhere":
        other.later(11)
        stage = other
    lookup = stage.lookup(asked)
    assert lookup.verdict is LookupVerdict.EXPIRED
    assert lookup.entry is not None and lookup.entry.ttl(stage.clock.wall()) in (0, -1)
    now = stage.clock.wall()
    assert isinstance(
        stage.cache.freshen(lookup, asked, response('Cache-Control: max-age=60\nETag: "1"', status=304), now, now), Entry
    )
    assert stage.served(asked) == b"hello"
    stage.forget_memory()
    assert stage.served(asked) == b"hello"


def test_what_is_stale_already_becomes_no_fresher(stage: Stage) -> None:
    stage.fetch("Cache-Control: max-age=5, stale-while-revalidate=10")
    stage.later(12)
    stage.cache.purge(b"http://example.com/page", soft=True)
    assert stage.lookup().verdict is LookupVerdict.UPDATING
    stage.later(4)
    assert stage.lookup().verdict is LookupVerdict.EXPIRED


def test_what_is_not_covered_stays(stage: Stage) -> None:
    stage.fetch(TAGGED, b"hello", request(target="/z"))
    for kind, value in COVERING[:2]:
        stage.cache.removals.purge(kind, value, soft=False)
    for value in (b"Red", b"re", b"red,blue"):
        stage.cache.removals.purge(PurgeKind.TAG, value, soft=False)
    assert stage.served(request(target="/z")) == b"hello"
    stage.forget_memory()
    assert stage.served(request(target="/z")) == b"hello"


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("where", ["here", "elsewhere"])
@pytest.mark.parametrize(("kind", "value"), COVERING)
def test_an_answer_under_way_does_not_bring_back_what_was_purged(
    tmp_path: Path, kind: PurgeKind, value: bytes, where: str, soft: bool
) -> None:
    stage = Stage(tmp_path)
    asked = request(target="/a")
    now = stage.clock.wall()
    fill = stage.cache.admit(stage.lookup(asked), asked, response(TAGGED, length=5), now, now)
    assert isinstance(fill, Fill)
    purging = stage if where == "here" else Stage(tmp_path)
    purging.cache.removals.purge(kind, value, soft=soft)
    fill.write(b"older")
    assert fill.commit() is StoreVerdict.SUPERSEDED
    assert stage.served(asked) is None


def test_purges_cost_the_same_however_much_is_stored_and_the_files_go_behind(stage: Stage) -> None:
    for number in range(200):
        stage.fetch(TAGGED, asked=request(target=f"/a/{number}"))
    stage.fetch(TAGGED, LARGE, request(target="/large"))
    stage.fetch(TAGGED + "\nVary: Accept", b"hello", request("Accept: x", target="/varied"))
    stage.fetch(asked=request(target="/z"))
    stage.forget_memory()
    stage.cache.removals.purge(PurgeKind.TAG, b"red", soft=False)
    assert len(stage.files()) == 205
    for _ in range(40):
        stage.later(1)
    # What lists the variants of a URI is small, and goes when nobody asks for it.
    assert len(stage.files()) == 2
    assert stage.cache.stats().swept == 202
    assert stage.served(request(target="/z")) == b"hello"
    assert len(stage.cache._store.ledger.purges) == 0
    assert stage.served(request("Accept: x", target="/varied")) is None


def test_a_purge_can_be_previewed(stage: Stage) -> None:
    for number in range(3):
        stage.fetch(TAGGED, asked=request(target=f"/a/{number}"))
    stage.fetch(asked=request(target="/z"))
    preview = stage.cache.removals.preview(PurgeKind.TAG, b"blue", 1.0)
    assert (preview.count, preview.looked_at, preview.known) == (3, 4, 4)
    assert stage.served(request(target="/a/1")) == b"hello"
    assert stage.cache.removals.preview(PurgeKind.TAG, b"blue", -1.0).looked_at == 0


def test_damaged_and_cut_lines_of_the_ledger_are_left_out(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.fetch(TAGGED, asked=request(target="/a"))
    path = tmp_path / "purges"
    path.write_bytes(b"rubbish\n00000000 {}\nhalf a li")
    stage.cache.removals.purge(PurgeKind.TAG, b"blue", soft=False)
    for fresh in (stage, Stage(tmp_path)):
        assert fresh.served(request(target="/a")) is None
    assert stage.cache.stats().troubles
    stage.fetch(TAGGED, asked=request(target="/b"))
    with path.open("ab") as file:
        file.write(path.read_bytes()[-20:])
    assert Stage(tmp_path).served(request(target="/b")) == b"hello"


def test_a_purge_that_cannot_be_written_down_holds_here(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.fetch(TAGGED, asked=request(target="/a"))
    (tmp_path / "purges").mkdir()
    done = stage.cache.removals.purge(PurgeKind.TAG, b"blue", soft=False)
    assert (done.count, done.written) == (1, False)
    assert stage.served(request(target="/a")) is None
    # What others have purged is not known now: nothing on the disk can be trusted.
    assert Stage(tmp_path).served(request(target="/a")) is None
    (tmp_path / "purges").rmdir()


def test_a_ledger_that_is_removed_takes_what_was_stored_since_with_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.cache.removals.purge(PurgeKind.TAG, b"blue", soft=False)
    stage.fetch(TAGGED, asked=request(target="/a"))
    os.unlink(tmp_path / "purges")
    assert stage.served(request(target="/a")) == b"hello"
    assert Stage(tmp_path).served(request(target="/a")) is None


def test_a_clock_that_goes_back_does_not_undo_purges(tmp_path: Path) -> None:
    first = Stage(tmp_path, at=1000)
    first.cache.removals.purge(PurgeKind.TAG, b"red", soft=False)
    second = Stage(tmp_path)
    second.fetch(TAGGED, asked=request(target="/a"))
    assert second.served(request(target="/a")) == b"hello"
    second.cache.removals.purge(PurgeKind.TAG, b"red", soft=False)
    assert second.served(request(target="/a")) is None


def test_a_ledger_is_written_anew_and_who_missed_some_of_it_trusts_nothing_old(tmp_path: Path) -> None:
    stage, other = Stage(tmp_path), Stage(tmp_path)
    other.fetch(TAGGED, asked=request(target="/a"))
    now = other.clock.wall()
    fill = other.cache.admit(other.lookup(request(target="/b")), request(target="/b"), response(TAGGED, length=5), now, now)
    assert isinstance(fill, Fill)
    stage.cache.removals.purge(PurgeKind.TAG, b"soft", soft=True)
    for number in range(600):
        stage.cache.removals.purge(PurgeKind.TAG, b"tag-%d" % number + b"x" * 50, soft=False)
    stage.cache.removals.purge(PurgeKind.TAG, b"blue", soft=False)
    for _ in range(40):
        stage.later(1)
    assert (tmp_path / "purges").stat().st_size < 1000
    ledger = Ledger(str(tmp_path), lambda kind, what: None, stage.clock.wall)
    ledger.refresh()
    assert [purge.value for purge in ledger.purges.kept()] == [b"soft"]
    other.later(1)
    assert other.served(request(target="/a")) is None
    fill.write(b"hello")
    assert fill.commit() is StoreVerdict.SUPERSEDED


def test_of_very_many_soft_purges_the_oldest_become_hard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twistedproxy.cache.upkeep._SOFT_KEPT", 3)
    monkeypatch.setattr("twistedproxy.cache.upkeep._MOST_PURGES", 5)
    stage = Stage(tmp_path)
    stage.fetch("Cache-Control: max-age=60\nCache-Tag: t0", asked=request(target="/old"))
    stage.fetch("Cache-Control: max-age=60\nCache-Tag: t5", asked=request(target="/new"))
    for number in range(6):
        stage.cache.removals.purge(PurgeKind.TAG, b"t%d" % number, soft=True)
    for _ in range(40):
        stage.later(1)
    assert len(stage.cache._store.ledger.purges) == 3
    assert stage.lookup(request(target="/old")).verdict is LookupVerdict.NOTHING_STORED
    assert stage.lookup(request(target="/new")).verdict is LookupVerdict.EXPIRED
