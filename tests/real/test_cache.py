"""The cache's directory in the real world: processes that are killed, that share it, and a file system that is full."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.cache.plays import START, Stage, request
from tests.real.client import fetch
from tests.real.conftest import StartProxy
from tests.real.crashes import SITE, Crashes, body_of
from tests.real.origins import Call, Origin
from tests.real.programs import eventually
from tests.real.proxy import Proxy
from twistedproxy.cache.outcomes import StoreVerdict

LARGE = "/700000/1"


def answers(call: Call) -> None:
    """An origin that always says the same."""
    while head := call.head():
        body = body_of(head.split(b" ", 2)[1].decode(), 1)
        fields = b"Cache-Control: max-age=600\r\nCache-Tag: one two\r\nContent-Length: %d" % len(body)
        call.send(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n\r\n" + body)


def test_a_proxy_that_is_killed_under_load_serves_nothing_wrong_afterwards(tmp_path: Path) -> None:
    crashes = Crashes(tmp_path, 5)
    crashes.run(4)
    assert crashes.checked > 50
    assert crashes.hits


def test_two_processes_share_what_is_stored_and_what_is_purged(start_proxy: StartProxy) -> None:
    with Origin(answers) as origin:
        site = SITE.format(origin=origin.port)
        one, other = start_proxy(site, name="one"), start_proxy(site, name="other")

        def said(proxy: Proxy, path: str, *fields: str) -> str | None:
            answer = fetch(proxy.port, path, *fields)
            assert answer.status in (200, 504)
            assert answer.status == 504 or answer.body == body_of(path, 1)
            return answer.field("X-Cache-Status") if answer.status == 200 else None

        def is_gone(proxy: Proxy, path: str) -> bool:
            return said(proxy, path, "Cache-Control: only-if-cached") is None

        for path in ("/900/1", LARGE):
            assert said(one, path) == "MISS"
            # The client may have everything a moment before the entry is complete on the disk.
            eventually(partial(said, other, path, "Cache-Control: only-if-cached"), "the other finds it")
            assert said(one, path) == said(other, path) == "HIT"
        assert fetch(one.port, LARGE, method="PURGE").status == 200
        eventually(partial(is_gone, other, LARGE), "the other process hears of the purge")
        assert said(other, "/900/1") == "HIT"
        assert said(other, LARGE) == "MISS"
        assert fetch(other.port, "/", "Cache-Tag: two", method="PURGE").status == 200
        for path in ("/900/1", LARGE):
            eventually(partial(is_gone, one, path), "the tag is purged")
            assert said(one, path) == "MISS"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_means_misses_and_nothing_else(small_disk: Path) -> None:
    stage = Stage(small_disk / "cache")
    fields = "Cache-Control: max-age=60\nCache-Tag: tag"
    verdicts = set()
    for number in range(40):
        body = bytes([number]) * (100_000 if number % 2 else 400_000)
        verdicts.add(stage.fetch(fields, body, request(target=f"/{number}")))
        stage.forget_memory()
        assert stage.served(request(target=f"/{number}")) in (body, None)
    assert StoreVerdict.DISK in verdicts and stage.cache.stats().troubles
    with pytest.raises(OSError, match="No space"):
        (small_disk / "rest").write_bytes(bytes(2**20))
    stage.cache.purge(b"http://example.com/1")
    assert stage.served(request(target="/1")) is None
    (small_disk / "rest").unlink()
    stage.cache.clear()
    stage.later(10)
    assert stage.fetch(fields, b"again") is StoreVerdict.STORED
    assert Stage(small_disk / "cache", at=stage.clock.wall() - START).served() == b"again"
