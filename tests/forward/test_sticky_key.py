"""The secret of sticky cookies: made once, kept, private."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.balance.pools import log_lines
from twistedproxy.forward import affinity
from twistedproxy.forward.affinity import sticky_key


def test_the_key_is_made_once_and_only_for_us(tmp_path: Path) -> None:
    state = tmp_path / "var"
    key = sticky_key(str(state))
    assert len(key) == 32
    assert sticky_key(str(state)) == key
    assert stat.S_IMODE((state / "sticky.key").stat().st_mode) == 0o600
    assert os.listdir(state) == ["sticky.key"]
    assert sticky_key(str(tmp_path / "other")) != key


def test_a_key_that_was_cut_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "sticky.key").write_bytes(b"short")
    key = sticky_key(str(tmp_path))
    assert len(key) == 32
    assert sticky_key(str(tmp_path)) == key


def test_of_two_processes_that_start_at_once_both_have_the_same_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def too_late(aside: str, path: str) -> None:
        Path(path).write_bytes(b"k" * 32)
        link(aside, path)

    monkeypatch.setattr(affinity.os, "link", too_late)
    assert sticky_key(str(tmp_path)) == b"k" * 32
    assert os.listdir(tmp_path) == ["sticky.key"]


def test_where_the_key_cannot_be_kept_the_site_starts_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    with log_lines() as lines:
        key = sticky_key(str(tmp_path / "file"))
    assert len(key) == 32
    (line,) = lines
    assert "Not a directory; after a restart the clients of sticky pools are bound anew" in line
