"""Parts of files, and conditions on them (RFC 9110 §13, §14)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.kit.party import Message
from tests.kit.play import Play
from tests.scenes.files import SCRIPT, asked, request, site_of, tree

DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
BEFORE = "Tue, 14 Nov 2023 22:13:19 GMT"
AFTER = "Tue, 14 Nov 2023 22:13:21 GMT"
ETAG = f'"{1_700_000_000 * 10**9:x}-{len(SCRIPT):x}"'
SIZE = len(SCRIPT)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    site = tree(tmp_path)
    os.utime(site / "app.js", (1_700_000_000, 1_700_000_000))
    return site


@pytest.mark.parametrize(
    ("wanted", "span"),
    [
        ("bytes=0-4", (0, 5)),
        ("bytes=5-", (5, SIZE)),
        ("bytes=-7", (SIZE - 7, SIZE)),
        ("bytes=0-99999", (0, SIZE)),
        ("bytes=-99999", (0, SIZE)),
        ("BYTES=1-1", (1, 2)),
        (f"bytes={SIZE - 1}-, {SIZE}-", (SIZE - 1, SIZE)),
    ],
)
def test_one_part(root: Path, wanted: str, span: tuple[int, int]) -> None:
    answered = asked(root, "/app.js", f"Range: {wanted}")
    start, stop = span
    assert (answered.status, answered.body) == (206, SCRIPT[start:stop])
    assert answered.fields["content-range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert answered.fields["etag"] == ETAG


def test_several_parts(root: Path) -> None:
    answered = asked(root, "/app.js", "Range: bytes=0-1, 10-11, -1")
    kind, _, boundary = answered.fields["content-type"].partition("; boundary=")
    assert (answered.status, kind) == (206, "multipart/byteranges")
    _, *found, end = answered.body.split(b"\r\n--" + boundary.encode())
    assert end == b"--\r\n"
    for part, (start, stop) in zip(found, ((0, 2), (10, 12), (SIZE - 1, SIZE)), strict=True):
        head, _, data = part.partition(b"\r\n\r\n")
        assert data == SCRIPT[start:stop]
        assert head == (
            b"\r\nContent-Type: text/javascript; charset=utf-8\r\nContent-Range: bytes %d-%d/%d" % (start, stop - 1, SIZE)
        )


@pytest.mark.parametrize(
    "wanted",
    ["bytes=4-2", "bytes=a-b", "lines=0-1", "bytes=", "bytes=0-1 5-6", "bytes=0-5,3-8", ",".join(["bytes=0-0", *["2-2"] * 20])],
)
def test_what_is_malformed_or_too_much_is_answered_with_the_whole(root: Path, wanted: str) -> None:
    answered = asked(root, "/app.js", f"Range: {wanted}")
    assert (answered.status, answered.body) == (200, SCRIPT)


@pytest.mark.parametrize("wanted", [f"bytes={SIZE}-", "bytes=99999-", "bytes=-0"])
def test_what_does_not_exist(root: Path, wanted: str) -> None:
    answered = asked(root, "/app.js", f"Range: {wanted}", more="expires = 1h\n")
    assert (answered.status, answered.fields["content-range"]) == (416, f"bytes */{SIZE}")
    assert "cache-control" not in answered.fields


def test_head_has_no_parts(root: Path) -> None:
    assert asked(root, "/app.js", "Range: bytes=0-1", method="HEAD").status == 200


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (f"If-None-Match: {ETAG}", 304),
        (f"If-None-Match: W/{ETAG}", 304),
        (f'If-None-Match: "a", {ETAG}', 304),
        ("If-None-Match: *", 304),
        ('If-None-Match: "a"', 200),
        (f'If-None-Match: "a"\nIf-Modified-Since: {AFTER}', 200),
        (f"If-Modified-Since: {DATE}", 304),
        (f"If-Modified-Since: {AFTER}", 304),
        (f"If-Modified-Since: {BEFORE}", 200),
        ("If-Modified-Since: yesterday", 200),
        (f"If-Match: {ETAG}", 200),
        (f'If-Match: "a", {ETAG}', 200),
        ("If-Match: *", 200),
        ('If-Match: "a"', 412),
        (f"If-Match: W/{ETAG}", 412),
        (f"If-Match: {ETAG}\nIf-Unmodified-Since: {BEFORE}", 200),
        (f"If-Unmodified-Since: {DATE}", 200),
        (f"If-Unmodified-Since: {BEFORE}", 412),
        (f'If-Match: "a"\nIf-None-Match: {ETAG}', 412),
        (f"If-None-Match: {ETAG}\nRange: bytes=0-1", 304),
        (f"If-Range: {ETAG}\nRange: bytes=0-1", 206),
        ('If-Range: "a"\nRange: bytes=0-1', 200),
        (f"If-Range: W/{ETAG}\nRange: bytes=0-1", 200),
        (f"If-Range: {DATE}\nRange: bytes=0-1", 206),
        (f"If-Range: {AFTER}\nRange: bytes=0-1", 200),
        (f"If-Range: {ETAG}", 200),
    ],
)
def test_conditions_are_judged_in_their_order(root: Path, fields: str, status: int) -> None:
    assert asked(root, "/app.js", fields).status == status
    if "Range" not in fields:
        assert asked(root, "/app.js", fields, method="HEAD").status == status


def test_304_says_what_a_cache_has_to_know(root: Path) -> None:
    fields = asked(root, "/app.js", f"If-None-Match: {ETAG}", more="expires = 1h\nprecompressed = gzip\n").fields
    assert (fields["etag"], fields["cache-control"], fields["vary"]) == (ETAG, "max-age=3600", "Accept-Encoding")
    assert not {"content-type", "content-length", "last-modified"} & set(fields)


def test_what_may_change_unseen_has_a_weak_etag(root: Path) -> None:
    moment = 1_800_000_000 - 1
    os.utime(root / "app.js", (moment, moment))
    answered = asked(root, "/app.js")
    assert answered.fields["etag"].startswith('W/"')
    assert asked(root, "/app.js", f"If-Match: {answered.fields['etag']}").status == 412
    assert asked(root, "/app.js", f"If-None-Match: {answered.fields['etag']}").status == 304


def test_no_date_is_from_the_future(root: Path) -> None:
    os.utime(root / "app.js", (2_000_000_000, 2_000_000_000))
    assert asked(root, "/app.js").fields["last-modified"] == "Fri, 15 Jan 2027 08:00:00 GMT"


# Large files are sent in pieces, as fast as the client takes them.

LARGE = bytes(range(256)) * 4096


@pytest.fixture
def large(tmp_path: Path) -> Path:
    (tmp_path / "large").write_bytes(LARGE)
    return tmp_path


def whole(root: Path, fields: str = "", more: str = "") -> Message:
    return asked(root, "/large", fields, more=more)


def test_a_large_file(large: Path) -> None:
    assert whole(large).body == LARGE
    assert whole(large, "Range: bytes=100000-900000").body == LARGE[100_000:900_001]
    answered = whole(large, "Range: bytes=0-99999, 500000-599999")
    assert answered.status == 206
    assert LARGE[:100_000] in answered.body
    assert LARGE[500_000:600_000] in answered.body


def test_only_what_the_client_takes_is_read(large: Path) -> None:
    with Play(site_of(large)) as play:
        client = play.client()
        client.stops_reading(1000)
        client.says(request("/large"))
        for _ in range(5):
            play.later(1)
        (connection,) = play.connections()
        assert connection.transport.pending < 256 * 1024
        client.reads_on()
        assert client.hears_message().body == LARGE


def test_the_disk_is_waited_for_in_a_thread(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twistedproxy.answers.files.open_file.OpenFile.is_ready", lambda *_: False)
    with Play(site_of(large)) as play:
        client = play.client()
        client.says(request("/large"))
        assert client.hears_message().body == LARGE
        assert play.beside.works == 16


def test_a_small_one_likewise(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter((False, True))
    monkeypatch.setattr("twistedproxy.answers.files.open_file.OpenFile.is_ready", lambda *_: next(answers))
    with Play(site_of(root)) as play:
        client = play.client()
        client.says(request("/app.js"))
        assert client.hears_message().body == SCRIPT
        assert play.beside.works == 1


def test_a_client_that_leaves_meanwhile(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twistedproxy.answers.files.open_file.OpenFile.is_ready", lambda *_: False)
    with Play(site_of(large)) as play:
        play.beside.seconds = 1.0
        client = play.client()
        client.says(request("/large"))
        client.overlooks()
        client.leaves()
        play.later(2)


@pytest.mark.parametrize("change", ["shrinks", "is written anew"])
def test_a_file_that_changes_on_the_way_is_not_passed_off_as_whole(large: Path, change: str) -> None:
    with Play(site_of(large)) as play:
        client = play.client()
        client.stops_reading(1000)
        client.says(request("/large"))
        if change == "shrinks":
            os.truncate(large / "large", 200_000)
        else:
            (large / "large").write_bytes(b"x" * len(LARGE))
        client.reads_on()
        head, _, body = client.overlooks().partition(b"\r\n\r\n")
        assert b"Content-Length: %d" % len(LARGE) in head
        assert len(body) < len(LARGE)
        assert LARGE.startswith(body)
        reason = play.finished[-1].reason
        assert reason is not None
        assert reason.name == "file_changed"


def test_a_file_that_grows_is_sent_as_it_was_announced(large: Path) -> None:
    with Play(site_of(large)) as play:
        client = play.client()
        client.stops_reading(1000)
        client.says(request("/large"))
        with (large / "large").open("ab") as file:
            file.write(b"more")
        client.reads_on()
        assert client.hears_message().body == LARGE
        client.says(request("/large", "Range: bytes=-4"))
        assert client.hears_message().body == b"more"


def test_files_that_are_replaced_are_sent_as_they_were(large: Path) -> None:
    with Play(site_of(large)) as play:
        client = play.client()
        client.stops_reading(1000)
        client.says(request("/large"))
        (large / "new").write_bytes(b"new")
        (large / "new").rename(large / "large")
        client.reads_on()
        assert client.hears_message().body == LARGE
        client.says(request("/large"))
        assert client.hears_message().body == b"new"


def test_descriptors_are_shared_and_closed(large: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    with Play(site_of(large)) as play:
        clients = [play.client() for _ in range(20)]
        for client in clients:
            client.stops_reading(1000)
            client.says(request("/large"))
        assert len(set(os.listdir("/proc/self/fd")) - before) <= 1
        for client in clients:
            client.reads_on()
            assert client.hears_message().body == LARGE
        assert set(os.listdir("/proc/self/fd")) <= before
