"""The cache directory over restarts, crashes, broken disks and moved clocks: a miss at worst, never a wrong answer."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import capturedLogs, formatEvent

from tests.cache.plays import Stage, body_of, request, response
from twistedproxy.cache.entry import DamagedEntry
from twistedproxy.cache.outcomes import LookupVerdict, Outcome, StoreVerdict

LARGE = b"0123456789" * 70_000


@contextmanager
def told() -> Iterator[list[str]]:
    """The lines that were logged."""
    lines: list[str] = []
    with capturedLogs() as events:
        yield lines
    lines += [formatEvent(event) for event in events]


def age_files(stage: Stage, seconds: float) -> None:
    """Sets the files' times back from the stage's clock."""
    for path in stage.files():
        os.utime(path, (stage.clock.wall() - seconds, stage.clock.wall() - seconds))


@pytest.mark.parametrize("scan", [False, True])
@pytest.mark.parametrize("body", [b"hello", LARGE])
def test_entries_survive_a_restart_before_and_after_the_scan(tmp_path: Path, body: bytes, scan: bool) -> None:
    first = Stage(tmp_path)
    first.fetch(body=body)
    first.fetch("Cache-Control: max-age=60\nVary: Accept", body, request("Accept: x", target="/varied"))
    first.cache.stop()
    second = Stage(tmp_path, scan=scan)
    assert second.served() == body
    assert second.served(request("Accept: x", target="/varied")) == body
    assert second.lookup(request("Accept: y", target="/varied")).verdict is LookupVerdict.NO_VARIANT
    second.settle()
    assert second.cache.stats().files == first.cache.stats().files == 3
    assert second.cache.stats().bytes == first.cache.stats().bytes


def test_the_scan_goes_on_behind_the_first_requests(tmp_path: Path) -> None:
    first = Stage(tmp_path)
    for number in range(300):
        first.fetch(asked=request(target=f"/{number}"))
    second = Stage(tmp_path, scan=False)
    assert not second.cache.stats().complete
    assert second.served(request(target="/299")) == b"hello"
    before = second.clock.turns
    second.settle()
    assert second.clock.turns - before > 5
    assert second.cache.stats().complete
    assert second.cache.stats().files == 300
    second.cache.start()
    second.cache.stop()
    second.cache.stop()
    assert second.clock.getDelayedCalls() == []


def test_an_entry_file_cut_at_any_byte_is_a_miss_and_goes(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.fetch()
    (path,) = stage.files()
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        stage.forget_memory()
        assert stage.served() is None
        assert not path.exists()
    path.write_bytes(whole)
    assert stage.served() == b"hello"


def test_flipped_bits_are_a_miss_and_one_line_in_the_log(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.fetch()
    (path,) = stage.files()
    whole = path.read_bytes()
    with told() as lines:
        for at in range(len(whole)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
            stage.forget_memory()
            assert stage.served() is None
    assert len(lines) == 1
    assert "cache play: a stored response was damaged and is dropped" in lines[0]
    assert stage.cache.stats().troubles == len(whole)


def test_a_large_body_is_checked_block_by_block(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.fetch(body=LARGE)
    (body,) = (path for path in stage.files() if path.suffix == ".body")
    body.write_bytes(LARGE[:300_000] + b"!" + LARGE[300_001:])
    entry = stage.lookup().entry
    assert entry is not None
    reader = entry.open()
    assert reader.read() == LARGE[: 256 * 1024]
    with pytest.raises(DamagedEntry, match="block 1 is damaged"):
        reader.read()
    stage.cache.drop(entry)
    assert stage.lookup().verdict is LookupVerdict.NOTHING_STORED
    assert stage.files() == []


@pytest.mark.parametrize("change", ["cut", "gone", "directory"])
def test_a_large_body_that_is_not_what_it_was_is_a_miss(tmp_path: Path, change: str) -> None:
    stage = Stage(tmp_path)
    stage.fetch(body=LARGE)
    (body,) = (path for path in stage.files() if path.suffix == ".body")
    if change == "cut":
        body.write_bytes(LARGE[:-1])
    else:
        body.unlink()
    if change == "directory":
        body.mkdir()
    assert stage.served() is None
    assert stage.fetch(body=LARGE) is StoreVerdict.STORED
    assert stage.served() == LARGE


def test_a_body_that_goes_while_it_is_validated_still_serves_this_client(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.fetch('Cache-Control: max-age=1\nETag: "1"', LARGE)
    stage.later(5)
    lookup = stage.lookup()
    for path in stage.files():
        path.unlink()
    now = stage.clock.wall()
    entry = stage.cache.freshen(lookup, request(), response(status=304), now, now)
    assert not isinstance(entry, StoreVerdict)
    assert body_of(entry) == LARGE
    assert stage.served() is None
    assert stage.files() == []


@pytest.mark.parametrize("kind", ["text", "empty", "directory", "fifo", "link", "huge", "other"])
def test_foreign_things_under_our_names_are_a_miss(tmp_path: Path, kind: str) -> None:
    stage = Stage(tmp_path)
    stage.fetch(asked=request(target="/other"))
    (other,) = stage.files()
    stage.fetch()
    (path,) = (file for file in stage.files() if file != other)
    path.unlink()
    if kind == "text":
        path.write_text("hello, what is this?")
    elif kind == "empty":
        path.touch()
    elif kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(other)
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(64 * 1024**2)
    else:
        path.write_bytes(other.read_bytes())
    stage.forget_memory()
    assert stage.served() is None
    assert stage.served(request(target="/other")) == b"hello"
    assert stage.fetch() is StoreVerdict.STORED
    assert stage.served() == b"hello"


def test_files_that_are_not_ours_stay(tmp_path: Path) -> None:
    foreign = [tmp_path / "README", tmp_path / "ab" / "notes.txt", tmp_path / "aside" / "mine", tmp_path / "zz" / ("0" * 30)]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    (tmp_path / "cd").write_text("a file where a directory should be")
    stage = Stage(tmp_path, inactive=5)
    stage.fetch()
    stage.later(100)
    stage.cache.clear()
    stage.later(100)
    assert stage.cache.stats().files == 0
    left = [path.read_text() for path in stage.files()]
    assert left.count("mine") == 4
    assert len(left) == 5


def test_leftovers_of_a_killed_process_go_and_those_of_a_living_one_stay(tmp_path: Path) -> None:
    aside = tmp_path / "aside"
    aside.mkdir()
    # Process 1 lives as long as any.
    mine, dead, alive, old = (aside / f"{pid}-{n:016x}.part" for n, pid in enumerate((os.getpid(), 2**22 + 5, 1, 1)))
    for path in (mine, dead, alive, old):
        path.write_text("half")
    stage = Stage(tmp_path, scan=False)
    for path in (mine, dead, alive):
        os.utime(path, (stage.clock.wall(), stage.clock.wall()))
    os.utime(old, (0, 0))
    stage.settle()
    assert stage.files() == [alive]


def test_a_body_that_comes_in_during_the_scan_is_no_leftover(tmp_path: Path) -> None:
    stage = Stage(tmp_path, scan=False)
    now = stage.clock.wall()
    fill = stage.cache.admit(stage.lookup(), request(), response("Cache-Control: max-age=60", length=len(LARGE)), now, now)
    assert not isinstance(fill, StoreVerdict)
    fill.write(LARGE[:300_000])
    stage.settle()
    fill.write(LARGE[300_000:])
    assert fill.commit() is StoreVerdict.STORED
    assert stage.served() == LARGE


def test_a_body_whose_entry_was_never_written_goes_in_time(tmp_path: Path) -> None:
    first = Stage(tmp_path)
    first.fetch(body=LARGE)
    (head,) = (path for path in first.files() if path.suffix != ".body")
    head.unlink()
    second = Stage(tmp_path, inactive=100)
    assert second.cache.stats().files == 1
    age_files(second, 0)
    assert second.served() is None
    third = Stage(tmp_path, inactive=100)
    third.later(101)
    assert third.files() == []


def test_a_second_body_of_a_replaced_entry_goes_with_it(tmp_path: Path) -> None:
    first = Stage(tmp_path)
    first.fetch(body=LARGE)
    (body,) = (path for path in first.files() if path.suffix == ".body")
    body.with_name(body.name[:31] + "f" * 16 + ".body").write_bytes(b"of a crash")
    second = Stage(tmp_path, scan=False)
    assert second.served() == LARGE
    second.settle()
    assert second.cache.purge(b"http://example.com/page") == 1
    assert second.files() == []


def test_a_directory_that_cannot_be_made_means_misses_and_memory(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a directory")
    with told() as lines:
        stage = Stage(in_the_way)
        assert stage.fetch(body=LARGE) is StoreVerdict.DISK
        assert stage.served() is None
        assert stage.fetch() is StoreVerdict.STORED
        assert stage.served() == b"hello"
        stage.forget_memory()
        assert stage.served() is None
        stage.later(20)
        stage.cache.clear()
    assert [line for line in lines if "a response cannot be stored" in line]
    assert in_the_way.read_text() == "not a directory"


def refuse(monkeypatch: pytest.MonkeyPatch, call: str, error: int, after: int = 0) -> None:
    """From now on the operating system refuses *call*, after so many that it allows."""
    allowed = [after]
    real = getattr(os, call)

    def refusing(*args: Any, **options: Any) -> Any:
        if allowed[0] > 0:
            allowed[0] -= 1
            return real(*args, **options)
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, call, refusing)


@pytest.mark.parametrize("body", [b"hello", LARGE])
@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_full_disk_keeps_nothing_of_the_old_and_nothing_of_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes, after: int
) -> None:
    stage = Stage(tmp_path, memory=0)
    stage.fetch(body=b"old" + body)
    with monkeypatch.context() as full:
        refuse(full, "write", errno.ENOSPC, after)
        verdict = stage.fetch(body=body, asked=request("Cache-Control: no-cache"))
    writes = 1 if body == b"hello" else 4
    assert verdict is (StoreVerdict.STORED if after >= writes else StoreVerdict.DISK)
    assert stage.served() in (body if after >= writes else None, b"old" + body if body is LARGE and after < 3 else None)
    assert not [path for path in stage.files() if path.suffix == ".part"]
    assert stage.fetch(body=body, asked=request("Cache-Control: no-cache")) is StoreVerdict.STORED
    assert stage.served() == body


def test_what_cannot_be_removed_is_not_read_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path)
    stage.fetch()
    with monkeypatch.context() as read_only:
        for call in ("unlink", "rename", "makedirs"):
            refuse(read_only, call, errno.EROFS)
        assert stage.cache.purge(b"http://example.com/page") == 1
        assert stage.served() is None
        assert stage.fetch() is StoreVerdict.STORED  # in memory
        stage.forget_memory()
        assert stage.served() is None
        stage.fetch(asked=request(target="/second"))
    stage.forget_memory()
    assert stage.served() is None
    assert stage.fetch() is StoreVerdict.STORED
    stage.forget_memory()
    assert stage.served() == b"hello"


def test_a_cache_that_cannot_be_cleared_reads_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path)
    stage.fetch()
    refuse(monkeypatch, "rename", errno.EROFS)
    assert stage.cache.clear() == 1
    assert stage.served() is None


def test_a_process_without_descriptors_misses_and_recovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path)
    stage.fetch()
    stage.forget_memory()
    with monkeypatch.context() as exhausted, told() as lines:
        refuse(exhausted, "open", errno.EMFILE)
        assert stage.served() is None
        assert stage.lookup().verdict is LookupVerdict.NOTHING_STORED
    assert len(lines) == 1
    assert stage.served() == b"hello"


def test_an_unreadable_body_is_damaged_not_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path)
    stage.fetch(body=LARGE)
    entry = stage.lookup().entry
    assert entry is not None
    refuse(monkeypatch, "pread", errno.EIO)
    with pytest.raises(DamagedEntry, match="cannot be read"):
        entry.open().read()


def test_beyond_max_size_the_least_recently_used_go(tmp_path: Path) -> None:
    stage = Stage(tmp_path, max_size=10 * 4096)
    for number in range(10):
        stage.fetch(asked=request(target=f"/{number}"))
        stage.later(1)
    stage.served(request(target="/0"))
    for number in range(10, 13):
        stage.fetch(asked=request(target=f"/{number}"))
    stage.forget_memory()
    assert [n for n in range(13) if stage.served(request(target=f"/{n}"))] == [0, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert len(stage.files()) == 10
    assert stage.cache.stats().bytes == 10 * 4096


def test_a_large_entry_pushes_out_many_small_ones_over_time(tmp_path: Path) -> None:
    stage = Stage(tmp_path, max_size=200 * 4096)
    for number in range(150):
        stage.fetch(asked=request(target=f"/{number}"))
    stage.later(1)
    stage.fetch(body=LARGE)
    assert stage.cache.stats().bytes > 200 * 4096
    stage.later(10)
    assert stage.cache.stats().bytes <= 200 * 4096
    assert stage.served() == LARGE


def test_files_of_a_smaller_max_size_go_after_the_scan(tmp_path: Path) -> None:
    first = Stage(tmp_path)
    for number in range(100):
        first.fetch(asked=request(target=f"/{number}"))
    age_files(first, 0)
    second = Stage(tmp_path, max_size=20 * 4096)
    second.later(10)
    assert second.cache.stats().files == len(second.files()) == 20


def test_what_nobody_asks_for_goes_and_what_is_used_stays(tmp_path: Path) -> None:
    stage = Stage(tmp_path, inactive=600)
    stage.fetch("Cache-Control: max-age=9999")
    stage.fetch("Cache-Control: max-age=9999\nVary: Accept", asked=request(target="/varied"))
    stage.fetch("Cache-Control: max-age=9999", asked=request(target="/unused"))
    for _ in range(8):
        stage.later(100)
        assert stage.served() == b"hello"
        assert stage.served(request(target="/varied")) == b"hello"
    assert len(stage.files()) == 3
    stage.cache.stop()
    again = Stage(tmp_path, inactive=600, at=810)
    again.later(20)
    assert again.served() == b"hello"
    assert again.served(request(target="/varied")) == b"hello"


def test_a_clock_that_goes_back_makes_nothing_fresher(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.fetch('Cache-Control: max-age=60\nETag: "1"')
    stage.clock.set_by = -3
    assert stage.served() == b"hello"
    stage.clock.set_by = -86_400
    assert stage.lookup().verdict is LookupVerdict.CLOCK_WENT_BACK
    assert stage.lookup().outcome is Outcome.REVALIDATE
    assert stage.fetch(asked=request()) is StoreVerdict.STORED
    assert stage.served() == b"hello"
    stage.later(61)
    assert stage.served() is None


def test_a_clock_that_goes_forward_makes_everything_stale(tmp_path: Path) -> None:
    stage = Stage(tmp_path, inactive=600)
    stage.fetch()
    stage.clock.set_by = 86_400
    assert stage.served() is None
    stage.later(20)
    assert stage.fetch() is StoreVerdict.STORED
    assert stage.served() == b"hello"


def test_a_trouble_is_told_again_after_a_while(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.fetch()
    (path,) = stage.files()
    with told() as lines:
        for _ in range(3):
            path.write_text("damage")
            stage.forget_memory()
            stage.served()
            stage.clock.advance(20)
    assert len(lines) == 2


def test_the_time_of_use_that_cannot_be_noted_is_only_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path)
    stage.fetch("Cache-Control: max-age=99999")
    refuse(monkeypatch, "utime", errno.EROFS)
    stage.later(2000)
    with told() as lines:
        assert stage.served() == b"hello"
    assert "the time of last use cannot be noted" in lines[0]
